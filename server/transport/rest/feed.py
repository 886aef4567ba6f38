"""The feed by long poll, its acknowledgement, and tickets for live sockets. Source: docs/spec/api.md 8."""

from __future__ import annotations

from typing import Annotated

import msgspec

from server.domain.ids import b64
from server.transport import wire
from server.transport.rest.conversations import LATEST
from server.transport.rest.operations import Answer, Call, Operation, Role
from server.transport.wire import FeedEntryWire, Wire


class FeedQuery(Wire):
    after: Annotated[int, msgspec.Meta(ge=0, le=LATEST)] = 0
    wait: Annotated[int, msgspec.Meta(ge=0, le=25)] = 0
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100


class FeedShown(Wire):
    events: list[FeedEntryWire]
    position: int
    first: int
    last: int


class AcknowledgeFeed(Wire):
    position: Annotated[int, msgspec.Meta(ge=0, le=LATEST)]


class Ticket(Wire):
    ticket: str
    expires: int


async def since(call: Call) -> Answer:
    """Return what an account has missed; wait for it if nothing is there yet."""
    query: FeedQuery = call.query
    account = call.who.account
    missed = await call.services.feed.since(account, query.after, limit=query.limit, wait=query.wait)
    position = missed.entries[-1].position if missed.entries else query.after
    return Answer(wire.feed_json(missed, account, position))


async def acknowledge(call: Call) -> None:
    """Take note of what has arrived on a device."""
    await call.services.feed.acknowledge(call.who, call.body.position)


async def ticket(call: Call) -> Ticket:
    """Give a ticket that opens one live socket."""
    issued, ends = call.services.sessions.ticket(call.who)
    return Ticket(ticket=b64(issued), expires=ends)


OPERATIONS = (
    Operation(
        name="readFeed",
        method="GET",
        path="/v1/feed",
        role=Role.SESSION,
        summary="What has happened after a position; waits up to 25 seconds when there is nothing",
        handler=since,
        query=FeedQuery,
        response=FeedShown,
    ),
    Operation(
        name="acknowledgeFeed",
        method="POST",
        path="/v1/feed/ack",
        role=Role.SESSION,
        summary="Everything up to a position is on this device",
        handler=acknowledge,
        request=AcknowledgeFeed,
        status=204,
    ),
    Operation(
        name="issueLiveTicket",
        method="POST",
        path="/v1/live/tickets",
        role=Role.SESSION,
        summary="A single-use ticket for a live socket",
        handler=ticket,
        response=Ticket,
        status=201,
    ),
)
