"""Bring a database to the newest schema, by the revisions in ``migrations/versions``."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Final

import asyncpg
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, NullPool, text
from sqlalchemy.ext.asyncio import create_async_engine

from server.storage.engine import schema_engine
from server.storage.postgres import PostgresConnection

MIGRATIONS: Final = Path(__file__).with_name("migrations")
_LOCK: Final = 0x504C49  # "PLI": held by the node that migrates


def migrate(database: Path | str) -> None:
    """Apply the revisions that a database lacks: a SQLite file, or the address of a PostgreSQL.

    The caller holds the folder of a file, so nobody else does the same; nodes of one PostgreSQL wait for each other.
    It runs an event loop of its own: do not call it on one.
    """
    if isinstance(database, str):
        asyncio.run(_migrate_postgres(database))
        return
    engine = schema_engine(database)
    try:
        with engine.connect() as connection:
            command.upgrade(alembic_config(connection), "head")
    finally:
        engine.dispose()


async def _migrate_postgres(url: str) -> None:
    async def connect() -> asyncpg.Connection:
        return await asyncpg.connect(url)  # the address as `PostgresConnection` reads it: `?sslmode=verify-full` too

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connect, poolclass=NullPool)
    try:
        async with engine.connect() as holder, engine.connect() as connection:
            await holder.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), "head"))
    finally:
        await engine.dispose()


def postgres_revision(url: str) -> str | None:
    """Return the revision that a PostgreSQL is at, or none. It runs an event loop of its own."""
    connection = PostgresConnection(url, read_only=True)
    try:
        named = connection.execute("SELECT to_regclass('alembic_version')::text").rows[0][0]
        rows = connection.execute("SELECT version_num FROM alembic_version").rows if named else []
        return str(rows[0][0]) if rows else None
    finally:
        connection.close()


def alembic_config(connection: Connection) -> Config:
    """Return what Alembic needs to work on ``connection``."""
    logging.getLogger("alembic").setLevel(logging.ERROR)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
