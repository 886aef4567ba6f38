"""Times as cards carry them: whole minutes, a day at most, a short name. Source: docs/spec/appointments.md 2."""

from datetime import UTC, datetime, timedelta
from typing import Final

from bridges.agenda.provider import Slot

MINUTE: Final = timedelta(minutes=1)
LONGEST: Final = timedelta(days=1)
NAME: Final = 200  # bytes of a slot's name


def minutes_around(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """Give the whole minutes around a time, in UTC."""
    last = end.astimezone(UTC) + MINUTE - timedelta(microseconds=1)
    return start.astimezone(UTC).replace(second=0, microsecond=0), last.replace(second=0, microsecond=0)


def fits(start: datetime, end: datetime) -> bool:
    """Whether a card can carry the whole minutes around a time."""
    first, last = minutes_around(start, end)
    return first < last <= first + LONGEST


def can_be_offered(slot: Slot) -> bool:
    """Whether a card can carry a slot as it is: its choice must find it again."""
    exact = minutes_around(slot.start, slot.end) == (slot.start, slot.end)
    return exact and fits(slot.start, slot.end) and len(slot.reference.encode()) <= NAME
