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
_FOREIGN: Final = ("+", "/", "=")  # a decoder of base64url may still take these
_PADDING: Final = ("", "", "==", "=")  # by the characters over a multiple of four; one over is never valid


def b64(value: bytes) -> str:
    """Return base64url without padding."""
    return binascii.b2a_base64(value, newline=False).rstrip(b"=").translate(_URL).decode("ascii")


def unb64(text: str, length: int | None = None) -> bytes:
    """Read base64url without padding, of exactly ``length`` bytes if given.

    Raises:
        BadRequestError: any other spelling, white space and non-zero trailing bits included.

    """
    try:
        spelled = text.encode("ascii").translate(_STANDARD)
        value = binascii.a2b_base64(spelled + b"=" * (-len(spelled) % 4), strict_mode=True)
    except (ValueError, binascii.Error):
        raise BadRequestError("not base64url without padding") from None
    left = len(value) % 3
    if left and b64(value[-left:]) != text[-left - 1 :]:  # the last characters have bits to spare, which must be zero
        raise BadRequestError("not base64url without padding")
    if length is not None and len(value) != length:
        raise BadRequestError(f"expected {length} bytes, got {len(value)}")
    return value
