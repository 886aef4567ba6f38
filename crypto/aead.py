"""AES-256-GCM.

Source: docs/spec/protocol.md 2; NIST SP 800-38D.
"""

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from crypto.errors import ProtocolError, require
from crypto.suite import TAG


def seal(key: bytes, nonce: bytes, plaintext: bytes, aad: bytes = b"") -> bytes:
    """Encrypt once under ``key`` (32 bytes) and ``nonce`` (12 bytes): ``len(plaintext) + 16`` bytes."""
    return AESGCM(key).encrypt(nonce, plaintext, aad)


def unseal(key: bytes, nonce: bytes, sealed: bytes, aad: bytes = b"") -> bytes:
    """Decrypt what ``seal`` made.

    Raises:
        ProtocolError: ``open_failed``: another key, nonce, ``aad``, or any bit changed.

    """
    require(len(sealed) >= TAG, "open_failed", "shorter than a tag")
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except InvalidTag:
        raise ProtocolError("open_failed") from None
