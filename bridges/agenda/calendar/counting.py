"""Rules of the common kinds, told by counting: which days of a window they hit, without walking there from the start.

Days are counted from the year 1, as ``date.toordinal`` does; a second of a wall is one of those days and what the
clock shows on it. Source: RFC 5545 3.3.10, docs/spec/agenda.md 3.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, date, datetime, timedelta
from functools import partial
from itertools import product
from typing import Final

from bridges.agenda.calendar.reasons import SkipError
from bridges.agenda.calendar.remembering import remembered
from bridges.agenda.calendar.rules import Rule, Work, is_hit, read_rule, repeat, until_wall
from bridges.agenda.calendar.times import read_stamp
from bridges.agenda.calendar.zones import Zone

DAY: Final = 86_400  # seconds
HOUR: Final = 3600
_ENDING: Final = re.compile(r";?(COUNT|UNTIL)=([0-9TZ]{1,16})(?=;|$)", re.IGNORECASE | re.ASCII)
_FREQUENCIES: Final = frozenset(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"])
_MIDNIGHT: Final = frozenset({0})
_NEVER: Final = 2**62

Days = Sequence[int]  # ascending


@dataclass(slots=True)
class Ended:
    """A rule and where it stops."""

    text: str  # without its end
    rule: Rule
    until: int | None = None  # second of the wall that still counts

    @property
    def unit(self) -> int:
        """How many seconds of a wall one hit takes: an hour for HOURLY, or a day."""
        return HOUR if self.rule.frequency == "HOURLY" else DAY

    def offsets(self, second: int) -> Sequence[int]:
        """Give the seconds of a unit at which the rule hits, for a series that starts at that second of a wall."""
        rule, unit = self.rule, self.unit
        if not (rule.hours or rule.minutes or rule.seconds):
            return (second % unit,)
        clock = second % DAY
        hours = (rule.hours or {clock // HOUR}) if unit == DAY else {0}
        minutes, seconds = rule.minutes or {clock // 60 % 60}, rule.seconds or {clock % 60}
        return [hour * HOUR + minute * 60 + each for hour, minute, each in product(hours, minutes, seconds)]


@dataclass(slots=True)
class Hits:
    """The days of a window that a rule hits, were its interval 1, with the period that each lies in."""

    days: list[int]
    periods: list[int]

    def every(self, interval: int, rest: int) -> Days:
        """Give the days of every so manieth period."""
        if interval == 1:
            return tuple(self.days)
        pairs = zip(self.days, self.periods, strict=True)
        return tuple(day for day, period in pairs if period % interval == rest)

    def hours(self, rule: Rule, rest: int) -> Days:
        """Give the hours, counted as days are, of a rule that is HOURLY."""
        hours = sorted(rule.hours) or range(24)
        found = (day * 24 + hour for day in self.days for hour in hours)
        return tuple(hour for hour in found if hour % rule.interval == rest)


def second_of(wall: datetime) -> int:
    """Give the second of a wall."""
    return wall.toordinal() * DAY + wall.hour * HOUR + wall.minute * 60 + wall.second


def ended(text: str, wall: datetime, zone: Zone, *, all_day: bool) -> Ended | None:
    """Read a rule of a series that starts at ``wall``; None for one that is not of the common kinds."""
    match = _ENDING.search(text)
    plain = text if match is None else text[: match.start()] + text[match.end() :]
    rule = _common(plain)
    if rule is None or match is None:
        return None if rule is None else Ended(plain, rule)
    name, value = match[1].upper(), match[2].upper()
    if name == "COUNT":
        return _counted(plain, rule, value, wall)
    try:
        until = read_stamp(value)
    except SkipError:
        return None
    return Ended(plain, rule, until=second_of(until_wall(until, zone, all_day=all_day)))


def _counted(text: str, rule: Rule, value: str, wall: datetime) -> Ended | None:
    if not value.isdigit() or not 0 < int(value) <= 10**12:
        return None
    found = Ended(text, rule)
    if found.unit == HOUR:
        last = second_of(wall) + (int(value) - 1) * rule.interval * HOUR if rule.is_plain else None
    else:
        last = _last_of(rule, int(value), wall) if len(found.offsets(0)) == 1 else None
    found.until = last
    return None if last is None else found


@remembered
def _common(text: str) -> Rule | None:
    try:
        rule = read_rule(text)
    except SkipError:
        return None
    odd = rule.count is not None or rule.until is not None or rule.frequency not in _FREQUENCIES
    # Positions count the times of a period, not its days.
    odd = odd or bool(rule.positions and (rule.hours or rule.minutes or rule.seconds or rule.frequency == "HOURLY"))
    return None if odd else rule


def hits(rule: Rule, wall: datetime, first: int, last: int, work: Work) -> Hits:
    """Give what a rule hits from one day to another; raises SkipError (``too_many``)."""
    days = list(_hit(rule.filled(wall), first, last, work))
    return Hits([day.toordinal() for day in days], [period(rule, day) for day in days])


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


def taken(rule: Rule, wall: datetime) -> int:
    """Give a number for what a rule takes from the day on which its series starts."""
    if not rule.has_days and rule.frequency in {"YEARLY", "MONTHLY"}:
        return wall.day + (32 * wall.month if rule.frequency == "YEARLY" else 0)
    return wall.weekday() if not rule.weekdays and (rule.weeks or rule.frequency == "WEEKLY") else 0


def period(rule: Rule, day: date) -> int:
    """Give the number of the period of a rule in which a day lies; for HOURLY, of a day and an hour."""
    match rule.frequency:
        case "YEARLY":
            return day.year
        case "MONTHLY":
            return day.year * 12 + day.month
        case "WEEKLY":
            return (day.toordinal() - 1 - rule.week_start) // 7
        case "HOURLY":
            return day.toordinal() * 24 + (day.hour if isinstance(day, datetime) else 0)
        case _:
            return day.toordinal()


def _last_of(rule: Rule, count: int, wall: datetime) -> int | None:
    """Give the last second of the wall that a COUNT leaves; None where that cannot be told at once.

    It can where every period has the same number of hits: the period of the last one is known without a look at them.
    """
    filled = rule.filled(wall)
    places = _places(filled, wall)
    if places is None:
        return None
    size, skipped = places
    steps, place = divmod(count + skipped - 1, size)
    last = period(rule, wall) + steps * rule.interval
    match rule.frequency:
        case "DAILY":
            return (last + 1) * DAY - 1
        case "WEEKLY":
            return (last * 7 + rule.week_start + sorted(_week_places(filled))[place] + 2) * DAY - 1
        case "MONTHLY":
            year, month = divmod(last, 12)
        case _:
            year, month = last + 1, 0
    return date(year, month + 1, 1).toordinal() * DAY - 1 if year <= MAXYEAR else _NEVER


def _places(rule: Rule, wall: datetime) -> tuple[int, int] | None:
    """Give how many hits each period of a filled rule has, and how many of the first one come before the start."""
    if rule.positions or rule.weeks or rule.year_days:
        return None
    if rule.frequency == "DAILY":
        return None if rule.has_days or rule.months else (1, 0)
    if rule.frequency == "WEEKLY":
        places = _week_places(rule)
        early = sum(1 for each in places if each < (wall.weekday() - rule.week_start) % 7)
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
