"""The edge below the application: what no handler ever sees is refused in our own form, and names no library.

aiohttp answers what it cannot read as HTTP, and an ``Expect`` that it does not know, by itself: plain text that says
its name and quotes the request. Here the same becomes a problem document (docs/spec/api.md 9) that does neither.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler
from typing_extensions import override

from server.transport.prepared import Prepared
from server.transport.rest.problems import MEANINGS, SAFE_HEADERS, problem


class Runner(web.AppRunner):
    """Runs an application behind connections that speak our form."""

    @override
    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        handle: Any = Prepared(self.app, made.request_handler).handle
        return _Server(
            handle, request_factory=made.request_factory, loop=made._loop, **made._kwargs  # noqa: SLF001
        )  # fmt: skip


class _Server(web.Server):
    @override
    def __call__(self) -> RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


class _Connection(RequestHandler):
    __slots__ = ()

    @override
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read, and end the connection."""
        super().handle_error(request, status, exc, message)  # tells the log; raises when an answer has begun
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
        return await super().finish_response(request, resp, start_time)


def _refusal(status: int) -> web.Response:
    code = "internal" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "bad_request"
    response = problem(code, meaning=MEANINGS[code]._replace(status=status))
    response.headers.update(SAFE_HEADERS)
    return response
