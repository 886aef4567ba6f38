"""Sealed documents over HTTP: tus 1.0 (creation, also with upload, termination) on the way in, ranges on the way out.

Source: docs/spec/api.md 6, https://tus.io/protocols/resumable-upload (1.0.0), RFC 9110 section 14.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import StreamReader, hdrs, web

from server.domain.attachment import sealed_size
from server.domain.errors import BadRequestError, DomainError, RangeNotSatisfiableError, UnsupportedMediaTypeError
from server.domain.ids import SHORT, AttachmentId, ConversationId, b64, unb64
from server.services.attachments import Remote
from server.transport.rest import problems
from server.transport.rest.operations import Call, Operation, Role

TUS: Final = "1.0.0"
CHUNKS: Final = "application/offset+octet-stream"
SILENCE: Final = 30  # seconds without a byte before an upload is cut; it can be resumed
SLOWEST: Final = 4 * 1024  # bytes a second, beyond the first minute; slower than this holds a connection for nothing
_HEADERS: Final = {"Tus-Resumable": TUS, hdrs.CACHE_CONTROL: "no-store"}


async def options(call: Call) -> web.Response:
    """Tell what of tus is spoken here."""
    told = {
        "Tus-Version": TUS,
        "Tus-Extension": "creation,creation-with-upload,termination",
        "Tus-Max-Size": str(sealed_size(call.services.attachments.limit)),
    }
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS | told)


async def create(call: Call) -> web.Response:
    """Announce a document, and take in what comes along with that."""
    _check_version(call.request)
    attachment = _named(call.request.headers.get("Upload-Metadata", ""))
    size = _number(call.request, "Upload-Length")
    fresh = await call.services.attachments.begin(call.who.account, attachment, size)
    status = HTTPStatus.CREATED if fresh else HTTPStatus.OK
    told = _HEADERS | {hdrs.LOCATION: f"/v1/uploads/{b64(attachment)}"}
    if call.request.content_type == CHUNKS:
        told["Upload-Offset"] = str(await _taken_along(call, attachment, fresh=fresh))
    return web.Response(status=status, headers=told)


async def _taken_along(call: Call, attachment: AttachmentId, *, fresh: bool) -> int:
    """Take in the first bytes; of a repeat nothing, since where it goes on is not its first byte."""
    attachments = call.services.attachments
    if not fresh:
        return (await attachments.upload(call.who.account, attachment)).received
    return await attachments.append(call.who.account, attachment, 0, steady(call.request.content))


async def head(call: Call) -> web.Response:
    """Tell how much of an upload is safe."""
    upload = await call.services.attachments.upload(call.who.account, _attachment(call))
    told = {"Upload-Offset": str(upload.received), "Upload-Length": str(upload.size)}
    return web.Response(status=HTTPStatus.OK, headers=_HEADERS | told)


async def patch(call: Call) -> web.Response:
    """Take in more of a document; answered when it is on the disk."""
    _check_version(call.request)
    if call.request.content_type != CHUNKS:
        raise UnsupportedMediaTypeError(f"send {CHUNKS}")
    offset = _number(call.request, "Upload-Offset")
    chunks = steady(call.request.content)
    try:
        reached = await call.services.attachments.append(call.who.account, _attachment(call), offset, chunks)
    except DomainError as exc:
        response = problems.refusal(exc)
        response.force_close()  # the rest of the body is not worth reading
        return response
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS | {"Upload-Offset": str(reached)})


async def delete(call: Call) -> web.Response:
    """Forget an upload that no message names."""
    _check_version(call.request)
    await call.services.attachments.discard(call.who.account, _attachment(call))
    return web.Response(status=HTTPStatus.NO_CONTENT, headers=_HEADERS)


async def download(call: Call) -> web.StreamResponse:
    """Hand out the sealed bytes, or one range of them."""
    conversation = ConversationId(call.ids["conversation"])
    document = await call.services.attachments.locate(call.who.account, conversation, _attachment(call))
    if isinstance(document, Path):
        size = (await asyncio.to_thread(document.stat)).st_size
    else:
        size = await document.size()
    if not _satisfiable(call.request, size):
        refused = problems.refusal(RangeNotSatisfiableError(f"the document has {size} bytes"))
        refused.headers[hdrs.CONTENT_RANGE] = f"bytes */{size}"
        return refused
    headers: dict[str, str] = {
        hdrs.CONTENT_TYPE: "application/octet-stream",
        hdrs.CONTENT_DISPOSITION: "attachment",
        hdrs.CACHE_CONTROL: "private, no-store",
    }
    if isinstance(document, Path):
        return web.FileResponse(document, chunk_size=1024 * 1024, headers=headers)
    return await _pass_on(call.request, document, size, headers)


async def _pass_on(request: web.Request, document: Remote, size: int, headers: Mapping[str, str]) -> web.StreamResponse:
    """Hand out what another server keeps, as it arrives."""
    asked = request.http_range
    start, stop, _ = asked.indices(size)
    response = web.StreamResponse(headers={**headers, hdrs.ACCEPT_RANGES: "bytes"})
    if asked.start is not None:
        response.set_status(HTTPStatus.PARTIAL_CONTENT)
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {start}-{stop - 1}/{size}"
    response.content_length = stop - start
    await response.prepare(request)
    async for chunk in document.read(start, stop):
        await response.write(chunk)
    await response.write_eof()
    return response


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


def _attachment(call: Call) -> AttachmentId:
    return AttachmentId(call.ids["attachment"])


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


_UPLOAD: Final = "/v1/uploads/{attachment}"

OPERATIONS: Final = (
    Operation(
        name="showUploads",
        method="OPTIONS",
        path="/v1/uploads",
        role=Role.ANYONE,
        summary="What of tus 1.0 is spoken here",
        handler=options,
        status=204,
    ),
    Operation(
        name="beginUpload",
        method="POST",
        path="/v1/uploads",
        role=Role.SESSION,
        summary="Announce a sealed document",
        handler=create,
        status=201,
        refuses=(
            "attachment_exists",
            "attachment_empty",
            "attachment_too_large",
            "offset_conflict",
            "quota_exceeded",
            "storage_full",
        ),
    ),
    Operation(
        name="showUpload",
        method="HEAD",
        path=_UPLOAD,
        role=Role.SESSION,
        summary="How much of an upload is safe",
        handler=head,
        refuses=("not_found",),
    ),
    Operation(
        name="appendUpload",
        method="PATCH",
        path=_UPLOAD,
        role=Role.SESSION,
        summary="Send more of a sealed document",
        handler=patch,
        status=204,
        refuses=("not_found", "offset_conflict", "unsupported_media_type", "storage_full"),
    ),
    Operation(
        name="discardUpload",
        method="DELETE",
        path=_UPLOAD,
        role=Role.SESSION,
        summary="Forget an upload that no message names",
        handler=delete,
        status=204,
        refuses=("not_found", "not_permitted"),
    ),
    Operation(
        name="readAttachment",
        method="GET",
        path="/v1/conversations/{conversation}/attachments/{attachment}",
        role=Role.MEMBER,
        summary="The sealed bytes of a document, or one range of them",
        handler=download,
        refuses=("not_found", "range_not_satisfiable"),
    ),
)
