"""When somebody is busy: events repeated inside a window, exceptions applied, overlaps merged. Pure."""

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from bridges.agenda.calendar.events import Event
from bridges.agenda.calendar.rules import Rule, Work, repeat, until_wall
from bridges.agenda.calendar.times import Length

Span = tuple[datetime, datetime]
_DAY: Final = timedelta(days=1)  # a wall is never further than this from UTC


class Series:
    """The events of one UID: one that repeats, and those that stand for single repetitions of it."""

    def __init__(self, events: Iterable[Event]) -> None:
        newest: dict[datetime | None, list[Event]] = {}  # by the instant that is replaced
        for event in events:
            at = event.replaces.utc if event.replaces is not None else None
            same = newest.setdefault(at, [])
            if same and event.sequence > same[0].sequence:
                same.clear()
            if not same or event.sequence == same[0].sequence:
                same.append(event)
        self.masters = newest.pop(None, [])
        self.replacements = [each[-1] for each in newest.values()]

    def spans(self, start: datetime, end: datetime, work: Work) -> Iterator[Span]:
        """Give the busy stretches that touch a window; raises SkipError (``too_many``)."""
        for master in self.masters:
            yield from self._repeated(master, start, end, work)
        for event in self.replacements:
            if event.busy:
                yield event.start.utc, event.end_of(event.start.wall, event.length)

    def _repeated(self, master: Event, start: datetime, end: datetime, work: Work) -> Iterator[Span]:
        replaced = {_on_wall_of(master, each): each for each in self.replacements}
        shifts = sorted(((at, each) for at, each in replaced.items() if each.and_future), key=lambda pair: pair[0])
        if not (master.busy or any(each.busy for _, each in shifts)):
            return
        lengths = [master.length, *(length for _, length in master.extra), *(each.length for _, each in shifts)]
        moved = max((abs(each.start.wall - at) for at, each in shifts), default=timedelta())
        longest = max(timedelta(days=length.days) + length.exact for length in lengths)
        after = (start - longest - moved - _DAY).replace(tzinfo=None)
        before = (end + moved + _DAY).replace(tzinfo=None)
        for wall, length in _walls(master, after, before, work):
            if wall in master.excluded or wall in replaced:
                continue
            shift = next((each for each in reversed(shifts) if each[0] <= wall), None)
            if shift is None:
                if master.busy:
                    yield master.start.zone.instant(wall), master.end_of(wall, length)
            elif shift[1].busy:
                later = wall + (shift[1].start.wall - shift[0])
                # One that is listed with a length of its own keeps it.
                kept = shift[1].length if length is master.length else length
                yield shift[1].start.zone.instant(later), shift[1].end_of(later, kept)


def _on_wall_of(master: Event, replacement: Event) -> datetime:
    """Which repetition a replacement stands for, on the wall of the series."""
    assert replacement.replaces is not None
    return replacement.replaces.on_wall_of(master.start.zone)


def _walls(event: Event, after: datetime, before: datetime, work: Work) -> Iterator[tuple[datetime, Length]]:
    """Every repetition once: the start itself, what the rules hit, and what is listed."""
    listed = {wall: length for wall, length in event.extra if after <= wall < before}
    found = [
        filter(
            event.happens,
            repeat(rule, event.start.wall, until=_until(rule, event), after=after, before=before, work=work),
        )
        for rule in event.rules
    ]
    last = None
    for wall in heapq.merge([event.start.wall], sorted(listed), *found):
        if wall != last:
            yield wall, listed.get(wall, event.length)
        last = wall


def _until(rule: Rule, event: Event) -> datetime | None:
    return None if rule.until is None else until_wall(rule.until, event.start.zone, all_day=event.all_day)


def merge(spans: Iterable[Span], start: datetime, end: datetime) -> list[Span]:
    """Cut to a window, sort, and make one of those that touch or overlap."""
    merged: list[Span] = []
    for begun, ended in sorted((max(begun, start), min(ended, end)) for begun, ended in spans):
        if begun >= ended:
            continue
        if merged and begun <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(ended, merged[-1][1]))
        else:
            merged.append((begun, ended))
    assert all(one[1] < other[0] for one, other in pairwise(merged))
    return merged
