"""``pli migrate``: bring the database of a stopped server to this version's schema."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import asyncpg
import pysqlite3.dbapi2 as sqlite
from alembic.util import CommandError as AlembicError
from sqlalchemy.exc import DBAPIError

from server.admin import terminal
from server.admin.folder import require_keys, require_laid_out
from server.admin.lock import FolderLock
from server.admin.terminal import UNREACHABLE, CommandError
from server.settings import Settings
from server.storage.postgres import LOST
from server.storage.schema import migrate, postgres_revision

_AWAY: Final = (*LOST, asyncpg.PostgresError, DBAPIError)


def run(settings: Settings) -> dict[str, Any]:
    """Apply the revisions that are missing; return where the schema was and is.

    Raises:
        CommandError: ``not_initialised``, ``data_in_use``, ``other_owner``, ``schema_newer``, ``database_refused``.

    """
    if settings.database_url:
        require_keys(settings.data)
    else:
        require_laid_out(settings.data)
    lock = FolderLock(settings.data)
    lock.require()
    try:
        before = revision(settings.where)
        upgrade(settings.where)
        return {"from": before, "to": revision(settings.where)}
    finally:
        lock.release()


def upgrade(database: Path | str) -> None:
    """Apply the revisions that are missing. The caller holds the data folder; nodes of one PostgreSQL wait in turn.

    Raises:
        CommandError: ``schema_newer``, ``database_refused``.

    """
    try:
        with reached() if isinstance(database, str) else terminal.explained():
            migrate(database)
    except AlembicError:
        message = "the database was written by a newer version of Pli"
        raise CommandError("schema_newer", message, hint="install that version, or restore a backup") from None


def revision(database: Path | str) -> str | None:
    """Return the revision that a database is at, or none.

    Raises:
        CommandError: ``database_refused``, of a PostgreSQL.

    """
    if isinstance(database, str):
        with reached():
            return postgres_revision(database)
    connection = sqlite.connect(f"file:{database}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite.OperationalError:
        return None  # never laid out
    finally:
        connection.close()
    return None if row is None else str(row[0])


@contextmanager
def reached() -> Iterator[None]:
    """Say in a sentence that a PostgreSQL does not answer; its own words may hold an address or a password.

    Raises:
        CommandError: ``database_refused``.

    """
    try:
        yield
    except _AWAY:
        told = "the database does not answer, or does not let us in"
        hint = "PLI_DATABASE_URL; `pli doctor` says more"
        raise CommandError("database_refused", told, hint=hint, status=UNREACHABLE) from None
