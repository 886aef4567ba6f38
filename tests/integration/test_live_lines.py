"""A line that reads what it missed while other nodes commit and tell: it reads again, and does not give up too soon."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from server.domain.errors import UnavailableError
from server.domain.events import Event
from server.services.feed import Missed
from server.transport.live import gateway as gateways
from server.transport.live import line as lines
from server.transport.live.doors import Doors
from server.transport.live.frames import Framing, frame
from server.transport.live.gateway import Gateway
from server.transport.live.line import Line

ACCOUNT = b"a" * 32


class Wire:
    """A transport whose peer reads at once."""

    def __init__(self):
        self.written = b""

    def write(self, data):
        self.written += data

    def is_closing(self):
        return False

    def get_write_buffer_size(self):
        return 0


async def begun(*answers):
    """Begin a line behind position 1 to whose reads these are the answers; each time another node tells of position 2."""
    waiting, wire = list(answers), Wire()

    async def feed(_since, _limit):
        line.grown(2)  # committed after this read has looked
        answer = waiting.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    line = Line(SimpleNamespace(account=ACCOUNT), wire, Framing.LEAN, feed, 1)
    await line.begin()
    assert waiting == []
    return wire.written


async def test_what_was_told_of_during_a_read_is_pushed_and_not_called_behind():
    entry = SimpleNamespace(position=2, event=Event(b"c" * 32, 2, "envelope", 0, ACCOUNT, 1))
    written = await begun(Missed([], 1, 1), Missed([entry], 1, 2))
    assert b'"t":"event","position":2' in written
    assert b"behind" not in written


async def test_what_was_told_of_and_is_not_there_ends_the_reading():
    assert await begun(Missed([], 1, 1), Missed([], 1, 1)) == frame(b'{"t":"behind","last":2}')


@pytest.mark.parametrize("away", [1, 3])
async def test_a_store_that_was_away_during_a_read_is_asked_again(monkeypatch: pytest.MonkeyPatch, away: int):
    """Nothing else would move this line: it says that it is reading, and is offered nothing meanwhile."""
    monkeypatch.setattr(lines, "AGAIN", 0)
    entry = SimpleNamespace(position=2, event=Event(b"c" * 32, 2, "envelope", 0, ACCOUNT, 1))
    written = await begun(*[UnavailableError("away")] * away, Missed([entry], 1, 2))
    assert b'"t":"event","position":2' in written


async def test_what_was_acknowledged_while_the_store_was_away_is_stored_when_it_is_back(
    monkeypatch: pytest.MonkeyPatch,
):
    """A device that is level says nothing more, and its authors would not hear that their letter has arrived."""
    monkeypatch.setattr(gateways, "GATHER", 0)
    monkeypatch.setattr(gateways, "AGAIN", 0)
    answers, stored = [UnavailableError("away"), UnavailableError("away")], asyncio.get_running_loop().create_future()

    class Feed:
        async def acknowledge_all(self, positions):
            if answers:
                raise answers.pop()
            stored.set_result(positions)

    gateway = Gateway(Feed(), Doors(1, 1))
    who = SimpleNamespace(account=ACCOUNT)
    gateway.acknowledge(Line(who, Wire(), Framing.LEAN, None, 1), 7)
    assert await asyncio.wait_for(stored, 5) == {ACCOUNT: 7}
