"""When to remind of an appointment: together in the evening, never at night of the place. Pure.

Source: docs/spec/appointments.md 7.
"""

from collections.abc import Collection
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from zoneinfo import ZoneInfo

from bridges.kit import appointments_reminders
from bridges.kit.appointments_reminders import FRESH, LEADS, MORNING, NIGHT, Lead

SPREAD: Final = 20 * 60  # seconds over which those of one moment are spread
LATEST: Final[dict[Lead, timedelta]] = {"d7": timedelta(hours=15), "d1": timedelta(hours=15), "h2": timedelta(hours=1)}
"""How much too late it still leaves: a night, or an hour."""


def moment(lead: Lead, start: datetime, zone: str, appointment: str) -> datetime:
    """Give the moment of a reminder, in the zone of the place; ``appointment`` spreads them, the same each time."""
    at = appointments_reminders.moment(lead, start, zone)
    alone = lead == "h2" and at == start - timedelta(hours=2)
    spread = timedelta(seconds=int.from_bytes(sha256(appointment.encode()).digest()[:4]) % SPREAD)
    return at if alone else at + spread


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
