"""The JSON of events and of submissions, shared by HTTP and the live sockets. Source: docs/spec/api.md 4, 5 and 8.

An event is encoded once for everybody it is told to; only the key box of an epoch is each reader's own. Envelopes are
nearly all there is, and are written out without a struct in between: twice as fast, and a test holds both alike.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, Literal

import msgspec

from server.domain.conversation import Keep, Policy, read_reply
from server.domain.envelope import Kind
from server.domain.events import Event, Mark
from server.domain.ids import AttachmentId, b64, unb64
from server.services.envelopes import Accepted, Submission
from server.services.feed import Missed


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


class TrimmedWire(Wire, rename={"first": "from"}):
    """Where a log begins now (docs/spec/api.md 8.2)."""

    first: int
    before: int


class TrimmedEvent(Wire, tag_field="type", tag="trimmed", rename={"first": "from"}):
    seq: int
    at: int
    first: int
    before: int


EventWire = (
    EpochEvent | EnvelopeEvent | PolicyEvent | LeftEvent | RefusedEvent | BlockedEvent | RetractedEvent | TrimmedEvent
)


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
    if value.type == "trimmed":
        return TrimmedEvent(seq=value.seq, at=value.at, first=detail["from"], before=detail["before"])
    return _PLAIN[value.type](seq=value.seq, at=value.at, **detail)


def event_json(value: Event, reader: bytes | None = None) -> str:
    """Write an event for ``reader``, as ``event`` renders it."""
    if value.type != "envelope" or value.kind is None:
        return encode(event(value, reader)).decode()
    attachments = encode(value.detail.get("attachments", [])).decode() if value.detail else "[]"
    body = "null" if value.body is None else f'"{b64(value.body)}"'
    return (
        f'{{"type":"envelope","seq":{value.seq},"at":{value.at},"id":"{b64(value.envelope_id or b"")}",'
        f'"kind":"{value.kind}","author":"{_known(value.author)}","epoch":{value.epoch},'
        f'"envelope":{body},"attachments":{attachments}}}'
    )


def told_json(value: Event, reader: bytes | None = None) -> str:
    """Write the members of a feed entry but its position: ``FeedEntryWire``."""
    return f'"conversation":"{_known(value.conversation)}","event":{event_json(value, reader)}'


def events_json(events: list[Event], reader: bytes, last_seq: int) -> bytes:
    """Write a page of a conversation's events."""
    written = ",".join([event_json(each, reader) for each in events])
    return f'{{"events":[{written}],"last_seq":{last_seq}}}'.encode()


def feed_json(missed: Missed, reader: bytes, position: int) -> bytes:
    """Write a page of a feed: ``position`` is where the page ends."""
    written = ",".join([f'{{"position":{each.position},{told_json(each.event, reader)}}}' for each in missed.entries])
    return f'{{"events":[{written}],"position":{position},"first":{missed.first},"last":{missed.last}}}'.encode()


_known: Final = lru_cache(8192)(b64)
"""The same for ids that come again and again."""


def mark(value: Mark) -> MarkWire:
    """Render a delivery mark."""
    return MarkWire(conversation=b64(value.conversation), account=b64(value.account), delivered=value.seq)


def accepted(value: Accepted) -> AcceptedWire:
    """Render an envelope's place."""
    return AcceptedWire(id=b64(value.id), seq=value.seq, state="accepted", at=value.at)


def accepted_json(value: Accepted) -> bytes:
    """Write the members of an envelope's place, as ``accepted`` renders it."""
    return b'"id":"%s","seq":%d,"state":"accepted","at":%d' % (b64(value.id).encode(), value.seq, value.at)


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
