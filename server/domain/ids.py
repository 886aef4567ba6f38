"""Identifiers and their text form. Source: docs/spec/protocol.md 1.1 and 1.5."""

from __future__ import annotations

import binascii
from typing import Final, NewType

import pybase64

from server.domain.errors import BadRequestError

AccountId = NewType("AccountId", bytes)
"""32 bytes: hash of the genesis link."""
HolderId = NewType("HolderId", bytes)
"""16 bytes."""
ConversationId = NewType("ConversationId", bytes)
"""32 bytes: hash of the first epoch record."""
EnvelopeId = NewType("EnvelopeId", bytes)
"""32 bytes: hash of the envelope."""
AttachmentId = NewType("AttachmentId", bytes)
"""16 bytes, drawn by the sender."""
InvitationId = NewType("InvitationId", bytes)
"""16 bytes, derived from the invitation's secret."""
MemberId = NewType("MemberId", bytes)
"""32 bytes: an account id, or the member id of an invitation."""
SessionId = NewType("SessionId", bytes)
"""16 bytes, drawn by the server. Not the token."""

LONG: Final = 32  # bytes
SHORT: Final = 16  # bytes

_ALPHABET: Final = b"-_"
# By the characters over a multiple of four: the padding that is left out (one over is never valid), and the last
# characters that have no bit to spare set.
_PADDING: Final = ("", "", "==", "=")
_LAST: Final = (None, None, "AQgw", "AEIMQUYcgkosw048")


def b64(value: bytes) -> str:
    """Return base64url without padding."""
    return pybase64.b64encode_as_string(value, altchars=_ALPHABET).rstrip("=")


def unb64(text: str, length: int | None = None) -> bytes:
    """Read base64url without padding, of exactly ``length`` bytes if given.

    Raises:
        BadRequestError: any other spelling, white space and non-zero trailing bits included.

    """
    over = len(text) % 4
    last = _LAST[over]
    if "+" in text or "/" in text or "=" in text or (last is not None and text[-1] not in last):
        raise BadRequestError("not base64url without padding")
    try:
        value = pybase64.b64decode(text + _PADDING[over], altchars=_ALPHABET, validate=True)
    except (ValueError, binascii.Error):
        raise BadRequestError("not base64url without padding") from None
    if length is not None and len(value) != length:
        raise BadRequestError(f"expected {length} bytes, got {len(value)}")
    return value
