"""Opening hours into slots: wall times of the place, each once, none at an hour that does not exist. Pure.

Source: docs/spec/agenda.md 4.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Final, Literal
from zoneinfo import ZoneInfo

import msgspec

from bridges.agenda.provider import Mode, Slot, Window

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Opening(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Hours of the week in which patients may be given a time. Raises ValueError for hours that hold no slot."""

    days: list[Day]
    start: time = msgspec.field(name="from")
    end: time = msgspec.field(name="to")
    minutes: int  # of one slot, 5 to 480
    motive: str = ""
    mode: Mode = Mode.PRACTICE
    between: tuple[date, date] | None = None  # first and last day it counts; always when absent

    def __post_init__(self) -> None:
        if not 5 <= self.minutes <= 480:
            raise ValueError("a slot takes 5 to 480 minutes")
        if not self.start < self.end or self.start.tzinfo or self.end.tzinfo:
            raise ValueError("an opening begins before it ends, in the time of the place")
        if len(self.motive) > 120 or not self.motive.isprintable():
            raise ValueError("a motive is one line of at most 120 characters")

    def offers(self, motive: str, mode: Mode | None) -> bool:
        """Say whether its slots are what is asked for; an empty motive and no mode ask for all."""
        return (not motive or self.motive == motive) and mode in {None, self.mode}

    def starts(self, day: date) -> Iterator[datetime]:
        """Give the wall times at which slots begin on a day."""
        first, last = self.between or (day, day)
        if DAYS[day.weekday()] not in self.days or not first <= day <= last:
            return
        at, step = datetime.combine(day, self.start), timedelta(minutes=self.minutes)
        while at + step <= datetime.combine(day, self.end):
            yield at
            at += step


def slots(openings: Sequence[Opening], zone: str, window: Window) -> list[Slot]:
    """Give the slots that begin in a window, earliest first; of two that begin together, both."""
    place = ZoneInfo(zone)
    first = window.start.astimezone(place).date() - timedelta(days=1)
    days = (window.end.astimezone(place).date() - first).days + 1
    found = {
        made.reference: made
        for number in range(days)
        for opening in openings
        for wall in opening.starts(first + timedelta(days=number))
        if (made := _slot(opening, zone, place, wall)) is not None and window.start <= made.start < window.end
    }
    return sorted(found.values(), key=lambda slot: (slot.start, slot.end, slot.reference))


def free(slots_: Sequence[Slot], busy: Sequence[tuple[datetime, datetime]]) -> list[Slot]:
    """Leave out what overlaps a busy stretch; ``busy`` is sorted and its stretches are apart."""
    kept, place = [], 0
    for slot in slots_:
        while place < len(busy) and busy[place][1] <= slot.start:
            place += 1
        if place == len(busy) or busy[place][0] >= slot.end:
            kept.append(slot)
    return kept


def _slot(opening: Opening, zone: str, place: ZoneInfo, wall: datetime) -> Slot | None:
    start = wall.replace(tzinfo=place).astimezone(UTC)
    if start.astimezone(place).replace(tzinfo=None) != wall:
        return None  # the clocks leave this hour out
    return Slot(
        start=start,
        end=start + timedelta(minutes=opening.minutes),
        zone=zone,
        reference=_reference(opening, start),
        mode=opening.mode,
        motive=opening.motive,
    )


def _reference(opening: Opening, start: datetime) -> str:
    """Name a slot by what it is: the same slot has the same name after a restart."""
    said = f"{start:%Y%m%dT%H%M%SZ}/{opening.minutes}/{opening.mode}/{opening.motive}"
    return sha256(said.encode()).hexdigest()[:32]
