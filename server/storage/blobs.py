"""Sealed documents on disk or on S3: parts (on disk) while they arrive, blobs once they are whole.

Names are the attachment id in hex (safe on every file system); nothing here knows who owns what. A part becomes a blob
by one rename through ``obstore``, so a reader sees all of it or nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import obstore
import obstore.exceptions
from obstore.store import LocalStore, S3Store
from typing_extensions import override

from server import telemetry
from server.domain.errors import UnavailableError
from server.domain.ids import AttachmentId
from server.storage.bucket import Condition, ask, connect

T = TypeVar("T")

RESERVE: Final = 64 * 1024 * 1024  # bytes of the disk that documents leave to the database


@dataclass(frozen=True, slots=True)
class Blobs:
    """The documents of one data folder. Every method leaves the event loop free."""

    root: Path
    store: LocalStore

    @classmethod
    def open(cls, data: Path) -> Blobs:
        """Open (and lay out, the first time) the documents under ``data``."""
        for name in ("parts", "blobs"):
            _make_folder(data / name)
        return cls(root=data, store=LocalStore(prefix=data.resolve()))

    def document(self, attachment: AttachmentId) -> Path | RemoteDocument:
        """Return where the whole document lies, for a server that hands out files itself."""
        return self.root / _blob(attachment)

    async def room(self, size: int) -> None:
        """Check that ``size`` bytes fit.

        Raises:
            OSError: ``ENOSPC`` when they would leave less than ``RESERVE`` free.

        """
        if (await asyncio.to_thread(shutil.disk_usage, self.root)).free < size + RESERVE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def prove(self) -> None:
        """Local files need no proof: ``room`` looks at them for each document."""

    async def open_part(self, attachment: AttachmentId, received: int) -> Part:
        """Open a part to go on at ``received``: what a crash left beyond it was never counted and is cut off.

        Raises:
            FileNotFoundError: the part is shorter than that.

        """
        return await asyncio.to_thread(self._open_part, attachment, received)

    def _open_part(self, attachment: AttachmentId, received: int) -> Part:
        path = self.root / _part(attachment)
        handle = os.open(path, os.O_WRONLY | (0 if received else os.O_CREAT), 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)  # another worker may still write what this one cuts off
            if os.fstat(handle).st_size < received:
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
            os.ftruncate(handle, received)
            if not received:
                _sync_folder(path.parent)
        except OSError:
            os.close(handle)
            raise
        return Part(handle=handle, end=received)

    async def finish(self, attachment: AttachmentId) -> None:
        """Turn the (synced) part into a blob. Doing it again after a crash is fine."""
        path = self.root / _blob(attachment)
        await asyncio.to_thread(_make_folder, path.parent)
        if await asyncio.to_thread((self.root / _part(attachment)).exists):
            await obstore.rename_async(self.store, _part(attachment), _blob(attachment))
        await asyncio.to_thread(_sync_folder, path.parent)

    async def has(self, attachment: AttachmentId, size: int) -> bool:
        """Tell whether the whole document of ``size`` bytes is in the store."""
        try:
            return (await obstore.head_async(self.store, _blob(attachment)))["size"] == size
        except FileNotFoundError:
            return False

    async def discard(self, attachment: AttachmentId) -> None:
        """Forget a document, part or whole. An absent one is fine."""
        for name in (_part(attachment), _blob(attachment)):
            await asyncio.to_thread((self.root / name).unlink, missing_ok=True)


@dataclass(frozen=True, slots=True)
class RemoteBlobs(Blobs):
    """Documents in a bucket; parts stay on the disk of the node that takes them in until they are whole."""

    bucket: S3Store

    @classmethod
    def at(cls, data: Path, url: str) -> RemoteBlobs:
        """Use the bucket at ``url`` (``bucket.connect``)."""
        files, bucket = Blobs.open(data), connect(url)
        return cls(root=files.root, store=files.store, bucket=bucket)

    @override
    def document(self, attachment: AttachmentId) -> RemoteDocument:
        """Return how to read the whole document."""
        return RemoteDocument(self.bucket, _blob(attachment))

    @override
    async def prove(self) -> None:
        """Write the probe, as a document would be.

        Raises:
            UnavailableError: the bucket does not take it.

        """
        written = await ask(self.bucket, write=True)
        if written.condition is not Condition.READY:
            raise UnavailableError(written.sentence())

    @override
    async def finish(self, attachment: AttachmentId) -> None:
        """Put the (synced) part into the bucket, then let go of it. Doing it again after a crash is fine.

        Raises:
            UnavailableError: the bucket does not take it; the part stays.

        """
        part = self.root / _part(attachment)
        if not await asyncio.to_thread(part.exists):
            return
        with _answering():
            await obstore.put_async(self.bucket, _blob(attachment), part)
        if not await self.has(attachment, (await asyncio.to_thread(part.stat)).st_size):
            raise UnavailableError("the bucket has not kept the document")
        await asyncio.to_thread(part.unlink, missing_ok=True)

    @override
    async def has(self, attachment: AttachmentId, size: int) -> bool:
        """Tell whether the whole document of ``size`` bytes is in the bucket."""
        try:
            return await RemoteDocument(self.bucket, _blob(attachment)).size() == size
        except FileNotFoundError:
            return False

    @override
    async def discard(self, attachment: AttachmentId) -> None:
        """Forget a document, part or whole. An absent one is fine."""
        await asyncio.to_thread((self.root / _part(attachment)).unlink, missing_ok=True)
        with _answering(), contextlib.suppress(FileNotFoundError):
            await obstore.delete_async(self.bucket, _blob(attachment))


@dataclass(frozen=True, slots=True)
class RemoteDocument:
    """A whole document in a bucket."""

    bucket: S3Store
    name: str

    async def size(self) -> int:
        """Return its bytes.

        Raises:
            FileNotFoundError: it is not there.
            UnavailableError: the bucket does not answer.

        """
        with _answering():
            return (await obstore.head_async(self.bucket, self.name))["size"]

    async def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` to before ``stop``, as they arrive."""
        found = await obstore.get_async(self.bucket, self.name, options={"range": (start, stop)})
        async for chunk in found.stream():
            yield bytes(chunk)


@dataclass(slots=True)
class Part:
    """An open part. ``end`` is where the next byte goes."""

    handle: int
    end: int

    async def append(self, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data`` (not synced yet)."""
        await _to_the_end(self._append, data)

    def _append(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        while view:
            written = os.pwrite(self.handle, view, self.end)
            self.end += written
            view = view[written:]

    async def sync(self) -> None:
        """Return when everything written is on the disk."""
        await _to_the_end(os.fdatasync, self.handle)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.handle)


async def _to_the_end(work: Callable[..., T], *arguments: Any) -> T:
    """Run ``work`` in a thread, to its end even if the caller is cancelled: nobody may close the file under it."""
    running = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        raise


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Turn what a bucket refuses into a refusal of ours; a missing object stays a missing file."""
    try:
        yield
    except FileNotFoundError:
        raise
    except obstore.exceptions.BaseError as exc:
        telemetry.warning("bucket_refused", exc_type=type(exc).__name__)
        raise UnavailableError("the bucket does not answer") from None


def _part(attachment: AttachmentId) -> str:
    return f"parts/{attachment.hex()}"


def _blob(attachment: AttachmentId) -> str:
    name = attachment.hex()
    return f"blobs/{name[:2]}/{name}"


def _make_folder(folder: Path) -> None:
    """Make a folder whose name survives a power cut, even if an earlier process made it and died."""
    folder.mkdir(mode=0o700, exist_ok=True)
    _sync_folder(folder.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
