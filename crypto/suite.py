"""Version 1, suite 1: its sizes, its labels, its hash.

Source: docs/spec/protocol.md 1.2 and 2.
"""

import hashlib
from typing import Final

VERSION: Final = 1
SUITE: Final = 1

ACCOUNT_ID: Final = 32  # bytes, as all sizes here
HOLDER_ID: Final = 16
CONVERSATION_ID: Final = 32
ATTACHMENT_ID: Final = 16
INVITATION_ID: Final = 16
HASH: Final = 32
KEY: Final = 32
NONCE: Final = 12
TAG: Final = 16
SIGNATURE: Final = 64
SIGN_PUBLIC: Final = 32
ENC_PUBLIC: Final = 1216
ENCAPSULATION: Final = 1120
MAX_TIME: Final = 2**53 - 1  # milliseconds
NO_HASH: Final = bytes(HASH)  # stands where the first epoch has no predecessor


def label(name: str) -> bytes:
    """``utf8("pli/1/name") || 0x00``: a label serves one purpose only."""
    return b"pli/1/" + name.encode() + b"\0"


def digest(name: str, data: bytes) -> bytes:
    """``H(name, data)``: 32 bytes."""
    return hashlib.sha256(label(name) + data).digest()


def sha256(data: bytes) -> bytes:
    """Plain SHA-256, 32 bytes."""
    return hashlib.sha256(data).digest()
