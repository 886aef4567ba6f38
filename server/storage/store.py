"""What every store has, and the store of a data folder on SQLite: one writer, one reader on the loop's thread."""

from __future__ import annotations

import abc
import asyncio
import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import override

from server.domain.errors import StorageFullError, UnavailableError
from server.services.ports import Ahead, Transaction
from server.storage import engine
from server.storage.committer import Committer, Counts
from server.storage.unit_of_work import UnitOfWork, View

T = TypeVar("T")


class Store(abc.ABC):
    """Everything that is kept, behind ``services.ports.Store``: writes go through a committer."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    async def start(self) -> None:
        """Open the connections and start the writer."""
        self._committer.start()

    async def stop(self) -> None:
        """Commit what is queued and close."""
        await self._committer.stop()

    @property
    def counts(self) -> Counts:
        """How many intents and commits there were."""
        return self._committer.counts

    @property
    def full_at(self) -> float | None:
        """When (monotonic) there was last no room, if nothing was written since."""
        return self._committer.full_at

    async def ready(self) -> bool:
        """Tell whether reads and writes work. No room is another matter (``room``): what is there is read."""
        if self._committer.broken:
            return False
        try:
            async with asyncio.timeout(2):
                with contextlib.suppress(StorageFullError):
                    await self.write(lambda _: None)
                await self.read(lambda _: None)
        except (UnavailableError, TimeoutError):
            return False
        return True

    async def write(self, intent: Callable[[Transaction], T], *, ahead: Ahead | None = None) -> T:
        """Run ``intent`` in a transaction; return its result after the commit."""
        return await self._committer.write(intent, ahead=ahead)

    def submit(
        self,
        intent: Callable[[Transaction], T],
        done: Callable[[T | None, BaseException | None], None],
        *,
        ahead: Ahead | None = None,
    ) -> None:
        """Do the same without a task."""
        self._committer.submit(intent, done, ahead=ahead)

    @abc.abstractmethod
    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a short query on a snapshot."""


class SqliteStore(Store):
    """Reads run on the loop's own thread: a point read takes 20 to 200 us, less than handing it to another thread.

    In WAL mode it never waits for the writer.
    """

    def __init__(self, database: Path, announce: Callable[[list[Any]], None]) -> None:
        super().__init__(Committer(lambda: UnitOfWork(engine.writer(database)), announce))
        self._database = database
        self._view: View | None = None

    @override
    async def start(self) -> None:
        """Open the connections and start the writer."""
        await super().start()
        self._view = View(engine.reader(self._database))

    @override
    async def stop(self) -> None:
        """Commit what is queued and close."""
        if self._view is not None:
            self._view.close()
            self._view = None
        await super().stop()

    @override
    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a short query on a snapshot."""
        if self._view is None:
            raise UnavailableError("the store is not open")
        return query(self._view)
