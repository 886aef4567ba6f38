"""Every live line of this process, by account: pushes what the bus tells, collects what is acknowledged.

One gateway, two framings: ``lean`` (a plain WebSocket) and ``socket_io``. Push is a hint with content; the log is the
truth, and a gap in positions shows a lost push. Source: docs/spec/api.md 8.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Final

from server.domain.errors import DomainError, UnavailableError
from server.domain.events import Announcement, Mark
from server.domain.ids import AccountId, SessionId
from server.domain.session import Principal
from server.services.feed import FeedService
from server.transport import wire
from server.transport.live.doors import Doors
from server.transport.live.frames import Framing, Told, members
from server.transport.live.line import AGAIN, Line, Transport

GATHER: Final = 0.2  # seconds in which acknowledgements are gathered into one transaction


@dataclass(slots=True)
class Gateway:
    """Lines come and go; events, marks and ended sessions come from the bus."""

    feed: FeedService
    doors: Doors
    _lines: dict[AccountId, set[Line]] = field(default_factory=dict)
    _closers: dict[Line, Callable[[str], None]] = field(default_factory=dict)
    _acked: dict[AccountId, int] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def open(
        self,
        principal: Principal,
        transport: Transport,
        framing: Framing,
        *,
        after: int,
        close: Callable[[str], None],
    ) -> Line:
        """Add a line; ``close(code)`` ends it in its own framing. Call ``Line.begin`` next."""
        account = principal.account
        line = Line(
            principal, transport, framing, lambda since, limit: self.feed.since(account, since, limit=limit), after
        )
        self._lines.setdefault(account, set()).add(line)
        self._closers[line] = close
        return line

    def shut(self, line: Line) -> None:
        """Forget a line that has ended."""
        lines = self._lines.get(line.principal.account, set())
        lines.discard(line)
        if not lines:
            self._lines.pop(line.principal.account, None)
        self._closers.pop(line, None)

    @property
    def lines(self) -> int:
        """How many lines are open."""
        return len(self._closers)

    @property
    def behind(self) -> int:
        """How many of them wait for their reader to catch up."""
        return sum(line.is_behind for line in self._closers)

    def acknowledge(self, line: Line, position: int) -> None:
        """Take a client's acknowledgement; what it means for others is stored a moment later, many at once."""
        account = line.principal.account
        if not self._acked:
            asyncio.get_running_loop().call_later(GATHER, self._store_acks)
        self._acked[account] = max(position, self._acked.get(account, 0))
        if line.acknowledge(position):
            self._run(line.resume())

    def _store_acks(self) -> None:
        acked, self._acked = self._acked, {}
        self._run(self._store(acked))

    async def _store(self, acked: dict[AccountId, int]) -> None:
        """Store acknowledgements, or keep them while the store is away: a device that is level says nothing more."""
        try:
            await self.feed.acknowledge_all(acked)
        except UnavailableError:
            if not self._acked:
                asyncio.get_running_loop().call_later(AGAIN, self._store_acks)
            for account, position in acked.items():
                self._acked[account] = max(position, self._acked.get(account, 0))

    def _run(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(_quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """End every line; the server stops."""
        for close in list(self._closers.values()):
            close("unavailable")
        if self._acked:
            self._store_acks()
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=2)

    # --- what the bus tells -----------------------------------------------------------------------------------------

    def on_events(self, announcements: list[Announcement]) -> None:
        """Push new events to the lines of each account they concern."""
        for announcement in announcements:
            told: Told | None = None
            for account, position in announcement.positions:
                lines = self._lines.get(account)
                if lines:
                    told = told or Told(announcement.event)
                    for line in lines:
                        if line.offer(position, told):
                            self._run(line.resume())

    def on_grown(self, account: AccountId, position: int) -> None:
        """Catch up the lines of an account whose feed has grown on another node."""
        for line in self._lines.get(account, ()):
            if line.grown(position):
                self._run(line.resume())

    def followed(self) -> set[AccountId]:
        """Return the accounts that have a line here."""
        return set(self._lines)

    def served(self) -> set[SessionId]:
        """Return the sessions that have a line here."""
        return {line.principal.session for line in self._closers}

    def on_changed(self, account: AccountId | None) -> None:
        """Nothing is remembered here."""

    def on_marks(self, marks: list[Mark]) -> None:
        """Tell the other members what has been delivered."""
        for mark in marks:
            listening = [line for account in mark.tell for line in self._lines.get(account, ())]
            if listening:
                said = members(wire.mark(mark))
                for line in listening:
                    line.hint("mark", said)

    def on_sessions_ended(self, sessions: list[SessionId]) -> None:
        """Close the lines of sessions that have ended, at once."""
        gone = set(sessions)
        for line, close in list(self._closers.items()):
            if line.principal.session in gone:
                close("unauthenticated")


async def _quietly(work: Coroutine[None, None, None]) -> None:
    """Run work that nobody waits for; a store that refuses is told elsewhere."""
    try:
        await work
    except DomainError:
        return
