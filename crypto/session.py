"""How a holder proves itself to a server.

Source: docs/spec/protocol.md 10.
"""

from crypto import sign
from crypto.holder import Holder


def answer(holder: Holder, *, server: bytes, challenge: bytes) -> bytes:
    """Sign a challenge (32 bytes) of a server (id of 16 bytes): 64 bytes."""
    return holder.sign.sign("session", server + challenge + holder.id)


def verify(public: bytes, signature: bytes, *, server: bytes, challenge: bytes, holder: bytes) -> bool:
    """Whether ``signature`` answers the challenge; ``public`` is the holder's Ed25519 key, ``holder`` its id."""
    return sign.verify(public, "session", server + challenge + holder, signature)
