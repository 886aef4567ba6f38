"""Carries sealed documents: resumable on the way in, whole or absent once they are there.

The database says how many bytes of an upload are safe; bytes count after they are synced and the count is committed. A
crash can only leave *more* on the disk than is counted, and what is not counted is cut off before going on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from server.clock import Clock
from server.domain.attachment import PART, Attachment, admit
from server.domain.errors import (
    AttachmentExistsError,
    BadRequestError,
    NotFoundError,
    NotPermittedError,
    OffsetConflictError,
)
from server.domain.ids import AccountId, AttachmentId, ConversationId
from server.domain.journal import Access, Told
from server.services.journal import JournalService
from server.services.ports import Store, Transaction, Writes

BLOCK: Final = 1024 * 1024  # bytes handed to the disk at a time
SWEEP: Final = 500  # abandoned uploads removed at a time


class Part(Protocol):
    """An upload's file while it is being written."""

    end: int

    async def append(self, data: bytearray) -> None:
        """Write all of ``data`` at the end."""

    async def sync(self) -> None:
        """Return when everything written is on the disk."""

    def close(self) -> None:
        """Let go of the file."""


class Remote(Protocol):
    """A blob that is not a file here."""

    async def size(self) -> int:
        """Return its bytes."""

    def read(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Yield the bytes from ``start`` to before ``stop``, as they arrive."""


class Files(Protocol):
    """Where the bytes lie (``server/storage/blobs.py``)."""

    async def room(self, size: int) -> None:
        """Raise OSError (ENOSPC) when ``size`` bytes would not fit."""

    async def prove(self) -> None:
        """Write something small, as a document would be; raises ``UnavailableError`` when it is not taken."""

    async def open_part(self, attachment: AttachmentId, received: int) -> Part:
        """Open a part to go on at ``received``. FileNotFoundError when it is shorter than that."""

    async def finish(self, attachment: AttachmentId) -> None:
        """Turn a whole part into a blob."""

    async def has(self, attachment: AttachmentId, size: int) -> bool:
        """Tell whether the blob is there, of ``size`` bytes."""

    async def discard(self, attachment: AttachmentId) -> None:
        """Remove part and blob."""

    def document(self, attachment: AttachmentId) -> Path | Remote:
        """Return the blob: where it lies, or how to read it from elsewhere."""


@dataclass(slots=True)
class AttachmentService:
    """Takes sealed documents in, and hands them out to the members of the conversations that name them."""

    store: Store
    files: Files
    clock: Clock
    journal: JournalService
    limit: int
    """Largest document before sealing, in bytes."""
    quota: int
    """Sealed bytes that one account may keep."""
    _writing: dict[AttachmentId, asyncio.Task[int]] = field(default_factory=dict)

    async def begin(self, account: AccountId, attachment: AttachmentId, size: int) -> bool:
        """Announce a document of ``size`` sealed bytes. False when ``account`` has already announced the same.

        Raises:
            AttachmentExistsError, AttachmentEmptyError, AttachmentTooLargeError, QuotaExceededError.
            OSError: ``ENOSPC``, there is no room for it now; nothing is stored.

        """
        announced = Attachment(attachment, account, size, 0, self.clock.now())

        def intent(unit: Transaction) -> bool:
            known = unit.attachments.get(attachment)
            if known is not None:
                if (known.account, known.size) != (account, size):
                    raise AttachmentExistsError("this id has been announced before, by somebody else or another size")
                return False
            admit(size, limit=self.limit, used=unit.attachments.used(account), quota=self.quota)
            unit.attachments.add(announced)
            return True

        admit(size, limit=self.limit, used=0, quota=self.quota)  # what may never be here is not a question of room
        await self.files.room(size)
        return await self.store.write(intent)

    async def upload(self, account: AccountId, attachment: AttachmentId) -> Attachment:
        """Return how far an upload of ``account`` is.

        Raises:
            NotFoundError: no such upload, or somebody else's.

        """
        known = await self.store.read(lambda view: view.attachments.get(attachment))
        if known is None or known.account != account:
            raise NotFoundError
        return known

    async def append(
        self, account: AccountId, attachment: AttachmentId, offset: int, chunks: AsyncIterator[bytes]
    ) -> int:
        """Take in ``chunks`` from ``offset`` on; return the new offset once it is safe. What came before a cut counts.

        A second request for the same upload ends the first: the client has lost that connection.

        Raises:
            NotFoundError, OffsetConflictError; BadRequestError: more bytes than were announced.
            OSError: the disk refused. What was safe before stays.

        """
        await self.upload(account, attachment)
        await self._supersede(attachment)
        known = await self.upload(account, attachment)
        if known.received != offset:
            raise OffsetConflictError(f"the upload is at {known.received}", offset=known.received)
        if known.whole:
            return known.received
        writing = asyncio.ensure_future(self._write(known, chunks))
        self._writing[attachment] = writing
        try:
            return await writing
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise OffsetConflictError("a newer request goes on with this upload") from None
        finally:
            if self._writing.get(attachment) is writing:
                del self._writing[attachment]

    async def discard(self, account: AccountId, attachment: AttachmentId) -> None:
        """Forget an upload that no message names.

        Raises:
            NotFoundError; NotPermittedError: a message names it.

        """
        await self.upload(account, attachment)
        await self._supersede(attachment)

        def intent(unit: Transaction) -> None:
            if unit.attachments.is_linked(attachment):
                raise NotPermittedError("a message names this document")
            unit.attachments.remove(attachment)

        await self.store.write(intent)
        await self.files.discard(attachment)

    async def locate(self, account: AccountId, conversation: ConversationId, attachment: AttachmentId) -> Path | Remote:
        """Return where a document of a conversation lies, for one of its members.

        Raises:
            NotFoundError: not there, or not for ``account``: nobody can tell which.

        """

        def query(view: Transaction) -> bool:
            member = view.conversations.member(conversation, account)
            return view.attachments.linked(attachment, conversation) and member is not None

        if not await self.store.read(query):
            raise NotFoundError
        await self.journal.visit(Told(Access.DOCUMENT_OPENED, account, conversation, attachment))
        return self.files.document(attachment)

    async def sweep(self, hours: int, through: Writes | None = None) -> int:
        """Remove uploads begun more than ``hours`` ago that no message names, at most ``SWEEP``; return how many."""
        before = self.clock.now() - hours * 3_600_000

        def intent(unit: Transaction) -> list[AttachmentId]:
            found = unit.attachments.unlinked_before(before, SWEEP)
            for attachment in found:
                unit.attachments.remove(attachment)
            return found

        swept = await (through or self.store).write(intent)
        for attachment in swept:
            await self._supersede(attachment)
            await self.files.discard(attachment)
        return len(swept)

    # --- writing ----------------------------------------------------------------------------------------------------

    async def _supersede(self, attachment: AttachmentId) -> None:
        """End whoever writes this upload now, and wait until what it received is counted."""
        writing = self._writing.get(attachment)
        if writing is not None:
            writing.cancel()
            await asyncio.wait([writing])

    async def _write(self, upload: Attachment, chunks: AsyncIterator[bytes]) -> int:
        try:
            part = await self.files.open_part(upload.id, upload.received)
        except FileNotFoundError:
            return await self._recover(upload)
        except BlockingIOError:
            raise OffsetConflictError("another process still writes this upload", offset=upload.received) from None
        try:
            await self._take_in(upload, part, chunks)
        finally:
            part.close()
        return part.end

    async def _take_in(self, upload: Attachment, part: Part, chunks: AsyncIterator[bytes]) -> None:
        """Write ``chunks`` in blocks; whatever ends it, what has arrived is made safe and counted."""
        block, counted = bytearray(), part.end
        try:
            async for chunk in chunks:
                if part.end + len(block) + len(chunk) > upload.size:
                    raise BadRequestError("more bytes than Upload-Length says")
                block += chunk
                if len(block) >= BLOCK:
                    full, block = block, bytearray()
                    await part.append(full)
                if part.end - counted >= PART:
                    counted = await self._count(upload, part)
        finally:
            if block:
                await part.append(block)
            if part.end > counted:
                await self._count(upload, part)

    async def _count(self, upload: Attachment, part: Part) -> int:
        """Make what has been written safe, and only then count it; the last byte turns the part into a blob."""
        await part.sync()
        end = part.end
        if end == upload.size:
            await self.files.finish(upload.id)
        await self.store.write(lambda unit: unit.attachments.advance(upload.id, end))
        return end

    async def _recover(self, upload: Attachment) -> int:
        """The part is gone. Either a crash came between the rename and its count, or the file was lost: start again."""
        received = upload.size if await self.files.has(upload.id, upload.size) else 0
        await self.store.write(lambda unit: unit.attachments.advance(upload.id, received))
        raise OffsetConflictError(f"the upload is at {received}", offset=received)
