"""The only place that asks the machine what time it is."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol


class Clock(Protocol):
    """What the time is. Everything that needs it takes one of these."""

    def now(self) -> int:
        """Return milliseconds since 1970 (docs/spec/protocol.md 1.1). It informs; it never orders anything."""

    def monotonic(self) -> float:
        """Return seconds that never jump, for durations and limits."""


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's own clock."""

    def now(self) -> int:
        """Return the wall clock in milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return the monotonic clock in seconds."""
        return time.monotonic()


@dataclass(slots=True)
class SetClock:
    """A clock that stands still until it is told to advance (tests, and nothing else)."""

    at: int = 1_750_000_000_000

    def now(self) -> int:
        """Return the milliseconds it was set to."""
        return self.at

    def monotonic(self) -> float:
        """Return the same instant in seconds."""
        return self.at / 1000

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass."""
        self.at += int(seconds * 1000)
