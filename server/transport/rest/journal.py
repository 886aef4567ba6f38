"""The access journal. Source: docs/spec/api.md 8.1."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from crypto.journal import Entry
from server.domain.errors import BadRequestError
from server.domain.ids import b64
from server.transport.rest.conversations import LATEST
from server.transport.rest.operations import Call, Operation, Role
from server.transport.wire import Wire


class JournalQuery(Wire):
    after: Annotated[int, msgspec.Meta(ge=0, le=LATEST)] | None = None
    before: Annotated[int, msgspec.Meta(ge=0, le=LATEST)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 100


class JournalEntry(Wire):
    position: int
    kind: Literal["joined", "gone", "opened", "read", "document_opened", "document_received"]
    at: int
    who: str
    conversation: str
    attachment: str | None
    previous: str
    hash: str


class JournalShown(Wire):
    entries: list[JournalEntry]
    first: int
    last: int
    head: str


async def show(call: Call) -> JournalShown:
    """Show who had access to what, ascending."""
    query: JournalQuery = call.query
    if query.after is not None and query.before is not None:
        raise BadRequestError("after or before, not both")
    found, ends = await call.services.journal.page(call.who, after=query.after, before=query.before, limit=query.limit)
    return JournalShown(
        entries=[_entry(each, call.who.account) for each in found],
        first=ends.first,
        last=ends.last,
        head=b64(ends.head),
    )


def _entry(entry: Entry, account: bytes) -> JournalEntry:
    return JournalEntry(
        position=entry.position,
        kind=entry.kind,  # type: ignore[arg-type]  # stored from Access
        at=entry.at,
        who=b64(entry.who),
        conversation=b64(entry.conversation),
        attachment=None if entry.attachment is None else b64(entry.attachment),
        previous=b64(entry.previous),
        hash=b64(entry.hash(account)),
    )


OPERATIONS = (
    Operation(
        name="readJournal",
        method="GET",
        path="/v1/journal",
        role=Role.SESSION,
        summary="Who had access to what, in the conversations where this account is the patient",
        handler=show,
        query=JournalQuery,
        response=JournalShown,
    ),
)
