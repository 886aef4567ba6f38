"""The secrets of a device at rest: one file, sealed, readable by its owner only.

The sealing key is 32 random bytes in a file of mode 0600 beside it (protected by the operating system alone), or comes
from a passphrase by Argon2id with 3 passes and 64 MiB (the second recommended choice of RFC 9106, section 4).
"""

import contextlib
import json
import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import nacl.exceptions
import nacl.secret
import nacl.utils
from nacl.pwhash import argon2id

from bridges.kit.errors import UsageError
from bridges.kit.wire import from_text, to_text

SEALED: Final = "keys.sealed"
KEY_FILE: Final = "keys.key"
PASSES: Final = 3
MEMORY: Final = 64 * 1024 * 1024  # bytes


def write_atomically(path: Path, content: bytes) -> None:
    """Replace a file whole or not at all, durable before return, mode 0600."""
    partial = path.with_name(path.name + ".partial")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make a rename inside ``folder`` durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_wide(path: Path) -> None:
    """Raise UsageError (``home_unsafe``) when anybody else on this machine could read or change ``path``."""
    status = path.stat()
    if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.geteuid():
        raise UsageError("home_unsafe", f"mode {stat.S_IMODE(status.st_mode):04o}", path=str(path))


@dataclass(slots=True)
class Keystore:
    """Named secrets of one home. ``save`` writes them; nothing else does."""

    folder: Path
    secrets: dict[str, Any] = field(default_factory=dict, repr=False)
    _key: bytes = field(default=b"", repr=False)
    _salt: bytes | None = None

    @classmethod
    def create(cls, folder: Path, passphrase: str | None) -> Self:
        """Make an empty keystore; with ``None`` the key lies in a file of mode 0600."""
        if passphrase is None:
            key, salt = nacl.utils.random(nacl.secret.SecretBox.KEY_SIZE), None
            write_atomically(folder / KEY_FILE, key)
        else:
            salt = nacl.utils.random(argon2id.SALTBYTES)
            key = _stretch(passphrase, salt)
        store = cls(folder, {}, key, salt)
        store.save()
        return store

    @staticmethod
    def wants_passphrase(folder: Path) -> bool:
        """Tell whether the keystore of this home is under a passphrase."""
        return (folder / SEALED).exists() and not (folder / KEY_FILE).exists()

    @classmethod
    def unlock(cls, folder: Path, passphrase: str | None) -> Self:
        """Open the keystore.

        Raises:
            UsageError: ``home_empty``, ``home_unsafe``, or ``wrong_passphrase`` (also for altered bytes).

        """
        path = folder / SEALED
        if not path.exists():
            raise UsageError("home_empty")
        refuse_wide(path)
        outer = json.loads(path.read_bytes())
        salt = None if outer["salt"] is None else from_text(outer["salt"])
        key = _file_key(folder) if salt is None else _stretch(passphrase or "", salt)
        try:
            inner = nacl.secret.SecretBox(key).decrypt(from_text(outer["sealed"]))
        except nacl.exceptions.CryptoError as error:
            raise UsageError("wrong_passphrase") from error
        return cls(folder, json.loads(inner), key, salt)

    def save(self) -> None:
        """Seal and write all secrets, durable before return."""
        outer = {
            "v": 1,
            "salt": None if self._salt is None else to_text(self._salt),
            "sealed": to_text(self.seal(json.dumps(self.secrets).encode())),
        }
        write_atomically(self.folder / SEALED, json.dumps(outer).encode())

    def seal(self, plaintext: bytes) -> bytes:
        """Seal something small that has to lie elsewhere in the home (24 + 16 bytes longer)."""
        return bytes(nacl.secret.SecretBox(self._key).encrypt(plaintext))

    def open(self, sealed: bytes) -> bytes:
        """Undo ``seal``; raises UsageError (``wrong_passphrase``) for anything else."""
        try:
            return bytes(nacl.secret.SecretBox(self._key).decrypt(sealed))
        except nacl.exceptions.CryptoError as error:
            raise UsageError("wrong_passphrase") from error

    def get_bytes(self, name: str) -> bytes | None:
        """Read a secret kept by ``put_bytes``."""
        text = self.secrets.get(name)
        return None if text is None else from_text(text)

    def put_bytes(self, name: str, value: bytes) -> None:
        """Keep a byte string; ``save`` makes it durable."""
        self.secrets[name] = to_text(value)

    def forget(self) -> None:
        """Remove the files. For a home whose account was never accepted."""
        for name in (SEALED, KEY_FILE):
            with contextlib.suppress(FileNotFoundError):
                (self.folder / name).unlink()


def _file_key(folder: Path) -> bytes:
    path = folder / KEY_FILE
    if not path.exists():
        raise UsageError("home_unsafe", "the key file is missing", path=str(path))
    refuse_wide(path)
    return path.read_bytes()


def _stretch(passphrase: str, salt: bytes) -> bytes:
    if not passphrase:
        raise UsageError("wrong_passphrase")
    secret = passphrase.encode()
    return bytes(argon2id.kdf(nacl.secret.SecretBox.KEY_SIZE, secret, salt, opslimit=PASSES, memlimit=MEMORY))
