"""Events that say plainly when they are, once or by a common rule: read at once, without taking them apart.

Nearly all of a long calendar is of that kind, and most of it past. Whatever is not plain and complete is left in the
text, goes the whole way and has its outcome there. Source: docs/spec/agenda.md 3.1.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.counting import second_of
from bridges.agenda.calendar.definitions import Zones
from bridges.agenda.calendar.events import Instant
from bridges.agenda.calendar.lines import Component, calendars, read_components
from bridges.agenda.calendar.reasons import SkipError, UnreadError
from bridges.agenda.calendar.rules import Work
from bridges.agenda.calendar.steady import FURTHEST, LONGEST, Series, Shape, Shift, Steady
from bridges.agenda.calendar.telling import Told, tell
from bridges.agenda.calendar.times import Length
from bridges.agenda.calendar.zones import Zone

_BEGIN: Final = "\nBEGIN:VEVENT\n"
_END: Final = "\nEND:VEVENT\n"
_UID: Final = "\nUID"
_CALENDAR: Final = re.compile(r"^BEGIN[ \t]*:[ \t]*VCALENDAR", re.IGNORECASE | re.MULTILINE)
_ZONE: Final = re.compile(r"^BEGIN[ \t]*:[ \t]*VTIMEZONE", re.IGNORECASE | re.MULTILINE)
_WORK: Final = 50_000  # days looked at for the zones that a file defines
_AROUND: Final = timedelta(days=2)  # further than any zone is from UTC, and a whole day

Span = tuple[datetime, datetime]


@dataclass(slots=True)
class _Piece:
    """The text from one BEGIN:VEVENT to the next."""

    text: str
    family: tuple[str, int]  # the UID line, or a number without one, and the run of events that this one lies in
    told: Told | None
    rest: str  # what follows END:VEVENT
    taken: bool = False


@dataclass(slots=True)
class _Other:
    """An event that stands for one repetition of a series."""

    told: Told
    shape: Shape
    at: Instant

    @property
    def is_day(self) -> bool:
        """Whether the repetition is named by a day."""
        return self.told.replaces is not None and self.told.replaces.is_day


@dataclass(slots=True)
class Plain:
    """Reads the plain events of a calendar for a window."""

    start: datetime
    end: datetime
    floating: Zone
    _zones: Zones = field(init=False)
    _steady: Steady = field(init=False)
    _spans: list[Span] = field(init=False, default_factory=list)
    _first: str = field(init=False)
    _last: str = field(init=False)
    _earliest: str = field(init=False)  # of a repetition that may still be going on
    _near: tuple[str, str] = field(init=False)  # days that a shift can still bring to the window

    def __post_init__(self) -> None:
        self._steady = Steady(self.start, self.end)
        self._earliest = f"{self.start - _AROUND - timedelta(days=LONGEST):%Y%m%d}"
        self._first, self._last = f"{self.start - _AROUND:%Y%m%d}", f"{self.end + _AROUND:%Y%m%d}"
        further = timedelta(days=LONGEST) + FURTHEST + 2 * _AROUND
        self._near = f"{self.start - further:%Y%m%d}", f"{self.end + further:%Y%m%d}"

    def take(self, text: str) -> tuple[str, list[Span], int]:
        """Give what is left of a calendar, the busy stretches of what was taken out, and how many events that were.

        ``text`` is unfolded, its lines end with a line feed. Raises UnreadError (``too_many``) for more components
        than are read, taken out or not.
        """
        if text.count("\nBEGIN:") > limits.COMPONENTS:
            raise UnreadError("too_many")
        head, *texts = text.split(_BEGIN)
        self._zones = _zones(head, text, self.start, self.end)
        pieces = list(_pieces(texts))
        families: dict[str, list[_Piece]] = {}
        for piece in pieces:
            families.setdefault(piece.family[0], []).append(piece)
        for uid, family in families.items():
            # Of several with one UID the newest counts, wherever it lies: they are read together or not at all.
            taken = uid.isprintable() and self._read(family)
            for piece in family:
                piece.taken = taken
        left = (f"\n{piece.rest}" * bool(piece.rest) if piece.taken else f"{_BEGIN}{piece.text}" for piece in pieces)
        return head + "".join(left), self._spans + self._steady.spans(), sum(piece.taken for piece in pieces)

    def _read(self, family: list[_Piece]) -> bool:
        """Keep when the events of one UID are busy; whether that could be told."""
        told = [piece.told for piece in family if piece.told is not None]
        if len(told) < len(family) or len({piece.family for piece in family}) != 1:
            return False
        if len(told) == 1 and told[0].is_single:
            return self._single(told[0])
        kept = len(self._spans)
        masters = [each for each in told if each.replaces is None]
        others = self._others([each for each in told if each.replaces is not None])
        if len(masters) <= 1 and others is not None and all(self._series(each, others) for each in masters):
            return True
        del self._spans[kept:]
        return False

    def _single(self, told: Told) -> bool:
        """Keep an event that happens once."""
        begun, ended = told.start.value, told.end.value if told.end is not None else ""
        if ended and ended >= begun and (ended[:8] < self._first or begun[:8] > self._last):
            return True  # nothing else is looked at
        shape = self._shape(told)
        if shape is None:
            return False
        if told.busy:
            wall, zone, length = told.start.wall(), shape.zone, shape.length
            self._spans.append((zone.instant(wall), zone.instant(wall + timedelta(days=length.days)) + length.exact))
        return True

    def _shape(self, told: Told) -> Shape | None:
        zone = told.start.zone(self.floating, self._named)
        length = told.length(zone, self._named) if zone is not None else None
        return None if zone is None or length is None else Shape(zone, length, told.start.is_day)

    def _others(self, events: list[Told]) -> list[_Other] | None:
        """Keep those that stand for single repetitions of a series; None where that cannot be told."""
        found = []
        for told in events:
            shape, replaces = self._shape(told), told.replaces
            zone = replaces.zone(shape.zone, self._named) if shape is not None and replaces is not None else None
            # One that cannot be read takes nothing away: the series goes the whole way.
            if shape is None or replaces is None or zone is None or not (told.is_alone and self._single(told)):
                return None
            found.append(_Other(told, shape, Instant(replaces.wall(), zone)))
        # Two that stand for the same repetition: the newer one counts, which is not told here.
        return found if len({each.at.utc for each in found}) == len(found) else None

    def _series(self, told: Told, others: list[_Other]) -> bool:
        """Keep an event that repeats, but for some repetitions."""
        shape, wall = self._shape(told), told.start.wall()
        without = self._without(told, shape) if shape is not None else None
        extra = self._extra(told, shape) if shape is not None else None
        if shape is None or without is None or extra is None:
            return False
        shifts = []
        for each in others:
            if not each.is_day == each.shape.all_day == shape.all_day:
                return False
            at = each.at.on_wall_of(shape.zone)
            without.add(second_of(at))
            if each.told.and_future:
                shifts.append(Shift(at, each.told.start.wall() - at, each.shape, each.told.busy))
        if shifts and (extra or any(each.at < wall or abs(each.by) > FURTHEST for each in shifts)):
            return False
        shifts.sort(key=lambda shift: shift.at)
        return self._steady.add(Series(told.rule, wall, shape, without, extra, shifts, told.busy))

    def _without(self, told: Told, shape: Shape) -> set[int] | None:
        """Give EXDATE, as seconds of the wall."""
        found = set()
        earliest, latest = self._near
        for each in told.excluded:
            if not earliest <= each.value[:8] <= latest and each.zone(shape.zone, self._named) is not None:
                continue
            at = each.on_wall_of(shape.zone, self._named)
            if at is None:
                return None
            if each.is_day == shape.all_day:  # a day cannot take away a time
                found.add(second_of(at))
        return found

    def _extra(self, told: Told, shape: Shape) -> dict[int, Length] | None:
        """Give RDATE, by the second of the wall."""
        found: dict[int, Length] = {}
        plain = all(each.is_plain for each in told.extra)
        for each in told.extra:
            if each.at.zone(shape.zone, self._named) is None:
                return None
            if plain and not self._earliest <= each.at.value[:8] <= self._last:
                continue
            wall = each.at.on_wall_of(shape.zone, self._named)
            length = each.length(wall, shape.length, shape.zone, self._named) if wall is not None else None
            if wall is None or length is None:
                return None
            found[second_of(wall)] = length
        return found

    def _named(self, name: str) -> Zone | None:
        try:
            return self._zones.named(name)
        except SkipError:
            return None


def _pieces(texts: list[str]) -> Iterator[_Piece]:
    """Take the text apart; events between which nothing else begins or ends lie in one run, so in one calendar."""
    run = 0
    for number, text in enumerate(texts):
        body, found, rest = f"{text}\n".partition(_END)
        told = tell(body) if found else None
        uid = _uid(text)
        # Events without a name have nothing to do with each other.
        yield _Piece(text, (uid if uid.rpartition(":")[2].strip() else f"{number}", run), told, rest.removesuffix("\n"))
        if told is None or rest.strip():
            run += 1  # whatever it is, it may not be closed


def _zones(head: str, text: str, start: datetime, end: datetime) -> Zones:
    """Give the zones of a calendar that defines them before its events; of several, only those of the world."""
    calendar = Component("VCALENDAR")
    if (
        _ZONE.search(head)
        and len(_CALENDAR.findall(text)) == 1
        and len(_ZONE.findall(text)) == len(_ZONE.findall(head))
    ):
        calendar = next(iter(calendars(read_components(head))), calendar)
    return Zones(calendar, start.replace(tzinfo=None), end.replace(tzinfo=None), Work(_WORK))


def _uid(piece: str) -> str:
    place = -1 if piece.startswith(_UID[1:]) else piece.find(_UID)
    if place < 0 and not piece.startswith(_UID[1:]):
        return ""
    return piece[place + 1 : piece.find("\n", place + 1)]
