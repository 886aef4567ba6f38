"""One calendar of a stranger: when it is busy, what was left out and why. Pure: bytes in, values out.

Source: docs/spec/agenda.md 3.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from bridges.agenda.calendar import limits, zones
from bridges.agenda.calendar.busy import Series, Span, merge
from bridges.agenda.calendar.definitions import Zones
from bridges.agenda.calendar.events import Event, Reader, uid_of
from bridges.agenda.calendar.lines import Component, calendars, read_components, unfolded
from bridges.agenda.calendar.plain import Plain
from bridges.agenda.calendar.reasons import Reason, Skip, SkipError, UnreadError
from bridges.agenda.calendar.rules import Work
from bridges.agenda.calendar.times import Length, read_length, read_stamp

_DAY: Final = timedelta(days=1)  # a wall is never further than this from UTC


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked of a calendar."""

    start: datetime  # UTC
    end: datetime  # UTC
    zone: str  # of the agenda: floating times and whole days are read in it
    entries: bool = False  # whether the events themselves are wanted


class Skipped(msgspec.Struct, frozen=True):
    """An event that was left out."""

    uid: str
    reason: Skip


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it is written, before any repetition. No word of it is kept."""

    uid: str
    start: datetime  # UTC
    end: datetime  # UTC; equal to the start for an event without length
    status: str  # CONFIRMED, TENTATIVE, CANCELLED or another word of the file, empty when none
    busy: bool
    all_day: bool
    recurs: bool
    sequence: int


class Reading(msgspec.Struct, kw_only=True):
    """What became of a calendar."""

    reason: Reason | None = None  # nothing was read, and why
    busy: list[tuple[datetime, datetime]] = []  # UTC, sorted, apart from each other
    skipped: list[Skipped] = []
    unlisted: int = 0  # skipped events beyond ``limits.SKIPPED``
    entries: list[Entry] = []


def read(raw: bytes, query: Query) -> Reading:
    """Read a calendar; a refusal is a value here."""
    try:
        if len(raw) > limits.RAW:
            return Reading(reason="too_large")
        if not query.start < query.end:
            return Reading()
        return _Calendar(query).read(unfolded(raw))
    except UnreadError as error:
        return Reading(reason=error.reason)
    except (MemoryError, RecursionError):
        return Reading(reason="too_much_memory")


class _Calendar:
    def __init__(self, query: Query) -> None:
        self._query = query
        zone = zones.known(query.zone)
        assert zone is not None  # the parent checked the name
        self._floating = zone
        self._work = Work(limits.WORK_ALL)
        self._reading = Reading()
        self._beyond = query.end.replace(tzinfo=None) + _DAY  # what begins later on any wall is outside
        self._spans: list[Span] = []

    def read(self, text: str) -> Reading:
        taken = 0
        if not self._query.entries:
            text, spans, taken = Plain(self._query.start, self._query.end, self._floating).take(text)
            self._keep(spans)
        root = read_components(text)
        if not root.children and not taken:
            raise UnreadError("not_a_calendar")
        for calendar in calendars(root):
            self._read_calendar(calendar)
        self._reading.busy = merge(self._spans, self._query.start, self._query.end)
        return self._reading

    def _read_calendar(self, calendar: Component) -> None:
        start, end = self._query.start, self._query.end
        known = Zones(calendar, start.replace(tzinfo=None), end.replace(tzinfo=None), self._work)
        for events in self._series(calendar, Reader(known, self._floating)):
            if len(events) == 1 and events[0].is_single:  # nearly all there are
                self._add_single(events[0])
            else:
                self._repeat(events)
        for component in calendar.all("VFREEBUSY"):
            try:
                self._keep(list(_told_busy(component)))
            except SkipError as error:
                self._skip(uid_of(component), error.reason)

    def _series(self, calendar: Component, reader: Reader) -> Iterable[list[Event]]:
        """Read the events and bring together those of one UID."""
        series: dict[str, list[Event]] = {}
        for number, component in enumerate(calendar.all("VEVENT")):
            try:
                event = reader.read(component)
                self._describe(event)
            except SkipError as error:
                self._skip(uid_of(component), error.reason)
            except (OverflowError, ValueError):  # at the edges of the calendar itself
                self._skip(uid_of(component), "time_broken")
            else:
                series.setdefault(event.uid or f"\n{number}", []).append(event)
        return series.values()

    def _describe(self, event: Event) -> None:
        if self._query.entries and len(self._reading.entries) < limits.ENTRIES:
            self._reading.entries.append(
                Entry(
                    uid=event.uid,
                    start=event.start.utc,
                    end=event.end_of(event.start.wall, event.length),
                    status=event.status,
                    busy=event.busy,
                    all_day=event.all_day,
                    recurs=event.recurs or event.replaces is not None,
                    sequence=event.sequence,
                )
            )

    def _add_single(self, event: Event) -> None:
        if event.busy and event.start.wall < self._beyond:
            self._keep([(event.start.utc, event.end_of(event.start.wall, event.length))])

    def _keep(self, spans: list[Span]) -> None:
        self._spans.extend(span for span in spans if span[1] > self._query.start and span[0] < self._query.end)
        if len(self._spans) > limits.INSTANCES:
            self._spans = merge(self._spans, self._query.start, self._query.end)
            if len(self._spans) > limits.INSTANCES // 2:  # or the next ones would be merged over and over
                raise UnreadError("too_many")

    def _repeat(self, events: list[Event]) -> None:
        allowed = min(limits.WORK, self._work.left)
        work = Work(allowed)
        try:
            self._keep(list(Series(events).spans(self._query.start, self._query.end, work)))
        except SkipError as error:
            self._skip(events[0].uid, error.reason)
        except (OverflowError, ValueError):
            self._skip(events[0].uid, "time_broken")
        self._work.left -= allowed - max(work.left, 0)

    def _skip(self, uid: str, reason: Skip) -> None:
        if len(self._reading.skipped) < limits.SKIPPED:
            self._reading.skipped.append(Skipped(uid, reason))
        else:
            self._reading.unlisted += 1


def _told_busy(component: Component) -> Iterator[Span]:
    """VFREEBUSY: periods in UTC that are said to be busy. Source: RFC 5545 3.8.2.6."""
    for line in component.lines.get("FREEBUSY", []):
        if line.parameters.get("FBTYPE", "BUSY").upper() == "FREE":
            continue
        for text in line.value.split(","):
            first, _, last = text.partition("/")
            start = read_stamp(first).at
            if last.strip().upper().startswith("P"):
                length: Length = read_length(last)
                end = start + timedelta(days=length.days) + length.exact
            else:
                end = read_stamp(last).at
            yield start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)
