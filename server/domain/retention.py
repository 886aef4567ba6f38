"""How long messages are kept: what an operator's term means for one log. Source: docs/spec/api.md 8.2."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from server.domain.ids import AccountId, ConversationId

DAY: Final = 24 * 60 * 60_000  # milliseconds
SHORTEST: Final = 30
"""Days below which no term may be: readers take a younger message that is gone for a lie (protocol.md 7.6)."""
STEP: Final = 7 * DAY
"""What is over goes a week at a time, so that a log is told at most once a week where it begins."""


def horizon(now: int, days: int) -> int:
    """Return the time before which a server that keeps messages for ``days`` has none: at most a week before the term.

    Both times in milliseconds.

    Raises:
        ValueError: a term below ``SHORTEST``.

    """
    if days < SHORTEST:
        raise ValueError(f"a term of at least {SHORTEST} days")
    return max(0, (now - days * DAY) // STEP * STEP)


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Where a log begins: what is older than ``before`` (milliseconds) has no bytes up to the seq ``first``."""

    first: int
    before: int


@dataclass(frozen=True, slots=True)
class LogBeginning:
    """A log as the sweep finds it: told to begin at ``first``, bytes gone below ``cleared`` (never above ``first``)."""

    conversation: ConversationId
    first: int
    cleared: int
    at: int | None
    """Of the event at ``first``; none when there is no such event yet."""

    def is_due(self, before: int) -> bool:
        """Tell whether something may have to go: the next event is too old, or an earlier sweep was cut off."""
        return self.cleared < self.first or (self.at is not None and self.at < before)


@dataclass(frozen=True, slots=True)
class FeedBeginning:
    """A feed as the sweep finds it: its oldest entry is at ``first``, about an event of the time ``at``."""

    account: AccountId
    first: int
    at: int | None


@dataclass(frozen=True, slots=True)
class Span:
    """Events from the beginning of a log on that are all too old: ``stop`` is the seq after the last of them."""

    stop: int
    has_bytes: bool
    """A message among them still has its bytes: only then is there something to tell."""
    ends: bool
    """What follows is younger, or nothing follows."""
