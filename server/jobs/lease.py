"""One node at a time: a job belongs to whoever holds its row, for a minute, longer with every write.

A node that is killed holds it no longer than that. A node that was only paused finds out by its next write: in the same
transaction the row must still carry the token that it was given, so two nodes never work on one job at once, whatever
their clocks say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from server.clock import Clock
from server.services.ports import Store, Transaction

LEASE: Final = 60_000  # milliseconds

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to run one job, as long as every write finds it so."""

    store: Store
    clock: Clock
    name: str
    token: int

    async def write(self, intent: Callable[[Transaction], T]) -> T:
        """Run ``intent`` if the lease still holds, and hold it for another minute.

        Raises:
            LeaseLostError: another node has the job; nothing was written.

        """
        until = self.clock.now() + LEASE

        def guarded(tx: Transaction) -> T:
            tx.jobs.hold(self.name, self.token, until=until)
            return intent(tx)

        return await self.store.write(guarded)

    async def finish(self, removed: int | None) -> None:
        """Give it back: done, with how many things were removed, or (none) failed."""
        done = None if removed is None else self.clock.now()
        await self.store.write(lambda tx: tx.jobs.finish(self.name, self.token, done=done, removed=removed or 0))


async def take(store: Store, clock: Clock, name: str, holder: bytes, *, every: int) -> Lease | None:
    """Take a job that has not begun for ``every`` milliseconds and that no other node has."""
    now = clock.now()
    token = await store.write(lambda tx: tx.jobs.take(name, holder, now=now, lease=LEASE, every=every))
    return None if token is None else Lease(store, clock, name, token)
