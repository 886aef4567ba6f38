"""The edge of the HTTP interface: a refusal becomes a problem document, anything else a 500 that tells nothing.

Status, title and hint of every code stand in this one table. Source: docs/spec/errors.md, docs/spec/api.md 9.
"""

from __future__ import annotations

import errno
import secrets
import time
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from server import metrics, telemetry
from server.domain.errors import (
    BadRequestError,
    DomainError,
    ProtocolRefusalError,
    StorageFullError,
    TooManyTriesError,
    UnsupportedMediaTypeError,
)


class Meaning(NamedTuple):
    """What a code says to a program (``status``) and to a person."""

    status: int
    title: str
    hint: str


MEANINGS: Final[dict[str, Meaning]] = {
    "bad_request": Meaning(400, "The request is not of the expected form", "Compare it with docs/api/openapi.json."),
    "unauthenticated": Meaning(401, "No session, or it has ended", "Open a session and try again."),
    "signature_refused": Meaning(401, "The signature was not accepted", "Ask for a new challenge and sign it."),
    "not_permitted": Meaning(403, "A rule forbids this", "Somebody else in the conversation may be able to."),
    "start_not_allowed": Meaning(403, "Only a professional starts a conversation", "Ask the professional to write."),
    "reply_not_allowed": Meaning(403, "No answer is expected here", "The professional can write again to reopen."),
    "patient_blocked": Meaning(403, "The patient takes no messages from you", "This is final; use another way."),
    "patient_left": Meaning(403, "The patient has left this conversation", "This is final; use another way."),
    "unlocker_missing": Meaning(403, "A second way into the account is missing", "Add a recovery code or a passkey."),
    "csrf": Meaning(403, "Not from our own pages", "A cookie counts only with `X-Pli: 1`, from our own pages."),
    "not_found": Meaning(404, "Not there, or not for you", "Check the address and the account."),
    "invitation_unknown": Meaning(404, "No such invitation", "Check every character; then ask for a new one."),
    "method_not_allowed": Meaning(405, "This address does not do that", "See the header Allow."),
    "stale_epoch": Meaning(409, "The members changed meanwhile", "Fetch the epochs and build on the newest."),
    "stale_head": Meaning(409, "The account chain has grown meanwhile", "Fetch the chain and build on its head."),
    "already_read": Meaning(409, "Somebody has already read it", "Send a correction instead."),
    "last_owner": Meaning(409, "Somebody must stay responsible", "Add another owner first."),
    "attachment_exists": Meaning(409, "This attachment id is taken", "Draw a new random id."),
    "offset_conflict": Meaning(409, "The upload is at another offset", "Ask with HEAD and go on from there."),
    "activation_invalid": Meaning(410, "Unknown, used or expired activation link", "Ask the operator for a new one."),
    "invitation_used": Meaning(410, "This invitation has been used", "Unlock the account that was made with it."),
    "invitation_expired": Meaning(410, "This invitation has expired", "Ask the professional for a new one."),
    "invitation_replaced": Meaning(410, "A newer invitation replaces this one", "Use the newer one."),
    "invitation_refused": Meaning(410, "This invitation was refused", "Whoever it was for wants no account."),
    "envelope_too_large": Meaning(413, "The message is too large", "Send long texts as a document."),
    "attachment_too_large": Meaning(413, "The document is too large", "See `limits` of GET /v1/server."),
    "quota_exceeded": Meaning(413, "The account keeps too many documents here", "Ask the operator for more room."),
    "request_too_large": Meaning(413, "The request is too large", "JSON bodies have at most 1 MiB."),
    "unsupported_media_type": Meaning(415, "This media type is not read here", "Send JSON, without Content-Encoding."),
    "range_not_satisfiable": Meaning(416, "There is nothing in this range", "Ask for one range inside the document."),
    "attachment_unknown": Meaning(422, "Not uploaded, not complete, or not yours", "Finish the upload, then send."),
    "attachment_empty": Meaning(422, "The document is empty", "A sealed document has at least 56 bytes."),
    "wrong_conversation": Meaning(422, "The envelope names another conversation", "Seal it for this conversation."),
    "too_many_tries": Meaning(429, "Too many tries", "Wait for the seconds that Retry-After says."),
    "internal": Meaning(500, "The server failed", "Tell the operator the reference."),
    "unavailable": Meaning(503, "Not possible at this moment", "Try again in a moment."),
    "storage_full": Meaning(507, "The server has no room left", "Nothing was stored; the operator must make room."),
}
PROTOCOL: Final = Meaning(422, "A check of the protocol failed", "docs/spec/protocol.md 13 says which.")
PROTOCOL_CODES: Final = (
    "bad_format", "unknown_version", "not_next", "wrong_account", "unknown_signer", "bad_signature", "weak_key",
    "rule", "rollback", "fork", "bad_code", "bad_check", "forged_box", "wrong_commit", "bad_device",
    "wrong_member_key", "stale_key", "not_permitted", "unknown_epoch", "open_failed", "wrong_kind", "old_epoch",
    "withheld", "mirror_mismatch", "wrong_inviter", "invitation_expired",
)  # fmt: skip

SAFE_HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Server": "Pli"}
"""What every answer says, unless it says something else."""
_FULL: Final = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_BY_STATUS: Final = {
    404: "not_found",
    405: "method_not_allowed",
    413: "request_too_large",
    415: "unsupported_media_type",
}
_OURS: Final = str(Path(__file__).parents[2])


def problem(code: str, detail: str = "", *, meaning: Meaning | None = None, **extra: Any) -> web.Response:
    """Build the problem document of ``code``; ``extra`` are the members that the interface names for it."""
    meaning = meaning or MEANINGS[code]
    document = {"type": "about:blank", "title": meaning.title, "status": meaning.status, "code": code}
    document |= {"detail": detail, "hint": meaning.hint, **extra}
    metrics.REFUSALS.add(code)
    return web.Response(
        status=meaning.status, body=msgspec.json.encode(document), content_type="application/problem+json"
    )


def refusal(exc: DomainError) -> web.Response:
    """Build the problem document of a refusal."""
    meaning = PROTOCOL if isinstance(exc, ProtocolRefusalError) else MEANINGS[exc.code]
    response = problem(exc.code, exc.detail, meaning=meaning, **exc.extra)
    if isinstance(exc, TooManyTriesError):
        response.headers["Retry-After"] = str(exc.retry_after)
    elif exc.code == "unavailable":
        response.headers["Retry-After"] = "2"
    return response


def edge(*, access_log: bool) -> Middleware:
    """Build the outermost middleware: errors become problems, every answer is told to the log by its route."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        began, has_begun = time.perf_counter(), False
        try:
            if hdrs.CONTENT_ENCODING in request.headers:
                raise UnsupportedMediaTypeError("send it without Content-Encoding")  # noqa: TRY301
            response = await handler(request)
        except Exception as exc:  # noqa: BLE001  # an edge: nothing of ours may pass it as a traceback
            response, has_begun = _answer(exc), request.writer.output_size > 0
        _make_safe(response)
        seconds, route = time.perf_counter() - began, route_of(request)
        _count(request, response, route, seconds)
        if access_log:
            telemetry.info(
                "request", method=request.method, route=route, status=response.status, ms=round(seconds * 1000, 1)
            )
        if has_begun:  # a document, a live socket: what would follow would be read as a part of it
            raise ConnectionError("an answer has begun")
        return response

    return middleware


def _make_safe(response: web.StreamResponse) -> None:
    if not response.prepared:
        for name, value in SAFE_HEADERS.items():
            response.headers.setdefault(name, value)


def _answer(exc: Exception) -> web.StreamResponse:
    """Translate whatever a handler raised."""
    match exc:
        case DomainError():
            return refusal(exc)
        case web.HTTPException():
            return _library(exc)
        case msgspec.DecodeError():
            return refusal(BadRequestError(str(exc)))
        case TimeoutError():
            response = refusal(BadRequestError("the body did not arrive in time"))
            response.force_close()
            return response
        case OSError(errno=number) if number in _FULL:
            telemetry.error("storage_full", **_place(exc.__traceback__))
            return refusal(StorageFullError())
        case ConnectionError():
            raise exc
    reference = secrets.token_hex(4)
    telemetry.error("unhandled", exc_type=type(exc).__name__, reference=reference, **_place(exc.__traceback__))
    return problem("internal", reference=reference)


def _library(exc: web.HTTPException) -> web.StreamResponse:
    """Translate what aiohttp itself refuses; redirects and the like pass."""
    if exc.status < HTTPStatus.BAD_REQUEST:
        return exc
    response = problem(_BY_STATUS.get(exc.status, "bad_request"))
    if "Allow" in exc.headers:
        response.headers["Allow"] = exc.headers["Allow"]
    return response


def _place(trace: TracebackType | None) -> dict[str, str]:
    """Return the innermost place of ours in a traceback: file and line, never its values."""
    place = ""
    while trace is not None:
        name = trace.tb_frame.f_code.co_filename
        if name.startswith(_OURS):
            place = f"{Path(name).relative_to(_OURS)}:{trace.tb_lineno}"
        trace = trace.tb_next
    return {"where": place}


def route_of(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unknown"


def _count(request: web.Request, response: web.StreamResponse, route: str, seconds: float) -> None:
    method = request.method if request.method in hdrs.METH_ALL else "other"
    metrics.REQUESTS.add(method, route, str(response.status))
    if response.status != HTTPStatus.SWITCHING_PROTOCOLS:
        metrics.LATENCY.observe(seconds, route)
    if method == hdrs.METH_PATCH:
        metrics.DOCUMENTS.add("in", by=request.content_length or 0)
    elif isinstance(response, web.FileResponse):
        metrics.DOCUMENTS.add("out", by=response.content_length or 0)
