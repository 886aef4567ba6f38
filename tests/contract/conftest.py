"""Every promise is checked on SQLite and on PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from server import telemetry
from server.storage.postgres_store import PostgresStore
from server.storage.store import SqliteStore
from tests.fakes.server import fresh_database
from tests.fakes.services import fresh_postgres


class Told(list):
    """What the store announced."""


@pytest.fixture
async def told():
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    return Told()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def make(request, tmp_path: Path, told: Told):
    """Makes stores on one and the same database, as a restart or another node would."""
    if request.param == "sqlite":
        fresh_database(tmp_path / "store.db")
        return lambda: SqliteStore(tmp_path / "store.db", told.extend)
    url = fresh_postgres()
    return lambda: PostgresStore(url, told.extend)


@pytest.fixture
async def store(make):
    opened = make()
    await opened.start()
    yield opened
    await opened.stop()
