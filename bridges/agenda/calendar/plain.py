"""Events that say plainly when they are, once or by a common rule: read at once, without taking them apart.

Nearly all of a long calendar is of that kind, and most of it past. Whatever is not plain and complete is left in the
text, goes the whole way and has its outcome there. Source: docs/spec/agenda.md 3.1.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reasons import UnreadError
from bridges.agenda.calendar.steady import Series, Steady
from bridges.agenda.calendar.telling import Told, When, tell
from bridges.agenda.calendar.times import Length
from bridges.agenda.calendar.zones import Known

_BEGIN: Final = "\nBEGIN:VEVENT\n"
_END: Final = "\nEND:VEVENT\n"
_UID: Final = "\nUID"
_AROUND: Final = timedelta(days=2)  # further than any zone is from UTC, and a whole day

Span = tuple[datetime, datetime]


@dataclass(slots=True)
class _Piece:
    """The text from one BEGIN:VEVENT to the next."""

    text: str
    family: tuple[str, int]  # the UID line and the run of events that this one lies in
    told: Told | None
    rest: str  # what follows END:VEVENT
    taken: bool = False


@dataclass(slots=True)
class Plain:
    """Reads the plain events of a calendar for a window."""

    start: datetime
    end: datetime
    floating: Known
    _steady: Steady = field(init=False)
    _spans: list[Span] = field(init=False, default_factory=list)
    _first: str = field(init=False)
    _last: str = field(init=False)

    def __post_init__(self) -> None:
        self._steady = Steady(self.start, self.end)
        self._first, self._last = f"{self.start - _AROUND:%Y%m%d}", f"{self.end + _AROUND:%Y%m%d}"

    def take(self, text: str) -> tuple[str, list[Span], int]:
        """Give what is left of a calendar, the busy stretches of what was taken out, and how many events that were.

        ``text`` is unfolded, its lines end with a line feed. Raises UnreadError (``too_many``) for more components
        than are read, taken out or not.
        """
        if text.count("\nBEGIN:") > limits.COMPONENTS:
            raise UnreadError("too_many")
        head, *texts = text.split(_BEGIN)
        pieces = list(_pieces(texts))
        families: dict[str, list[_Piece]] = {}
        for piece in pieces:
            families.setdefault(piece.family[0], []).append(piece)
        for uid, family in families.items():
            # Of several with one UID the newest counts, wherever it lies: they are read together or not at all.
            taken = _has_name(uid) and self._read(family)
            for piece in family:
                piece.taken = taken
        left = (f"\n{piece.rest}" * bool(piece.rest) if piece.taken else f"{_BEGIN}{piece.text}" for piece in pieces)
        return head + "".join(left), self._spans + self._steady.spans(), sum(piece.taken for piece in pieces)

    def _read(self, family: list[_Piece]) -> bool:
        """Keep when the events of one UID are busy; whether that could be told."""
        if len(family) == 1:
            told = family[0].told
            if told is None or told.replaces is not None:
                return False
            return self._single(told) if told.is_single else self._series(told, set())
        if len({piece.family for piece in family}) != 1 or any(piece.told is None for piece in family):
            return False
        return self._repeated([piece.told for piece in family if piece.told is not None])

    def _single(self, told: Told) -> bool:
        """Keep an event that happens once."""
        begun, ended = told.start.value, told.end.value if told.end is not None else ""
        if ended and ended >= begun and (ended[:8] < self._first or begun[:8] > self._last):
            return True  # nothing else is looked at
        found = self._times(told)
        if found is None:
            return False
        wall, zone, length = found
        if told.busy:
            self._spans.append((zone.instant(wall), zone.instant(wall + timedelta(days=length.days)) + length.exact))
        return True

    def _times(self, told: Told) -> tuple[datetime, Known, Length] | None:
        zone = told.start.zone(self.floating)
        length = told.length(zone) if zone is not None else None
        return None if zone is None or length is None else (told.start.wall(), zone, length)

    def _series(self, told: Told, without: set[datetime]) -> bool:
        """Keep an event that repeats, but for some repetitions."""
        found = self._times(told)
        if found is None:
            return False
        wall, zone, length = found
        for each in told.excluded:
            at = _on_wall(each, zone)
            if at is None:
                return False
            if each.is_day == told.start.is_day:  # a day cannot take away a time
                without.add(at)
        series = Series(told.rule, wall, zone, length, without, all_day=told.start.is_day)
        return self._steady.add(series, busy=told.busy)

    def _repeated(self, events: list[Told]) -> bool:
        """Keep one that repeats and those that stand for single repetitions of it."""
        masters = [each for each in events if each.replaces is None]
        if len(masters) != 1:
            return False
        master, zone = masters[0], masters[0].start.zone(self.floating)
        others = [each for each in events if each is not master]
        if zone is None or any(not _stands_for_one(each, master) for each in others):
            return False
        instants, without, kept = set[datetime](), set[datetime](), len(self._spans)
        for each in others:
            own = each.start.zone(self.floating)
            assert each.replaces is not None
            named = each.replaces.zone(own) if own is not None else None
            # One that cannot be read takes nothing away: the series goes the whole way.
            if named is None or self._times(each) is None or not self._single(each):
                break
            at = named.instant(each.replaces.wall())
            instants.add(at)
            without.add(each.replaces.wall() if named is zone else zone.wall(at))
        # Two that stand for the same repetition: the newer one counts, which is not told here.
        if len(instants) == len(others) and self._series(master, without):
            return True
        del self._spans[kept:]
        return False


def _pieces(texts: list[str]) -> Iterator[_Piece]:
    """Take the text apart; events between which nothing else begins or ends lie in one run, so in one calendar."""
    run = 0
    for text in texts:
        body, found, rest = f"{text}\n".partition(_END)
        told = tell(body) if found else None
        yield _Piece(text, (_uid(text), run), told, rest.removesuffix("\n"))
        if told is None or rest.strip():
            run += 1  # whatever it is, it may not be closed


def _stands_for_one(event: Told, master: Told) -> bool:
    return (
        event.replaces is not None
        and not event.rule
        and not event.excluded
        and event.replaces.is_day == event.start.is_day == master.start.is_day
    )


def _on_wall(when: When, zone: Known) -> datetime | None:
    """Give a time on the wall of a series; None in a zone that the world does not know."""
    named = when.zone(zone)
    if named is None:
        return None
    return when.wall() if named is zone else zone.wall(named.instant(when.wall()))


def _has_name(line: str) -> bool:
    value = line.rpartition(":")[2].strip()
    return bool(value) and value.isprintable()


def _uid(piece: str) -> str:
    place = -1 if piece.startswith(_UID[1:]) else piece.find(_UID)
    if place < 0 and not piece.startswith(_UID[1:]):
        return ""
    return piece[place + 1 : piece.find("\n", place + 1)]
