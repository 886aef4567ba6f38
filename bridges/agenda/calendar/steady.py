"""Series of the common kinds, repeated in whole numbers: days since the year 1, seconds of a day.

A rule is brought to the days of the window by counting, not by walking there from the start of the series, and once
for all the series that have it. Whatever is less common is refused and goes the whole way (``rules``, ``busy``),
which decides what is right: this gives the same. Source: RFC 5545 3.3.10, docs/spec/agenda.md 3.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache, partial
from itertools import chain
from typing import Final

from bridges.agenda.calendar.reasons import SkipError
from bridges.agenda.calendar.remembering import remembered
from bridges.agenda.calendar.rules import Rule, Work, is_hit, read_rule, repeat, until_wall
from bridges.agenda.calendar.times import Length, read_stamp
from bridges.agenda.calendar.zones import Known

_LONGEST: Final = 7  # days of one repetition; longer ones go the whole way
_AROUND: Final = 3  # days: a wall is never further than one from UTC, and a day that is cut at both ends
_WINDOW: Final = 400  # days; a longer window goes the whole way
_WORK: Final = 100_000  # days looked at for all rules together
_ENDING: Final = re.compile(r";?(COUNT|UNTIL)=([0-9TZ]{1,16})(?=;|$)", re.IGNORECASE | re.ASCII)
_FREQUENCIES: Final = frozenset(["YEARLY", "MONTHLY", "WEEKLY", "DAILY"])
_A_DAY: Final = 86_400  # seconds
_SECOND: Final = timedelta(seconds=1)
_ZERO: Final = datetime.min.replace(tzinfo=UTC)  # where seconds are counted from
_MIDNIGHT: Final = frozenset({0})

Span = tuple[datetime, datetime]
Days = Sequence[int]  # ascending, each a day since the year 1
_Key = tuple[str, int, int]  # a rule, what it takes from the start, in which of its periods it lies


@dataclass(slots=True)
class Series:
    """What repeats."""

    rule: str  # of RRULE; empty for none
    wall: datetime  # naive; the first one
    zone: Known
    length: Length
    without: set[datetime]  # walls that are taken away
    all_day: bool


@dataclass(slots=True)
class _Ended:
    """A rule and where it stops."""

    text: str  # without its end
    rule: Rule
    count: int | None
    until: datetime | None  # on the wall, still counts


@dataclass(slots=True)
class _Hits:
    """The days of a window that a rule hits, were its interval 1, with the period that each lies in."""

    days: list[int]
    periods: list[int]

    def every(self, interval: int, rest: int) -> tuple[int, ...]:
        """Give the days of every so manieth period."""
        if interval == 1:
            return tuple(self.days)
        pairs = zip(self.days, self.periods, strict=True)
        return tuple(day for day, period in pairs if period % interval == rest)


class Steady:
    """Repeats series inside a window."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self._first = start.toordinal() - _LONGEST - _AROUND
        self._last = end.toordinal() + _AROUND
        self._window = (_seconds(start), _seconds(end) + 1)
        self._work = Work(_WORK)
        self._hits: dict[tuple[str, int], _Hits] = {}
        self._days: dict[_Key, Days] = {}
        # Of series that are alike in all but the hour: their days, and the longest of each hour.
        self._alike: dict[tuple[_Key, Known, int, bool], tuple[Days, dict[int, timedelta]]] = {}
        self._alone: list[tuple[Days, Series]] = []
        self._begun: list[tuple[int, int]] = []  # the first ones of series

    def add(self, series: Series, *, busy: bool) -> bool:
        """Take a series in; False for one that has to go the whole way."""
        length = timedelta(days=series.length.days) + series.length.exact
        if self._last - self._first > _WINDOW or length > timedelta(days=_LONGEST):
            return False
        if not series.rule:
            self._put_first(series, busy=busy)
            return True
        ended = _ended(series)
        if ended is None:
            return False
        key = (ended.text, _fill(ended.rule, series.wall), _period(ended.rule, series.wall) % ended.rule.interval)
        try:
            days: Days | None = self._on_days(ended.rule, key, series.wall)
        except SkipError:
            return False
        if ended.count is not None and days is not None:
            days = counted(ended.rule, ended.count, series.wall, days)
        if days is None:
            return False
        if busy:
            self._put_first(series, busy=busy)
            self._put(series, ended, key, days)
        return True

    def _on_days(self, rule: Rule, key: _Key, wall: datetime) -> Days:
        """Give the days around the window that a rule hits, from whenever it began."""
        text, fill, rest = key
        if (days := self._days.get(key)) is not None:
            return days
        if (known := self._hits.get((text, fill))) is None:
            hit = list(_hit(rule.filled(wall), self._first, self._last, self._work))
            known = self._hits[text, fill] = _Hits(
                [day.toordinal() for day in hit], [_period(rule, day) for day in hit]
            )
        days = self._days[key] = known.every(rule.interval, rest)
        return days

    def _put_first(self, series: Series, *, busy: bool) -> None:
        """Keep the first one, which is busy also where its rule misses it, or where the clocks leave it out."""
        if busy and self._first <= series.wall.toordinal() <= self._last and series.wall not in series.without:
            self._begun.append(_exactly(series, series.wall))

    def _put(self, series: Series, ended: _Ended, key: _Key, days: Days) -> None:
        first, last = series.wall.toordinal(), self._last
        if ended.until is not None:
            last = min(last, ended.until.toordinal() - (ended.until.time() < series.wall.time()))
        within = any(self._first <= each.toordinal() <= last for each in series.without)
        if first < self._first and last == self._last and ended.count is None and not within:
            alike = self._alike.setdefault((key, series.zone, series.length.days, series.all_day), (days, {}))
            second, exact = _second(series.wall), series.length.exact
            alike[1][second] = max(alike[1].get(second, exact), exact)
            return
        days = [day for day in days if first < day <= last]
        if within:
            clock = series.wall.time()
            days = [day for day in days if datetime.combine(date.fromordinal(day), clock) not in series.without]
        if days:
            self._alone.append((days, series))

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
        for (_, zone, whole, all_day), (days, hours) in self._alike.items():
            for second, exact in hours.items():
                yield from _instants(days, zone, second, Length(whole, exact), all_day=all_day)
        for days, each in self._alone:
            yield from _instants(days, each.zone, _second(each.wall), each.length, all_day=each.all_day)


def _instants(days: Days, zone: Known, second: int, length: Length, *, all_day: bool) -> Iterator[tuple[int, int]]:
    whole, exact = length.days, length.exact // _SECOND
    for day in days:
        begun = _midnight(zone, day)
        ended = _midnight(zone, day + whole) if whole else begun
        if begun is not None and ended is not None:
            yield begun + second, ended + second + exact
        else:
            wall = datetime.fromordinal(day) + timedelta(seconds=second)
            series = Series("", wall, zone, length, set(), all_day=all_day)
            if all_day or zone.wall(zone.instant(wall)) == wall:  # what the clocks leave out does not exist
                yield _exactly(series, wall)


def _exactly(series: Series, wall: datetime) -> tuple[int, int]:
    start, end = series.zone.instant(wall), series.zone.instant(wall + timedelta(days=series.length.days))
    return _seconds(start), _seconds(end + series.length.exact)


@lru_cache(maxsize=4096)
def _midnight(zone: Known, day: int) -> int | None:
    """Give the instant at which a day begins; None for a day on which the clocks change, or might."""
    begun = datetime.fromordinal(day)
    points = [_seconds(zone.instant(begun + timedelta(hours=hours))) for hours in (0, 12, 24)]
    steady = points[1] - points[0] == points[2] - points[1] == _A_DAY // 2
    return points[0] if steady else None


def _hit(rule: Rule, first: int, last: int, work: Work) -> Iterator[date]:
    """Give the days that a filled rule hits, were its interval 1."""
    work.spend(last - first + 1)
    if not rule.positions:
        yield from filter(partial(is_hit, rule), map(date.fromordinal, range(first, last + 1)))
        return
    whole = replace(rule, interval=1, hours=_MIDNIGHT, minutes=_MIDNIGHT, seconds=_MIDNIGHT)
    start = datetime.fromordinal(first - 800)  # more than a period of any rule before
    after, before = datetime.fromordinal(first), datetime.fromordinal(last + 1)
    yield from repeat(whole, start, until=None, after=after, before=before, work=work)


def _ended(series: Series) -> _Ended | None:
    """Read a rule; None for one that is not of the common kinds."""
    match = _ENDING.search(series.rule)
    text = series.rule if match is None else series.rule[: match.start()] + series.rule[match.end() :]
    rule = _common(text)
    if rule is None or match is None:
        return None if rule is None else _Ended(text, rule, None, None)
    name, value = match[1].upper(), match[2].upper()
    if name == "COUNT":
        return _Ended(text, rule, int(value), None) if value.isdigit() and 0 < int(value) <= 10**12 else None
    try:
        until = read_stamp(value)
    except SkipError:
        return None
    return _Ended(text, rule, None, until_wall(until, series.zone, all_day=series.all_day))


@remembered
def _common(text: str) -> Rule | None:
    try:
        rule = read_rule(text)
    except SkipError:
        return None
    odd = rule.hours or rule.minutes or rule.seconds or rule.count is not None or rule.until is not None
    return rule if rule.frequency in _FREQUENCIES and not odd else None


def _fill(rule: Rule, wall: datetime) -> int:
    """Give a number for what a rule takes from the start of its series."""
    if not rule.has_days and rule.frequency in {"YEARLY", "MONTHLY"}:
        return wall.day + (32 * wall.month if rule.frequency == "YEARLY" else 0)
    return wall.weekday() if not rule.weekdays else 0


def _period(rule: Rule, day: date) -> int:
    """Give the number of the period of a rule in which a day lies."""
    match rule.frequency:
        case "YEARLY":
            return day.year
        case "MONTHLY":
            return day.year * 12 + day.month
        case "WEEKLY":
            return (day.toordinal() - 1 - rule.week_start) // 7
        case _:
            return day.toordinal()


def counted(rule: Rule, count: int, wall: datetime, days: Days) -> Days | None:
    """Give those of the days that lie before a series is over by its COUNT; None where that cannot be told at once.

    It can where every period has the same number of hits: those before a day are known without a look at them.
    """
    filled = rule.filled(wall)
    places = _places(filled, wall)
    if places is None:
        return None
    size, skipped = places
    begun, found = _period(rule, wall), []
    for day in days:
        at = date.fromordinal(day)
        rank = sum(1 for each in _week_places(filled) if each < _week_place(filled, at)) if size > 1 else 0
        if size * ((_period(rule, at) - begun) // rule.interval) + rank - skipped < count:
            found.append(day)
    return found


def _places(rule: Rule, wall: datetime) -> tuple[int, int] | None:
    """Give how many hits each period of a filled rule has, and how many of the first one come before the start."""
    if rule.positions or rule.weeks or rule.year_days:
        return None
    if rule.frequency == "DAILY":
        return None if rule.has_days or rule.months else (1, 0)
    if rule.frequency == "WEEKLY":
        places = _week_places(rule)
        early = sum(1 for each in places if each < _week_place(rule, wall))
        return None if rule.months or rule.month_days else (len(places), early)
    months = rule.months or ({wall.month} if rule.frequency == "MONTHLY" else set())
    numbers = {number for _, number in rule.weekdays} or rule.month_days
    once = len(numbers) == 1 and all(0 < abs(each) <= (4 if rule.weekdays else 28) for each in numbers)
    alone = len(rule.weekdays) <= 1 and not (rule.weekdays and rule.month_days)
    if len(months) != 1 or (rule.frequency == "MONTHLY" and rule.months) or not (once and alone):
        return None
    begun = date(wall.year, next(iter(months)), 1)
    hit = next(each for each in (begun + timedelta(days=number) for number in range(31)) if is_hit(rule, each))
    return 1, int(hit < wall.date())


def _week_places(rule: Rule) -> list[int]:
    return [(day - rule.week_start) % 7 for day, _ in rule.weekdays]


def _week_place(rule: Rule, day: date) -> int:
    return (day.weekday() - rule.week_start) % 7


def _seconds(moment: datetime) -> int:
    return (moment - _ZERO) // _SECOND


def _second(wall: datetime) -> int:
    return wall.hour * 3600 + wall.minute * 60 + wall.second
