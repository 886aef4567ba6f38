"""When to remind of an appointment: in the evening of the place, never at night (docs/spec/appointments.md 7).

Pure: every time is an argument.
"""

from collections.abc import Collection
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Lead = Literal["d7", "d1", "h2"]
LEADS: Final[tuple[Lead, ...]] = ("d7", "d1", "h2")
EVENING: Final = time(18, 0)
MORNING: Final = time(8, 0)
NIGHT: Final = time(21, 0)
LAST: Final = time(20, 30)
"""When ``h2`` of an early hour leaves, the evening before."""
FRESH: Final = timedelta(hours=2)
"""Who has just booked needs no reminder."""
WAIT: Final = timedelta(minutes=30)
"""What the practice's automate is left before a device of the patient says it itself."""


def known(zone: str) -> bool:
    """Say whether this machine knows a zone."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def place_of(zone: str) -> tzinfo:
    """Give the clock of a place; UTC when this machine does not know the zone."""
    return ZoneInfo(zone) if known(zone) else UTC


def moment(lead: Lead, start: datetime, zone: str) -> datetime:
    """Give the moment of a reminder, in the zone of the place, before anything is spread."""
    place = place_of(zone)
    begins = start.astimezone(place)
    if lead == "h2":
        before = (start - timedelta(hours=2)).astimezone(place)
        if MORNING <= before.time() < NIGHT:
            return before
        evening = before.date() - timedelta(days=1) if before.time() < MORNING else before.date()
        return datetime.combine(evening, LAST, place)
    days = 7 if lead == "d7" else 1
    return datetime.combine(begins.date() - timedelta(days=days), EVENING, place)


def due_here(start: datetime, zone: str, *, booked: datetime, said: Collection[str], now: datetime) -> Lead | None:
    """Give the reminder that a device of the patient must show by itself, if any.

    Args:
        start: of the appointment.
        zone: of the place.
        booked: when it was booked, or moved there.
        said: the leads of the reminders in the log for this start.
        now: any zone.

    """
    if now >= start:
        return None
    for lead in reversed(LEADS):  # of two that are due the nearer one says enough
        if lead in said:
            return None
        at = moment(lead, start, zone)
        if at + WAIT <= now:
            return None if booked + FRESH > at else lead
    return None
