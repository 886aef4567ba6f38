"""HKDF-SHA256 with the labels of the protocol.

Source: docs/spec/protocol.md 1.2; RFC 5869.
"""

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from crypto.secret import Secret
from crypto.suite import KEY, NONCE, label


def hkdf(ikm: bytes, *, salt: bytes, info: bytes, length: int) -> bytes:
    """HKDF-SHA256 as RFC 5869 has it, without a label (attachments only)."""
    return HKDF(SHA256(), length, salt or None, info).derive(ikm)


def derive(name: str, ikm: Secret, *, length: int = KEY, context: bytes = b"", salt: bytes = b"") -> bytes:
    """``KDF(name, ikm, context, length, salt)``: ``length`` bytes."""
    return hkdf(ikm.reveal(), salt=salt, info=label(name) + context, length=length)


def derive_secret(name: str, ikm: Secret, *, length: int = KEY) -> Secret:
    """Derive a seed or key that is kept."""
    return Secret(derive(name, ikm, length=length))


def key_and_nonce(name: str, ikm: Secret, *, context: bytes = b"", salt: bytes = b"") -> tuple[bytes, bytes]:
    """Derive an AES-256 key (32 bytes) and the one nonce (12 bytes) that goes with it."""
    both = derive(name, ikm, length=KEY + NONCE, context=context, salt=salt)
    return both[:KEY], both[KEY:]
