"""How many live sockets may be open: in all, and from one address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from server.domain.errors import TooManyTriesError

WAIT: Final = 10  # seconds after which somebody may have left


@dataclass(slots=True)
class Doors:
    """Counts who is inside."""

    total: int
    each: int
    """Sockets from one address (a practice, or a proxy that is not trusted)."""
    _inside: Counter[str] = field(default_factory=Counter)

    def enter(self, address: str) -> None:
        """Count one more from ``address``.

        Raises:
            TooManyTriesError: the house, or this address, is full.

        """
        if self._inside[address] >= self.each or self._inside.total() >= self.total:
            raise TooManyTriesError(WAIT)
        self._inside[address] += 1

    def leave(self, address: str) -> None:
        """Count one less."""
        self._inside[address] -= 1
        if self._inside[address] <= 0:
            del self._inside[address]

    @contextmanager
    def entered(self, address: str) -> Iterator[None]:
        """Count somebody for as long as the block lasts.

        Raises:
            TooManyTriesError: see ``enter``.

        """
        self.enter(address)
        try:
            yield
        finally:
            self.leave(address)
