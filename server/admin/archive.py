"""What a backup is: a tar of the server's keys, the database, the sealed documents, and a manifest of their hashes.

A stream both ways, so a backup needs no room beside itself and can be sealed on the way. Reading takes only the four
kinds of names that writing makes: nothing can land outside the folder it is unpacked to.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from typing_extensions import override

from server.admin.terminal import PROTOCOL, CommandError
from server.storage.identity import DATABASE, NAME

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
_BLOB: Final = re.compile(r"blobs/([0-9a-f]{2})/\1[0-9a-f]{30}", re.ASCII)
_LARGEST_MANIFEST: Final = 1 << 30  # bytes
_BLOCK: Final = 1 << 20  # bytes


class Entry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A file of a backup."""

    size: int
    sha256: str


class Manifest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What a backup says of itself."""

    format: int
    made: int
    """When the database was copied, in milliseconds."""
    version: str
    schema: str
    server: str
    """Id of the server, b64."""
    counts: dict[str, int]
    """Accounts, conversations, events and documents in it."""
    files: dict[str, Entry]


Files = Iterable[tuple[str, Path]]
"""Name in the backup, and where it lies now."""


def write(out: BinaryIO, files: Files, manifest: Callable[[dict[str, Entry]], Manifest]) -> Manifest:
    """Write ``files`` and the manifest that they make."""
    entries: dict[str, Entry] = {}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for name, path in files:
            with path.open("rb") as source:
                size = os.fstat(source.fileno()).st_size
                hashing = _Hashing(source)
                tar.addfile(_member(name, size), hashing)
            entries[name] = Entry(size, hashing.sha256.hexdigest())
        made = manifest(entries)
        said = msgspec.json.encode(made)
        tar.addfile(_member(MANIFEST, len(said)), io.BytesIO(said))
    return made


def unpack(source: BinaryIO, to: Path) -> Manifest:
    """Unpack a backup into the folder ``to`` and compare every file with the manifest.

    Raises:
        CommandError: ``backup_damaged``, ``backup_unknown``.

    """
    found: dict[str, Entry] = {}
    said = None
    try:
        with tarfile.open(fileobj=source, mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member)
                if content is None or said is not None:
                    raise _damaged(f"{member.name!r} has no place in a backup")
                if member.name == MANIFEST and member.size <= _LARGEST_MANIFEST:
                    said = content.read()
                else:
                    found[member.name] = _take_out(content, member, to)
        while source.read(_BLOCK):
            pass  # the end of a sealed stream is checked when it is read
    except (tarfile.TarError, EOFError):
        raise _damaged("it is not whole") from None
    return _compare(said, found)


def _take_out(content: BinaryIO | object, member: tarfile.TarInfo, to: Path) -> Entry:
    if member.name not in {DATABASE, NAME} and not _BLOB.fullmatch(member.name):
        raise _damaged(f"{member.name!r} has no place in a backup")
    path = to / member.name
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    hashing = _Hashing(content)  # type: ignore[arg-type]  # what tarfile gives reads like a file
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        while block := hashing.read(_BLOCK):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return Entry(member.size, hashing.sha256.hexdigest())


def _compare(said: bytes | None, found: dict[str, Entry]) -> Manifest:
    if said is None:
        raise _damaged("it has no manifest")
    try:
        version = msgspec.json.decode(said, type=dict[str, object]).get("format")
        if version != FORMAT:
            raise CommandError("backup_unknown", f"this version does not read backups of format {version}")
        manifest = msgspec.json.decode(said, type=Manifest)
    except msgspec.DecodeError:
        raise _damaged("its manifest cannot be read") from None
    for name in sorted({*manifest.files, *found}):
        if manifest.files.get(name) != found.get(name):
            raise _damaged(f"{name} is not what the manifest says")
    for name in (DATABASE, NAME):
        if name not in found:
            raise _damaged(f"{name} is missing")
    return manifest


def _damaged(what: str) -> CommandError:
    return CommandError("backup_damaged", f"the backup is damaged: {what}", status=PROTOCOL)


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o600
    return member


class _Hashing(io.RawIOBase):
    """Reads through, and hashes what passes."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.sha256 = hashlib.sha256()

    @override
    def read(self, size: int = -1, /) -> bytes:
        data = self._source.read(size)
        self.sha256.update(data)
        return data
