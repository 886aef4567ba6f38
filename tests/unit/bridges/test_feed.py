"""A device whose feed no longer has what it has missed reads its conversations anew, and goes on from the end."""

from types import SimpleNamespace

import pytest

from bridges.kit import wire
from bridges.kit.feed import Feed

SPOKEN, SILENT = b"s" * 32, b"q" * 32


class House:
    """A server with entries from ``first`` on, all about one of two conversations, and what a device does with it."""

    def __init__(self, first: int, last: int) -> None:
        self.first, self.last, self.facts, self.synced, self.acknowledged = first, last, {}, [], []
        self.store = SimpleNamespace(fact=self.facts.get, learn=self.facts.__setitem__)
        self.api = self
        self.device = self

    async def feed(self, after: int) -> wire.FeedPage:
        event = wire.Event(seq=1, type="left", at=0)
        told = range(max(after + 1, self.first), self.last + 1)
        entries = [wire.FeedEntry(position, wire.B64(SPOKEN), event) for position in told][:2]
        return wire.FeedPage(entries, entries[-1].position if entries else after, self.last, self.first)

    async def conversations(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(conversation=each) for each in (SPOKEN, SILENT)]

    async def acknowledge(self, position: int) -> None:
        self.acknowledged.append(position)

    async def sync(self, conversation: bytes) -> None:
        self.synced.append(conversation)


@pytest.mark.parametrize(
    ("known", "first", "synced"),
    [
        pytest.param(4, 1, [SPOKEN], id="everything is there"),
        pytest.param(4, 5, [SPOKEN], id="it begins where the device is"),
        pytest.param(4, 6, [SPOKEN, SILENT], id="one entry is missing"),
        pytest.param(0, 6, [SPOKEN, SILENT], id="a new device"),
        pytest.param(9, 6, [], id="nothing is new"),
    ],
)
async def test_what_is_read(known: int, first: int, synced: list[bytes]) -> None:
    house = House(first, 9)
    house.facts["feed_position"] = str(known).encode()
    feed = Feed(house, house)  # type: ignore[arg-type]
    await feed.drain()
    assert house.synced == synced
    assert feed.position == 9
    assert house.acknowledged == ([9] if known < 9 else [])
