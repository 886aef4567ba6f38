"""Identifiers and their text form. Source: docs/spec/protocol.md 1.1 and 1.5."""

from __future__ import annotations

import base64
import binascii
from typing import Final, NewType

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

_STANDARD: Final = str.maketrans("-_", "+/")


def b64(value: bytes) -> str:
    """Return base64url without padding."""
    return binascii.b2a_base64(value, newline=False).rstrip(b"=").translate(_URL).decode("ascii")


_URL: Final = bytes.maketrans(b"+/", b"-_")


def unb64(text: str, length: int | None = None) -> bytes:
    """Read base64url without padding, of exactly ``length`` bytes if given.

    Raises:
        BadRequestError: any other spelling, white space and non-zero trailing bits included.

    """
    try:
        value = base64.b64decode((text + "=" * (-len(text) % 4)).translate(_STANDARD), validate=True)
    except (ValueError, binascii.Error):
        raise BadRequestError("not base64url without padding") from None
    if b64(value) != text:
        raise BadRequestError("not base64url without padding")
    if length is not None and len(value) != length:
        raise BadRequestError(f"expected {length} bytes, got {len(value)}")
    return value
