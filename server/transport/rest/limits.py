"""How often somebody may be wrong, or may knock without a session: per address and per holder, in memory, bounded.

A limit protects the 60 bits of a typed code and the patience of the machine; it is not an account lock. It is forgotten
at a restart, and the oldest address gives way when the table is full.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from server.clock import Clock
from server.domain.errors import DomainError, TooManyTriesError
from server.services.pace import Buckets
from server.transport.address import address

__all__ = ["Buckets", "Failures", "Limits", "address", "knock", "make", "tries"]

QUARTER: Final = 15 * 60  # seconds
CAPACITY: Final = 50_000  # keys a table remembers


@dataclass(slots=True)
class Failures:
    """At most ``limit`` failures in ``window`` seconds for one key; then wait until the oldest has left the window."""

    clock: Clock
    limit: int
    window: int = QUARTER
    capacity: int = CAPACITY
    _seen: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)

    def wait(self, key: str) -> int:
        """Return the whole seconds ``key`` has to wait before it may try again; 0 is "go on"."""
        times = self._recent(key)
        if len(times) < self.limit:
            return 0
        return max(1, math.ceil(times[0] + self.window - self.clock.monotonic()))

    def count(self, key: str) -> None:
        """Remember that ``key`` has just failed."""
        times = self._recent(key)
        times.append(self.clock.monotonic())
        self._seen[key] = times
        self._seen.move_to_end(key)
        if len(self._seen) > self.capacity:
            self._seen.popitem(last=False)

    def _recent(self, key: str) -> deque[float]:
        times = self._seen.get(key, deque(maxlen=self.limit))
        since = self.clock.monotonic() - self.window
        while times and times[0] <= since:
            times.popleft()
        return times


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of ``docs/spec/api.md``, by what it protects."""

    session_holder: Failures
    session_address: Failures
    invitation_address: Failures
    code_address: Failures
    knock: Buckets[str]
    """Requests that cost work and need no session: challenges, claims, activations."""


def make(clock: Clock) -> Limits:
    """Build the limits that the interface promises."""
    return Limits(
        session_holder=Failures(clock, 10),
        session_address=Failures(clock, 30),
        invitation_address=Failures(clock, 30),
        code_address=Failures(clock, 10),
        knock=Buckets(clock, burst=3000, rate=50),
    )


@contextmanager
def tries(failures: Failures, key: str, *counted: type[DomainError]) -> Iterator[None]:
    """Let one try happen, unless ``key`` has failed too often; a refusal of a ``counted`` kind is a failure.

    Raises:
        TooManyTriesError: with the seconds to wait.

    """
    if wait := failures.wait(key):
        raise TooManyTriesError(wait)
    try:
        yield
    except counted:
        failures.count(key)
        raise


def knock(limits: Limits, key: str) -> None:
    """Let one request without a session happen.

    Raises:
        TooManyTriesError: with the seconds to wait.

    """
    if wait := limits.knock.take(key):
        raise TooManyTriesError(wait)
