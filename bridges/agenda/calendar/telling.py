"""What an event says about when it is, taken from its text without taking the text apart.

Only what is said plainly is told. Everything else is None: such an event goes the whole way.
Source: docs/spec/agenda.md 3.1.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bridges.agenda.calendar import limits, zones
from bridges.agenda.calendar.reasons import SkipError
from bridges.agenda.calendar.remembering import remembered
from bridges.agenda.calendar.times import Length, read_length
from bridges.agenda.calendar.zones import Known

# What says when an event is and whether it takes time, and all that makes it more than one plain time.
_TELLING: Final = re.compile(
    r"\n(DTSTART|DTEND|TRANSP|STATUS|DURATION|RRULE|RDATE|EXDATE|RECURRENCE-ID|(?:BEGIN|END)[ \t]*:)([^\n]*)",
    re.IGNORECASE,
)
_PARAMETERS: Final = re.compile(r'(?:;VALUE=(?:DATE-TIME|DATE))?(?:;TZID=(?:"([^":]*)"|([^":;,]*)))?', re.IGNORECASE)
_STAMP: Final = re.compile(r"[0-9]{8}(?:T[0-9]{6}Z?)?", re.ASCII)
# Nearly every time there is: it exists, whatever the month.
_EASY: Final = re.compile(
    r"(?:19|20|21)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])(?:T(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){2}Z?)?",
)
_ALARM: Final = (("BEGIN", "VALARM"), ("END", "VALARM"))
_NAMES: Final = frozenset(["DTSTART", "DTEND", "TRANSP", "STATUS", "DURATION", "RRULE", "EXDATE", "RECURRENCE-ID"])
_EDGES: Final = frozenset(["BEGIN", "END"])
_NO_TIMES: Final[Sequence["When"]] = ()
_DAY: Final = Length(1, timedelta())
_NOTHING: Final = Length(0, timedelta())


@dataclass(slots=True)
class When:
    """A time as it is written, and the zone that is written beside it."""

    value: str  # DATE, or DATE-TIME with or without Z
    name: str  # empty for none

    @property
    def is_day(self) -> bool:
        """Whether it is a day without a time."""
        return len(self.value) == 8

    def zone(self, otherwise: Known) -> Known | None:
        """Give the zone that counts; None for a name that the world does not know."""
        if self.is_day:
            return otherwise
        if self.value.endswith("Z"):
            return _utc()
        return _known(self.name) if self.name else otherwise

    def wall(self) -> datetime:
        """Give the naive time."""
        return datetime.fromisoformat(self.value.removesuffix("Z"))


@dataclass(slots=True)
class Told:
    """What one event says."""

    start: When
    end: When | None
    duration: str
    rule: str
    replaces: When | None
    excluded: Sequence[When]
    busy: bool

    @property
    def is_single(self) -> bool:
        """Whether it happens once, whatever else is in the file."""
        return not self.rule and not self.excluded and self.replaces is None

    def length(self, zone: Known) -> Length | None:
        """Give how long it takes when it starts in that zone; None for what is not plain, or is negative."""
        if self.end is None:
            return _length(self.duration) if self.duration else _DAY if self.start.is_day else _NOTHING
        if self.end.is_day:
            days = (self.end.wall() - self.start.wall()).days
            return Length(max(days, 1), timedelta()) if days >= 0 else None
        other = self.end.zone(zone)
        if other is None:
            return None
        exact = other.instant(self.end.wall()) - zone.instant(self.start.wall())
        return Length(0, exact) if exact >= timedelta() else None


def tell(body: str) -> Told | None:
    """Give what an event says; None for one that says it in another way, or says more. ``body`` is unfolded."""
    lines: dict[str, str] = {}
    excluded: list[str] = []
    inner: list[tuple[str, str]] = []
    for name, value in _TELLING.findall(f"\n{body}"):
        edge = name if name in _NAMES else name.rstrip(": \t").upper()
        if edge in _EDGES:
            inner.append((edge, value.strip().upper()))
        elif inner and len(inner) % 2 and edge == "DURATION":
            continue  # of an alarm
        elif inner or edge in lines:
            return None
        elif edge == "EXDATE":
            excluded.append(value)
        else:
            lines[edge] = value
    if inner and (
        len(inner) % 2 or any(pair not in _ALARM for pair in inner) or inner[::2] != [_ALARM[0]] * (len(inner) // 2)
    ):
        return None
    return _told(lines, excluded)


def _told(lines: dict[str, str], excluded: list[str]) -> Told | None:
    said = lines.pop
    status, free = said("STATUS", ":"), said("TRANSP", ":")
    duration, rule = said("DURATION", ":"), said("RRULE", ":")
    starts, ends, instead = said("DTSTART", ""), said("DTEND", ""), said("RECURRENCE-ID", "")
    start, end, replaces = _when(starts), _when(ends), _when(instead)
    if lines or start is None or (ends and end is None) or (instead and replaces is None):
        return None  # RDATE, or a time that is not plain
    if not status[:1] == free[:1] == duration[:1] == rule[:1] == ":" or (end and len(end.value) != len(start.value)):
        return None
    without = _list(excluded) if excluded else _NO_TIMES
    if without is None:
        return None
    busy = status[1:].strip().upper() != "CANCELLED" and free[1:].strip().upper() != "TRANSPARENT"
    return Told(start, end, duration[1:].strip(), rule[1:].strip(), replaces, without, busy)


def _when(line: str) -> When | None:
    more, colon, value = line.rpartition(":")
    if not colon or not (_EASY.fullmatch(value) or _is_plain(value)):
        return None
    zone = _named(more) if more else ""
    return None if zone is None else When(value, zone)


def _list(lines: list[str]) -> Sequence[When] | None:
    """Give the times of EXDATE; None for more than are read, and for what is not plain."""
    found = []
    for line in lines:
        more, _, values = line.rpartition(":")
        zone = _named(more)
        if zone is None:
            return None
        for value in values.split(","):
            if not (_EASY.fullmatch(value) or _is_plain(value)):
                return None
            found.append(When(value, zone))
    return found if len(found) <= limits.DATES else None


@remembered
def _named(parameters: str) -> str | None:
    """Give the zone that parameters name, empty for none; None for parameters that are not plain."""
    match = _PARAMETERS.fullmatch(parameters)
    return None if match is None else match[1] or match[2] or ""


@remembered
def _known(name: str) -> Known | None:
    return zones.known(name)


def _utc() -> Known:
    return zones.load()["utc"]


@remembered
def _length(text: str) -> Length | None:
    try:
        return read_length(text)
    except SkipError:
        return None


def _is_plain(value: str) -> bool:
    """Whether this is a time that exists, of a year that is read."""
    first, last = limits.YEARS
    if not _STAMP.fullmatch(value) or not f"{first}" <= value[:4] < f"{last}":
        return False
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True
