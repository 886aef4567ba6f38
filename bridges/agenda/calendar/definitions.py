"""VTIMEZONE: a zone that a file defines, for names that the world does not know. Source: RFC 5545 3.6.5."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from bridges.agenda.calendar import limits, zones
from bridges.agenda.calendar.lines import Component
from bridges.agenda.calendar.reasons import SkipError
from bridges.agenda.calendar.rules import Work, read_rule, repeat
from bridges.agenda.calendar.times import read_offset, read_stamp
from bridges.agenda.calendar.zones import Defined, Shift, Zone

_AROUND: Final = timedelta(days=800)  # shifts outside of the window that still matter


class Zones:
    """The zones that one calendar may name."""

    def __init__(self, calendar: Component, after: datetime, before: datetime, work: Work) -> None:
        definitions = calendar.all("VTIMEZONE")[: limits.ZONES]
        self._definitions = {each.text("TZID"): each for each in definitions if not each.is_cut}
        self._after, self._before, self._work = after - _AROUND, before + _AROUND, work
        self._made: dict[str, Zone] = {}

    def named(self, name: str) -> Zone:
        """Find a zone; raises SkipError (``unknown_zone``)."""
        name = name.strip()
        if name not in self._made:
            self._made[name] = zones.known(name) or self._define(name)
        return self._made[name]

    def _define(self, name: str) -> Zone:
        definition = self._definitions.get(name)
        if definition is None:
            raise SkipError("unknown_zone")
        try:
            shifts = [shift for each in definition.children for shift in self._shifts(each)]
        except SkipError:
            del self._definitions[name]  # said once is enough: the next event that names it does not pay again
            raise SkipError("unknown_zone") from None
        return Defined(shifts)

    def _shifts(self, part: Component) -> Iterator[Shift]:
        before, after = read_offset(part.text("TZOFFSETFROM")), read_offset(part.text("TZOFFSETTO"))
        start = read_stamp(part.text("DTSTART")).at
        yield Shift(start, before, after)
        for line in part.lines.get("RDATE", []):
            dates = line.value.split(",")
            self._work.spend(len(dates))
            yield from (Shift(read_stamp(each).at, before, after) for each in dates)
        for line in part.lines.get("RRULE", []):
            rule = read_rule(line.value)
            # The end is given in UTC, the rule runs on the clock before the shift.
            until = None
            if rule.until is not None:
                until = rule.until.at + (before if rule.until.form == "utc" else timedelta())
            found = repeat(rule, start, until=until, after=self._after, before=self._before, work=self._work)
            yield from (Shift(at, before, after) for at in found)
