"""From the time on a wall to the instant: zones by name, zones that a file defines itself.

A name that the world knows means what the world means by it, whatever the file says: definitions in files are often
wrong, and one wrong definition must not move a practice's hours. Source: docs/spec/agenda.md 3.3.
"""

import re
import zoneinfo
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Final, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bridges.agenda.calendar.reasons import SkipError

# Names that Microsoft's programs write, for the places this bridge is made for.
_WINDOWS: Final = {
    "romance standard time": "Europe/Paris",
    "w. europe standard time": "Europe/Berlin",
    "central europe standard time": "Europe/Budapest",
    "central european standard time": "Europe/Warsaw",
    "gmt standard time": "Europe/London",
    "greenwich standard time": "Africa/Abidjan",
    "sa western standard time": "America/Martinique",
    "sa eastern standard time": "America/Cayenne",
    "saint pierre standard time": "America/Miquelon",
    "mauritius standard time": "Indian/Reunion",
    "e. africa standard time": "Indian/Mayotte",
    "central pacific standard time": "Pacific/Noumea",
    "utc+12": "Pacific/Wallis",
    "hawaiian standard time": "Pacific/Honolulu",
    "marquesas standard time": "Pacific/Marquesas",
    "utc-09": "Pacific/Gambier",
    "morocco standard time": "Africa/Casablanca",
    "utc": "UTC",
    "z": "UTC",
    "gmt": "UTC",
}
_HALF: Final = timedelta(hours=12)
_DAY: Final = timedelta(days=1)
_AROUND: Final = timedelta(days=2)  # further than two offsets are apart
_NO_PLACE: Final = ("posix/", "right/", "Factory", "localtime", "posixrules")  # files beside the zones of the world
_TAIL: Final = re.compile(r"([A-Za-z_]+/(?:[A-Za-z_]+/)?[A-Za-z_+\-0-9]+)$", re.ASCII)
_LONGEST: Final = 255  # characters of a name; the search in a longer one would take the square of its length


class Zone(Protocol):
    """What turns the time on a wall into an instant and back."""

    def instant(self, wall: datetime) -> datetime:
        """Give the instant in UTC: in a gap by the offset before it, in an overlap the first (RFC 5545 3.3.5)."""
        ...

    def wall(self, instant: datetime) -> datetime:
        """Give the naive time on the wall."""
        ...

    def whole_day(self, midnight: datetime) -> datetime | None:
        """Give the instant at which a day of the wall begins; None when the clocks change on it, or might."""
        ...


@dataclass(frozen=True, slots=True)
class Known:
    """A zone of the world's database."""

    info: ZoneInfo

    def instant(self, wall: datetime) -> datetime:
        """Apply the zone; ``fold`` 0 is what RFC 5545 asks for, both in gaps and in overlaps."""
        return wall.replace(tzinfo=self.info).astimezone(UTC)

    def wall(self, instant: datetime) -> datetime:
        """Take the zone away."""
        return instant.astimezone(self.info).replace(tzinfo=None)

    def whole_day(self, midnight: datetime) -> datetime | None:
        """Look three times: no clocks of the world change twice in half a day."""
        begun, noon, ended = (self.instant(midnight + half * _HALF) for half in range(3))
        return begun if noon - begun == ended - noon == _HALF else None


@dataclass(frozen=True, slots=True)
class Shift:
    """From a time on the wall, as the clocks showed before it, another offset counts."""

    at: datetime  # naive, on the clock before
    before: timedelta
    after: timedelta


class Defined:
    """A zone that a file defines by its shifts."""

    def __init__(self, shifts: Sequence[Shift]) -> None:
        if not shifts:
            raise SkipError("unknown_zone")
        self._shifts = sorted(shifts, key=lambda shift: shift.at)
        self._walls = [shift.at for shift in self._shifts]
        self._instants = [shift.at - shift.before for shift in self._shifts]

    def instant(self, wall: datetime) -> datetime:
        """Apply the zone."""
        place = bisect_right(self._walls, wall) - 1
        if place < 0:
            offset = self._shifts[0].before
        else:
            shift = self._shifts[place]
            in_gap = wall < shift.at + (shift.after - shift.before)
            offset = shift.before if in_gap else shift.after
        return (wall - offset).replace(tzinfo=UTC)

    def wall(self, instant: datetime) -> datetime:
        """Take the zone away."""
        naive = instant.replace(tzinfo=None)
        place = bisect_right(self._instants, naive) - 1
        return naive + (self._shifts[0].before if place < 0 else self._shifts[place].after)

    def whole_day(self, midnight: datetime) -> datetime | None:
        """Look for a shift on that day and around it."""
        around = (midnight - _AROUND, midnight + _DAY + _AROUND)
        first, last = (bisect_right(self._walls, wall) for wall in around)
        return self.instant(midnight) if first == last else None


@cache
def load() -> dict[str, Known]:
    """Give all zones by lower-case name. The first call opens files; the child makes it before it loses that right."""
    names = (name for name in zoneinfo.available_timezones() if not name.startswith(_NO_PLACE))
    found = {name.lower(): Known(ZoneInfo(name)) for name in names}
    return found | {alias: found[name.lower()] for alias, name in _WINDOWS.items() if name.lower() in found}


def of_place(name: str) -> ZoneInfo:
    """Give the zone of a place by its IANA name; raises ValueError for whatever else the machine has there."""
    try:
        if not name.startswith(_NO_PLACE):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise ValueError("zone: a name like Europe/Paris")


def known(name: str) -> Known | None:
    """Find a zone by a name: of the database, of Microsoft, or with a vendor's path in front."""
    plain = name.strip().lower()
    found = load().get(plain)
    if found is None and len(plain) <= _LONGEST and (tail := _TAIL.search(plain)):
        parts = tail[1].split("/")
        found = load().get(tail[1]) or load().get("/".join(parts[-2:]))
    return found
