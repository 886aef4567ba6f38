"""The edge below the application: what no handler ever sees is refused in our own form, and names no library.

And who does not fetch an answer is let go: aiohttp would keep it, and what it has to say, for ever.

aiohttp answers what it cannot read as HTTP, and an ``Expect`` that it does not know, by itself: plain text that says
its name and quotes the request. Here the same becomes a problem document (docs/spec/api.md 9) that does neither.
"""

from __future__ import annotations

import asyncio
import fcntl
import sys
import termios
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, cast

from aiohttp import HttpVersion11, hdrs, web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from server import telemetry
from server.transport.connections import CONNECTIONS, Connections
from server.transport.prepared import Prepared
from server.transport.rest.problems import MEANINGS, SAFE_HEADERS, problem

FETCH: Final = 20  # seconds in which a peer, for whom more waits than its transport holds, fetches some of it
SLOWEST: Final = 1024  # bytes a second of that


class Runner(web.AppRunner):
    """Runs an application behind connections that speak our form."""

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        handle: Any = Prepared(self.app, made.request_handler).handle
        server = _Server(
            handle, request_factory=made.request_factory, loop=made._loop, **made._kwargs  # noqa: SLF001
        )  # fmt: skip
        server.places = self.app[CONNECTIONS]
        return server


class _Server(web.Server):
    places: Connections

    @override
    def __call__(self) -> RequestHandler:
        return _Connection(self, self.places, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    __slots__ = ("_fetching", "_places")

    def __init__(self, server: _Server, places: Connections, **options: Any) -> None:
        super().__init__(server, **options)
        self._places = places

    # --- a place for it -----------------------------------------------------------------------------------------------

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._places.enter(self, transport.get_extra_info("peername")):
            super().connection_made(transport)
        else:
            self._force_close = True
            cast("asyncio.Transport", transport).abort()

    @override
    def set_parser(self, parser: Any, data_received_cb: Callable[[], None] | None = None) -> None:
        """Become a live socket, which is counted as such."""
        self._places.leave(self)
        super().set_parser(parser, data_received_cb)

    @property
    def idle_since(self) -> float | None:
        """Since when no request has been under way on it (plus a constant); none: one is."""
        waits = self._waiter is not None and not self._waiter.done()
        return self._next_keepalive_close_time if waits else None

    def let_go(self) -> None:
        """End it."""
        self.force_close()

    # --- a peer that fetches nothing ----------------------------------------------------------------------------------
    # The transport calls these when more waits than it likes, and when that has gone. In between a timer looks.

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        self._fetching.cancel()

    @override
    def connection_lost(self, exc: BaseException | None) -> None:
        if self._paused:
            self._fetching.cancel()
        self._places.leave(self)
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Look again after ``FETCH`` seconds whether anything was fetched."""
        if self.transport is not None:
            self._fetching = asyncio.get_running_loop().call_later(FETCH, self._let_go, _waiting(self.transport))

    def _let_go(self, waiting: int) -> None:
        """End the connection of a peer that has fetched less than ``SLOWEST`` allows; ``waiting``: bytes then."""
        if self.transport is not None:
            if waiting - _waiting(self.transport) < FETCH * SLOWEST:
                self.transport.abort()
            else:
                self._watch()

    # --- what the library would say -----------------------------------------------------------------------------------

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, and end the connection."""
        if isinstance(exc, ConnectionError):  # the peer has gone, or its answer had begun: told where it was seen
            raise exc
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            super().handle_error(request, status, exc, message)  # tells the log; raises when an answer has begun
        else:  # whoever knocks at a public port sends such things: nothing that needs a hand
            telemetry.info("unreadable", status=int(status))
            if request.writer.output_size > 0:
                raise ConnectionError("an answer has begun")
        response = _refusal(status)
        response.force_close()
        return response

    @override
    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; one of the library's own is said in our words."""
        if isinstance(resp, web.HTTPException) and resp.status >= HTTPStatus.BAD_REQUEST and not resp.prepared:
            resp = _refusal(resp.status)
        if request.version < HttpVersion11 and hdrs.TRANSFER_ENCODING in request.headers:
            resp.force_close()  # RFC 9112 6.1: whoever passed this on may have meant another end of the body
        return await super().finish_response(request, resp, start_time)


def _waiting(transport: asyncio.Transport) -> int:
    """Return the bytes that the peer has not acknowledged.

    The kernel's count too: it takes more from us only when a third of what it holds (up to megabytes) is gone.
    """
    socket = transport.get_extra_info("socket")
    held = bytearray(4)
    if socket is not None and socket.fileno() >= 0:
        fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, held)
    return transport.get_write_buffer_size() + int.from_bytes(held, sys.byteorder)


def _refusal(status: int) -> web.Response:
    code = "internal" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "bad_request"
    response = problem(code, meaning=MEANINGS[code]._replace(status=status))
    response.headers.update(SAFE_HEADERS)
    return response
