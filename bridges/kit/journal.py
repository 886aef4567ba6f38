"""The own access journal, followed from entry to entry and pinned. Source: docs/spec/api.md 8.1."""

from collections.abc import Iterable
from typing import Final

from bridges.kit import wire
from bridges.kit.device import Device
from crypto.errors import ProtocolError
from crypto.journal import Entry, Head, follow

PINNED: Final = "journal"
_POSITION: Final = 8  # bytes of a position in the pinned fact; the rest is the hash


async def read_journal(device: Device, newest: int) -> list[Entry]:
    """Give the ``newest`` entries, ascending, after checking everything since the last time.

    Raises:
        ProtocolError: alarms ``rollback`` and ``fork``; ``not_next``. RefusedError. UnreachableError.

    """
    known = _pinned(device)
    kept: list[Entry] = []
    after = known.position if known else 0
    while True:
        page = await device.api.journal(after=after)
        entries = _entries(page.entries)
        known = _followed(device.id, known, page, entries)
        kept = (kept + entries)[-newest:]
        after = known.position
        if after >= page.last:
            break
    if (known.position, known.hash) != (page.last, bytes(page.head)):
        raise ProtocolError("rollback" if page.last < known.position else "fork", "the journal has another past")
    device.store.learn(PINNED, known.position.to_bytes(_POSITION) + known.hash)
    return await _older(device, kept, newest, page.first)


def _followed(account: bytes, known: Head | None, page: wire.JournalPage, entries: list[Entry]) -> Head:
    """Follow a page; what retention has removed meanwhile is named by the first entry that is kept."""
    if known is None or known.position < page.first - 1:
        known = Head(page.first - 1, entries[0].previous) if entries else Head(page.last, bytes(page.head))
    if page.last < known.position:
        raise ProtocolError("rollback", "the journal has lost its end")
    if not entries and page.last > known.position:
        raise ProtocolError("not_next", "an entry of the journal is missing")
    return follow(account, known, entries)


async def _older(device: Device, kept: list[Entry], newest: int, first: int) -> list[Entry]:
    """Add entries of before the last time, until there are enough; they must lead to what is known."""
    pinned = _pinned(device) or Head()
    start = max(first, pinned.position - newest + 1)
    if kept and kept[0].position <= start:
        return kept
    found: list[Entry] = []
    while (found[-1].position if found else start - 1) < pinned.position:
        page = await device.api.journal(after=found[-1].position if found else start - 1)
        if not page.entries:
            raise ProtocolError("not_next", "an entry of the journal is missing")
        found += [entry for entry in _entries(page.entries) if entry.position <= pinned.position]
    if found and follow(device.id, Head(start - 1, found[0].previous), found) != pinned:
        raise ProtocolError("fork", "the journal has another past")
    return found


def _pinned(device: Device) -> Head | None:
    kept = device.store.fact(PINNED)
    return Head(int.from_bytes(kept[:_POSITION]), kept[_POSITION:]) if kept else None


def _entries(entries: Iterable[wire.JournalEntry]) -> list[Entry]:
    return [
        Entry(
            position=each.position,
            kind=each.kind,
            at=each.at,
            who=bytes(each.who),
            conversation=bytes(each.conversation),
            attachment=None if each.attachment is None else bytes(each.attachment),
            previous=bytes(each.previous),
        )
        for each in entries
    ]
