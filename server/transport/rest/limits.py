"""How often somebody may be wrong, or may knock without a session: per address and per holder, in memory, bounded.

A limit protects the 60 bits of a typed code and the patience of the machine; it is not an account lock. It is forgotten
at a restart, and the oldest address gives way when the table is full.
"""

from __future__ import annotations

import ipaddress
import math
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from server.clock import Clock
from server.domain.errors import DomainError, TooManyTriesError
from server.settings import Network

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


@dataclass(slots=True)
class Buckets:
    """``burst`` requests at once and ``rate`` a second after that, for one key."""

    clock: Clock
    burst: float
    rate: float
    capacity: int = CAPACITY
    _levels: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, key: str) -> int:
        """Take one. Return 0, or the whole seconds to wait because there was none left."""
        now = self.clock.monotonic()
        level, since = self._levels.pop(key, (self.burst, now))
        level = min(self.burst, level + (now - since) * self.rate)
        taken = level >= 1
        self._levels[key] = (level - 1 if taken else level, now)
        if len(self._levels) > self.capacity:
            self._levels.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - level) / self.rate))


@dataclass(frozen=True, slots=True)
class Limits:
    """Every limit of ``docs/spec/api.md``, by what it protects."""

    session_holder: Failures
    session_address: Failures
    invitation_address: Failures
    code_address: Failures
    knock: Buckets
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


def address(request: web.Request, trusted: Sequence[Network] = ()) -> str:
    """Return whom a limit counts: the peer, or what our own proxies say about it; IPv6 by its /64.

    ``X-Forwarded-For`` is read from the right, and only past addresses in ``trusted``: whatever stands further left was
    written by the client.
    """
    seen = _parse(request.remote or "")
    if seen and trusted and any(seen in network for network in trusted):
        for part in reversed(",".join(request.headers.getall("X-Forwarded-For", [])).split(",")):
            said = _parse(part.strip())
            if said is None:
                break
            seen = said
            if not any(seen in network for network in trusted):
                break
    if isinstance(seen, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((seen, 64), strict=False))
    return str(seen or "unknown")


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
