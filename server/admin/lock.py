"""One process at a time writes a data folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from server.admin.terminal import REFUSED, CommandError

NAME: Final = "lock"


class FolderLock:
    """An exclusive lock of the operating system on a data folder; it ends with the process, however that ends."""

    def __init__(self, data: Path, name: str = NAME) -> None:
        self._handle = os.open(data / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)

    def take(self) -> bool:
        """Take the lock. False when another process has it."""
        try:
            fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, f"{os.getpid()}\n".encode(), 0)
        return True

    def require(self) -> None:
        """Take the lock or say who is in the way.

        Raises:
            CommandError: ``data_in_use``.

        """
        if not self.take():
            owner = os.pread(self._handle, 20, 0).decode().strip()
            raise CommandError(
                "data_in_use", f"another process ({owner}) uses this data folder", hint="stop it first", status=REFUSED
            )

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._handle)
