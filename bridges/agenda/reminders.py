"""When to remind of an appointment: together in the evening, never at night of the place. Pure.

Source: docs/spec/appointments.md 7.
"""

from collections.abc import Collection
from datetime import datetime, time, timedelta
from hashlib import sha256
from typing import Final, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Lead = Literal["d7", "d1", "h2"]
LEADS: Final[tuple[Lead, ...]] = ("d7", "d1", "h2")
EVENING: Final = time(18, 0)
MORNING: Final = time(8, 0)
NIGHT: Final = time(21, 0)
LAST: Final = time(20, 30)
"""When ``h2`` of an early hour leaves, the evening before."""
SPREAD: Final = 20 * 60  # seconds over which those of one moment are spread
FRESH: Final = timedelta(hours=2)
"""Who has just booked needs no reminder."""
LATEST: Final[dict[Lead, timedelta]] = {"d7": timedelta(hours=15), "d1": timedelta(hours=15), "h2": timedelta(hours=1)}
"""How much too late it still leaves: a night, or an hour."""


def known(zone: str) -> bool:
    """Say whether this machine knows a zone."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def moment(lead: Lead, start: datetime, zone: str, appointment: str) -> datetime:
    """Give the moment of a reminder, in the zone of the place; ``appointment`` spreads them, the same each time."""
    place = ZoneInfo(zone)
    begins = start.astimezone(place)
    spread = timedelta(seconds=int.from_bytes(sha256(appointment.encode()).digest()[:4]) % SPREAD)
    if lead == "h2":
        before = (start - timedelta(hours=2)).astimezone(place)
        if MORNING <= before.time() < NIGHT:
            return before
        evening = begins.date() - timedelta(days=1) if before.time() < MORNING else before.date()
        return datetime.combine(evening, LAST, place) + spread
    days = 7 if lead == "d7" else 1
    return datetime.combine(begins.date() - timedelta(days=days), EVENING, place) + spread


def due(
    start: datetime, zone: str, appointment: str, *, booked: datetime, said: Collection[str], now: datetime
) -> Lead | None:
    """Give the reminder that must leave now, if any.

    Args:
        start: of the appointment.
        zone: of the place.
        appointment: its id.
        booked: when it was booked, or moved there.
        said: the leads that have been said for this start.
        now: any zone.

    """
    clock = now.astimezone(ZoneInfo(zone)).time()
    if now >= start or not MORNING <= clock < NIGHT:
        return None
    for lead in reversed(LEADS):  # of two that are due the nearer one says enough
        at = moment(lead, start, zone, appointment)
        if at <= now:
            late = now - at > LATEST[lead] or booked + FRESH > at
            return None if late or lead in said else lead
    return None
