"""What an event says about when it is, taken from its text without taking the text apart.

Only what is said plainly is told. Everything else is None: such an event goes the whole way.
Source: docs/spec/agenda.md 3.1.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from bridges.agenda.calendar import limits, zones
from bridges.agenda.calendar.reasons import SkipError
from bridges.agenda.calendar.remembering import remembered
from bridges.agenda.calendar.times import Length, read_length
from bridges.agenda.calendar.zones import Zone

# What says when an event is and whether it takes time, and all that makes it more than one plain time.
_TELLING: Final = re.compile(
    r"\n(DTSTART|DTEND|TRANSP|STATUS|DURATION|RRULE|RDATE|EXDATE|RECURRENCE-ID|(?:BEGIN|END)[ \t]*:)([^\n]*)",
    re.IGNORECASE,
)
_OTHER: Final = r'(?:;(?:VALUE=(?:DATE-TIME|DATE|PERIOD)|RANGE=THISANDFUTURE|X-[\w-]+=[^":;,]*))*+'
_PARAMETERS: Final = re.compile(rf'{_OTHER}(?:;TZID=(?:"([^"]*)"|([^";]*)))?{_OTHER}', re.IGNORECASE)
_AND_FUTURE: Final = ";RANGE="
_STAMP: Final = re.compile(r"[0-9]{8}(?:T[0-9]{6}Z?)?", re.ASCII)
# Nearly every time there is: it exists, whatever the month.
_EASY: Final = re.compile(
    r"(?:19|20|21)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8])(?:T(?:[01][0-9]|2[0-3])(?:[0-5][0-9]){2}Z?)?",
)
_ALARM: Final = (("BEGIN", "VALARM"), ("END", "VALARM"))
_NAMES: Final = frozenset(
    ["DTSTART", "DTEND", "TRANSP", "STATUS", "DURATION", "RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"]
)
_LISTS: Final = frozenset(["RDATE", "EXDATE"])
_EDGES: Final = frozenset(["BEGIN", "END"])
_DAY: Final = Length(1, timedelta())
_NOTHING: Final = Length(0, timedelta())

_Each = TypeVar("_Each")
Named = Callable[[str], Zone | None]  # finds a zone; None for a name that neither the world nor the file knows


@dataclass(slots=True)
class When:
    """A time as it is written, and the zone that is written beside it."""

    value: str  # DATE, or DATE-TIME with or without Z
    name: str  # empty for none

    @property
    def is_day(self) -> bool:
        """Whether it is a day without a time."""
        return len(self.value) == 8

    def zone(self, otherwise: Zone, named: Named) -> Zone | None:
        """Give the zone that counts; None for a name that nobody knows."""
        if self.is_day:
            return otherwise
        if self.value.endswith("Z"):
            return _utc()
        return named(self.name) if self.name else otherwise

    def wall(self) -> datetime:
        """Give the naive time."""
        return datetime.fromisoformat(self.value.removesuffix("Z"))

    def on_wall_of(self, zone: Zone, named: Named) -> datetime | None:
        """Give the naive time on the wall of an event; None in a zone that nobody knows."""
        own = self.zone(zone, named)
        if own is None:
            return None
        return self.wall() if own is zone else zone.wall(own.instant(self.wall()))


@dataclass(slots=True)
class Extra:
    """One of RDATE."""

    at: When
    duration: str  # of a period; empty for none
    end: When | None  # of a period

    @property
    def is_plain(self) -> bool:
        """Whether it takes as long as the others."""
        return self.end is None and not self.duration

    def length(self, wall: datetime, otherwise: Length, zone: Zone, named: Named) -> Length | None:
        """Give how long it takes on the wall of an event; None for what is not plain, or is negative."""
        if self.duration:
            return _length(self.duration)
        if self.end is None:
            return otherwise
        ended = self.end.on_wall_of(zone, named)
        if ended is None:
            return None
        exact = zone.instant(ended) - zone.instant(wall)
        return Length(0, exact) if exact >= timedelta() else None


@dataclass(slots=True)
class Told:
    """What one event says."""

    start: When
    end: When | None
    duration: str
    rule: str
    replaces: When | None
    and_future: bool  # and all repetitions after that one
    excluded: Sequence[When]
    extra: Sequence[Extra]
    busy: bool

    @property
    def is_single(self) -> bool:
        """Whether it happens once, whatever else is in the file."""
        return self.is_alone and self.replaces is None

    @property
    def is_alone(self) -> bool:
        """Whether nothing repeats it."""
        return not (self.rule or self.excluded or self.extra)

    def length(self, zone: Zone, named: Named) -> Length | None:
        """Give how long it takes when it starts in that zone; None for what is not plain, or is negative."""
        if self.end is None:
            return _length(self.duration) if self.duration else _DAY if self.start.is_day else _NOTHING
        if self.end.is_day:
            days = (self.end.wall() - self.start.wall()).days
            return Length(max(days, 1), timedelta()) if days >= 0 else None
        other = self.end.zone(zone, named)
        if other is None:
            return None
        exact = other.instant(self.end.wall()) - zone.instant(self.start.wall())
        return Length(0, exact) if exact >= timedelta() else None


def tell(body: str) -> Told | None:
    """Give what an event says; None for one that says it in another way, or says more. ``body`` is unfolded."""
    lines: dict[str, str] = {}
    lists: dict[str, list[str]] = {}
    inner: list[tuple[str, str]] = []
    for name, value in _TELLING.findall(f"\n{body}"):
        edge = name if name in _NAMES else name.rstrip(": \t").upper()
        if edge in _EDGES:
            inner.append((edge, value.strip().upper()))
        elif inner and len(inner) % 2 and edge == "DURATION":
            continue  # of an alarm
        elif inner or edge in lines:
            return None
        elif edge in _LISTS:
            lists.setdefault(edge, []).append(value)
        else:
            lines[edge] = value
    if inner and (
        len(inner) % 2 or any(pair not in _ALARM for pair in inner) or inner[::2] != [_ALARM[0]] * (len(inner) // 2)
    ):
        return None
    return _told(lines, lists)


def _told(lines: dict[str, str], lists: dict[str, list[str]]) -> Told | None:
    said = lines.pop
    status, free = said("STATUS", ":"), said("TRANSP", ":")
    duration, rule = said("DURATION", ":"), said("RRULE", ":")
    starts, ends, instead = said("DTSTART", ""), said("DTEND", ""), said("RECURRENCE-ID", "")
    start, end, replaces = _when(starts), _when(ends), _when(instead)
    if lines or start is None or (ends and end is None) or (instead and replaces is None):
        return None  # a time that is not plain
    if not status[:1] == free[:1] == duration[:1] == rule[:1] == ":" or (end and len(end.value) != len(start.value)):
        return None
    without = _list(lists["EXDATE"], _when_of) if "EXDATE" in lists else ()
    extra = _list(lists["RDATE"], _extra_of) if "RDATE" in lists else ()
    if without is None or extra is None:
        return None
    busy = status[1:].strip().upper() != "CANCELLED" and free[1:].strip().upper() != "TRANSPARENT"
    and_future = bool(instead) and _AND_FUTURE in instead.upper()
    return Told(start, end, duration[1:].strip(), rule[1:].strip(), replaces, and_future, without, extra, busy)


def _when(line: str) -> When | None:
    more, colon, value = line.rpartition(":")
    if not colon or not (_EASY.fullmatch(value) or _is_plain(value)):
        return None
    zone = _named(more) if more else ""
    return None if zone is None else When(value, zone)


def _list(lines: list[str], read: Callable[[str, str], _Each | None]) -> Sequence[_Each] | None:
    """Give what RDATE or EXDATE list; None for more than is read, and for what is not plain."""
    found: list[_Each] = []
    for line in lines:
        more, _, values = line.rpartition(":")
        zone = _named(more)
        if zone is None:
            return None
        for value in values.split(","):
            each = read(value, zone)
            if each is None:
                return None
            found.append(each)
    return found if len(found) <= limits.DATES else None


def _when_of(value: str, zone: str) -> When | None:
    return When(value, zone) if _EASY.fullmatch(value) or _is_plain(value) else None


def _extra_of(value: str, zone: str) -> Extra | None:
    if _EASY.fullmatch(value):
        return Extra(When(value, zone), "", None)
    first, slash, last = value.partition("/")
    at = _when_of(first, zone)
    duration = last if last.startswith("P") else ""
    end = _when_of(last, zone) if slash and not duration else None
    return None if at is None or (slash and not duration and end is None) else Extra(at, duration, end)


@remembered
def _named(parameters: str) -> str | None:
    """Give the zone that parameters name, empty for none; None for parameters that are not plain."""
    match = _PARAMETERS.fullmatch(parameters)
    return None if match is None else match[1] or match[2] or ""


def _utc() -> Zone:
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
