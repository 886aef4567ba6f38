"""Dates, times, durations and periods as iCalendar writes them. Source: RFC 5545 3.3.4 to 3.3.9."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reasons import SkipError

_STAMP: Final = re.compile(r"(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(Z?))?", re.ASCII)
_DURATION: Final = re.compile(
    r"([+-]?)P(?:(\d{1,4})W)?(?:(\d{1,5})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,7})M)?(?:(\d{1,9})S)?)?", re.ASCII
)
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d):?(\d\d)?", re.ASCII)

Form = Literal["date", "utc", "wall"]


@dataclass(frozen=True, slots=True)
class Stamp:
    """A moment as written: no zone is applied yet."""

    at: datetime  # naive
    form: Form


@dataclass(frozen=True, slots=True)
class Length:
    """A duration: whole days follow the clock on the wall, the rest is exact."""

    days: int
    exact: timedelta


def read_stamp(text: str) -> Stamp:
    """Read a DATE or a DATE-TIME; raises SkipError (``time_broken``)."""
    match = _STAMP.fullmatch(text.strip())
    if match is None:
        raise SkipError("time_broken")
    year, month, day, hour, minute, second, zulu = match.groups()
    try:
        # 60 is a leap second, which no clock of ours shows.
        at = datetime(int(year), int(month), int(day), int(hour or 0), int(minute or 0), min(int(second or 0), 59))
    except ValueError:
        raise SkipError("time_broken") from None
    return Stamp(at, "date" if hour is None else "utc" if zulu else "wall")


def read_time(text: str) -> Stamp:
    """Read a stamp of an event: as ``read_stamp``, within the years that are read."""
    stamp = read_stamp(text)
    first, last = limits.YEARS
    if not first <= stamp.at.year <= last:
        raise SkipError("time_broken")
    return stamp


def read_length(text: str) -> Length:
    """Read a DURATION; raises SkipError (``time_broken``, or ``ends_before_start`` for a negative one)."""
    match = _DURATION.fullmatch(text.strip())
    if match is None or match.end() < 3:
        raise SkipError("time_broken")
    sign, weeks, days, hours, minutes, seconds = match.groups()
    if sign == "-":
        raise SkipError("ends_before_start")
    exact = timedelta(hours=int(hours or 0), minutes=int(minutes or 0), seconds=int(seconds or 0))
    whole = int(weeks or 0) * 7 + int(days or 0)
    if timedelta(days=whole) + exact > timedelta(days=20_000):
        raise SkipError("time_broken")
    return Length(whole, exact)


def read_offset(text: str) -> timedelta:
    """Read a UTC-OFFSET; raises SkipError (``unknown_zone``) for what no clock shows."""
    match = _OFFSET.fullmatch(text.strip())
    if match is None:
        raise SkipError("unknown_zone")
    sign, hours, minutes, seconds = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes), seconds=int(seconds or 0))
    if offset > timedelta(hours=16):
        raise SkipError("unknown_zone")
    return -offset if sign == "-" else offset
