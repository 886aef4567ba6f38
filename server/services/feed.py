"""What an account has missed, in order, and what has arrived on its devices. Source: docs/spec/api.md 8."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import NamedTuple

from server.domain.events import PAGE, Announcement, FeedEntry, Mark
from server.domain.ids import AccountId, SessionId
from server.domain.session import Principal
from server.services.ports import Bus, Store, Transaction


class Missed(NamedTuple):
    """Entries of a feed, and where it begins and ends."""

    entries: list[FeedEntry]
    first: int
    last: int


@dataclass(slots=True)
class FeedService:
    """Reads feeds, waits for them to grow, and takes acknowledgements."""

    store: Store
    bus: Bus
    _waiting: dict[AccountId, set[asyncio.Event]] = field(default_factory=dict)
    _ending: bool = False

    async def since(self, account: AccountId, after: int, *, limit: int, wait: float = 0) -> Missed:
        """Return entries after a position, and where the feed begins and ends; wait up to ``wait`` seconds for one."""
        grown = asyncio.Event()
        self._waiting.setdefault(account, set()).add(grown)
        try:
            until = asyncio.get_running_loop().time() + wait
            while True:
                grown.clear()  # before reading: what comes meanwhile wakes
                found = await self._read(account, after, limit)
                if found.entries or wait <= 0 or self._ending:
                    break
                try:  # what wakes may be late news of something before ``after``; then the wait goes on
                    async with asyncio.timeout_at(until):
                        await grown.wait()
                except TimeoutError:
                    break
            return found
        finally:
            waiting = self._waiting[account]
            waiting.discard(grown)
            if not waiting:
                del self._waiting[account]

    @property
    def waiting(self) -> int:
        """How many requests wait for their feed to grow."""
        return sum(map(len, self._waiting.values()))

    def end_waiting(self) -> None:
        """Answer everybody who waits; the server stops."""
        self._ending = True
        for waiting in self._waiting.values():
            for grown in waiting:
                grown.set()

    async def _read(self, account: AccountId, after: int, limit: int) -> Missed:
        def query(view: Transaction) -> Missed:
            found = view.log.feed(account, after, limit)
            to_the_end = 0 < len(found) < limit and sum(entry.event.carries for entry in found) < PAGE
            last = found[-1].position if to_the_end else view.log.last_position(account)
            return Missed(found, view.retention.first_position(account), last)  # after the entries: never too low

        return await self.store.read(query)

    async def acknowledge(self, principal: Principal, position: int) -> None:
        """Take note that everything up to ``position`` is on a device of the account, and tell the authors."""
        await self.acknowledge_all({principal.account: position})

    async def acknowledge_all(self, positions: dict[AccountId, int]) -> None:
        """Do the same for several accounts in one transaction."""
        self.bus.mark(await self.store.write(lambda tx: _deliver(tx, positions)))

    # --- what the bus tells -----------------------------------------------------------------------------------------

    def on_events(self, announcements: list[Announcement]) -> None:
        """Wake those who wait."""
        if not self._waiting:
            return
        for announcement in announcements:
            for account, _ in announcement.positions:
                for grown in self._waiting.get(account, ()):
                    grown.set()

    def on_grown(self, account: AccountId, position: int) -> None:
        """Wake those who wait for this feed: it has grown to ``position`` on another node."""
        if position:
            for grown in self._waiting.get(account, ()):
                grown.set()

    def followed(self) -> set[AccountId]:
        """Return whose feeds are waited for."""
        return set(self._waiting)

    def served(self) -> set[SessionId]:
        """A poll that has begun ends by itself."""
        return set()

    def on_changed(self, account: AccountId | None) -> None:
        """Nothing is remembered here."""

    def on_marks(self, marks: list[Mark]) -> None:
        """Nobody waits for marks here."""

    def on_sessions_ended(self, sessions: list[SessionId]) -> None:
        """A poll that has begun ends by itself."""


def _deliver(tx: Transaction, positions: dict[AccountId, int]) -> list[Mark]:
    return tx.conversations.deliver_all(positions)
