"""What every bus promises to the listeners here and, where there are other nodes, to theirs."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from server import telemetry
from server.bus import hints
from server.bus.hints import BEAT, CHANGED, ENDED, GROWN, LOST, MARK, number
from server.bus.memory import MemoryBus
from server.bus.redis import POLL, RedisBus
from server.domain.events import Announcement, Event, Mark
from tests.fakes.services import Redis, of

ALICE, BOB, CARE = b"a" * 32, b"b" * 32, b"c" * 32
PATIENCE = 10  # seconds


class Ear:
    """A listener that keeps what it hears."""

    def __init__(self, followed=(), served=()):
        self.heard = []
        self._followed, self._served = set(followed), set(served)

    def on_events(self, announcements):
        for each in announcements:
            self.heard += [("event", account, position) for account, position in each.positions]

    def on_marks(self, marks):
        self.heard += [("mark", *mark.tell, mark.conversation, mark.account, mark.seq) for mark in marks]

    def on_sessions_ended(self, sessions):
        self.heard += [("ended", session) for session in sessions]

    @property
    def hinted(self):
        """What was told, without that all may have changed: a node asks the store once when another has begun."""
        return [heard for heard in self.heard if heard != ("changed", None)]

    def on_grown(self, account, position):
        self.heard.append(("grown", account, position))

    def on_changed(self, account):
        self.heard.append(("changed", account))

    def followed(self):
        return self._followed

    def served(self):
        return self._served


async def nothing(_accounts, _sessions):
    return {}, set(_sessions)


async def until(true, what):
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.01)


@pytest.fixture(params=["memory", "redis"])
async def bus(request):
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    made = MemoryBus() if request.param == "memory" else RedisBus(of(Redis).url, nothing)
    await made.start()
    yield made
    await made.stop()


def announcement(*positions):
    return Announcement(Event(CARE, 1, "envelope", 0, ALICE, 1), list(positions))


async def test_listeners_here_are_told_at_once_and_in_order(bus):
    ears = [Ear(), Ear()]
    for ear in ears:
        bus.listen(ear)
    bus.announce([announcement((ALICE, 1), (BOB, 7)), announcement((ALICE, 2))])
    bus.mark([Mark(CARE, BOB, 5, (ALICE,))])
    bus.end_sessions([b"s" * 16])
    bus.change(ALICE)
    for ear in ears:
        assert ear.heard == [
            ("event", ALICE, 1),
            ("event", BOB, 7),
            ("event", ALICE, 2),
            ("mark", ALICE, CARE, BOB, 5),
            ("ended", b"s" * 16),
            ("changed", ALICE),
        ]


@pytest.fixture
async def two():
    """Two nodes on one Redis, both hearing it."""
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    url = of(Redis).url
    asked = []

    async def ask(accounts, sessions):
        asked.append((sorted(accounts), sorted(sessions)))
        return dict.fromkeys(accounts, 99), {each for each in sessions if each != b"g" * 16}

    buses = RedisBus(url, nothing), RedisBus(url, ask)
    for bus in buses:
        await bus.start()
    await until(lambda: not any(bus.silent for bus in buses), "hearing the heartbeat")
    yield (*buses, asked)
    for bus in buses:
        await bus.stop()


async def test_another_node_hears_what_it_needs_and_no_content(two):
    here, there, _ = two
    ear = Ear()
    there.listen(ear)
    here.announce([announcement((ALICE, 1)), announcement((ALICE, 2), (BOB, 7))])
    here.mark([Mark(CARE, BOB, 5, (ALICE, BOB))])
    here.end_sessions([bytes([n]) * 16 for n in range(30)])
    here.change(ALICE)
    await until(lambda: len(ear.hinted) == 2 + 2 + 30 + 1, ear.heard)
    assert set(ear.hinted) == {
        ("grown", ALICE, 2),
        ("grown", BOB, 7),
        ("mark", ALICE, CARE, BOB, 5),
        ("mark", BOB, CARE, BOB, 5),
        ("changed", ALICE),
        *(("ended", bytes([n]) * 16) for n in range(30)),
    }


async def test_without_hints_the_store_is_asked(two):
    _, there, asked = two
    ear = Ear(followed=[ALICE], served=[b"s" * 16, b"g" * 16])
    there.listen(ear)
    await there.poll()
    assert asked[-1] == ([ALICE], [b"g" * 16, b"s" * 16])
    assert ear.heard == [("changed", None), ("grown", ALICE, 99), ("ended", b"g" * 16)]


async def test_a_node_that_begins_makes_the_others_ask(two):
    """The process before it may have died between a commit and its hint."""
    _, there, asked = two
    await asyncio.sleep(2 * POLL)  # what was asked for in the beginning has been asked
    there.listen(Ear(followed=[BOB]))
    assert asked == []
    third = RedisBus(of(Redis).url, nothing)
    await third.start()
    await until(lambda: asked, "asking")
    assert asked == [([BOB], [])]
    await third.stop()


async def test_a_node_that_begins_to_hear_asks_for_what_went_by():
    """What others tell after its lines have read and before it is subscribed reaches nobody here."""
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    asked = []

    async def ask(accounts, _):
        asked.append(accounts)
        return {}, set()

    bus = RedisBus(of(Redis).url, ask)
    bus.listen(Ear(followed=[BOB]))
    await bus.start()
    await until(lambda: not bus.silent, "hearing the heartbeat")
    asked.clear()
    await until(lambda: asked, "asking")  # long before the question of every half minute
    await bus.stop()


async def test_messages_are_small_and_come_back_as_they_were():
    node = os.urandom(hints.NODE)
    for kind, record in (
        (GROWN, (ALICE, number(2**40))),
        (MARK, (ALICE, CARE, BOB, number(3))),
        (ENDED, (b"s" * 16,)),
        (CHANGED, (BOB,)),
    ):
        messages = list(hints.pack(node, kind, [record] * 20))
        assert all(len(message) <= 200 for message in messages)
        assert [each for message in messages for each in hints.unpack(message)[2]] == [record] * 20
        assert {hints.unpack(message)[:2] for message in messages} == {(node, kind)}
    for kind in (BEAT, LOST):
        assert hints.unpack(*hints.pack(node, kind, ())) == (node, kind, [])


@pytest.mark.parametrize(
    "message", [b"", b"x", b"n" * 8, b"n" * 8 + b"?", b"n" * 8 + b"g" + b"x" * 37, b"n" * 8 + b"hx"]
)
def test_anything_else_is_no_hint(message):
    with pytest.raises(ValueError):
        hints.unpack(message)


async def test_what_is_no_hint_is_passed_over(two):
    here, there, _ = two
    ear = Ear()
    there.listen(ear)
    for shard in range(16):
        await here._redis.execute_command("SPUBLISH", b"pli:%d" % shard, b"\x80\x04]\x94.")
    here.change(BOB)
    await until(lambda: ear.hinted == [("changed", BOB)], ear.heard)
