"""Ed25519 signatures with labels, and the public keys that nobody may use.

Source: docs/spec/protocol.md 1.2 and 2; RFC 8032.
"""

from typing import Final, final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from typing_extensions import override

from crypto.errors import require
from crypto.secret import Secret
from crypto.suite import SIGN_PUBLIC, label

_P: Final = 2**255 - 19
_SIGN_BIT: Final = 1 << 255
# y of the eight points of small order: order 1, 2, 4 (two points, y = 0) and 8 (four points).
_ORDER_8: Final = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD83D3D706A17C7
SMALL_ORDER_Y: Final = frozenset({0, 1, _P - 1, _ORDER_8, _P - _ORDER_8})


@final
class SigningKey:
    """A private Ed25519 key. Prints its public half only."""

    __slots__ = ("_key", "public")

    def __init__(self, seed: Secret) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed.reveal())
        self.public: Final = self._key.public_key().public_bytes_raw()

    @override
    def __repr__(self) -> str:
        return f"SigningKey(public={self.public.hex()})"

    def sign(self, name: str, data: bytes) -> bytes:
        """``SIGN(key, name, data)``: 64 bytes."""
        return self._key.sign(label(name) + data)


def verify_raw(public: bytes, message: bytes, signature: bytes) -> bool:
    """Verify as OpenSSL and WebCrypto do: cofactorless, s < L, canonical R."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(public: bytes, name: str, data: bytes, signature: bytes) -> bool:
    """Whether ``signature`` is ``SIGN`` of ``data`` under the label ``name``."""
    return verify_raw(public, label(name) + data, signature)


def require_strong(public: bytes) -> None:
    """Refuse a key that signs everything, or that has two spellings.

    Raises:
        ProtocolError: ``bad_format`` if not 32 bytes; ``weak_key`` if not canonical or of small order.

    """
    require(len(public) == SIGN_PUBLIC, "bad_format", "Ed25519 public key")
    y = int.from_bytes(public, "little") & ~_SIGN_BIT
    require(y < _P and y not in SMALL_ORDER_Y, "weak_key", "Ed25519 public key")
