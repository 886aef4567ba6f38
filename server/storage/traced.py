"""A store whose writes and reads are steps of the trace of a request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from server.services.ports import Ahead, Store, Transaction
from server.traces import Tracer

T = TypeVar("T")


class TracedStore:
    """Another store, traced from outside: ``commit`` takes as long as its caller waits for the batch."""

    def __init__(self, store: Store, tracer: Tracer) -> None:
        self._store = store
        self._tracer = tracer

    async def write(self, intent: Callable[[Transaction], T], *, ahead: Ahead | None = None) -> T:
        """Run ``intent`` in a transaction; return its result after the commit."""
        with self._tracer.step("commit"):
            return await self._store.write(intent, ahead=ahead)

    def submit(
        self,
        intent: Callable[[Transaction], T],
        done: Callable[[T | None, BaseException | None], None],
        *,
        ahead: Ahead | None = None,
    ) -> None:
        """Do the same without a task: no request waits for it, so there is nothing to trace."""
        self._store.submit(intent, done, ahead=ahead)

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a short query on a snapshot."""
        with self._tracer.step("query"):
            return await self._store.read(query)
