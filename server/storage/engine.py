"""SQLite as this server opens it: one writer, many readers, nothing acknowledged before it is synced."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Protocol

import pysqlite3.dbapi2 as sqlite
from sqlalchemy import Engine, create_engine

from server.storage.faults import Fault

_FULL: Final = frozenset({13, 4874})  # SQLITE_FULL, SQLITE_IOERR_SHMSIZE
_DISK: Final = frozenset({10, 11, 26})  # IOERR, CORRUPT, NOTADB: primary codes

# The driver asks every ``bytes`` and ``None`` that is bound how it wants to be stored, and each makes and drops two
# exceptions before it is stored as it is: 4 us a value, a tenth of a message's price. So there is an answer.
sqlite.register_adapter(bytes, bytes)
sqlite.register_adapter(type(None), lambda nothing: nothing)

FLOOR: Final = (3, 51, 3)
"""Older SQLites lose data when two connections checkpoint at once (the "WAL-reset" race)."""

Row = tuple[Any, ...]


class Cursor(Protocol):
    """The part of a DB-API cursor that is used here."""

    rowcount: int

    def fetchone(self) -> Row | None: ...
    def fetchall(self) -> list[Row]: ...


class Connection(Protocol):
    """The part of the driver's connection that is used here."""

    def execute(self, sql: str, parameters: Any = ..., /) -> Cursor: ...
    def executemany(self, sql: str, parameters: Any, /) -> Cursor: ...
    def close(self) -> None: ...


def check_version() -> None:
    """Refuse to run on a SQLite with the WAL-reset bug.

    Raises:
        RuntimeError: the driver links a SQLite older than ``FLOOR``.

    """
    if sqlite.sqlite_version_info < FLOOR:
        raise RuntimeError(f"SQLite {sqlite.sqlite_version} is too old: {'.'.join(map(str, FLOOR))} or newer is needed")


def writer(database: Path) -> Connection:
    """Open the one connection that writes. ``FULL``: a commit returns when it is on the disk."""
    check_version()
    connection: Connection = sqlite.connect(
        database, isolation_level=None, check_same_thread=False, cached_statements=512
    )
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "busy_timeout=5000",
        "wal_autocheckpoint=8000",  # 32 MiB: a page that many messages change is copied into the database once for all
        "journal_size_limit=67108864",
        "cache_size=-16384",  # KiB; a commit that has split a page of an index looks at every page that is cached
    ):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def reader(database: Path) -> Connection:
    """Open a connection that cannot write and never checkpoints."""
    connection: Connection = sqlite.connect(
        f"file:{database}?mode=ro", uri=True, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    for pragma in ("query_only=ON", "busy_timeout=5000", "wal_autocheckpoint=0", "cache_size=-32768"):
        connection.execute(f"PRAGMA {pragma}").fetchall()
    return connection


def schema_engine(database: Path) -> Engine:
    """Return the SQLAlchemy engine that migrations use (and nothing else)."""
    check_version()
    return create_engine(f"sqlite+pysqlite:///{database}", module=sqlite)


def fault(exc: BaseException) -> Fault:
    """Say what a failure of the writer's transaction means."""
    if not isinstance(exc, sqlite.Error):
        return Fault.INTENT
    code = int(getattr(exc, "sqlite_errorcode", 0) or 0)
    if code not in _FULL and code & 0xFF in _DISK:
        return Fault.BROKEN
    return Fault.FULL if code in _FULL or "full" in str(exc) else Fault.REFUSED
