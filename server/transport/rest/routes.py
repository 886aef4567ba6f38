"""From the table of operations to addresses: authenticate, parse, call one handler, render."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from aiohttp import web

from server.domain.errors import (
    ActivationInvalidError,
    BadRequestError,
    DomainError,
    InvitationUnknownError,
    NotFoundError,
)
from server.domain.ids import unb64
from server.services.container import Services
from server.transport.rest import (
    accounts,
    auth,
    blocks,
    conversations,
    envelopes,
    feed,
    invitations,
    journal,
    limits,
    server_info,
    sessions,
    uploads,
)
from server.transport.rest.json import read_body, read_query
from server.transport.rest.limits import Limits
from server.transport.rest.operations import Answer, Call, Operation

OPERATIONS: Final[tuple[Operation, ...]] = (
    *server_info.OPERATIONS,
    *accounts.OPERATIONS,
    *sessions.OPERATIONS,
    *envelopes.OPERATIONS,  # before the others under /v1/conversations: aiohttp tries them in this order
    *conversations.OPERATIONS,
    *blocks.OPERATIONS,
    *uploads.OPERATIONS,
    *invitations.OPERATIONS,
    *feed.OPERATIONS,
    *journal.OPERATIONS,
)
"""Every operation of the interface."""

PARAMETERS: Final[Mapping[str, tuple[int | None, type[DomainError]]]] = {
    "account": (32, NotFoundError),
    "conversation": (32, NotFoundError),
    "envelope": (32, NotFoundError),
    "attachment": (16, NotFoundError),
    "session": (16, NotFoundError),
    "credential": (None, NotFoundError),
    "invitation": (16, InvitationUnknownError),
    "locator": (16, InvitationUnknownError),
    "token": (32, ActivationInvalidError),
}
"""Ids in paths: length in bytes, and what a malformed one is answered with: the same as an unknown one."""

Endpoint = Callable[[web.Request], Awaitable[web.StreamResponse]]


def routes(services: Services) -> list[web.RouteDef]:
    """Build every route of the table."""
    counters = limits.make(services.clock)
    return [
        web.route(operation.method, operation.path, endpoint(operation, services, counters), allow_head=False)
        if operation.method == "GET"
        else web.route(operation.method, operation.path, endpoint(operation, services, counters))
        for operation in OPERATIONS
    ]


def endpoint(operation: Operation, services: Services, counters: Limits) -> Endpoint:
    """Build what aiohttp calls for one operation."""

    async def answer(request: web.Request) -> web.StreamResponse:
        principal = await auth.require(request, operation.role, services.sessions, services.settings.public_url)
        call = Call(request, services, principal, _ids(request), counters)
        if operation.knocks:
            limits.knock(counters, call.address)
        if operation.query is not None:
            call.query = read_query(request, operation.query)
        if operation.request is not None:
            call.body = await read_body(request, operation.request)
        result = await operation.handler(call)
        if isinstance(result, web.StreamResponse):
            return result
        if result is None:
            return web.Response(status=204)
        return Answer(result, operation.status)

    return answer


def _ids(request: web.Request) -> dict[str, bytes]:
    ids = {}
    for name, text in request.match_info.items():
        length, refusal = PARAMETERS[name]
        try:
            ids[name] = unb64(text, length)
        except BadRequestError:
            raise refusal from None
    return ids
