"""Bring a database to the newest schema, by the revisions in ``migrations/versions``."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from server.storage.engine import schema_engine

MIGRATIONS: Final = Path(__file__).with_name("migrations")


def migrate(database: Path) -> None:
    """Apply the revisions that a database lacks. The caller holds the data folder, so nobody else does the same."""
    engine = schema_engine(database)
    try:
        with engine.connect() as connection:
            command.upgrade(alembic_config(connection), "head")
    finally:
        engine.dispose()


def alembic_config(connection: Connection) -> Config:
    """Return what Alembic needs to work on ``connection``."""
    logging.getLogger("alembic").setLevel(logging.ERROR)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
