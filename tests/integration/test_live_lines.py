"""A line that reads what it missed while other nodes commit and tell: it reads again, and does not give up too soon."""

from __future__ import annotations

from types import SimpleNamespace

from server.domain.events import Event
from server.services.feed import Missed
from server.transport.live.frames import Framing, frame
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
        return waiting.pop(0)

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
