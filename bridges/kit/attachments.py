"""Documents: sealed on disk, sent in parts, fetched, checked whole, then written. Source: docs/spec/protocol.md 8."""

import asyncio
import hashlib
import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from bridges.kit.device import Device
from bridges.kit.errors import KitError, RefusedError, UnreachableError, UsageError
from bridges.kit.files import create_new, media_type, safe_name
from bridges.kit.home import TRANSFER
from bridges.kit.wire import from_text, to_text
from crypto import attachment
from crypto.content import Attachment
from crypto.errors import ProtocolError, require

BLOCK: Final = 1024 * 1024  # bytes read at once
PART: Final = 4 * 1024 * 1024  # bytes of one PATCH
SMALL: Final = BLOCK  # bytes of a document that is sealed in memory and sent anew when its transfer is cut
PAUSES: Final = (0.2, 0.5, 1.0, 2.0, 4.0)  # seconds before an interrupted transfer goes on
_BINARY: Final = frozenset({"id", "key", "sha256", "sealed_sha256"})


@dataclass(frozen=True, slots=True)
class Document:
    """A file that is going to be sent."""

    path: Path
    name: str
    media_type: str
    size: int
    sha256: bytes
    document: str | None


def inspect(path: Path, document: str | None, limit: int) -> Document:
    """Look at a file before anything is sent.

    Raises:
        UsageError: ``file_unreadable``, ``file_empty``. RefusedError: ``attachment_too_large``.

    """
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UsageError("file_unreadable", "not a file", path=str(path))
        if size == 0:
            raise UsageError("file_empty", path=str(path))
        if size > limit:
            raise RefusedError("attachment_too_large", path=str(path), size=size, limit=limit)
        digest, start = hashlib.sha256(), b""
        for block in _blocks(path):
            start = start or block[:16]
            digest.update(block)
    except OSError as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
    kind = media_type(path.name, start)
    meant = document or ("image" if kind.startswith("image/") else None)
    return Document(path, safe_name(path.name), kind, size, digest.digest(), meant)


async def upload(device: Device, document: Document) -> Attachment:
    """Seal a file and hand it to the server, resuming where an earlier try was cut; gives the signed reference.

    The sealed form lies in the home until a message names it, so the same bytes go out each time.

    Raises:
        RefusedError, UnreachableError.

    """
    likeness = device.likeness("upload", to_text(document.sha256), document.name, document.document or "")
    kept = device.store.upload(likeness)
    reference = _known(device, kept) if kept else None
    begun = reference is not None
    if reference is None:
        reference = _seal(device, document)
        device.store.keep_upload(likeness, device.keys.seal(json.dumps(reference.plain()).encode()))
    with sealed_path(device, reference.id).open("rb") as sealed:
        await _send(device, sealed, reference, begun=begun)
    return reference


async def upload_small(device: Device, octets: bytes, document: Document) -> Attachment:
    """Seal at most ``SMALL`` bytes in memory and hand them to the server; gives the signed reference.

    The home keeps nothing of it, so no commit is waited for. Whoever calls must be able to make the same again: after
    a crash it goes up under another id, and the server sweeps what no message names (docs/spec/api.md 6).

    Raises:
        RefusedError, UnreachableError.

    """
    file = attachment.draw()
    sealer = attachment.Sealer(file, [octets])
    sealed = b"".join(sealer)
    reference = _reference(sealer, file, document)
    if await device.api.upload_whole(reference.id, sealed) < len(sealed):  # the answer to a try before was lost
        await _send(device, io.BytesIO(sealed), reference, begun=True)
    return reference


def uploaded(device: Device, document: Document) -> None:
    """Forget the sealed form of a document that a message has taken along."""
    likeness = device.likeness("upload", to_text(document.sha256), document.name, document.document or "")
    if kept := device.store.upload(likeness):
        if reference := _known(device, kept):
            sealed_path(device, reference.id).unlink(missing_ok=True)
        device.store.forget_upload(likeness)


def sealed_path(device: Device, attachment_id: bytes) -> Path:
    """Where the sealed form of a document lies while it travels."""
    folder = device.home.folder / TRANSFER
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"{to_text(attachment_id)}.sealed"


def _known(device: Device, kept: bytes) -> Attachment | None:
    plain = json.loads(device.keys.open(kept))
    fields: dict[str, Any] = {name: from_text(value) if name in _BINARY else value for name, value in plain.items()}
    reference = Attachment(**fields)
    path = sealed_path(device, reference.id)
    return reference if path.exists() and path.stat().st_size == reference.sealed_size else None


def _seal(device: Device, document: Document) -> Attachment:
    file = attachment.draw()
    sealer = attachment.Sealer(file, _blocks(document.path))
    with sealed_path(device, file.id).open("wb") as out:
        for piece in sealer:
            out.write(piece)
    if sealer.seals.sha256 != document.sha256:
        sealed_path(device, file.id).unlink()
        raise UsageError("file_unreadable", "it changed while it was read", path=str(document.path))
    return _reference(sealer, file, document)


def _reference(sealer: attachment.Sealer, file: attachment.FileKey, document: Document) -> Attachment:
    return sealer.seals.reference(file, name=document.name, media_type=document.media_type, document=document.document)


async def _send(device: Device, sealed: BinaryIO, reference: Attachment, *, begun: bool) -> None:
    where = await device.api.begin_upload(reference.id, reference.sealed_size)
    offset = await device.api.upload_offset(where) if begun else 0  # of an id drawn just now it has nothing
    pauses = iter(PAUSES)
    while offset < reference.sealed_size:
        sealed.seek(offset)
        try:
            offset = await device.api.upload_part(where, offset, sealed.read(PART))
        except KitError as error:
            pause = next(pauses, None)
            if pause is None or not (isinstance(error, UnreachableError) or error.code == "offset_conflict"):
                raise
            await asyncio.sleep(pause)
            offset = await device.api.upload_offset(where)


async def save(device: Device, conversation: bytes, reference: Attachment, folder: Path) -> Path:
    """Fetch a document, check all of it, then write it under a safe and new name.

    Raises:
        ProtocolError: ``open_failed``: nothing was written. UsageError: ``file_unreadable``.
        RefusedError, UnreachableError.

    """
    sealed = sealed_path(device, reference.id)
    try:
        await _fetch(device, conversation, reference, sealed)
        return _write_checked(reference, sealed, folder)
    except ProtocolError:
        _discard(sealed)
        raise


def _write_checked(reference: Attachment, sealed: Path, folder: Path) -> Path:
    for _ in attachment.open_stream(reference, _blocks(sealed)):
        pass  # the whole is checked before a byte of it is written
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path, file = create_new(folder, reference.name)
        with file:
            for piece in attachment.open_stream(reference, _blocks(sealed)):
                file.write(piece)
    except OSError as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(folder)) from error
    _discard(sealed)
    return path


async def _fetch(device: Device, conversation: bytes, reference: Attachment, sealed: Path) -> None:
    pauses = iter(PAUSES)
    with _appending(sealed) as out:
        while out.tell() < reference.sealed_size:
            try:
                async for block in device.api.download(conversation, reference.id, out.tell()):
                    out.write(block)
                    require(out.tell() <= reference.sealed_size, "open_failed", "longer than the reference says")
                require(out.tell() == reference.sealed_size, "open_failed", "shorter than the reference says")
            except UnreachableError:
                pause = next(pauses, None)
                if pause is None:
                    raise
                await asyncio.sleep(pause)


def _appending(path: Path) -> BinaryIO:
    file = path.open("ab")
    file.seek(0, os.SEEK_END)
    return file


def _discard(path: Path) -> None:
    path.unlink(missing_ok=True)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
