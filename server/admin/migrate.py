"""``pli migrate``: bring the database of a stopped server to this version's schema."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


def run(settings: Settings) -> dict[str, Any]:
    """Apply the revisions that are missing; return where the schema was and is.

    Raises:
        CommandError: ``not_initialised``, ``data_in_use``, ``schema_newer``.

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
        migrate(database)
    except (*LOST, DBAPIError):
        if not isinstance(database, str):
            with terminal.explained():
                raise
        told = "the database does not answer, or does not let us in"
        raise CommandError("database_refused", told, hint="PLI_DATABASE_URL", status=UNREACHABLE) from None
    except AlembicError:
        message = "the database was written by a newer version of Pli"
        raise CommandError("schema_newer", message, hint="install that version, or restore a backup") from None


def revision(database: Path | str) -> str | None:
    """Return the revision that a database is at, or none."""
    if isinstance(database, str):
        return postgres_revision(database)
    connection = sqlite.connect(f"file:{database}?mode=ro", uri=True)
    try:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite.OperationalError:
        return None  # never laid out
    finally:
        connection.close()
    return None if row is None else str(row[0])
