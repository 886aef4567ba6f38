"""Operations of the groups that others published: X-Wing."""

import hmac
from hashlib import sha256
from typing import Any

from crypto import aead, hpke
from crypto.codec import unb64
from crypto.secret import Secret

Plain = dict[str, Any]

HPKE_SUITE = b"HPKE" + bytes.fromhex("647a00010002")  # X-Wing, HKDF-SHA256, AES-256-GCM
INFO = b"published"


def _decapsulate(given: Plain, _: Plain) -> Plain:
    """Open with the seed what was sealed by hand under the published shared secret: only the same secret opens it.

    ``cryptography`` has X-Wing inside HPKE alone, so the key schedule of RFC 9180 5.1 is written out here.
    """
    key = hpke.OpeningKey(Secret(unb64(given["seed"])))
    message_key, nonce = hpke_base_keys(unb64(given["ss"]), INFO)
    sealed = aead.seal(message_key, nonce, b"opens", b"")
    return {"pk": key.public, "opens": key.unseal(INFO, unb64(given["ct"]) + sealed) == b"opens"}


def hpke_base_keys(shared_secret: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Schedule keys in base mode: a key of 32 bytes and the first nonce of 12."""
    context = b"\0" + _extract(b"", b"psk_id_hash", b"") + _extract(b"", b"info_hash", info)
    secret = _extract(shared_secret, b"secret", b"")
    return _expand(secret, b"key", context, 32), _expand(secret, b"base_nonce", context, 12)


def _extract(salt: bytes, label: bytes, ikm: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + HPKE_SUITE + label + ikm, sha256)


def _expand(secret: bytes, label: bytes, context: bytes, length: int) -> bytes:
    info = length.to_bytes(2) + b"HPKE-v1" + HPKE_SUITE + label + context
    return hmac.digest(secret, info + b"\1", sha256)[:length]  # one block: at most 32 bytes


OPERATIONS = {"x_wing": {"decapsulate": _decapsulate}}
