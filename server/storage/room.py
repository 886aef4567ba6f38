"""Whether the disk takes something now. The server goes on without: what is there is read, what is new is refused."""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from server import telemetry
from server.storage.blobs import RESERVE

EVERY: Final = 5.0  # seconds for which an answer holds, however often it is asked for
AFTER: Final = 30.0  # seconds after the last refusal of the database in which nobody believes the disk
TRIED: Final = 1024 * 1024  # bytes that must find a place: the largest request
_NAME: Final = ".room"


@dataclass(slots=True)
class RoomWatch:
    """Tries the disk of a data folder: is there more than ``RESERVE`` (documents are refused below), is a file synced?

    A free figure alone knows no quota, and a small write alone finds room in what a database keeps anyway.
    """

    folder: Path
    refused_at: Callable[[], float | None]
    """When (monotonic) the database last found no room, if nothing was written since."""
    _asked: float = field(default=-EVERY)
    _is_ready: bool = True
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def ready(self) -> bool:
        """Tell whether what is new is taken, as it was ``EVERY`` seconds ago at most."""
        async with self._asking:
            if time.monotonic() - self._asked >= EVERY:
                refused = self.refused_at()
                believed = refused is None or time.monotonic() - refused > AFTER
                self._learn(believed and await asyncio.to_thread(_takes, self.folder))
                self._asked = time.monotonic()
            return self._is_ready

    def _learn(self, is_ready: bool) -> None:  # noqa: FBT001
        if is_ready is self._is_ready:
            return
        self._is_ready = is_ready
        if is_ready:
            telemetry.info("room_back")
        else:
            telemetry.error("no_room")


def _takes(folder: Path) -> bool:
    """Let a file without a name take some room, and sync it: nothing stays, also when this process is killed."""
    try:
        if shutil.disk_usage(folder).free < RESERVE:
            return False
        path = folder / f"{_NAME}-{os.getpid()}"
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            path.unlink()
            os.posix_fallocate(handle, 0, TRIED)
            os.pwrite(handle, b"room", 0)
            os.fsync(handle)
        finally:
            os.close(handle)
    except OSError:
        return False
    return True
