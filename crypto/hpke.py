"""HPKE in base mode with X-Wing: what is sealed to a public key.

Source: docs/spec/protocol.md 2; RFC 9180; draft-connolly-cfrg-xwing-kem.
"""

import hashlib
from typing import Final, final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from typing_extensions import override

from crypto.errors import ProtocolError, require
from crypto.secret import Secret
from crypto.suite import ENC_PUBLIC, ENCAPSULATION, TAG

OVERHEAD: Final = ENCAPSULATION + TAG  # bytes added to a plaintext
_ML_KEM_PUBLIC: Final = 1184
_P: Final = 2**255 - 19
_SIGN_BIT: Final = 1 << 255  # X25519 ignores it
# u of the points of small order (RFC 7748 section 6.1): an exchange with them gives zeros, so nobody could seal.
_ORDER_8: Final = (
    0x00B8495F16056286FDB1329CEB8D09DA6AC49FF1FAE35616AEB8413B7C7AEBE0,
    0x57119FD0DD4E22D8868E1C58C45C44045BEF839C55B1D0B1248C50A3BC959C5F,
)
_SMALL_ORDER_U: Final = frozenset({0, 1, _P - 1, *_ORDER_8})
_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@final
class OpeningKey:
    """A private X-Wing key. Prints the start of its public half only."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: Secret) -> None:
        """Expand a 32-byte seed; the library's own key derivation is another one and is not used."""
        require(len(seed) == 32, "bad_format", "X-Wing seed")
        expanded = hashlib.shake_256(seed.reveal()).digest(96)
        ml_kem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        x25519 = X25519PrivateKey.from_private_bytes(expanded[64:])
        self._key = MLKEM768X25519PrivateKey(ml_kem, x25519)
        self.public: Final = ml_kem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    @override
    def __repr__(self) -> str:
        return f"OpeningKey(public={self.public[:8].hex()}…)"

    def unseal(self, info: bytes, sealed: bytes) -> bytes:
        """Open what was sealed to ``public`` under the same ``info``: ``len(sealed) - 1,136`` bytes.

        Raises:
            ProtocolError: ``open_failed``.

        """
        require(len(sealed) >= OVERHEAD, "open_failed", "shorter than an encapsulation")
        try:
            return _SUITE.decrypt(sealed, self._key, info)
        except (InvalidTag, ValueError):
            raise ProtocolError("open_failed") from None


def seal(public: bytes, info: bytes, plaintext: bytes) -> bytes:
    """``SEAL(public, info, plaintext)``: ``enc (1,120) || ct``, 1,136 bytes more than ``plaintext``.

    The encapsulation draws its own randomness inside the library; it cannot be given.

    Raises:
        ProtocolError: ``bad_format`` or ``weak_key``: see ``require_strong``.

    """
    return _SUITE.encrypt(plaintext, _load(public), info)


def require_strong(public: bytes) -> None:
    """Refuse a public key that nobody can seal to.

    Raises:
        ProtocolError: ``bad_format``: another length; ``weak_key``: fails the check of FIPS 203 section 7.2, or its
            X25519 half is of small order.

    """
    _load(public)


def _load(public: bytes) -> MLKEM768X25519PublicKey:
    require(len(public) == ENC_PUBLIC, "bad_format", "X-Wing public key")
    try:
        ml_kem = MLKEM768PublicKey.from_public_bytes(public[:_ML_KEM_PUBLIC])
    except ValueError:
        raise ProtocolError("weak_key", "ML-KEM-768 public key") from None
    u = int.from_bytes(public[_ML_KEM_PUBLIC:], "little") & ~_SIGN_BIT
    require(u % _P not in _SMALL_ORDER_U, "weak_key", "X25519 public key")
    return MLKEM768X25519PublicKey(ml_kem, X25519PublicKey.from_public_bytes(public[_ML_KEM_PUBLIC:]))
