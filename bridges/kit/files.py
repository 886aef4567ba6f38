"""Files of people: names that are safe to write, types told by content."""

import mimetypes
import os
import select
import time
import unicodedata
from pathlib import Path
from typing import BinaryIO, Final

from bridges.kit.errors import UsageError

MAX_NAME: Final = 200  # bytes, leaves room for " (12)" under the 255 of common file systems
PATIENCE: Final = 10.0  # seconds that we wait, in all, for a file that says nothing
_PIECE: Final = 1 << 20  # bytes
_RESERVED: Final = frozenset({"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10)})
_FORBIDDEN: Final = str.maketrans(dict.fromkeys('/\\:*?"<>|', "_"))
_MAGIC: Final = ((b"%PDF-", "application/pdf"), (b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"))


def safe_name(name: str) -> str:
    """Make a file name that stays in its folder on every common system, whatever a sender wrote.

    No separators, control or invisible direction characters, leading dots, trailing dots or blanks, reserved device
    names; 1 to ``MAX_NAME`` bytes, the extension kept.
    """
    normal = unicodedata.normalize("NFC", name).translate(_FORBIDDEN)
    visible = "".join(c for c in normal if unicodedata.category(c) not in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
    bare = visible.lstrip(". ").rstrip(". ") or "document"
    if bare.split(".")[0].rstrip().lower() in _RESERVED:
        bare = "_" + bare
    return _shorten(bare)


def _shorten(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem or len(extension.encode()) > 16:
        stem, dot, extension = name, "", ""
    room = MAX_NAME - len((dot + extension).encode())
    return stem.encode()[:room].decode(errors="ignore").rstrip(". ") + dot + extension


def read_up_to(path: Path, most: int, patience: float = PATIENCE) -> bytes:
    """Read a file that somebody named, and not more than ``most`` bytes of it: some never end.

    A pipe that nobody writes into is an empty file. What is there but says nothing (a pipe that is held open, the log
    of the kernel, a terminal) is waited for ``patience`` seconds in all.

    Raises:
        OSError: it cannot be read; ``TimeoutError`` when it did not end in that time.

    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        return _read(handle, most, patience)
    except IsADirectoryError as error:  # the error names no file
        raise type(error)(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(handle)


def _read(handle: int, most: int, patience: float) -> bytes:
    ready, pieces, missing = select.poll(), list[bytes](), most
    ready.register(handle, select.POLLIN)
    while missing:
        try:
            piece = os.read(handle, min(missing, _PIECE))
        except BlockingIOError:
            began = time.monotonic()
            if patience <= 0 or not ready.poll(patience * 1000):
                raise TimeoutError("it does not end") from None
            patience -= time.monotonic() - began
            continue
        if not piece:
            break
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)


def create_new(folder: Path, name: str) -> tuple[Path, BinaryIO]:
    """Open a file that did not exist, in ``folder``, under ``name`` or ``name (2)``, …; mode 0600, links not followed.

    Raises:
        UsageError: ``file_unreadable``.

    """
    safe = safe_name(name)
    path = folder / safe
    for number in range(2, 10_000):
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            path = folder / f"{Path(safe).stem} ({number}){Path(safe).suffix}"
        except OSError as error:
            raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
        else:
            return path, os.fdopen(handle, "wb")
    raise UsageError("file_exists", path=str(folder / safe))


def write_whole(path: Path, octets: bytes) -> None:
    """Write a file that is there whole or not at all, readable by its owner only, and on the disk when it returns."""
    fresh = path.with_name(f".{path.name}.tmp")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(octets)
        file.flush()
        os.fsync(file.fileno())
    fresh.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def media_type(name: str, start: bytes) -> str:
    """Tell a media type by the first bytes, else by the extension."""
    for magic, kind in _MAGIC:
        if start.startswith(magic):
            return kind
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return "image/webp"
    return mimetypes.guess_type(name)[0] or "application/octet-stream"
