"""RRULE: read, and repeated inside a window with a bound on the work. Source: RFC 5545 3.3.10.

Everything here is wall time without a zone; the caller applies the zone to each repetition.
"""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import count, product
from typing import Final

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reasons import SkipError
from bridges.agenda.calendar.remembering import remembered
from bridges.agenda.calendar.times import Stamp, read_stamp
from bridges.agenda.calendar.zones import Zone

_DAYS: Final = {name: number for number, name in enumerate(("MO", "TU", "WE", "TH", "FR", "SA", "SU"))}
_FREQUENCIES: Final = frozenset(["YEARLY", "MONTHLY", "WEEKLY", "DAILY", "HOURLY"])
_TOO_FREQUENT: Final = frozenset(["MINUTELY", "SECONDLY"])
_RANGES: Final = {  # part → (field, least, most, negative too)
    "BYSECOND": ("seconds", 0, 60, False),
    "BYMINUTE": ("minutes", 0, 59, False),
    "BYHOUR": ("hours", 0, 23, False),
    "BYMONTHDAY": ("month_days", 1, 31, True),
    "BYYEARDAY": ("year_days", 1, 366, True),
    "BYWEEKNO": ("weeks", 1, 53, True),
    "BYMONTH": ("months", 1, 12, False),
    "BYSETPOS": ("positions", 1, 366, True),
}
Numbers = frozenset[int]
_NONE: Final[Numbers] = frozenset()
_EVERY: Final = range(1, 13)


@dataclass(slots=True)
class Work:
    """How many more days may be looked at."""

    left: int

    def spend(self, days: int) -> None:
        """Take some; raises SkipError (``too_many``) when there are no more."""
        self.left -= days
        if self.left < 0:
            raise SkipError("too_many")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One RRULE."""

    frequency: str
    interval: int = 1
    count: int | None = None
    until: Stamp | None = None
    week_start: int = 0
    seconds: Numbers = _NONE
    minutes: Numbers = _NONE
    hours: Numbers = _NONE
    weekdays: frozenset[tuple[int, int]] = field(default=frozenset())  # (0 Monday … 6, ordinal or 0)
    month_days: Numbers = _NONE
    year_days: Numbers = _NONE
    weeks: Numbers = _NONE
    months: Numbers = _NONE
    positions: Numbers = _NONE

    @property
    def has_days(self) -> bool:
        """Whether a part says which days of a month or year."""
        return bool(self.weekdays or self.month_days or self.year_days or self.weeks)

    @property
    def is_plain(self) -> bool:
        """Whether nothing but frequency, interval and end is said."""
        parts = (self.seconds, self.minutes, self.hours, self.months, self.positions)
        return not self.has_days and not any(parts)

    def filled(self, start: datetime) -> Rule:
        """Take from the start what the rule leaves open."""
        rule = self
        if not self.has_days and self.frequency in {"YEARLY", "MONTHLY"}:
            rule = replace(rule, month_days=frozenset({start.day}))
            if self.frequency == "YEARLY" and not self.months:
                rule = replace(rule, months=frozenset({start.month}))
        elif not self.weekdays and (
            self.frequency == "WEEKLY" or (self.weeks and not self.month_days | self.year_days)
        ):
            rule = replace(rule, weekdays=frozenset({(start.weekday(), 0)}))
        hourly = self.frequency == "HOURLY"
        return replace(
            rule,
            hours=rule.hours if rule.hours or hourly else frozenset({start.hour}),
            minutes=rule.minutes or frozenset({start.minute}),
            seconds=rule.seconds or frozenset({start.second}),
        )


@remembered
def read_rule(text: str) -> Rule:
    """Read an RRULE; raises SkipError (``rule_broken``, ``too_frequent``)."""
    parts: dict[str, str] = {}
    for piece in text.strip().rstrip(";").split(";"):
        name, equals, value = piece.partition("=")
        if not equals or name.upper() in parts:
            raise SkipError("rule_broken")
        parts[name.strip().upper()] = value.strip().upper()
    rule = Rule(frequency=_frequency(parts.pop("FREQ", "")), interval=_number(parts.pop("INTERVAL", "1"), 1, 10**7))
    if parts.get("COUNT") is not None and parts.get("UNTIL") is not None:
        raise SkipError("rule_broken")
    for name, value in parts.items():
        rule = _with_part(rule, name, value)
    if len(rule.hours or "1") * len(rule.minutes or "1") * len(rule.seconds or "1") > limits.TIMES_A_DAY:
        raise SkipError("too_frequent")
    return rule


def _frequency(name: str) -> str:
    if name in _TOO_FREQUENT:
        raise SkipError("too_frequent")
    if name not in _FREQUENCIES:
        raise SkipError("rule_broken")
    return name


def _with_part(rule: Rule, name: str, value: str) -> Rule:
    if name in _RANGES:
        part, least, most, negative = _RANGES[name]
        numbers = [_number(each, -most if negative else least, most) for each in value.split(",")]
        if negative and 0 in numbers:
            raise SkipError("rule_broken")
        found = frozenset(min(each, 59) if part == "seconds" else each for each in numbers)
        return replace(rule, **{part: found})  # type: ignore[arg-type]  # _RANGES names fields of numbers only
    if name == "BYDAY":
        return replace(rule, weekdays=frozenset(_weekday(each, rule.frequency) for each in value.split(",")))
    if name == "COUNT":
        return replace(rule, count=_number(value, 1, 10**12))
    if name == "UNTIL":
        return replace(rule, until=read_stamp(value))
    if name == "WKST" and value in _DAYS:
        return replace(rule, week_start=_DAYS[value])
    if name.startswith("X-"):
        return rule
    raise SkipError("rule_broken")


def _number(text: str, least: int, most: int) -> int:
    digits = text.strip().removeprefix("+")
    if not digits.removeprefix("-").isascii() or not digits.removeprefix("-").isdigit() or len(digits) > 13:
        raise SkipError("rule_broken")
    if not least <= int(digits) <= most:
        raise SkipError("rule_broken")
    return int(digits)


def _weekday(text: str, frequency: str) -> tuple[int, int]:
    name, ordinal = text.strip()[-2:], text.strip()[:-2]
    if name not in _DAYS:
        raise SkipError("rule_broken")
    # An ordinal means nothing in a week or a day, and programs write it all the same.
    nth = _number(ordinal, -53, 53) if ordinal else 0
    return _DAYS[name], nth if frequency in {"MONTHLY", "YEARLY"} else 0


def repeat(
    rule: Rule, start: datetime, *, until: datetime | None, after: datetime, before: datetime, work: Work
) -> Iterator[datetime]:
    """Give the repetitions in ``[after, before)``, in order; ``start`` itself only when the rule hits it.

    Raises SkipError (``too_many``) when that is more work than allowed.
    """
    steady = rule.is_plain and (rule.frequency in {"DAILY", "WEEKLY", "HOURLY"} or start.day <= 28)
    end = before if until is None or until >= before else until + timedelta(seconds=1)
    first = max(0, _distance(rule, start, after) // rule.interval - 1) if steady or rule.count is None else 0
    if end <= after or (rule.count is not None and first >= rule.count):
        return  # it was over before the window
    filled = rule.filled(start)
    seen = first  # a steady rule hits once in every period, so those before the first are known without a look
    for number in count(first):
        begun = _begin(filled, start, number)
        if begun is None or begun >= end:
            return
        for at in _times(filled, begun, work):
            if at < start:
                continue
            seen += 1
            if at >= end or (rule.count is not None and seen > rule.count):
                return
            if at >= after:
                yield at


def until_wall(until: Stamp, zone: Zone, *, all_day: bool) -> datetime:
    """Give the last moment that counts, on the wall of the event; ``until`` is in UTC, a day or on that wall."""
    if until.form == "utc" and not all_day:
        first, last = limits.YEARS
        return zone.wall(until.at.replace(tzinfo=UTC)) if first <= until.at.year <= last else until.at
    # A day as the end of something with a time: the whole day still counts.
    return until.at + (timedelta(days=1, seconds=-1) if until.form == "date" else timedelta())


def _distance(rule: Rule, start: datetime, to: datetime) -> int:
    """How many units of the frequency lie between, rounded down."""
    match rule.frequency:
        case "YEARLY":
            return to.year - start.year
        case "MONTHLY":
            return (to.year - start.year) * 12 + to.month - start.month
        case "WEEKLY":
            return (to - start).days // 7
        case "DAILY":
            return (to - start).days
        case _:
            return int((to - start).total_seconds() // 3600)


def _begin(rule: Rule, start: datetime, number: int) -> datetime | None:
    """Where the period of that number begins; None after the last year there is."""
    steps = number * rule.interval
    midnight = datetime(start.year, start.month, start.day)
    try:
        match rule.frequency:
            case "YEARLY":
                return datetime(start.year + steps, 1, 1)
            case "MONTHLY":
                months = start.year * 12 + start.month - 1 + steps
                return datetime(months // 12, months % 12 + 1, 1)
            case "WEEKLY":
                return midnight - timedelta(days=(start.weekday() - rule.week_start) % 7) + timedelta(weeks=steps)
            case "DAILY":
                return midnight + timedelta(days=steps)
            case _:
                return midnight + timedelta(hours=start.hour + steps)
    except (OverflowError, ValueError):
        return None


def _times(rule: Rule, begun: datetime, work: Work) -> list[datetime]:
    """All repetitions of one period, in order."""
    days = [day for day in _days(rule, begun, work) if is_hit(rule, day)]
    hours = sorted(rule.hours)
    if rule.frequency == "HOURLY":
        hours = [begun.hour] if not rule.hours or begun.hour in rule.hours else []
    clock = list(product(hours, sorted(rule.minutes), sorted(rule.seconds)))
    work.spend(len(days) * len(clock))
    times = [datetime(day.year, day.month, day.day, *each) for day in days for each in clock]
    if not rule.positions:
        return times
    size = len(times)
    wanted = {each - 1 if each > 0 else size + each for each in rule.positions}
    return [times[each] for each in sorted(wanted) if 0 <= each < size]


def _days(rule: Rule, begun: datetime, work: Work) -> list[date]:
    first = begun.date()
    match rule.frequency:
        case "YEARLY":
            whole = bool(rule.weeks or rule.year_days)
            months = _EVERY if whole or not rule.months else sorted(rule.months)
            days = [day for month in months for day in _month(first.year, month)]
        case "MONTHLY":
            days = _month(first.year, first.month)
        case "WEEKLY":
            days = [first + timedelta(days=each) for each in range(7)]
        case _:
            days = [first]
    work.spend(len(days))
    return days


def _month(year: int, month: int) -> list[date]:
    return [date(year, month, day + 1) for day in range(calendar.monthrange(year, month)[1])]


def is_hit(rule: Rule, day: date) -> bool:
    """Whether a filled rule hits a day, were its interval 1; BYSETPOS is not looked at."""
    if rule.months and day.month not in rule.months:
        return False
    if rule.month_days and not _counts(rule.month_days, day.day, calendar.monthrange(day.year, day.month)[1]):
        return False
    if rule.year_days and not _counts(rule.year_days, day.timetuple().tm_yday, 365 + calendar.isleap(day.year)):
        return False
    if rule.weeks and not _counts(rule.weeks, *_week(day, rule.week_start)):
        return False
    return not rule.weekdays or _is_weekday(rule, day)


def _counts(wanted: Numbers, place: int, size: int) -> bool:
    """Whether a place, counted from 1 or from the end, is wanted."""
    return place in wanted or place - size - 1 in wanted


def _is_weekday(rule: Rule, day: date) -> bool:
    weekday = day.weekday()
    if (weekday, 0) in rule.weekdays:
        return True
    if rule.frequency == "YEARLY" and not rule.months:
        place, size = day.timetuple().tm_yday, 365 + calendar.isleap(day.year)
    else:
        place, size = day.day, calendar.monthrange(day.year, day.month)[1]
    return (weekday, (place - 1) // 7 + 1) in rule.weekdays or (weekday, -((size - place) // 7 + 1)) in rule.weekdays


def _week(day: date, week_start: int) -> tuple[int, int]:
    """Give the number of the week that holds a day, and how many weeks that year has; the first has four days."""
    middle = day + timedelta(days=3 - (day.weekday() - week_start) % 7)  # its year is the year of the week
    number = (middle.timetuple().tm_yday - 1) // 7 + 1
    length = 365 + calendar.isleap(middle.year)
    return number, (length - middle.timetuple().tm_yday) // 7 + number
