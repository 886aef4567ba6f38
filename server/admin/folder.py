"""The data folder, as the operator's commands find it."""

from __future__ import annotations

import os
from pathlib import Path

from server.admin.terminal import CommandError
from server.storage.identity import DATABASE, NAME


def require_laid_out(data: Path) -> None:
    """Refuse a folder that ``pli init`` has not made, or of which a half is missing.

    Raises:
        CommandError: ``not_initialised``, ``database_missing``, ``keys_missing``.

    """
    require_keys(data)
    if not (data / DATABASE).is_file():
        told = f"{data} has the keys of a server, but not its database {DATABASE}"
        hint = "is everything mounted? Else restore a backup into another folder; an empty database would be a lie"
        raise CommandError("database_missing", told, hint=hint)


def require_keys(data: Path) -> None:
    """Refuse a folder without the keys of a server: with new ones it would be another server to everybody.

    Raises:
        CommandError: ``not_initialised``, ``keys_missing``.

    """
    if (data / NAME).is_file():
        return
    if (data / DATABASE).is_file():
        told = f"{data} has a database, but not the keys of its server ({NAME})"
        raise CommandError("keys_missing", told, hint=f"bring {NAME} back from a backup; new keys are another server")
    hint = f"run `pli init --data {data}` first"
    raise CommandError("not_initialised", f"{data} is no data folder of Pli", hint=hint)


def sync(path: Path) -> None:
    """Return when what a folder or a file says is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
