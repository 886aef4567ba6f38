"""The signed record that begins an epoch: its shape, and how to make one.

Source: docs/spec/protocol.md 6.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from crypto import checkpoint, codec
from crypto.codec import Signed, b64
from crypto.errors import require
from crypto.holder import Holder
from crypto.schema import Field, binary, exact, integer, listed, null, nullable, one_of, require_sorted, time
from crypto.suite import (
    ACCOUNT_ID,
    CONVERSATION_ID,
    ENC_PUBLIC,
    HASH,
    HOLDER_ID,
    SIGN_PUBLIC,
    SIGNATURE,
    SUITE,
    VERSION,
    digest,
)

Role = Literal["owner", "professional", "member", "patient", "delegate", "service"]
History = Literal["none", "full", "partial"]
Reason = Literal["create", "add", "remove", "claim", "rotate", "delegate", "reinvite"]

MAX_MEMBERS: Final = 64
MAX_EPOCH: Final = 2**32 - 1
BACKLINK: Final = 80  # bytes


@dataclass(frozen=True, slots=True)
class Member:
    """A member as a record pins it."""

    id: bytes
    kind: str
    role: Role
    history: History
    head: bytes = field(repr=False)
    position: int
    generation: int
    key: bytes = field(repr=False)
    """SHA-256 of the public key that the box is sealed to."""
    box: bytes = field(repr=False)
    """SHA-256 of the box."""
    expires: int | None = None

    def plain(self) -> dict[str, Any]:
        """As it stands in a record."""
        return {
            "box": b64(self.box),
            "expires": self.expires,
            "generation": self.generation,
            "head": b64(self.head),
            "history": self.history,
            "id": b64(self.id),
            "key": b64(self.key),
            "kind": self.kind,
            "position": self.position,
            "role": self.role,
        }


@dataclass(frozen=True, slots=True)
class Claim:
    """The proof that the author holds an invitation: its public keys and its signature."""

    invite: bytes
    sign: bytes
    enc: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    def plain(self) -> dict[str, Any]:
        """As it stands in a record."""
        signature = b64(self.signature)
        return {"enc": b64(self.enc), "invite": b64(self.invite), "sign": b64(self.sign), "signature": signature}


@dataclass(frozen=True, slots=True)
class Draft:
    """What a record says, before it is signed."""

    conversation: bytes | None
    epoch: int
    previous: bytes | None
    members: tuple[Member, ...] = field(repr=False)
    commit: bytes = field(repr=False)
    link_commit: bytes = field(repr=False)
    backlink: bytes | None = field(repr=False)
    roster: bytes = field(repr=False)
    reason: Reason
    author: bytes
    claim: Claim | None
    at: int


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """A well-formed record; whether it may follow is ``ConversationChain.accept``'s business."""

    wire: bytes = field(repr=False)
    hash: bytes
    draft: Draft
    device: bytes

    @property
    def epoch(self) -> int:
        """Its number."""
        return self.draft.epoch

    @property
    def members(self) -> dict[bytes, Member]:
        """By member id."""
        return {member.id: member for member in self.draft.members}

    @property
    def signed(self) -> Signed:
        """Body and signature."""
        return Signed.unpack(self.wire)


def write(draft: Draft, device: Holder) -> bytes:
    """Sign a record with the author's device; returns its wire form."""
    body = codec.encode(
        {
            "author": b64(draft.author),
            "at": draft.at,
            "backlink": _b64_or_null(draft.backlink),
            "checkpoint": checkpoint.NONE,
            "claim": draft.claim.plain() if draft.claim else None,
            "commit": b64(draft.commit),
            "conversation": _b64_or_null(draft.conversation),
            "device": b64(device.id),
            "epoch": draft.epoch,
            "link_commit": b64(draft.link_commit),
            "members": [member.plain() for member in sorted(draft.members, key=lambda each: b64(each.id))],
            "previous": _b64_or_null(draft.previous),
            "reason": draft.reason,
            "roster": b64(draft.roster),
            "suite": SUITE,
            "type": "epoch",
            "v": VERSION,
        }
    )
    return Signed(body, (device.sign.sign("epoch", body),)).pack()


def read(wire: bytes) -> EpochRecord:
    """Read a record.

    Raises:
        ProtocolError: ``bad_format``; ``unknown_version``.

    """
    signed = Signed.unpack(wire)
    fields = exact(codec.decode(signed.body), _FIELDS)
    require(len(signed.signatures) == 1, "bad_format", "signatures")
    require(fields.pop("v") == VERSION and fields.pop("suite") == SUITE, "unknown_version")
    del fields["type"], fields["checkpoint"]
    device = fields.pop("device")
    draft = Draft(**fields)
    require_sorted([member.id for member in draft.members])
    first = (draft.conversation, draft.previous, draft.backlink)
    require(all((value is None) == (draft.epoch == 1) for value in first), "bad_format", "first epoch")
    require((draft.claim is not None) == (draft.reason == "claim"), "bad_format", "claim")
    return EpochRecord(wire, digest("epoch", wire), draft, device)


def _member(value: object) -> Member:
    member = Member(**exact(value, _MEMBER))
    require((member.kind == "invite") == (member.expires is not None), "bad_format", "expires")
    if member.kind == "invite":
        pinned = (member.generation, member.position, member.head, member.history)
        require(pinned == (0, 0, member.id, "full"), "bad_format", "invite")
    return member


def _claim(value: object) -> Claim:
    return Claim(**exact(value, _CLAIM))


def _b64_or_null(value: bytes | None) -> str | None:
    return None if value is None else b64(value)


_MEMBER: Final[Mapping[str, Field]] = {
    "box": binary(HASH),
    "expires": nullable(time),
    "generation": integer(0, 2**32 - 1),
    "head": binary(HASH),
    "history": one_of("none", "full", "partial"),
    "id": binary(ACCOUNT_ID),
    "key": binary(HASH),
    "kind": one_of("user", "practice", "service", "invite"),
    "position": integer(),
    "role": one_of("owner", "professional", "member", "patient", "delegate", "service"),
}
_CLAIM: Final[Mapping[str, Field]] = {
    "enc": binary(ENC_PUBLIC),
    "invite": binary(ACCOUNT_ID),
    "sign": binary(SIGN_PUBLIC),
    "signature": binary(SIGNATURE),
}
_FIELDS: Final[Mapping[str, Field]] = {
    "author": binary(ACCOUNT_ID),
    "at": time,
    "backlink": nullable(binary(BACKLINK)),
    "checkpoint": null,
    "claim": nullable(_claim),
    "commit": binary(HASH),
    "conversation": nullable(binary(CONVERSATION_ID)),
    "device": binary(HOLDER_ID),
    "epoch": integer(1, MAX_EPOCH),
    "link_commit": binary(HASH),
    "members": listed(_member, low=1, high=MAX_MEMBERS),
    "previous": nullable(binary(HASH)),
    "reason": one_of("create", "add", "remove", "claim", "rotate", "delegate", "reinvite"),
    "roster": binary(),
    "suite": integer(),
    "type": one_of("epoch"),
    "v": integer(),
}
