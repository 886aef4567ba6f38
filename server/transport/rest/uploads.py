"""Sealed documents over HTTP: tus 1.0 (creation, termination) on the way in, ranges on the way out.

Source: docs/spec/api.md 6, https://tus.io/protocols/resumable-upload (1.0.0), RFC 9110 section 14.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from aiohttp import StreamReader, hdrs, web

from server.domain.attachment import sealed_size
from server.domain.errors import (
    BadRequestError,
    OffsetConflictError,
    RangeNotSatisfiableError,
    UnsupportedMediaTypeError,
)
from server.domain.ids import SHORT, AccountId, AttachmentId, ConversationId, b64, unb64
from server.services.attachments import AttachmentService
from server.transport.rest import problems

TUS: Final = "1.0.0"
CHUNKS: Final = "application/offset+octet-stream"
SILENCE: Final = 30  # seconds without a byte before an upload is cut; it can be resumed
SLOWEST: Final = 4 * 1024  # bytes a second, beyond the first minute; slower than this holds a connection for nothing
_HEADERS: Final = {"Tus-Resumable": TUS, hdrs.CACHE_CONTROL: "no-store"}


@dataclass(frozen=True, slots=True)
class Uploads:
    """The handlers. Each is given the account whose session it is."""

    service: AttachmentService

    async def options(self, _: web.Request) -> web.Response:
        """Tell what of tus is spoken here."""
        told = {
            "Tus-Version": TUS,
            "Tus-Extension": "creation,termination",
            "Tus-Max-Size": str(sealed_size(self.service.limit)),
        }
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS | told)

    async def create(self, request: web.Request, account: AccountId) -> web.Response:
        """Announce a document."""
        _check_version(request)
        attachment = _named(request.headers.get("Upload-Metadata", ""))
        size = _number(request, "Upload-Length")
        fresh = await self.service.begin(account, attachment, size)
        status = HTTPStatus.CREATED if fresh else HTTPStatus.OK
        return web.Response(status=status, headers=_HEADERS | {hdrs.LOCATION: f"/v1/uploads/{b64(attachment)}"})

    async def head(self, request: web.Request, account: AccountId) -> web.Response:
        """Tell how much of an upload is safe."""
        upload = await self.service.upload(account, _attachment(request))
        told = {"Upload-Offset": str(upload.received), "Upload-Length": str(upload.size)}
        return web.Response(status=HTTPStatus.OK, headers=_HEADERS | told)

    async def patch(self, request: web.Request, account: AccountId) -> web.Response:
        """Take in more of a document; answered when it is on the disk."""
        _check_version(request)
        if request.content_type != CHUNKS:
            raise UnsupportedMediaTypeError(f"send {CHUNKS}")
        offset = _number(request, "Upload-Offset")
        try:
            reached = await self.service.append(account, _attachment(request), offset, steady(request.content))
        except OffsetConflictError as exc:
            response = problems.refusal(exc)
            response.headers["Tus-Resumable"] = TUS
            response.force_close()  # the rest of the body is not worth reading
            return response
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS | {"Upload-Offset": str(reached)})

    async def delete(self, request: web.Request, account: AccountId) -> web.Response:
        """Forget an upload that no message names."""
        _check_version(request)
        await self.service.discard(account, _attachment(request))
        return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS)

    async def download(
        self, request: web.Request, account: AccountId, conversation: ConversationId
    ) -> web.StreamResponse:
        """Hand out the sealed bytes, or one range of them."""
        path = await self.service.locate(account, conversation, _attachment(request))
        size = (await asyncio.to_thread(path.stat)).st_size
        if not _satisfiable(request, size):
            refused = problems.refusal(RangeNotSatisfiableError(f"the document has {size} bytes"))
            refused.headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
            return refused
        return web.FileResponse(
            path,
            chunk_size=1024 * 1024,
            headers={
                hdrs.CONTENT_TYPE: "application/octet-stream",
                hdrs.CONTENT_DISPOSITION: "attachment",
                hdrs.CACHE_CONTROL: "private, no-store",
                "X-Content-Type-Options": "nosniff",
            },
        )


async def steady(content: StreamReader) -> AsyncIterator[bytes]:
    """Yield what arrives, as long as it arrives at a reasonable pace.

    Raises:
        TimeoutError: ``SILENCE``, or on the whole slower than ``SLOWEST``.

    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + 60
    while True:
        async with asyncio.timeout_at(min(deadline, loop.time() + SILENCE)):
            chunk = await content.readany()
        if not chunk:
            return
        deadline += len(chunk) / SLOWEST
        yield chunk


def _attachment(request: web.Request) -> AttachmentId:
    return AttachmentId(unb64(request.match_info["attachment"], SHORT))


def _check_version(request: web.Request) -> None:
    if request.headers.get("Tus-Resumable") != TUS:
        raise BadRequestError(f"say Tus-Resumable: {TUS}")


def _named(metadata: str) -> AttachmentId:
    """Read the attachment id from ``Upload-Metadata: attachment <base64 of its b64 text>``; other pairs are ignored."""
    for pair in metadata.split(","):
        key, _, value = pair.strip().partition(" ")
        if key == "attachment":
            try:
                text = base64.b64decode(value, validate=True).decode("ascii")
            except (binascii.Error, ValueError):
                raise BadRequestError("Upload-Metadata: attachment is not base64") from None
            return AttachmentId(unb64(text, SHORT))
    raise BadRequestError("Upload-Metadata names no attachment")


def _number(request: web.Request, header: str) -> int:
    text = request.headers.get(header, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):  # less than a petabyte
        raise BadRequestError(f"{header} is missing or not a number")
    return int(text)


def _satisfiable(request: web.Request, size: int) -> bool:
    """Tell whether there is anything in the range that is asked for; one range at a time."""
    try:
        asked = request.http_range
    except ValueError:
        return False
    return asked.start is None or asked.start < size
