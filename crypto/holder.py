"""A holder: the two key pairs of a device, a recovery code or a passkey, which can open an account.

Source: docs/spec/protocol.md 3 and 1.5.
"""

from dataclasses import dataclass
from typing import Any, Final

from crypto import hpke, kdf, sign
from crypto.codec import b64
from crypto.schema import Field, binary, exact, one_of, text
from crypto.secret import Random, Secret, system_random
from crypto.suite import ENC_PUBLIC, HOLDER_ID, SIGN_PUBLIC, digest

KINDS: Final = ("device", "recovery", "passkey")  # `password` is reserved: refused in version 1
MAX_NAME: Final = 64  # bytes


@dataclass(frozen=True, slots=True)
class PublicHolder:
    """What an account chain says about a holder."""

    kind: str
    name: str
    sign: bytes
    enc: bytes

    @property
    def id(self) -> bytes:
        """16 bytes, from both keys."""
        return digest("holder", self.sign + self.enc)[:HOLDER_ID]

    def plain(self) -> dict[str, Any]:
        """As it stands in a link."""
        return {"enc": b64(self.enc), "kind": self.kind, "name": self.name, "sign": b64(self.sign)}

    def require_strong(self) -> None:
        """Refuse weak keys (``weak_key``)."""
        sign.require_strong(self.sign)
        hpke.require_strong(self.enc)


@dataclass(frozen=True, slots=True)
class Holder:
    """The private side of a holder."""

    kind: str
    name: str
    sign: sign.SigningKey
    enc: hpke.OpeningKey

    @property
    def public(self) -> PublicHolder:
        """The half that enters the chain."""
        return PublicHolder(self.kind, self.name, self.sign.public, self.enc.public)

    @property
    def id(self) -> bytes:
        """16 bytes, from both public keys."""
        return self.public.id


def from_seed(seed: Secret, *, kind: str, name: str) -> Holder:
    """Derive both key pairs from a seed of 32 bytes."""
    signing = sign.SigningKey(kdf.derive_secret("holder/sign", seed))
    return Holder(kind, name, signing, hpke.OpeningKey(kdf.derive_secret("holder/enc", seed)))


def new_seed(random: Random = system_random) -> Secret:
    """32 random bytes. A device keeps them; they are its whole private state."""
    return Secret(random(32))


_FIELDS: Final[dict[str, Field]] = {
    "enc": binary(ENC_PUBLIC),
    "kind": one_of(*KINDS),
    "name": text(MAX_NAME),
    "sign": binary(SIGN_PUBLIC),
}


def read(value: object) -> PublicHolder:
    """Read a holder from a link.

    Raises:
        ProtocolError: ``bad_format``.

    """
    return PublicHolder(**exact(value, _FIELDS))
