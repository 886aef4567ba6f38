"""A passkey as a holder: its seed sealed under the PRF output of the authenticator.

Source: docs/spec/protocol.md 11.
"""

from dataclasses import dataclass, field
from typing import Final

from crypto import aead, codec, holder, kdf
from crypto.account_chain import AccountChain
from crypto.codec import b64
from crypto.errors import require
from crypto.schema import binary, exact, integer
from crypto.secret import Secret
from crypto.suite import ACCOUNT_ID, HASH, KEY, label, sha256

PRF_INPUT: Final = sha256(label("passkey/prf"))
"""What to evaluate as ``eval.first``."""


@dataclass(frozen=True, slots=True)
class Passkey:
    """What the blob keeps: the seed, and how far the account was when it was written."""

    seed: Secret
    account: bytes
    position: int
    head: bytes = field(repr=False)

    def holder(self, name: str = "") -> holder.Holder:
        """The holder of kind ``passkey``."""
        return holder.from_seed(self.seed, kind="passkey", name=name)

    def require_not_older(self, chain: AccountChain) -> None:
        """Refuse a chain that ends before, or differs from, what this passkey saw.

        Raises:
            ProtocolError: ``wrong_account``; alarms ``rollback`` and ``fork``.

        """
        require(chain.id == self.account, "wrong_account")
        require(chain.position >= self.position, "rollback")
        require(chain.heads[self.position] == self.head, "fork")


def wrap(passkey: Passkey, *, prf: Secret, credential: bytes) -> bytes:
    """Seal the blob that lies on the server under the credential id."""
    key, nonce = kdf.key_and_nonce("passkey/wrap", prf, context=credential)
    plain = codec.encode(
        {
            "account": b64(passkey.account),
            "head": b64(passkey.head),
            "position": passkey.position,
            "seed": b64(passkey.seed.reveal()),
        }
    )
    return aead.seal(key, nonce, plain, credential)


def unwrap(blob: bytes, *, prf: Secret, credential: bytes) -> Passkey:
    """Open a blob (``open_failed``, ``bad_format``)."""
    key, nonce = kdf.key_and_nonce("passkey/wrap", prf, context=credential)
    shape = {"account": binary(ACCOUNT_ID), "head": binary(HASH), "position": integer(), "seed": binary(KEY)}
    fields = exact(codec.decode(aead.unseal(key, nonce, blob, credential)), shape)
    return Passkey(Secret(fields.pop("seed")), **fields)
