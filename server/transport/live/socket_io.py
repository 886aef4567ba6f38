"""The Socket.IO framing (protocol 5, WebSocket only) of the gateway. Source: docs/spec/api.md 8.

python-socketio does the handshake and the pings. Its send queues are not used: they have no bound, and cost fifty times
what a frame does. Pushes are written to the transport as ready Engine.IO packets (reliability.md 2.1 to 2.8).
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any, Final

import socketio
from aiohttp import web
from socketio.exceptions import ConnectionRefusedError as Refused

from server.domain.errors import BadRequestError, DomainError
from server.domain.ids import unb64
from server.services.container import Services
from server.transport.address import address
from server.transport.live.carrier import CARRIER, Carrier
from server.transport.live.engine import slim
from server.transport.live.frames import Framing
from server.transport.live.gateway import Gateway
from server.transport.live.line import Line
from server.transport.origin import is_own

PATH: Final = "/v1/socket.io"
LARGEST: Final = 65_536  # bytes of a packet
PING: Final = 25  # seconds between signs of life
ANSWER: Final = 20  # seconds in which one must come
GREETING: Final = 10  # seconds to say whose connection it is
GOODBYE: Final = 1  # second for the last words
_ACK: Final = re.compile(r'42\["ack",\{"position":(0|[1-9]\d{0,14})\}\]')
_BINARY: Final = ("5", "6")  # packets that announce attachments; a peer could make us wait for 100,000 of them
_MALFORMED: Final = (ValueError, TypeError, LookupError, AttributeError, RecursionError)
"""What the library's parser makes of packets that no client writes."""


@dataclass(slots=True)
class SocketIO:
    """Answers the Socket.IO path."""

    services: Services
    gateway: Gateway
    _server: Any = field(init=False)
    _lines: dict[str, Line] = field(default_factory=dict)
    _places: dict[str, str] = field(default_factory=dict)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def attach(self, app: web.Application) -> None:
        """Add the path to the application."""
        self._server = server = socketio.AsyncServer(
            async_mode="aiohttp",
            async_handlers=False,
            transports=["websocket"],
            max_http_buffer_size=LARGEST,
            cors_allowed_origins=[],  # checked in ``_connect``, for both framings alike
            ping_interval=PING,
            ping_timeout=ANSWER,
            monitor_clients=False,  # ``QuietSocket`` has a clock for each
            logger=False,
            engineio_logger=False,
        )
        server.on("connect", self._connect)
        server.on("disconnect", self._disconnect)
        server.on("ack", self._acknowledge)
        server.on("*", self._refuse)
        server.eio.on("connect", self._greet)
        server.eio.on("message", self._guard)
        server.eio._async = server.eio._async | {"websocket": Carrier}  # noqa: SLF001  # it has no public name
        server.attach(app, socketio_path=PATH.removeprefix("/"))

    async def _greet(self, engine_sid: str, environ: dict[str, Any]) -> None:
        """Give a connection a moment to bring a ticket; without one it is not kept."""
        slim(self._server.eio.sockets[engine_sid])
        await self._server._handle_eio_connect(engine_sid, environ)  # noqa: SLF001  # as in ``_guard``
        asyncio.get_running_loop().call_later(GREETING, self._require_line, engine_sid)

    def _require_line(self, engine_sid: str) -> None:
        if self._server.manager.sid_from_eio_sid(engine_sid, "/") not in self._lines:
            self._run(self._hang_up(engine_sid))

    async def _guard(self, engine_sid: str, packet: str | bytes) -> None:
        """Close on binary packets before anything is kept of them, and on what cannot be read."""
        if isinstance(packet, bytes) or packet[:1] in _BINARY:
            await self._hang_up(engine_sid)
            return
        try:
            await self._server._handle_eio_message(engine_sid, packet)  # noqa: SLF001  # no public door before the parser
        except _MALFORMED:
            await self._hang_up(engine_sid)

    async def _connect(self, sid: str, environ: dict[str, Any], auth: object) -> None:
        request: web.Request = environ["aiohttp.request"]
        try:
            ticket, after = _read_auth(auth)
            if not is_own(request, self.services.settings.public_url):
                raise BadRequestError("another site's page")
            principal = await self.services.sessions.redeem_ticket(ticket)
            place = address(request, self.services.settings.trusted_proxies)
            self.gateway.doors.enter(place)
        except DomainError as exc:
            raise Refused(exc.code, {"code": exc.code, **exc.extra}) from None
        if request.transport is None:
            self.gateway.doors.leave(place)
            raise Refused("unavailable", {"code": "unavailable"})
        line = self.gateway.open(
            principal,
            request.transport,
            Framing.SOCKET_IO,
            after=after,
            close=lambda code: self._end(sid, code),
        )
        self._lines[sid] = line
        self._places[sid] = place
        carrier: Carrier = environ[CARRIER]
        environ.clear()  # the library keeps it to the end: a copy of every header
        environ["aiohttp.request"] = request
        carrier.inlet.take(lambda text: self._heed(sid, text))
        self._run(line.begin())  # a task: the library writes its greeting before any other has a turn

    def _heed(self, sid: str, text: str) -> bool:
        """Take the one packet that comes all the time, where it arrives; the library would make two tasks of it."""
        plain, line = _ACK.fullmatch(text), self._lines.get(sid)
        if plain is None or line is None:
            return False
        self.gateway.acknowledge(line, int(plain[1]))
        return True

    async def _acknowledge(self, sid: str, said: object = None) -> None:
        line = self._lines.get(sid)
        position = said.get("position") if isinstance(said, dict) and len(said) == 1 else None
        if line is None or type(position) is not int or not 0 <= position < 2**53:
            await self._server.disconnect(sid)
            return
        self.gateway.acknowledge(line, position)

    async def _refuse(self, _event: str, sid: str, *_said: object) -> None:
        await self._server.disconnect(sid)

    async def _disconnect(self, sid: str, _reason: str = "") -> None:
        self._run(self._hang_up(self._server.manager.eio_sid_from_sid(sid, "/")))
        line = self._lines.pop(sid, None)
        if line is not None:
            self.gateway.shut(line)
        place = self._places.pop(sid, None)
        if place is not None:
            self.gateway.doors.leave(place)

    async def _hang_up(self, engine_sid: str) -> None:
        """End a connection with what carries it; the library would leave that to the peer."""
        environ = self._server.environ.get(engine_sid)
        await self._server.eio.disconnect(engine_sid)
        transport = environ["aiohttp.request"].transport if environ else None
        if transport is not None:
            asyncio.get_running_loop().call_later(GOODBYE, transport.close)

    def _end(self, sid: str, code: str) -> None:
        line = self._lines.pop(sid, None)
        if line is not None:
            line.say("ended", b'"code":"' + code.encode() + b'"')
            self.gateway.shut(line)
            self._run(self._server.disconnect(sid))

    def _run(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _read_auth(auth: object) -> tuple[bytes, int]:
    if not isinstance(auth, dict) or not set(auth) <= {"ticket", "after"}:
        raise BadRequestError("auth is a ticket and a position")
    ticket, after = auth.get("ticket"), auth.get("after", 0)
    if not isinstance(ticket, str) or type(after) is not int or not 0 <= after < 2**53:
        raise BadRequestError("auth is a ticket and a position")
    return unb64(ticket, 48), after
