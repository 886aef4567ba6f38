"""Who sent these bytes, and when. Source: docs/spec/agenda-partners.md 3.

A partner signs ``timestamp || "." || body``. Several signatures may stand in one header: a secret can be changed
and no message is lost.
"""

import hmac
import re
from base64 import b64decode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

REPLAY_WINDOW: Final = timedelta(minutes=5)  # either side of our clock
SECRET: Final = 32  # bytes, at least
SIGNATURES: Final = 8  # in one header
_STAMP: Final = re.compile(r"[0-9]{1,12}")


class SignatureError(Exception):
    """These bytes are not of that partner, or not of now. ``code`` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, repr=False)
class Keys:
    """What a partner may sign with. Raises ValueError when nothing is given, or a secret is too short."""

    secrets: Sequence[bytes] = ()  # HMAC-SHA256
    public: Sequence[bytes] = ()  # Ed25519, 32 bytes each

    def __post_init__(self) -> None:
        if not self.secrets and not self.public:
            raise ValueError("a partner needs a secret or a public key")
        if any(len(each) < SECRET for each in self.secrets):
            raise ValueError(f"a secret has at least {SECRET} bytes")
        for each in self.public:
            Ed25519PublicKey.from_public_bytes(each)


def verify(keys: Keys, *, stamp: str, header: str, body: bytes, now: datetime) -> datetime:
    """Check a message; gives when it was signed.

    Args:
        keys: of the partner.
        stamp: seconds since 1970, in decimal.
        header: ``v1=<64 hexadecimal digits>`` (HMAC-SHA256) or ``ed25519=<base64>``, separated by commas.
        body: as it came.
        now: aware.

    Raises:
        SignatureError: ``signature_missing``, ``timestamp_broken``, ``timestamp_outside`` or ``signature_wrong``.

    """
    if not stamp or not header:
        raise SignatureError("signature_missing")
    if not _STAMP.fullmatch(stamp):
        raise SignatureError("timestamp_broken")
    if abs(int(stamp) - now.timestamp()) > REPLAY_WINDOW.total_seconds():
        raise SignatureError("timestamp_outside")
    signed = stamp.encode() + b"." + body
    if not any(_is_of(keys, kind, value, signed) for kind, value in _signatures(header)):
        raise SignatureError("signature_wrong")
    return datetime.fromtimestamp(int(stamp), now.tzinfo)


def _signatures(header: str) -> Iterator[tuple[str, str]]:
    for each in header.split(",")[:SIGNATURES]:
        kind, _, value = each.strip().partition("=")
        yield kind, value


def _is_of(keys: Keys, kind: str, value: str, signed: bytes) -> bool:
    if kind == "v1":
        given = value.lower().encode("ascii", "replace")
        return any(
            hmac.compare_digest(hmac.digest(each, signed, "sha256").hex().encode(), given) for each in keys.secrets
        )
    if kind == "ed25519":
        return any(_is_signed(each, value, signed) for each in keys.public)
    return False


def _is_signed(public: bytes, value: str, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(b64decode(value, validate=True), signed)
    except (InvalidSignature, ValueError):
        return False
    return True
