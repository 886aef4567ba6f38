"""Where a log begins that a server has shortened, and what no server can hide by saying so.

Source: docs/spec/protocol.md 7.6.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from crypto.errors import require

DAY: Final = 86_400_000  # milliseconds
SHORTEST: Final = 30 * DAY
"""No honest server lets a message go that is younger."""
SLACK: Final = 2 * DAY
"""By which a reader's own clock may be behind."""


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Messages before the seq ``first`` have no bytes any more; all of it is older than ``before`` (milliseconds)."""

    first: int
    before: int

    def require_over(self, *, now: int) -> None:
        """Compare with the reader's own clock (``withheld``)."""
        require(self.before <= now - SHORTEST + SLACK, "withheld", "a term that is not over")

    def require_older(self, places: Iterable[tuple[int, int]]) -> None:
        """Refuse to lose what is known to be younger (``withheld``). ``places``: (seq, at) of what the reader has."""
        younger = any(seq < self.first and at >= self.before for seq, at in places)
        require(not younger, "withheld", "younger than what is over")


def accept(known: Trimmed | None, told: Trimmed, *, seq: int, at: int, now: int) -> Trimmed:
    """Take a ``trimmed`` event of a log.

    Args:
        known: the newest one before it.
        told: what it says.
        seq: its place.
        at: its time, milliseconds.
        now: the reader's own clock, milliseconds.

    Raises:
        ProtocolError: ``withheld``: it says more than a server may let go.

    """
    require(1 <= told.first <= seq, "withheld", "a beginning in the future")
    require(known is None or (told.first >= known.first and told.before >= known.before), "withheld", "it goes back")
    require(told.before <= at - SHORTEST, "withheld", "a term that is not over")
    told.require_over(now=now)
    return told


def require_mirrored(newest: Trimmed | None, told: Trimmed | None, *, first: int, now: int) -> None:
    """Compare the log with what the server says beside it.

    Args:
        newest: the newest ``trimmed`` event that the reader has, up to where the server says that the log ends.
        told: what the server says.
        first: the first seq that the reader has; the event of an earlier beginning is not for it to see.
        now: the reader's own clock, milliseconds.

    Raises:
        ProtocolError: ``withheld``.

    """
    hint = newest is None and told is not None and told.first <= first
    require(hint or newest == told, "withheld", "where the log begins")
    if told is not None:
        told.require_over(now=now)
