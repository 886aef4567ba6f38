"""The data folder, as the operator's commands find it."""

from __future__ import annotations

import os
from pathlib import Path

from server.admin.terminal import CommandError
from server.storage.identity import DATABASE, NAME


def require_laid_out(data: Path) -> None:
    """Refuse a folder that ``pli init`` has not made.

    Raises:
        CommandError: ``not_initialised``.

    """
    if not (data / NAME).is_file() or not (data / DATABASE).is_file():
        hint = f"run `pli init --data {data}` first"
        raise CommandError("not_initialised", f"{data} is no data folder of Pli", hint=hint)


def sync(path: Path) -> None:
    """Return when what a folder or a file says is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
