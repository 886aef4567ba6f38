"""The JSON of events and of submissions, shared by HTTP and the live sockets. Source: docs/spec/api.md 4, 5 and 8.

An event is encoded once for everybody it is told to; only the key box of an epoch is each reader's own.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from server.domain.conversation import Keep, Policy, read_reply
from server.domain.envelope import Kind
from server.domain.events import Event, FeedEntry, Mark
from server.domain.ids import AttachmentId, b64, unb64
from server.services.envelopes import Accepted, Submission


class Wire(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A JSON object of the interface: exact keys, exact types."""


class PolicyWire(Wire):
    """The reply right of a conversation."""

    reply: Literal["open", "none", "until", "ended"]
    until: int | None
    by: str | None


class EpochEvent(Wire, tag_field="type", tag="epoch"):
    seq: int
    at: int
    epoch: int
    record: str
    box: str | None
    author: str


class EnvelopeEvent(Wire, tag_field="type", tag="envelope"):
    seq: int
    at: int
    id: str
    kind: Literal["message", "receipt", "end"]
    author: str
    epoch: int
    envelope: str | None
    attachments: list[str]


class PolicyEvent(Wire, tag_field="type", tag="policy"):
    seq: int
    at: int
    policy: PolicyWire
    by: str


class LeftEvent(Wire, tag_field="type", tag="left"):
    seq: int
    at: int
    account: str


class RefusedEvent(Wire, tag_field="type", tag="refused"):
    seq: int
    at: int
    member: str


class BlockedEvent(Wire, tag_field="type", tag="blocked"):
    seq: int
    at: int
    patient: str
    professional: str
    blocked: bool


class RetractedEvent(Wire, tag_field="type", tag="retracted"):
    seq: int
    at: int
    id: str
    by: str
    target_seq: int


EventWire = EpochEvent | EnvelopeEvent | PolicyEvent | LeftEvent | RefusedEvent | BlockedEvent | RetractedEvent


_PLAIN: Final[dict[str, type[LeftEvent | RefusedEvent | BlockedEvent | RetractedEvent]]] = {
    "left": LeftEvent,
    "refused": RefusedEvent,
    "blocked": BlockedEvent,
    "retracted": RetractedEvent,
}
"""Events whose detail is kept in the interface's own words."""


class FeedEntryWire(Wire):
    position: int
    conversation: str
    event: EventWire


class MarkWire(Wire):
    conversation: str
    account: str
    delivered: int


class Until(Wire):
    until: int


class SubmissionWire(Wire):
    """An envelope as it is handed in."""

    envelope: str
    kind: Literal["message", "receipt", "end"]
    reply: Literal["open", "none", "keep"] | Until | None = None
    attachments: list[str] = msgspec.field(default_factory=list)
    read_seq: int | None = None


class AcceptedWire(Wire):
    """The place of an envelope in the log."""

    id: str
    seq: int
    state: Literal["accepted"]
    at: int


encode: Final = msgspec.json.Encoder().encode


def policy(value: Policy) -> PolicyWire:
    """Render a reply right."""
    return PolicyWire(reply=value.reply.value, until=value.until, by=b64(value.by) if value.by else None)


def event(value: Event, reader: bytes | None = None) -> EventWire:
    """Render an event for ``reader``: of an epoch's boxes it gets its own."""
    detail: dict[str, Any] = value.detail or {}
    if value.type == "envelope":
        return EnvelopeEvent(
            seq=value.seq,
            at=value.at,
            id=b64(value.envelope_id or b""),
            kind=value.kind,  # type: ignore[arg-type]  # stored from Kind
            author=b64(value.author),
            epoch=value.epoch,
            envelope=b64(value.body) if value.body is not None else None,
            attachments=detail.get("attachments", []),
        )
    if value.type == "epoch":
        box = value.boxes.get(reader) if reader is not None else None
        return EpochEvent(
            seq=value.seq,
            at=value.at,
            epoch=value.epoch,
            record=b64(value.body or b""),
            box=b64(box) if box is not None else None,
            author=b64(value.author),
        )
    if value.type == "policy":
        return PolicyEvent(seq=value.seq, at=value.at, policy=PolicyWire(**detail["policy"]), by=detail["by"])
    return _PLAIN[value.type](seq=value.seq, at=value.at, **detail)


def entry(value: FeedEntry, reader: bytes) -> FeedEntryWire:
    """Render a feed entry."""
    told = value.event
    return FeedEntryWire(position=value.position, conversation=b64(told.conversation), event=event(told, reader))


def mark(value: Mark) -> MarkWire:
    """Render a delivery mark."""
    return MarkWire(conversation=b64(value.conversation), account=b64(value.account), delivered=value.seq)


def accepted(value: Accepted) -> AcceptedWire:
    """Render an envelope's place."""
    return AcceptedWire(id=b64(value.id), seq=value.seq, state="accepted", at=value.at)


def submission(value: SubmissionWire) -> Submission:
    """Read a submission.

    Raises:
        BadRequestError: bytes that are not base64url, an impossible time.

    """
    return Submission(
        envelope=unb64(value.envelope),
        kind=Kind(value.kind),
        reply=_reply(value.reply),
        attachments=tuple(AttachmentId(unb64(each, 16)) for each in value.attachments),
        read_seq=value.read_seq,
    )


def _reply(said: str | Until | None) -> Policy | Keep | None:
    if said is None:
        return None
    return read_reply({"until": said.until} if isinstance(said, Until) else said)
