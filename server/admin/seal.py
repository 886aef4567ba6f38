"""Seals a backup as a stream, for a public key or under a passphrase.

``MAGIC | u8 kind | what opens the file key | chunks``. The chunks are AES-256-GCM over 64 KiB each; the nonce counts
them (11 bytes) and marks the last one (1 byte), so none can be changed, moved, left out or cut off. The key of the
chunks depends on everything before them.

- kind 1: 16 bytes of salt; the file key is Argon2id of the passphrase (64 MiB, 3 passes, 1 lane).
- kind 2: the file key sealed to an X-Wing public key (1,168 bytes, docs/spec/protocol.md 2), so the machine that makes
  backups cannot open them.
"""

from __future__ import annotations

import io
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from typing_extensions import override

from crypto import aead, hpke
from crypto.codec import b64, unb64
from crypto.errors import ProtocolError
from crypto.kdf import hkdf
from crypto.secret import Secret
from crypto.suite import sha256
from server.admin.terminal import PROTOCOL, USAGE, CommandError

MAGIC: Final = b"pli-sealed-backup/1\n"
CHUNK: Final = 65_536  # bytes of plaintext
_TAG: Final = 16
_SALT: Final = 16
_WRAPPED: Final = hpke.OVERHEAD + 32
_PASSPHRASE, _PUBLIC = 1, 2
_SECRET_WORD: Final = "PLI-BACKUP-SECRET-1"  # noqa: S105  # the first word of a key file
_PUBLIC_WORD: Final = "PLI-BACKUP-PUBLIC-1"


@dataclass(frozen=True, slots=True)
class Lock:
    """What a backup is sealed with: the head of the file, and the key of its chunks."""

    head: bytes
    key: bytes


@dataclass(frozen=True, slots=True)
class Opener:
    """What the operator has to open a backup with."""

    passphrase: bytes | None = None
    secret: hpke.OpeningKey | None = None


def under_passphrase(passphrase: bytes) -> Lock:
    """Lock with a passphrase."""
    salt = secrets.token_bytes(_SALT)
    return _lock(bytes([_PASSPHRASE]) + salt, _stretch(passphrase, salt))


def to_public_key(public: bytes) -> Lock:
    """Lock for the holder of an X-Wing key (1,216 bytes)."""
    drawn = secrets.token_bytes(32)
    return _lock(bytes([_PUBLIC]) + hpke.seal(public, MAGIC, drawn), drawn)


def _lock(opening: bytes, file_key: bytes) -> Lock:
    head = MAGIC + opening
    return Lock(head, hkdf(file_key, salt=sha256(head), info=MAGIC, length=32))


def _stretch(passphrase: bytes, salt: bytes) -> bytes:
    return Argon2id(salt=salt, length=32, iterations=3, lanes=1, memory_cost=65_536).derive(passphrase)


# --- the stream ------------------------------------------------------------------------------------------------------


class SealedWriter(io.RawIOBase):
    """Seals what is written to it; ``finish`` writes the last chunk."""

    def __init__(self, out: BinaryIO, lock: Lock) -> None:
        self._out, self._key = out, lock.key
        self._waiting, self._count = bytearray(), 0
        out.write(lock.head)

    @override
    def writable(self) -> bool:
        return True

    @override
    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # any buffer
        self._waiting += data
        while len(self._waiting) > CHUNK:
            self._seal(bytes(self._waiting[:CHUNK]), last=False)
            del self._waiting[:CHUNK]
        return len(data)

    def finish(self) -> None:
        """Write what is left, marked as the last."""
        self._seal(bytes(self._waiting), last=True)

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._out.write(aead.seal(self._key, _nonce(self._count, last=last), chunk))
        self._count += 1


class SealedReader(io.RawIOBase):
    """Opens the stream that ``SealedWriter`` made; a chunk is given out after its tag was checked."""

    def __init__(self, source: BinaryIO, key: bytes) -> None:
        self._source, self._key = source, key
        self._count, self._opened, self._place = 0, b"", 0
        self._next = source.read(CHUNK + _TAG)

    @override
    def readable(self) -> bool:
        return True

    @override
    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]  # any buffer
        while self._place == len(self._opened):
            if not self._next and self._count:
                return 0  # the chunk before was opened as the last one
            self._open()
        taken = self._opened[self._place : self._place + len(buffer)]
        self._place += len(taken)
        buffer[: len(taken)] = taken
        return len(taken)

    def _open(self) -> None:
        sealed, self._next = self._next, self._source.read(CHUNK + _TAG)
        try:
            self._opened = aead.unseal(self._key, _nonce(self._count, last=not self._next), sealed)
        except ProtocolError:
            raise CommandError(
                "backup_damaged", "the sealed backup was changed, or is not whole", status=PROTOCOL
            ) from None
        self._place = 0
        self._count += 1


def opened(source: BinaryIO, opener: Opener) -> BinaryIO:
    """Return the plain stream of a backup, sealed or not.

    Raises:
        CommandError: ``backup_sealed`` (nothing given that opens it), ``wrong_key``.

    """
    if source.read(len(MAGIC)) != MAGIC:
        source.seek(0)
        return source
    kind = source.read(1)
    opening = kind + source.read(_SALT if kind == bytes([_PASSPHRASE]) else _WRAPPED)
    reader = SealedReader(source, _lock(opening, _file_key(opening, opener)).key)
    try:
        reader.read(0)
        stream = io.BufferedReader(reader, CHUNK)
        stream.peek(1)
    except CommandError:
        raise CommandError("wrong_key", "this key or passphrase does not open the backup, or it was changed") from None
    return stream


def _file_key(opening: bytes, opener: Opener) -> bytes:
    if opening[0] == _PASSPHRASE and opener.passphrase is not None:
        return _stretch(opener.passphrase, opening[1:])
    if opening[0] == _PUBLIC and opener.secret is not None:
        try:
            return opener.secret.unseal(MAGIC, opening[1:])
        except ProtocolError:
            raise CommandError("wrong_key", "this key does not open the backup") from None
    how = "--passphrase-file" if opening[0] == _PASSPHRASE else "--key"
    raise CommandError("backup_sealed", "the backup is sealed", hint=f"say what opens it: {how} FILE", status=USAGE)


def _nonce(count: int, *, last: bool) -> bytes:
    return count.to_bytes(11, "big") + bytes([last])


# --- keys ------------------------------------------------------------------------------------------------------------


def new_key(to: Path) -> Path:
    """Draw a key pair: the secret half goes to ``to`` (0600), the public one beside it (``.pub``), which is returned.

    Raises:
        CommandError: ``file_exists``.

    """
    seed = secrets.token_bytes(32)
    public = to.with_name(to.name + ".pub")
    for path, word, value in (
        (to, _SECRET_WORD, seed),
        (public, _PUBLIC_WORD, hpke.OpeningKey(Secret(seed)).public),
    ):
        try:
            handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            raise CommandError("file_exists", f"{path} is there; nothing is overwritten", status=USAGE) from None
        with os.fdopen(handle, "w") as file:
            file.write(f"{word} {b64(value)}\n")
    return public


def read_public(path: Path) -> bytes:
    """Read the public half of a key pair.

    Raises:
        CommandError: ``bad_key``.

    """
    return _read_key(path, _PUBLIC_WORD)


def read_secret(path: Path) -> hpke.OpeningKey:
    """Read the secret half of a key pair.

    Raises:
        CommandError: ``bad_key``.

    """
    return hpke.OpeningKey(Secret(_read_key(path, _SECRET_WORD)))


def read_passphrase(path: Path) -> bytes:
    """Read a passphrase: the first line of a file.

    Raises:
        CommandError: ``bad_key``: none there, or shorter than twelve characters.

    """
    line = _text(path).partition("\n")[0].strip()
    if len(line) < 12:
        raise CommandError("bad_key", f"{path} holds no passphrase of twelve characters or more", status=USAGE)
    return line.encode()


def _read_key(path: Path, word: str) -> bytes:
    said = _text(path).split()
    try:
        if len(said) == 2 and said[0] == word:
            return unb64(said[1])
    except ProtocolError:
        pass
    raise CommandError("bad_key", f"{path} does not hold one line {word} …", status=USAGE)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise CommandError("bad_key", f"{path} cannot be read", status=USAGE) from None
