"""VEVENT components as events with a zone, and what each of them repeats. Source: RFC 5545 3.6.1, 3.8."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.definitions import Zones
from bridges.agenda.calendar.lines import Component, Line
from bridges.agenda.calendar.reasons import SkipError
from bridges.agenda.calendar.rules import Rule, read_rule
from bridges.agenda.calendar.times import Length, Stamp, read_length, read_time
from bridges.agenda.calendar.zones import Zone

_DAY: Final = Length(1, timedelta())
_REPEATING: Final = frozenset(["RRULE", "RDATE", "EXDATE", "RECURRENCE-ID"])
_NOTHING: Final = Length(0, timedelta())


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment on the wall of an event, and how to get to UTC from it."""

    wall: datetime  # naive
    zone: Zone

    @property
    def utc(self) -> datetime:
        """The instant."""
        return self.zone.instant(self.wall)

    def on_wall_of(self, zone: Zone) -> datetime:
        """Give the time that another wall shows then."""
        return self.wall if self.zone is zone else zone.wall(self.utc)


@dataclass(slots=True, kw_only=True)
class Event:
    """One VEVENT."""

    uid: str
    start: Instant
    length: Length
    all_day: bool
    status: str
    busy: bool
    sequence: int
    rules: list[Rule] = field(default_factory=list)
    extra: list[tuple[datetime, Length]] = field(default_factory=list)  # RDATE: wall, length
    excluded: set[datetime] = field(default_factory=set)  # wall
    replaces: Instant | None = None  # RECURRENCE-ID
    and_future: bool = False

    @property
    def recurs(self) -> bool:
        """Whether it can happen more than once."""
        return bool(self.rules or self.extra)

    @property
    def is_single(self) -> bool:
        """Whether it happens exactly once, whatever else is in the file."""
        return not (self.rules or self.extra or self.excluded)

    def happens(self, wall: datetime) -> bool:
        """Whether a repetition exists: one at a time that the clocks leave out does not (RFC 5545 3.3.10)."""
        return self.all_day or self.start.zone.wall(self.start.zone.instant(wall)) == wall

    def end_of(self, wall: datetime, length: Length) -> datetime:
        """Give the end of a repetition, in UTC: days by the clock on the wall, the rest exactly."""
        return self.start.zone.instant(wall + timedelta(days=length.days)) + length.exact


class Reader:
    """Reads the events of one calendar."""

    def __init__(self, zones: Zones, floating: Zone) -> None:
        self._zones = zones
        self._floating = floating

    def read(self, component: Component) -> Event:
        """Read one VEVENT; raises SkipError."""
        if component.is_cut:
            raise SkipError("cut")
        line = component.first("DTSTART")
        if line is None:
            raise SkipError("no_start")
        stamp = read_time(line.value)
        start = self._instant(stamp, line, self._floating)
        status = component.text("STATUS").upper()
        event = Event(
            uid=uid_of(component),
            start=start,
            length=self._length(component, stamp, start),
            all_day=stamp.form == "date",
            status=status,
            busy=status != "CANCELLED" and component.text("TRANSP").upper() != "TRANSPARENT",
            sequence=_sequence(component.text("SEQUENCE")),
        )
        if not _REPEATING.isdisjoint(component.lines):
            self._repetitions(component, event)
        return event

    def _instant(self, stamp: Stamp, line: Line, otherwise: Zone) -> Instant:
        if stamp.form == "utc":
            return Instant(stamp.at, self._zones.named("UTC"))
        name = line.parameters.get("TZID", "")
        return Instant(stamp.at, self._zones.named(name) if name and stamp.form == "wall" else otherwise)

    def _on_wall(self, text: str, line: Line, event_zone: Zone) -> datetime:
        """Give a moment of a list on the wall of the event that it belongs to."""
        return self._instant(read_time(text), line, event_zone).on_wall_of(event_zone)

    def _length(self, component: Component, stamp: Stamp, start: Instant) -> Length:
        if line := component.first("DTEND"):
            end_stamp = read_time(line.value)
            end = self._instant(end_stamp, line, start.zone if stamp.form == "wall" else self._floating)
            if stamp.form == "date":  # the end is the first day that is not taken any more
                days = (end.wall.date() - start.wall.date()).days
                length = Length(max(days, 1) if days >= 0 else -1, timedelta())
            else:
                length = Length(0, end.utc - start.utc)
            if length.days < 0 or length.exact < timedelta():
                raise SkipError("ends_before_start")
            return length
        if duration := component.text("DURATION"):
            return read_length(duration)
        return _DAY if stamp.form == "date" else _NOTHING

    def _repetitions(self, component: Component, event: Event) -> None:
        zone = event.start.zone
        event.rules = [read_rule(line.value) for line in component.lines.get("RRULE", [])]
        for line, text in _listed(component, "EXDATE"):
            stamp = read_time(text)
            # A day cannot take away a time: who writes that gets a busy hour, never a free one by mistake.
            if (stamp.form == "date") == event.all_day:
                event.excluded.add(self._on_wall(text, line, zone))
        for line, text in _listed(component, "RDATE"):
            event.extra.append(self._extra(line, text, event))
        if instead := component.first("RECURRENCE-ID"):
            event.replaces = self._instant(read_time(instead.value), instead, zone)
            event.and_future = instead.parameters.get("RANGE", "").upper() == "THISANDFUTURE"

    def _extra(self, line: Line, text: str, event: Event) -> tuple[datetime, Length]:
        first, slash, last = text.partition("/")
        wall = self._on_wall(first, line, event.start.zone)
        if not slash:
            return wall, event.length
        if last.strip().upper().startswith(("P", "+P", "-P")):
            return wall, read_length(last)
        exact = event.start.zone.instant(self._on_wall(last, line, event.start.zone)) - event.start.zone.instant(wall)
        if exact < timedelta():
            raise SkipError("ends_before_start")
        return wall, Length(0, exact)


def uid_of(component: Component) -> str:
    """Give the UID as it may be shown: one line, ``limits.UID`` characters at most."""
    text = component.text("UID")[: limits.UID]
    return text if text.isprintable() else "".join(sign for sign in text if sign.isprintable())


def _listed(component: Component, name: str) -> list[tuple[Line, str]]:
    lines = component.lines.get(name, [])
    if sum(line.value.count(",") + 1 for line in lines) > limits.DATES:
        raise SkipError("too_many")
    return [(line, text) for line in lines for text in line.value.split(",") if text.strip()]


def _sequence(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
