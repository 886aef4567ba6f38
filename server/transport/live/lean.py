"""The lean socket: a plain WebSocket with text frames of JSON, for bridges and heavy senders.

Source: docs/spec/api.md 8. ``send`` calls the same service method as the HTTP command, with the same codes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Final

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from server.domain.errors import BadRequestError, DomainError, NotFoundError, UnauthenticatedError
from server.domain.ids import ConversationId, unb64
from server.domain.session import Principal
from server.services.container import Services
from server.services.envelopes import Accepted
from server.transport import wire
from server.transport.address import address
from server.transport.live.carrier import NAME
from server.transport.live.frames import Framing
from server.transport.live.gateway import Gateway
from server.transport.live.inlet import Inlet
from server.transport.live.line import Line
from server.transport.origin import is_own
from server.transport.wire import SubmissionWire, Wire

LARGEST: Final = 512 * 1024  # bytes of a frame: an envelope in base64url and what stands around it
SILENCE: Final = 25  # seconds before a ping
CROWDED: Final = 0.05  # seconds between looks at a reader who does not fetch its answers
STORING: Final = 0.005  # seconds between looks at what is being stored
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class Ack(Wire, tag_field="t", tag="ack"):
    position: _Count


class Send(Wire, tag_field="t", tag="send"):
    ref: _Count
    conversation: str
    submission: SubmissionWire


_read: Final = msgspec.json.Decoder(Ack | Send).decode


@dataclass(frozen=True, slots=True)
class LeanSocket:
    """Answers ``GET /v1/live``."""

    services: Services
    gateway: Gateway
    describe: Callable[[BaseException], bytes]
    """Renders a refusal as a problem document."""

    async def connect(self, request: web.Request) -> web.StreamResponse:
        """Open a line for the holder of a ticket, and serve it to its end.

        Raises:
            UnauthenticatedError, BadRequestError, TooManyTriesError.

        """
        if not is_own(request, self.services.settings.public_url):
            raise UnauthenticatedError("another site's page")
        principal = await self.services.sessions.redeem_ticket(unb64(request.query.get("ticket", ""), 48))
        after = _position(request.query.get("after", "0"))
        with self.gateway.doors.entered(address(request, self.services.settings.trusted_proxies)):
            return await self._open(request, principal, after)

    async def _open(self, request: web.Request, principal: Principal, after: int) -> web.StreamResponse:
        socket = Inlet(largest=LARGEST, silence=SILENCE)
        socket.headers["Server"] = NAME
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket

        def close(code: str) -> None:
            socket.take(None)  # whoever has no session any more is not listened to while the goodbye is under way
            line.say("ended", b'"code":"' + code.encode() + b'"')
            self.gateway.shut(line)
            _closing.add(task := asyncio.ensure_future(socket.close(code=WSCloseCode.POLICY_VIOLATION)))
            task.add_done_callback(_closing.discard)

        line = self.gateway.open(principal, transport, Framing.LEAN, after=after, close=close)
        try:
            await line.begin()
            await self._serve(socket, line)
        finally:
            socket.take(None)
            self.gateway.shut(line)
        return socket

    async def _serve(self, socket: Inlet, line: Line) -> None:
        """Heed what is said, where it arrives; what is left over ends the line or is a hurry that must wait."""
        socket.take(lambda text: not line.is_crowded and self._heed(line, text))
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                await socket.close(code=WSCloseCode.UNSUPPORTED_DATA)
                return
            await _uncrowded(line)  # meanwhile nothing is read, so nothing piles up
            if not self._heed(line, message.data):
                await socket.close(code=WSCloseCode.INVALID_TEXT)
                return

    def _heed(self, line: Line, text: str) -> bool:
        """Do what a message says; False when it is none of ours."""
        try:
            said = _read(text)
        except (msgspec.DecodeError, RecursionError):
            return False
        if isinstance(said, Ack):
            self.gateway.acknowledge(line, said.position)
        else:
            self._send(line, said)
        return True

    def _send(self, line: Line, said: Send) -> None:
        """Submit without a task: the answer is written when the commit is done."""
        ref, size = said.ref, len(said.submission.envelope)

        def done(accepted: Accepted | None, refusal: BaseException | None) -> None:
            line.owed -= size
            if accepted is not None:
                line.answer("sent", b'"ref":%d,' % ref + wire.accepted_json(accepted))
            elif refusal is not None:
                self._refuse(line, ref, refusal)

        line.owed += size
        try:
            conversation = _conversation(said.conversation)
            self.services.envelopes.submit_soon(line.principal, conversation, wire.submission(said.submission), done)
        except DomainError as exc:
            done(None, exc)

    def _refuse(self, line: Line, ref: int, refusal: BaseException) -> None:
        line.answer("refused", b'"ref":%d,"problem":' % ref + self.describe(refusal))


_closing: Final[set[asyncio.Future[bool]]] = set()
"""Closings under way: a task that nobody holds may be collected."""


async def _uncrowded(line: Line) -> None:
    while line.is_crowded:  # noqa: ASYNC110  # the transport tells only aiohttp when it has emptied
        await asyncio.sleep(STORING if line.owed else CROWDED)


def _position(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 16:
        raise BadRequestError("after is a position")
    return int(text)


@lru_cache(8192)
def _conversation(text: str) -> ConversationId:
    try:
        return ConversationId(unb64(text, 32))
    except BadRequestError:
        raise NotFoundError from None
