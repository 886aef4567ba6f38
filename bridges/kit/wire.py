"""Shapes of the HTTP interface, decoded strictly. Source: docs/spec/api.md."""

import base64
import binascii
from typing import Any, Literal, TypeVar

import msgspec

T = TypeVar("T")


class B64(bytes):
    """Bytes that travel as base64url without padding (docs/spec/protocol.md 1.1)."""

    __slots__ = ()


def to_text(value: bytes) -> str:
    """Write bytes as base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")


def from_text(text: str) -> bytes:
    """Read base64url without padding; raises ValueError for any other spelling of the same bytes."""
    try:
        value = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, UnicodeEncodeError) as error:
        raise ValueError("not base64url") from error
    if to_text(value) != text:
        raise ValueError("not base64url without padding")
    return value


def _decode(kind: type, value: Any) -> Any:
    if kind is B64 and isinstance(value, str):
        return B64(from_text(value))
    raise ValueError(f"unexpected {kind.__name__}")


def _encode(value: Any) -> Any:
    if isinstance(value, bytes):
        return to_text(value)
    raise TypeError(type(value).__name__)


def dumps(value: Any) -> bytes:
    """Encode a request body; every ``B64`` inside becomes text."""
    return msgspec.json.encode(value, enc_hook=_encode)


def loads(body: bytes, shape: type[T]) -> T:
    """Decode an answer of the given shape; raises msgspec.DecodeError (a ValueError)."""
    return msgspec.json.decode(body, type=shape, dec_hook=_decode)


class Limits(msgspec.Struct, frozen=True):
    envelope: int
    attachment: int
    upload_part: int


class ServerInfo(msgspec.Struct, frozen=True):
    id: B64
    name: str
    registry_key: B64
    code_salt: B64
    now: int
    limits: Limits


class Activation(msgspec.Struct, frozen=True):
    name: str
    profession: str
    identifier: str
    expires: int


class NewAccount(msgspec.Struct, frozen=True):
    account: B64
    certificate: B64


class Professional(msgspec.Struct, frozen=True):
    name: str
    profession: str
    identifier: str
    accepts_patients: bool = False


class AccountInfo(msgspec.Struct, frozen=True):
    account: B64
    position: int
    head: B64
    professional: Professional | None = None


class ChainPart(msgspec.Struct, frozen=True):
    links: list[B64]
    position: int
    head: B64


class SealedPrevious(msgspec.Struct, frozen=True):
    generation: int
    sealed: B64


class Me(msgspec.Struct, frozen=True):
    account: B64
    holder: B64
    role: Literal["professional", "patient"]
    position: int
    head: B64
    generation: int
    box: B64 | None
    box_generation: int | None
    previous: list[SealedPrevious]
    settings: dict[str, Any]


class ChainHead(msgspec.Struct, frozen=True):
    position: int
    head: B64


class Person(msgspec.Struct, frozen=True):
    account: B64
    name: str
    profession: str
    identifier: str


class People(msgspec.Struct, frozen=True):
    people: list[Person]


class Challenge(msgspec.Struct, frozen=True):
    challenge: B64
    expires: int


class SessionGrant(msgspec.Struct, frozen=True):
    token: str | None
    account: B64
    expires: int


class EndOfHolder(msgspec.Struct, frozen=True):
    links: list[B64]


class Policy(msgspec.Struct, frozen=True):
    reply: Literal["open", "none", "until", "ended"]
    until: int | None = None
    by: B64 | None = None


class Trimmed(msgspec.Struct, frozen=True, rename={"first": "from"}):
    """Where a log begins now (api.md 8.2)."""

    first: int
    before: int


class Summary(msgspec.Struct, frozen=True):
    conversation: B64
    epoch: int
    record: B64
    last_seq: int
    read_seq: int
    unread: int
    policy: Policy
    may_reply: bool
    box: B64 | None = None
    last_at: int = 0
    refused: str | None = None
    trimmed: Trimmed | None = None


class Block(msgspec.Struct, frozen=True):
    account: B64
    since: int


class Blocks(msgspec.Struct, frozen=True):
    blocks: list[Block]


class JournalEntry(msgspec.Struct, frozen=True):
    position: int
    kind: str
    at: int
    who: B64
    conversation: B64
    attachment: B64 | None
    previous: B64


class JournalPage(msgspec.Struct, frozen=True):
    entries: list[JournalEntry]
    first: int
    last: int
    head: B64


class SummaryPage(msgspec.Struct, frozen=True):
    conversations: list[Summary]
    next: str | int | None = None


class Delivered(msgspec.Struct, frozen=True):
    account: B64
    seq: int


class OpenInvitation(msgspec.Struct, frozen=True):
    id: B64
    member: B64
    sign: B64
    enc: B64
    expires: int
    state: str


class Detail(Summary, frozen=True, kw_only=True):
    delivered: list[Delivered]
    invitations: list[OpenInvitation]
    next: str | None = None


class EpochEntry(msgspec.Struct, frozen=True):
    epoch: int
    record: B64
    seq: int = 0
    box: B64 | None = None


class EpochPage(msgspec.Struct, frozen=True):
    epochs: list[EpochEntry]


class Event(msgspec.Struct, frozen=True, rename={"first": "from"}):
    """One event of a conversation's log; which members are set depends on ``type`` (api.md 4)."""

    seq: int
    type: str
    at: int
    epoch: int | None = None
    record: B64 | None = None
    box: B64 | None = None
    author: B64 | None = None
    id: B64 | None = None
    kind: str | None = None
    envelope: B64 | None = None
    attachments: list[B64] | None = None
    policy: Policy | None = None
    by: B64 | None = None
    account: B64 | None = None
    target_seq: int | None = None
    patient: B64 | None = None
    professional: B64 | None = None
    blocked: bool | None = None
    first: int | None = None
    before: int | None = None


class EventPage(msgspec.Struct, frozen=True):
    events: list[Event]
    last_seq: int


class Accepted(msgspec.Struct, frozen=True):
    id: B64
    seq: int
    at: int


class Started(msgspec.Struct, frozen=True):
    conversation: B64
    epoch: int
    seq: int
    message: Accepted | None = None


class Committed(msgspec.Struct, frozen=True):
    epoch: int
    seq: int


class EpochBox(msgspec.Struct, frozen=True):
    epoch: int
    box: B64


class ChainOf(msgspec.Struct, frozen=True):
    account: B64
    links: list[B64]


class InvitationView(msgspec.Struct, frozen=True):
    id: B64
    conversation: B64
    member: B64
    state: str
    expires: int
    epochs: list[B64]
    boxes: list[EpochBox]
    chains: list[ChainOf]
    registry_key: B64
    next: str | None = None


class CodeBox(msgspec.Struct, frozen=True):
    id: B64
    code_box: B64


class Claimed(msgspec.Struct, frozen=True):
    account: B64
    conversation: B64
    epoch: int
    seq: int


class FeedEntry(msgspec.Struct, frozen=True):
    position: int
    conversation: B64
    event: Event


class FeedPage(msgspec.Struct, frozen=True):
    events: list[FeedEntry]
    position: int
    last: int
    first: int = 1


class Ticket(msgspec.Struct, frozen=True):
    ticket: str
    expires: int


class Problem(msgspec.Struct, frozen=True):
    code: str = "internal"
    detail: str = ""
