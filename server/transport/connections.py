"""How many connections may be open: in all, and from one address. Those that wait for nothing make room first.

A connection that has become a live socket is counted by its doors (``live.doors``), by whom a proxy says it comes from,
and here no longer. What a trusted proxy opens is counted in all only: behind its address is everybody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aiohttp import web

from server import metrics
from server.settings import Network
from server.transport.address import counted

ROOM: Final = 20
"""Of so many connections one is let go at once when there is no room: to look at all of them for each would be dear."""


class Connection(Protocol):
    """What is counted."""

    @property
    def idle_since(self) -> float | None:
        """Since when no request has been under way on it, by whatever clock; none: one is."""

    def let_go(self) -> None:
        """End it."""


@dataclass(slots=True)
class Connections:
    """Counts who is connected to this process."""

    total: int
    each: int
    """Connections from one address: a practice, a household, or a proxy that is not trusted."""
    trusted: tuple[Network, ...] = ()
    _open: dict[Connection, str | None] = field(default_factory=dict)
    _from: Counter[str] = field(default_factory=Counter)

    def enter(self, connection: Connection, peer: Any) -> bool:
        """Count one more, from a peer as the socket names it; False: there is no room, even with the idle ones gone."""
        address = counted(peer[0] if isinstance(peer, tuple) else "", self.trusted)
        if address is not None and self._from[address] >= self.each:
            self._make_room(each for each, other in self._open.items() if other == address)
        if len(self._open) >= self.total:
            self._make_room(self._open)
        if len(self._open) >= self.total or (address is not None and self._from[address] >= self.each):
            metrics.CONNECTIONS.add("refused")
            return False
        self._open[connection] = address
        if address is not None:
            self._from[address] += 1
        return True

    def leave(self, connection: Connection) -> None:
        """Count one less: it has ended, or it is a live socket now. May be said twice."""
        address = self._open.pop(connection, None)
        if address is not None:
            self._from[address] -= 1
            if not self._from[address]:
                del self._from[address]

    def __len__(self) -> int:
        """Return how many are open."""
        return len(self._open)

    def _make_room(self, among: Iterable[Connection]) -> None:
        """Let those go that have been idle for the longest time."""
        found = list(among)
        idle = [(since, number) for number, each in enumerate(found) if (since := each.idle_since) is not None]
        for _, number in sorted(idle)[: 1 + len(found) // ROOM]:
            self.leave(found[number])
            found[number].let_go()
            metrics.CONNECTIONS.add("let_go")


CONNECTIONS: Final = web.AppKey("connections", Connections)
