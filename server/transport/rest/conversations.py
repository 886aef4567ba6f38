"""Conversations, their epochs and events. Source: docs/spec/api.md 4."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from server.domain.errors import BadRequestError
from server.domain.ids import ConversationId, InvitationId, MemberId, b64, unb64
from server.domain.place import Place
from server.services.conversations import INVITATIONS
from server.services.epochs import NewEpoch, OfferedInvitation
from server.transport import wire
from server.transport.rest.operations import Answer, Call, Operation, Role
from server.transport.wire import AcceptedWire, EventWire, PolicyWire, SubmissionWire, TrimmedWire, Wire

LATEST = 2**53 - 1


class MemberBox(Wire):
    member: str
    box: str


class InvitationWire(Wire):
    id: str
    sign: str
    enc: str
    member: str
    expires: int
    locator: str | None = None
    code_box: str | None = None


class StartConversation(Wire):
    record: str
    boxes: list[MemberBox]
    invitations: list[InvitationWire] = msgspec.field(default_factory=list)
    envelope: SubmissionWire | None = None


class ConversationStarted(Wire):
    conversation: str
    epoch: int
    seq: int
    message: AcceptedWire | None


class Summary(Wire):
    conversation: str
    epoch: int
    record: str
    box: str | None
    last_seq: int
    last_at: int
    read_seq: int
    unread: int
    policy: PolicyWire
    may_reply: bool
    refused: Literal["patient_blocked", "patient_left"] | None
    trimmed: TrimmedWire | None


class BrowseQuery(Wire):
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    before: str | None = None


class ConversationsShown(Wire):
    conversations: list[Summary]
    next: str | None


class Delivered(Wire):
    account: str
    seq: int


class InvitationState(Wire):
    id: str
    member: str
    sign: str
    enc: str
    expires: int
    state: Literal["open", "claimed", "expired", "replaced", "refused"]


class ConversationShown(Summary):
    delivered: list[Delivered]
    invitations: list[InvitationState]
    next: str | None


class ConversationQuery(Wire):
    invitations: str | None = None


class EpochsQuery(Wire):
    after: Annotated[int, msgspec.Meta(ge=0, le=LATEST)] = 0


class EpochShown(Wire):
    epoch: int
    seq: int
    record: str
    box: str | None


class EpochsShown(Wire):
    epochs: list[EpochShown]


class ChangeMembers(Wire):
    record: str
    boxes: list[MemberBox]
    invitations: list[InvitationWire] = msgspec.field(default_factory=list)


class EpochBegun(Wire):
    epoch: int
    seq: int


class EventsQuery(Wire):
    after: Annotated[int, msgspec.Meta(ge=0, le=LATEST)] | None = None
    before: Annotated[int, msgspec.Meta(ge=0, le=LATEST)] | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 100


class EventsShown(Wire):
    events: list[EventWire]
    last_seq: int


class MarkRead(Wire):
    seq: Annotated[int, msgspec.Meta(ge=0, le=LATEST)]


def read_epoch(record: str, boxes: list[MemberBox], invitations: list[InvitationWire]) -> NewEpoch:
    """Read a record with what travels beside it.

    Raises:
        BadRequestError.

    """
    sealed = {unb64(each.member, 32): unb64(each.box) for each in boxes}
    if len(sealed) != len(boxes):
        raise BadRequestError("one box for each member")
    return NewEpoch(unb64(record), sealed, [_invitation(each) for each in invitations])


def _invitation(offered: InvitationWire) -> OfferedInvitation:
    return OfferedInvitation(
        id=InvitationId(unb64(offered.id, 16)),
        member=MemberId(unb64(offered.member, 32)),
        sign=unb64(offered.sign, 32),
        enc=unb64(offered.enc, 1_216),
        expires=offered.expires,
        locator=None if offered.locator is None else unb64(offered.locator, 16),
        code_box=None if offered.code_box is None else unb64(offered.code_box, 48),
    )


async def start(call: Call) -> ConversationStarted:
    """Begin a conversation, with its first message in the same transaction."""
    body: StartConversation = call.body
    new = read_epoch(body.record, body.boxes, body.invitations)
    first = wire.submission(body.envelope) if body.envelope else None
    started = await call.services.conversations.start(call.who, new, first)
    return ConversationStarted(
        conversation=b64(started.conversation),
        epoch=1,
        seq=started.seq,
        message=wire.accepted(started.message) if started.message else None,
    )


async def browse(call: Call) -> ConversationsShown:
    """List one's conversations, newest first."""
    query: BrowseQuery = call.query
    before = _cursor(query.before, 32) if query.before is not None else None
    found, more = await call.services.conversations.browse(call.who, before=before, limit=query.limit)
    now = call.services.clock.now()
    return ConversationsShown(
        conversations=[Summary(**_summary(place, now)) for place in found],
        next=_next(found[-1].last_at, found[-1].conversation) if more else None,
    )


def _next(at: int, last: bytes) -> str:
    return b64(at.to_bytes(8, "big") + last)


def _cursor(text: str, size: int) -> tuple[int, bytes]:
    raw = unb64(text, 8 + size)
    return min(int.from_bytes(raw[:8], "big"), LATEST), raw[8:]


async def show(call: Call) -> ConversationShown:
    """Show one conversation, with a page of its invitations."""
    after = call.query.invitations
    place = _cursor(after, 16) if after is not None else None
    found = await call.services.conversations.show(call.who, _conversation(call), place)
    now = call.services.clock.now()
    invitations = [
        InvitationState(
            id=b64(each.id),
            member=b64(each.member),
            sign=b64(each.sign),
            enc=b64(each.enc),
            expires=each.expires,
            state=each.state_at(now).value,
        )
        for each in found.invitations
    ]
    delivered = [Delivered(account=b64(account), seq=seq) for account, seq in found.delivered]
    last = found.invitations[-1] if len(found.invitations) == INVITATIONS else None
    return ConversationShown(
        **_summary(found.place, now),
        delivered=delivered,
        invitations=invitations,
        next=_next(last.expires, last.id) if last else None,
    )


async def show_epochs(call: Call) -> EpochsShown:
    """Show the records after an epoch, with one's own boxes."""
    rows = await call.services.conversations.epochs(call.who, _conversation(call), after=call.query.after, limit=100)
    return EpochsShown(epochs=[epoch_shown(row) for row in rows])


def epoch_shown(row: tuple[int, int, bytes, bytes | None]) -> EpochShown:
    """Render one epoch."""
    epoch, seq, record, box = row
    return EpochShown(epoch=epoch, seq=seq, record=b64(record), box=b64(box) if box is not None else None)


async def change_members(call: Call) -> EpochBegun:
    """Begin the next epoch."""
    body: ChangeMembers = call.body
    new = read_epoch(body.record, body.boxes, body.invitations)
    epoch, seq = await call.services.conversations.change_members(call.who, _conversation(call), new)
    return EpochBegun(epoch=epoch, seq=seq)


async def events(call: Call) -> Answer:
    """Show events after or before a seq, ascending."""
    query: EventsQuery = call.query
    if query.after is not None and query.before is not None:
        raise BadRequestError("after or before, not both")
    found, last = await call.services.conversations.events(
        call.who, _conversation(call), after=query.after, before=query.before, limit=query.limit
    )
    return Answer(wire.events_json(found, call.who.account, last))


async def mark_read(call: Call) -> None:
    """Move one's own reading mark."""
    await call.services.conversations.mark_read(call.who, _conversation(call), call.body.seq)


async def leave(call: Call) -> None:
    """Leave a conversation."""
    await call.services.conversations.leave(call.who, _conversation(call))


def _conversation(call: Call) -> ConversationId:
    return ConversationId(call.ids["conversation"])


def _summary(place: Place, now: int) -> dict[str, Any]:
    begins = place.trimmed
    return {
        "conversation": b64(place.conversation),
        "epoch": place.epoch,
        "record": b64(place.record),
        "box": b64(place.box) if place.box is not None else None,
        "last_seq": place.last_seq,
        "last_at": place.last_at,
        "read_seq": place.read_seq,
        "unread": place.unread,
        "policy": wire.policy(place.policy),
        "may_reply": place.may_answer(now),
        "refused": place.refused.value if place.refused else None,
        "trimmed": TrimmedWire(first=begins.first, before=begins.before) if begins else None,
    }


OPERATIONS = (
    Operation(
        name="startConversation",
        method="POST",
        path="/v1/conversations",
        role=Role.SESSION,
        summary="Begin a conversation, with its first message in the same transaction",
        handler=start,
        request=StartConversation,
        response=ConversationStarted,
        status=201,
        refuses=(
            "start_not_allowed",
            "patient_blocked",
            "not_permitted",
            "unlocker_missing",
            "stale_head",
            "envelope_too_large",
            "wrong_conversation",
            "attachment_unknown",
        ),
        checks_protocol=True,
    ),
    Operation(
        name="listConversations",
        method="GET",
        path="/v1/conversations",
        role=Role.SESSION,
        summary="One's conversations, newest first",
        handler=browse,
        query=BrowseQuery,
        response=ConversationsShown,
    ),
    Operation(
        name="showConversation",
        method="GET",
        path="/v1/conversations/{conversation}",
        role=Role.MEMBER,
        summary="One conversation, with what is delivered and who is invited",
        handler=show,
        query=ConversationQuery,
        response=ConversationShown,
    ),
    Operation(
        name="showEpochs",
        method="GET",
        path="/v1/conversations/{conversation}/epochs",
        role=Role.MEMBER,
        summary="The epoch records after an epoch, with one's own boxes",
        handler=show_epochs,
        query=EpochsQuery,
        response=EpochsShown,
    ),
    Operation(
        name="beginEpoch",
        method="POST",
        path="/v1/conversations/{conversation}/epochs",
        role=Role.MEMBER,
        summary="Begin the next epoch",
        handler=change_members,
        request=ChangeMembers,
        response=EpochBegun,
        status=201,
        refuses=("stale_epoch", "stale_head", "not_permitted", "patient_blocked", "too_many_tries"),
        checks_protocol=True,
    ),
    Operation(
        name="showEvents",
        method="GET",
        path="/v1/conversations/{conversation}/events",
        role=Role.MEMBER,
        summary="Events after or before a seq, ascending",
        handler=events,
        query=EventsQuery,
        response=EventsShown,
    ),
    Operation(
        name="markRead",
        method="POST",
        path="/v1/conversations/{conversation}/read",
        role=Role.MEMBER,
        summary="Move one's own reading mark",
        handler=mark_read,
        request=MarkRead,
        status=204,
    ),
    Operation(
        name="leaveConversation",
        method="POST",
        path="/v1/conversations/{conversation}/leave",
        role=Role.MEMBER,
        summary="Leave a conversation",
        handler=leave,
        status=204,
        refuses=("last_owner",),
    ),
)
