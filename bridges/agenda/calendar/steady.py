"""Series of the common kinds, repeated in whole numbers: seconds of a wall, as ``counting`` has them.

A rule is brought to the days of the window by counting, not by walking there from the start of the series, and once
for all the series that have it. Whatever is less common is refused and goes the whole way (``rules``, ``busy``),
which decides what is right: this gives the same. Source: RFC 5545 3.3.10, docs/spec/agenda.md 3.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import chain, pairwise
from typing import Final

from bridges.agenda.calendar.counting import DAY, Days, Ended, Hits, ended, hits, period, second_of, taken
from bridges.agenda.calendar.reasons import SkipError
from bridges.agenda.calendar.rules import Work
from bridges.agenda.calendar.times import Length
from bridges.agenda.calendar.zones import Zone

LONGEST: Final = 7  # days of one repetition; longer ones go the whole way
FURTHEST: Final = timedelta(days=6)  # that the rest of a series is moved; when further, the whole way
_AROUND: Final = FURTHEST.days + 2  # a wall is never further than a day from UTC, and a day that is cut at both ends
_WINDOW: Final = 8000  # days, 20 years and more; a longer window goes the whole way
_WORK: Final = 100_000  # days looked at for all rules together
_SECOND: Final = timedelta(seconds=1)
_ZERO: Final = datetime.min.replace(tzinfo=UTC)  # where the seconds of instants are counted from
_FOR_EVER: Final = 2**62
_NOWHERE: Final[frozenset[int]] = frozenset()

Span = tuple[datetime, datetime]
_Key = tuple[str, int, int]  # a rule, what it takes from the start, in which of its periods it lies


@dataclass(frozen=True, slots=True)
class Shape:
    """How one repetition becomes a stretch of time."""

    zone: Zone
    length: Length
    all_day: bool


@dataclass(frozen=True, slots=True)
class Shift:
    """From one repetition on, a series goes on at another time."""

    at: datetime  # naive, on the wall of the series
    by: timedelta
    shape: Shape
    busy: bool


@dataclass(slots=True)
class Series:
    """What repeats."""

    rule: str  # of RRULE; empty for none
    wall: datetime  # naive; the first one
    shape: Shape
    without: set[int]  # seconds of the wall that are taken away
    extra: dict[int, Length] = field(default_factory=dict)  # by the second of the wall
    shifts: Sequence[Shift] = ()  # ascending, none before the first one
    busy: bool = True  # where no shift says otherwise


class Steady:
    """Repeats series inside a window."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self._first = start.toordinal() - LONGEST - _AROUND
        self._last = end.toordinal() + _AROUND
        self._window = (_instant(start), _instant(end) + 1)
        self._work = Work(_WORK)
        self._hits: dict[tuple[str, int], Hits] = {}
        self._days: dict[_Key, Days] = {}
        # Of series that are alike in all but the hour: their days, and the longest of each hour.
        self._alike: dict[tuple[_Key, Zone, int, bool], tuple[Days, int, dict[int, timedelta]]] = {}
        # Of series that are alike but for where they begin and end: which of their days they have.
        self._parts: dict[tuple[_Key, int, Shape], tuple[Days, int, list[tuple[int, int]]]] = {}
        self._alone: list[tuple[Iterable[int], Shape]] = []
        self._begun: list[tuple[int, int]] = []  # the first ones of series, and those that are listed
        self._midnights: dict[Zone, dict[int, int | None]] = {}

    def add(self, series: Series) -> bool:
        """Take a series in; False for one that has to go the whole way."""
        shapes = [series.shape, *(each.shape for each in series.shifts)]
        if self._last - self._first > _WINDOW or any(_days_of(each.length) > LONGEST for each in shapes):
            return False
        rule, days = None, None
        if series.rule:
            rule = ended(series.rule, series.wall, series.shape.zone, all_day=series.shape.all_day)
            days = None if rule is None else self._on_days(rule, series.wall)
            if days is None:
                return False
        if series.busy:
            self._put_listed(series)
        elif not any(each.busy for each in series.shifts):
            return True
        if rule is not None and days:
            self._put(series, rule, days)
        return True

    def _on_days(self, ended: Ended, wall: datetime) -> Days | None:
        """Give what a rule hits around the window, from whenever it began; None when that cannot be told."""
        rule = ended.rule
        key = _key(ended, wall)
        if (days := self._days.get(key)) is None:
            if (known := self._hits.get(key[:2])) is None:
                try:
                    known = self._hits[key[:2]] = hits(rule, wall, self._first, self._last, self._work)
                except SkipError:
                    return None
            days = known.every(rule.interval, key[2]) if ended.unit == DAY else known.hours(rule, key[2])
            self._days[key] = days
        return days

    def _put_listed(self, series: Series) -> None:
        """Keep the first one and RDATE: both are busy also where the rule misses them or the clocks leave them out."""
        first, last, begun = self._first * DAY, (self._last + 1) * DAY, second_of(series.wall)
        if first <= begun < last and begun not in series.without and begun not in series.extra:
            self._begun.append(_exactly(series.shape, series.wall))
        for second, length in series.extra.items():
            ends = second + DAY * length.days + length.exact // _SECOND
            if second not in series.without and ends >= first and second < last:
                self._begun.append(_exactly(Shape(series.shape.zone, length, all_day=False), _wall(second)))
        series.without.update(series.extra)

    def _put(self, series: Series, rule: Ended, days: Days) -> None:
        """Keep what comes after the first one."""
        begun, unit, without = second_of(series.wall), rule.unit, series.without
        first, last = self._first * DAY, (self._last + 1) * DAY - 1
        until = last if rule.until is None else min(last, rule.until)
        alone = any(first <= each <= until for each in without)
        shape, key = series.shape, _key(rule, series.wall)
        for offset in rule.offsets(begun):
            if begun < first and until == last and not (alone or series.shifts):
                clock = self._alike.setdefault((key, shape.zone, shape.length.days, shape.all_day), (days, unit, {}))[2]
                clock[offset] = max(clock.get(offset, shape.length.exact), shape.length.exact)
                continue
            least, most = bisect_right(days, (begun - offset) // unit), bisect_right(days, (until - offset) // unit)
            if series.shifts:
                self._put_shifted(series, list(_walls(days, range(least, most), unit, offset, without)))
            elif least < most and alone:
                self._alone.append((_walls(days, range(least, most), unit, offset, without), shape))
            elif least < most:
                self._parts.setdefault((key, offset, shape), (days, unit, []))[2].append((least, most))

    def _put_shifted(self, series: Series, walls: Sequence[int]) -> None:
        starts = [second_of(each.at) for each in series.shifts]
        if series.busy:
            self._alone.append((walls[: bisect_left(walls, starts[0])], series.shape))
        for shift, (least, most) in zip(series.shifts, pairwise([*starts, _FOR_EVER]), strict=True):
            if shift.busy:
                rest = walls[bisect_left(walls, least) : bisect_left(walls, most)]
                by = shift.by // _SECOND
                moved = [wall + by for wall in rest if self._exists(series.shape, wall)]
                # Whether it exists was asked of the wall of the series.
                self._alone.append((moved, Shape(shift.shape.zone, shift.shape.length, all_day=True)))

    def _exists(self, shape: Shape, wall: int) -> bool:
        return shape.all_day or self._midnight(shape.zone, wall // DAY) is not None or _is_shown(shape.zone, wall)

    def spans(self) -> list[Span]:
        """Give the busy stretches of all that was taken in: those that touch the window, apart from each other."""
        ends: dict[int, int] = {}
        least, most = self._window
        for start, end in chain(self._begun, self._repeated()):
            if end > least and start < most and ends.get(start, start) < end:
                ends[start] = end
        merged: list[tuple[int, int]] = []
        for start in sorted(ends):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(ends[start], merged[-1][1]))
            else:
                merged.append((start, ends[start]))
        return [(_ZERO + timedelta(seconds=one), _ZERO + timedelta(seconds=other)) for one, other in merged]

    def _repeated(self) -> Iterator[tuple[int, int]]:
        for (_, zone, whole, all_day), (days, unit, clock) in self._alike.items():
            for offset, exact in clock.items():
                yield from self._instants(
                    [day * unit + offset for day in days], Shape(zone, Length(whole, exact), all_day)
                )
        for (_, offset, shape), (days, unit, parts) in self._parts.items():
            for places in _joined(parts):
                yield from self._instants(_walls(days, places, unit, offset, _NOWHERE), shape)
        for walls, shape in self._alone:
            yield from self._instants(walls, shape)

    def _instants(self, walls: Iterable[int], shape: Shape) -> Iterator[tuple[int, int]]:
        zone, whole, exact = shape.zone, shape.length.days, shape.length.exact // _SECOND
        known = self._midnights.setdefault(zone, {})
        for wall in walls:
            day, second = divmod(wall, DAY)
            begun = known[day] if day in known else self._midnight(zone, day)
            ended = begun if not whole else self._midnight(zone, day + whole)
            if begun is not None and ended is not None:
                yield begun + second, ended + second + exact
            elif shape.all_day or _is_shown(zone, wall):
                yield _exactly(shape, _wall(wall))

    def _midnight(self, zone: Zone, day: int) -> int | None:
        """Give the instant at which a day begins; None for a day on which the clocks change, or might."""
        known = self._midnights.setdefault(zone, {})
        if day not in known:
            begun = zone.whole_day(datetime.fromordinal(day))
            known[day] = None if begun is None else _instant(begun)
        return known[day]


def _joined(parts: list[tuple[int, int]]) -> Iterator[range]:
    """Give places once that several series have."""
    reached = 0
    for least, most in sorted(parts):
        yield range(max(least, reached), most)
        reached = max(reached, most)


def _walls(days: Days, places: range, unit: int, offset: int, without: Container[int]) -> Iterator[int]:
    """Make the walls when they are wanted: thousands of series over many years are more than fits in the memory."""
    for place in places:
        wall = days[place] * unit + offset
        if wall not in without:
            yield wall


def _key(ended: Ended, wall: datetime) -> _Key:
    rule = ended.rule
    return ended.text, taken(rule, wall), period(rule, wall) % rule.interval


def _is_shown(zone: Zone, second: int) -> bool:
    """Whether clocks show it: what they leave out does not exist."""
    wall = _wall(second)
    return zone.wall(zone.instant(wall)) == wall


def _exactly(shape: Shape, wall: datetime) -> tuple[int, int]:
    start, end = shape.zone.instant(wall), shape.zone.instant(wall + timedelta(days=shape.length.days))
    return _instant(start), _instant(end + shape.length.exact)


def _days_of(length: Length) -> float:
    return length.days + length.exact / timedelta(days=1)


def _instant(moment: datetime) -> int:
    return (moment - _ZERO) // _SECOND


def _wall(second: int) -> datetime:
    return datetime.fromordinal(second // DAY) + timedelta(seconds=second % DAY)
