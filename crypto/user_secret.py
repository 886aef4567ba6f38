"""The user secret: what all holders of an account share, one for each generation.

Source: docs/spec/protocol.md 4.
"""

import struct
from dataclasses import dataclass

from crypto import aead, hpke, kdf
from crypto.errors import ProtocolError, require
from crypto.secret import Random, Secret, same, system_random
from crypto.suite import NONCE, label


@dataclass(frozen=True, slots=True)
class UserSecret:
    """``uks_g``: 32 bytes from which UK_g and US_g follow."""

    generation: int
    secret: Secret

    def opening_key(self) -> hpke.OpeningKey:
        """UK_g: what others encrypt to."""
        return hpke.OpeningKey(kdf.derive_secret("uk/enc", self.secret))

    def symmetric(self) -> Secret:
        """US_g: the key of own data."""
        return kdf.derive_secret("uk/sym", self.secret)

    def box_for(self, account: bytes, holder: bytes, enc: bytes) -> bytes:
        """Seal this secret to a holder's public key ``enc``: 1,168 bytes."""
        return hpke.seal(enc, _box_info(account, self.generation, holder), self.secret.reveal())

    def seal_previous(self, account: bytes, previous: "UserSecret") -> bytes:
        """Seal the secret before this one, so that whoever has this one has all: 48 bytes."""
        key, nonce = _previous_key(self, account)
        return aead.seal(key, nonce, previous.secret.reveal())

    def open_previous(self, account: bytes, sealed: bytes, uk: bytes) -> "UserSecret":
        """Open the secret before this one; ``uk`` is its public key in the chain.

        Raises:
            ProtocolError: ``open_failed``; ``forged_box``: not the secret that the chain names.

        """
        key, nonce = _previous_key(self, account)
        return _checked(self.generation - 1, aead.unseal(key, nonce, sealed), uk)

    def seal_own(self, name: str, data: bytes, random: Random = system_random) -> bytes:
        """Seal own data under ``name``: 28 bytes more than ``data``."""
        nonce = random(NONCE)
        return nonce + aead.seal(self._own_key(name), nonce, data, name.encode())

    def open_own(self, name: str, sealed: bytes) -> bytes:
        """Open own data (``open_failed``)."""
        return aead.unseal(self._own_key(name), sealed[:NONCE].ljust(NONCE, b"\0"), sealed[NONCE:], name.encode())

    def _own_key(self, name: str) -> bytes:
        return kdf.derive("own-data", self.symmetric(), context=name.encode())


def draw(generation: int, random: Random = system_random) -> UserSecret:
    """Make the secret of a generation."""
    return UserSecret(generation, Secret(random(32)))


def open_box(
    enc: hpke.OpeningKey, box: bytes, *, account: bytes, generation: int, holder: bytes, uk: bytes
) -> UserSecret:
    """Open a holder's box; ``uk`` is the public key of this generation in the account chain.

    Raises:
        ProtocolError: ``open_failed``; ``forged_box``: well sealed, but not the secret that the chain names.

    """
    return _checked(generation, enc.unseal(_box_info(account, generation, holder), box), uk)


def _checked(generation: int, secret: bytes, uk: bytes) -> UserSecret:
    require(len(secret) == 32, "forged_box", "length of the user secret")
    opened = UserSecret(generation, Secret(secret))
    if not same(opened.opening_key().public, uk):
        raise ProtocolError("forged_box", "not the user key of the chain")
    return opened


def _box_info(account: bytes, generation: int, holder: bytes) -> bytes:
    return label("uks-box") + account + struct.pack(">I", generation) + holder


def _previous_key(newer: UserSecret, account: bytes) -> tuple[bytes, bytes]:
    context = account + struct.pack(">I", newer.generation)
    return kdf.key_and_nonce("uks-previous", newer.symmetric(), context=context)
