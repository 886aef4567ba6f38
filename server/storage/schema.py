"""Bring a database to the newest schema."""

from __future__ import annotations

from pathlib import Path

from server.storage.engine import schema_engine
from server.storage.tables import metadata


def migrate(database: Path) -> None:
    """Create the tables that are not there yet."""
    engine = schema_engine(database)
    metadata.create_all(engine)
    engine.dispose()
