"""The access journal of an account: a hash chain over what the server tells. Source: docs/spec/api.md 8.1."""

from collections.abc import Iterable
from dataclasses import dataclass

from crypto.codec import b64, encode
from crypto.errors import require
from crypto.suite import NO_HASH, digest


@dataclass(frozen=True, slots=True)
class Entry:
    """One access. ``at`` is in milliseconds; ``previous`` the hash of the entry before, 32 zero bytes for the first."""

    position: int
    kind: str
    at: int
    who: bytes
    conversation: bytes
    attachment: bytes | None
    previous: bytes

    def hash(self, account: bytes) -> bytes:
        """``H("journal", …)`` in the journal of ``account``: 32 bytes."""
        told = {
            "account": b64(account),
            "at": self.at,
            "attachment": None if self.attachment is None else b64(self.attachment),
            "conversation": b64(self.conversation),
            "kind": self.kind,
            "position": self.position,
            "previous": b64(self.previous),
            "who": b64(self.who),
        }
        return digest("journal", encode(told))


@dataclass(frozen=True, slots=True)
class Head:
    """How far a journal is known: the newest position (0: empty) and its hash."""

    position: int = 0
    hash: bytes = NO_HASH


def follow(account: bytes, known: Head, entries: Iterable[Entry]) -> Head:
    """Go on from ``known`` through ``entries``, ascending; return the new head.

    Raises:
        ProtocolError: ``not_next``: one is missing; ``fork``: it does not follow from what was there.

    """
    for entry in entries:
        require(entry.position == known.position + 1, "not_next", "an entry of the journal is missing")
        require(entry.previous == known.hash, "fork", "the journal has another past")
        known = Head(entry.position, entry.hash(account))
    return known
