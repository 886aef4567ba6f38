"""One process at a time writes a data folder."""

from __future__ import annotations

import fcntl
import os
import pwd
from pathlib import Path
from typing import Final

from server.admin.terminal import REFUSED, CommandError

NAME: Final = "lock"


class FolderLock:
    """An exclusive lock of the operating system on a data folder; it ends with the process, however that ends."""

    def __init__(self, data: Path, name: str = NAME) -> None:
        self._data = data
        self._handle = os.open(data / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        if os.geteuid() == 0:  # the one whose folder it is takes it too
            owner = data.stat()
            os.fchown(self._handle, owner.st_uid, owner.st_gid)

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
            CommandError: ``data_in_use``, ``other_owner``.

        """
        self.require_owner()
        if not self.take():
            owner = os.pread(self._handle, 20, 0).decode().strip()
            raise CommandError(
                "data_in_use", f"another process ({owner}) uses this data folder", hint="stop it first", status=REFUSED
            )

    def require_owner(self) -> None:
        """Refuse to let root write into somebody's folder: that user's server could not touch what root has made.

        Raises:
            CommandError: ``other_owner``.

        """
        owner = self._data.stat().st_uid
        if os.geteuid() == 0 and owner != 0:
            try:
                name = pwd.getpwuid(owner).pw_name
            except KeyError:
                name = f"#{owner}"
            told = f"{self._data} belongs to the user {name}, whose server could not touch what root writes there"
            raise CommandError("other_owner", told, hint=f"sudo -u {name} pli …, or chown -R", status=REFUSED)

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._handle)
