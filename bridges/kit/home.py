"""The folder of one device: settings, key store, memory; used by one process at a time."""

import asyncio
import fcntl
import json
import os
import shutil
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bridges.kit.errors import UnreachableError, UsageError
from bridges.kit.keystore import KEY_FILE, SEALED, Keystore, refuse_wide, write_atomically
from bridges.kit.store import Store

CONFIG: Final = "home.json"
STORE: Final = "memory.sqlite"
LOCK: Final = "lock"
TRANSFER: Final = "transfer"  # sealed documents that are on their way
PATIENCE: Final = 30.0  # seconds to wait for another process that uses the same home


@dataclass(frozen=True, slots=True)
class Home:
    """A home folder, mode 0700."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder if it is not there; refuse one that others can enter (``home_unsafe``)."""
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError("file_unreadable", type(error).__name__, path=str(self.folder)) from error
        if not any(self.folder.iterdir()):
            self.folder.chmod(0o700)
        refuse_wide(self.folder)

    def require(self) -> None:
        """Refuse a home without an account (``home_empty``)."""
        if not (self.folder / CONFIG).exists():
            raise UsageError("home_empty", path=str(self.folder))
        refuse_wide(self.folder)

    @property
    def server(self) -> str | None:
        """The server this home's account lives on."""
        path = self.folder / CONFIG
        return str(json.loads(path.read_bytes())["server"]) if path.exists() else None

    def settle(self, server: str) -> None:
        """Remember the server: from now on the home holds an account."""
        config: dict[str, Any] = {"v": 1, "server": server}
        write_atomically(self.folder / CONFIG, json.dumps(config).encode())

    def erase(self) -> None:
        """Remove the account from here: keys first, then memory and what was being carried.

        Nothing that others put here; and the lock stays, it is held by whoever calls.
        """
        for name in (SEALED, KEY_FILE, STORE, *(f"{STORE}-{end}" for end in ("wal", "shm", "journal")), CONFIG):
            (self.folder / name).unlink(missing_ok=True)
        shutil.rmtree(self.folder / TRANSFER, ignore_errors=True)

    def store(self) -> Store:
        """Open the memory."""
        return Store(self.folder / STORE)

    def keystore(self, ask: Callable[[], str]) -> Keystore:
        """Unlock the key store; ``ask`` gives the passphrase if there is one."""
        return Keystore.unlock(self.folder, ask() if Keystore.wants_passphrase(self.folder) else None)

    def alone(self, told: Callable[[], None], patience: float = PATIENCE) -> AbstractAsyncContextManager[None]:
        """Keep other processes out; ``told`` is called once when there is somebody to wait for.

        Raises:
            UnreachableError: ``home_busy`` after ``patience`` seconds.

        """
        return _alone(self.folder / LOCK, told, patience)


@asynccontextmanager
async def _alone(path: Path, told: Callable[[], None], patience: float) -> Any:
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        waited = 0.0
        while not _locked(handle):
            if waited == 0.0:
                told()
            if waited >= patience:
                raise UnreachableError("home_busy")
            waited += 0.1
            await asyncio.sleep(0.1)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
