"""Single-use tokens that cost no memory until they are used: challenges and live tickets.

A stamp is ``when it ends | nonce | MAC over both and its subject``; only used ones are remembered, until they end. So a
flood of requests for challenges fills nothing. They do not survive a restart, which is within what 60 seconds promise.
"""

from __future__ import annotations

import hashlib
import hmac
import itertools
import secrets
from dataclasses import dataclass, field
from typing import Final

from server.clock import Clock

SIZE: Final = 32  # bytes: 6 of time, 10 of nonce, 16 of MAC
_TIME: Final = 6
_SAID: Final = 16


@dataclass(slots=True)
class Stamps:
    """Issues stamps and takes each one once."""

    clock: Clock
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Nodes that redeem each other's stamps have the same (``ServerIdentity.stamp_key``)."""
    _used: dict[bytes, int] = field(default_factory=dict)

    def issue(self, subject: bytes, lifetime: int) -> tuple[bytes, int]:
        """Return a stamp of 32 bytes for ``subject`` and when it ends; ``lifetime`` is in milliseconds."""
        ends = self.clock.now() + lifetime
        said = ends.to_bytes(_TIME, "big") + secrets.token_bytes(_SAID - _TIME)
        return said + self._mac(said, subject), ends

    def redeem(self, stamp: bytes, subject: bytes) -> bool:
        """Tell whether ``stamp`` is ours, for ``subject``, not too old and not used before; then it is used."""
        said, mac = stamp[:_SAID], stamp[_SAID:]
        now = self.clock.now()
        if not hmac.compare_digest(mac, self._mac(said, subject)) or int.from_bytes(said[:_TIME], "big") < now:
            return False
        if stamp in self._used:
            return False
        self._sweep(now)
        self._used[stamp] = int.from_bytes(said[:_TIME], "big")
        return True

    def _mac(self, said: bytes, subject: bytes) -> bytes:
        return hmac.digest(self.key, said + subject, hashlib.sha256)[:_SAID]

    def _sweep(self, now: int) -> None:
        """Drop what has ended; stamps are used in about the order they end, so the front is enough."""
        for stamp in list(itertools.islice(self._used, 8)):
            if self._used[stamp] < now:
                del self._used[stamp]
