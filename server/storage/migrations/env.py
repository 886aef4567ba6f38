# ruff: noqa: INP001  # Alembic runs this file by its path; a package would be imported without it
"""Alembic runs inside ``server.storage.schema``, on a connection that it is given."""

from __future__ import annotations

from alembic import context

from server.storage.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
