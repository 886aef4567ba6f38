"""The store of several nodes on one PostgreSQL: a writer's thread with its connection, a few readers with theirs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

from typing_extensions import override

from server import telemetry
from server.domain.errors import UnavailableError
from server.services.ports import Transaction
from server.storage import postgres
from server.storage.committer import Committer
from server.storage.faults import Fault
from server.storage.postgres import PostgresConnection
from server.storage.postgres_unit import PostgresUnit, PostgresView
from server.storage.store import Store
from server.storage.unit_of_work import View

T = TypeVar("T")

READERS: Final = 4  # threads, each with a connection


class PostgresStore(Store):
    """Everything that is kept, behind ``services.ports.Store``.

    Reads run in threads of their own: a point read takes a round trip, and a server that does not answer must not hold
    the event loop.
    """

    def __init__(self, url: str, announce: Callable[[list[Any]], None]) -> None:
        super().__init__(Committer(lambda: PostgresUnit(PostgresConnection(url)), announce))
        self._url = url
        self._readers: ThreadPoolExecutor | None = None
        self._own = threading.local()
        self._opened: list[PostgresConnection] = []

    @override
    async def start(self) -> None:
        """Check the server and start the writer.

        Raises:
            RefusedDatabaseError: it acknowledges before it syncs, or is too old.

        """
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="pli-reader")
        await asyncio.get_running_loop().run_in_executor(self._readers, self._check)
        await super().start()

    def _check(self) -> None:
        connection = PostgresConnection(self._url)
        try:
            postgres.check(connection)
        finally:
            connection.close()

    @override
    async def stop(self) -> None:
        """Commit what is queued and close."""
        await super().stop()
        if self._readers is not None:
            readers, self._readers = self._readers, None
            await asyncio.to_thread(readers.shutdown)
            for connection in self._opened:
                await asyncio.to_thread(connection.close)
            self._opened.clear()

    @override
    async def read(self, query: Callable[[Transaction], T]) -> T:
        """Run a short query; each of its statements sees what is committed then."""
        if self._readers is None:
            raise UnavailableError("the store is not open")
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._read, query)

    def _read(self, query: Callable[[Transaction], T]) -> T:
        """Ask on this thread's connection, once more on a new one if the first turns out to be dead."""
        try:
            return self._ask(query)
        except UnavailableError:
            return self._ask(query)

    def _ask(self, query: Callable[[Transaction], T]) -> T:
        connection, view = self._view()
        try:
            return query(view)
        except Exception as exc:
            if postgres.fault(exc) is not Fault.LOST:
                raise
            telemetry.warning("database_lost", exc_type=type(exc).__name__)
            connection.drop()
            raise UnavailableError("the database does not answer") from None

    def _view(self) -> tuple[PostgresConnection, View]:
        if not hasattr(self._own, "view"):
            connection = PostgresConnection(self._url, read_only=True)
            self._opened.append(connection)
            self._own.connection, self._own.view = connection, PostgresView(connection)
        return self._own.connection, self._own.view
