"""PostgreSQL as this server opens it: a connection a thread, nothing acknowledged before it is synced.

Intents and queries are plain functions, so a connection is used without ``await``: each has an event loop of its own
that runs while a statement is under way. Statements arrive in the portable form of ``rows`` and are translated once.
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import asyncpg
import uvloop
from sqlalchemy import LargeBinary, Text

from server.storage.engine import Row
from server.storage.faults import Fault
from server.storage.tables import metadata

T = TypeVar("T")

FLOOR: Final = 150_000
"""``server_version_num`` of the oldest PostgreSQL that the tests run on."""

_SESSION: Final = {
    "application_name": "pli",
    "synchronous_commit": "on",
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",  # a node that stops inside a transaction lets the others go on
}
_CONNECT: Final = 3  # seconds
_ANSWER: Final = 12  # seconds for one statement, a little more than the server's own limit
_PAUSE: Final = 0.5  # seconds after a failed attempt in which no other is made

_INSERT: Final = re.compile(r"INSERT INTO (\w+) \(([^)]*)\) VALUES \([?, ]+\)(.*)", re.DOTALL)
_UPDATE: Final = re.compile(r"UPDATE (\w+) SET (.+?) WHERE (.+)", re.DOTALL)
_TERM: Final = re.compile(r"(\w+) ([=<>]+) \?")
LOST: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,  # the server ends, restarts, or a statement took too long
    asyncpg.InsufficientResourcesError,
    asyncpg.LockNotAvailableError,
    asyncpg.TransactionRollbackError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)


class RefusedDatabaseError(RuntimeError):
    """A PostgreSQL that would lose what is acknowledged, or that is too old. The text is for the operator."""


@dataclass(slots=True)
class Result:
    """What a statement gave: rows, or how many it touched."""

    rows: list[Row] = field(default_factory=list)
    rowcount: int = 0

    def fetchone(self) -> Row | None:
        """Return the first row, or none."""
        return self.rows[0] if self.rows else None

    def fetchall(self) -> list[Row]:
        """Return every row."""
        return self.rows


class PostgresConnection:
    """One connection, opened when it is first used and again after it was lost. It belongs to one thread."""

    def __init__(self, url: str, *, read_only: bool = False) -> None:
        self._url = url
        self._settings = _SESSION | ({"default_transaction_read_only": "on"} if read_only else {})
        self._loop = uvloop.new_event_loop()
        self._connection: asyncpg.Connection | None = None
        self._failed_at = -_PAUSE

    def open(self) -> None:
        """Connect if there is no connection.

        Raises:
            OSError, asyncpg.PostgresError: nobody answers, or it refuses.

        """
        if self._connection is not None and not self._connection.is_closed():
            return
        if time.monotonic() - self._failed_at < _PAUSE:
            raise ConnectionRefusedError("the database did not answer a moment ago")
        try:
            self._connection = self._run(
                asyncpg.connect(
                    self._url,
                    timeout=_CONNECT,
                    command_timeout=_ANSWER,
                    server_settings=self._settings,
                    statement_cache_size=512,
                )
            )
        except BaseException:
            self._failed_at = time.monotonic()
            raise

    @property
    def in_transaction(self) -> bool:
        """Whether there is something to roll back."""
        connection = self._connection
        return connection is not None and not connection.is_closed() and connection.is_in_transaction()

    def execute(self, sql: str, parameters: Any = (), /) -> Result:
        """Run one statement."""
        connection, own = self._opened(), portable(sql)
        if own.startswith(("SELECT", "WITH")) or "RETURNING" in own:
            rows = self._run(connection.fetch(own, *parameters))
            return Result(rows, len(rows))
        status: str = self._run(connection.execute(own, *parameters))
        count = status.rpartition(" ")[2]
        return Result(rowcount=int(count) if count.isdigit() else 0)

    def script(self, sql: str) -> None:
        """Run several statements without values in one round trip."""
        self._run(self._opened().execute(sql))

    def executemany(self, sql: str, parameters: Any, /) -> Result:
        """Run a change for many rows as one statement. No two rows may touch the same row of the table."""
        rows = list(parameters)
        if rows:
            self._run(self._opened().execute(bulk(sql), *zip(*rows, strict=True)))
        return Result(rowcount=len(rows))

    def drop(self) -> None:
        """Give the connection up without asking the server: whatever was under way is not committed by us."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    def close(self) -> None:
        """Close the connection and its loop."""
        if self._connection is not None and not self._connection.is_closed():
            try:
                self._run(self._connection.close(timeout=2))
            except LOST:
                self._connection.terminate()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _opened(self) -> asyncpg.Connection:
        self.open()
        assert self._connection is not None
        return self._connection

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)


def fault(exc: BaseException) -> Fault:
    """Say what a failure of the writer's transaction means."""
    if isinstance(exc, asyncpg.DiskFullError):
        return Fault.FULL
    if isinstance(exc, LOST):
        return Fault.LOST
    return Fault.REFUSED if isinstance(exc, asyncpg.PostgresError) else Fault.INTENT


def check(connection: PostgresConnection) -> None:
    """Refuse a server that acknowledges before it syncs.

    Raises:
        RefusedDatabaseError.

    """
    names = ("server_version_num", "fsync", "full_page_writes", "synchronous_commit", "server_encoding")
    found = {name: connection.execute(f"SELECT current_setting('{name}')").rows[0][0] for name in names}
    if int(found["server_version_num"]) < FLOOR:
        raise RefusedDatabaseError("PostgreSQL 15 or newer is needed")
    wanted = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on", "server_encoding": "UTF8"}
    for name, value in wanted.items():
        if found[name] != value:
            raise RefusedDatabaseError(f"PostgreSQL runs with {name}={found[name]}: it must be {value}")


@functools.lru_cache(4096)
def portable(sql: str) -> str:
    """Turn the marks ``?`` of portable SQL into PostgreSQL's ``$1, $2, …``."""
    first, *rest = sql.split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))


@functools.lru_cache(256)
def bulk(sql: str, first: int = 1) -> str:
    """Turn a change of one row into one statement for many: an array for each of its marks, from ``$first`` on."""
    if found := _INSERT.fullmatch(sql):
        table, names, rest = found.groups()
        arrays = _arrays(table, [name.strip() for name in names.split(",")], first)
        return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({arrays}){rest}"  # noqa: S608
    found = _UPDATE.fullmatch(sql)
    if found is None:
        raise ValueError("neither INSERT … VALUES nor UPDATE … SET … WHERE")
    table, changes, conditions = found.groups()
    changed = [term[1] for term in _TERM.finditer(changes)]
    asked = [(term[1], term[2]) for term in _TERM.finditer(conditions)]
    arrays = _arrays(table, [*changed, *(name for name, _ in asked)], first)
    columns = ", ".join(f"c{number}" for number in range(len(changed) + len(asked)))
    values = ", ".join(f"{name} = v.c{number}" for number, name in enumerate(changed))
    where = " AND ".join(f"t.{name} {how} v.c{number}" for number, (name, how) in enumerate(asked, len(changed)))
    return f"UPDATE {table} t SET {values} FROM unnest({arrays}) AS v({columns}) WHERE {where}"  # noqa: S608


def _arrays(table: str, names: list[str], first: int) -> str:
    kinds = [metadata.tables[table].c[name].type for name in names]
    return ", ".join(f"${number}::{_kind(kind)}[]" for number, kind in enumerate(kinds, first))


def _kind(kind: object) -> str:
    if isinstance(kind, LargeBinary):
        return "bytea"
    return "text" if isinstance(kind, Text) else "bigint"
