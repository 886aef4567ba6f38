"""A link of an account chain: its shape, and how to make one.

Source: docs/spec/protocol.md 5.1 and 5.2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from crypto import codec, holder
from crypto.codec import Signed, b64
from crypto.errors import require
from crypto.schema import Field, binary, exact, integer, nullable, one_of, time
from crypto.suite import ACCOUNT_ID, ENC_PUBLIC, HASH, HOLDER_ID, SUITE, VERSION, digest

ACCOUNT_KINDS: Final = ("user", "practice", "service")
SCOPES: Final = ("read", "write")
MAX_GENERATION: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class UserKey:
    """UK_g as a chain announces it."""

    generation: int
    enc: bytes

    def plain(self) -> dict[str, Any]:
        """As it stands in a link."""
        return {"enc": b64(self.enc), "generation": self.generation}


def _user_key(value: object) -> UserKey:
    return UserKey(**exact(value, {"generation": integer(1, MAX_GENERATION), "enc": binary(ENC_PUBLIC)}))


_BODIES: Final[Mapping[str, Mapping[str, Field]]] = {
    "genesis": {"kind": one_of(*ACCOUNT_KINDS), "holder": holder.read, "uk": _user_key},
    "holder_add": {"holder": holder.read},
    "holder_retire": {"holder": binary(HOLDER_ID)},
    "holder_revoke": {"holder": binary(HOLDER_ID)},
    "uk_rotate": {"uk": _user_key},
    "attest": {"certificate": binary()},
    "delegate_add": {"account": binary(ACCOUNT_ID), "scope": one_of(*SCOPES), "until": nullable(time)},
    "delegate_remove": {"account": binary(ACCOUNT_ID)},
}

_FIELDS: Final[Mapping[str, Field]] = {
    "v": integer(),
    "suite": integer(),
    "type": one_of(*_BODIES),
    "account": nullable(binary(ACCOUNT_ID)),
    "position": integer(),
    "previous": nullable(binary(HASH)),
    "signer": binary(HOLDER_ID),
    "at": time,
    "body": lambda value: value,  # read by type, below
}


@dataclass(frozen=True, slots=True)
class Link:
    """A well-formed link; whether it may stand in a chain is ``AccountChain.accept``'s business."""

    signed: Signed
    hash: bytes
    type: str
    account: bytes | None
    position: int
    previous: bytes | None
    signer: bytes
    at: int
    body: Mapping[str, Any]


def read(wire: bytes) -> Link:
    """Read a link.

    Raises:
        ProtocolError: ``bad_format``; ``unknown_version``.

    """
    signed = Signed.unpack(wire)
    fields = exact(codec.decode(signed.body), _FIELDS)
    fields["body"] = exact(fields["body"], _BODIES[fields["type"]])
    require(fields.pop("v") == VERSION and fields.pop("suite") == SUITE, "unknown_version")
    return Link(signed=signed, hash=digest("link", wire), **fields)


def write(kind: str, body: Mapping[str, Any], place: "Place", signers: tuple[holder.Holder, ...], *, at: int) -> bytes:
    """Make a link of type ``kind`` at ``place``, signed first by ``signers[0]``; returns its wire form."""
    encoded = codec.encode(
        {
            "v": VERSION,
            "suite": SUITE,
            "type": kind,
            "account": b64(place.account) if place.account else None,
            "position": place.position,
            "previous": b64(place.previous) if place.previous else None,
            "signer": b64(signers[0].id),
            "at": at,
            "body": dict(body),
        }
    )
    return Signed(encoded, tuple(each.sign.sign("link", encoded) for each in signers)).pack()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the next link of a chain goes."""

    account: bytes | None = None
    position: int = 0
    previous: bytes | None = None
