"""The trace of a request: which route, how it ended, how long it took."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.typedefs import Handler, Middleware

from server.traces import Tracer
from server.transport.rest.problems import route_of


def tracing(tracer: Tracer) -> Middleware:
    """Build the middleware around all others."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        with tracer.request() as span:
            response = await handler(request)
            if span is not None:
                method, route = request.method if request.method in hdrs.METH_ALL else "_OTHER", route_of(request)
                span.name = f"{method} {route}"
                span.failed = response.status >= HTTPStatus.INTERNAL_SERVER_ERROR
                span.tell(http__request__method=method, http__route=route, http__response__status_code=response.status)
            return response

    return middleware
