"""A store that tells ``server.metrics`` how long its writes take and how many wait."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import TypeVar

from server import metrics
from server.services.ports import Ahead, Store, Transaction

T = TypeVar("T")


class MeasuredStore:
    """Another store, measured from outside: what a caller waits for is what counts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def write(self, intent: Callable[[Transaction], T], *, ahead: Ahead | None = None) -> T:
        """Run ``intent`` in a transaction; return its result after the commit."""
        began = perf_counter()
        metrics.WAITING.value += 1
        try:
            return await self._store.write(intent, ahead=ahead)
        finally:
            self._answered(began)

    def submit(
        self,
        intent: Callable[[Transaction], T],
        done: Callable[[T | None, BaseException | None], None],
        *,
        ahead: Ahead | None = None,
    ) -> None:
        """Do the same without a task."""
        began = perf_counter()
        metrics.WAITING.value += 1

        def measured(result: T | None, error: BaseException | None) -> None:
            self._answered(began)
            done(result, error)

        self._store.submit(intent, measured, ahead=ahead)

    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a short query on a snapshot."""
        return await self._store.read(query)

    def _answered(self, began: float) -> None:
        metrics.WAITING.value -= 1
        metrics.WRITES.observe(perf_counter() - began)
