"""Events that happen once and say plainly when: read at once, without taking them apart.

Nearly all of a long calendar is of that kind, and most of it past. Whatever is not plain and complete is left in the
text, goes the whole way and has its outcome there. Source: docs/spec/agenda.md 3.1.
"""

import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bridges.agenda.calendar import limits, zones
from bridges.agenda.calendar.reasons import UnreadError
from bridges.agenda.calendar.remembering import remembered
from bridges.agenda.calendar.zones import Zone

_BEGIN: Final = "\nBEGIN:VEVENT\n"
_END: Final = "\nEND:VEVENT\n"
_UID: Final = "\nUID"
# What says when an event is and whether it takes time, and all that makes it more than one plain time.
_TELLING: Final = re.compile(
    r"\n(DTSTART|DTEND|TRANSP|STATUS|DURATION|RRULE|RDATE|EXDATE|RECURRENCE-ID|(?:BEGIN|END)[ \t]*:)([^\n]*)",
    re.IGNORECASE,
)
_PARAMETERS: Final = re.compile(r'(?:;VALUE=(?:DATE-TIME|DATE))?(?:;TZID=(?:"([^":]*)"|([^":;,]*)))?', re.IGNORECASE)
_STAMP: Final = re.compile(r"[0-9]{8}(?:T[0-9]{6}Z?)?", re.ASCII)
_AROUND: Final = timedelta(days=2)  # further than any zone is from UTC, and a whole day
_ALARM: Final = (("BEGIN", "VALARM"), ("END", "VALARM"))
_DAY: Final = timedelta(days=1)

Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Plain:
    """Reads the plain events of a calendar for a window."""

    start: datetime
    end: datetime
    floating: Zone

    def take(self, text: str) -> tuple[str, list[Span], int]:
        """Give what is left of a calendar, the busy stretches of what was taken out, and how many events that were.

        ``text`` is unfolded, its lines end with a line feed. Raises UnreadError (``too_many``) for more components
        than are read, taken out or not.
        """
        if text.count("\nBEGIN:") > limits.COMPONENTS:
            raise UnreadError("too_many")
        head, *pieces = text.split(_BEGIN)
        names = [_uid(piece) for piece in pieces]
        times = Counter(names)
        kept, spans, taken_out = [head], list[Span](), 0
        for piece, name in zip(pieces, names, strict=True):
            body, found, rest = f"{piece}\n".partition(_END)
            # Of several with one UID the newest counts, wherever it lies: they stay together.
            taken = self._read(body) if found and name and times[name] == 1 else None
            if taken is None:
                kept.append(f"{_BEGIN}{piece}")
                continue
            spans += taken
            taken_out += 1
            if rest:
                kept.append("\n" + rest.removesuffix("\n"))
        return "".join(kept), spans, taken_out

    def _read(self, body: str) -> list[Span] | None:
        """Give the one stretch of an event, or none; None for one that is not plain."""
        told = _told(body)
        if told is None:
            return None
        (begun, began), (ended, ended_in), busy = told
        if not (_is_plain(begun) and _is_plain(ended)) or len(begun) != len(ended) or ended < begun:
            return None
        if ended[:8] < f"{self.start - _AROUND:%Y%m%d}" or begun[:8] > f"{self.end + _AROUND:%Y%m%d}":
            return []
        if len(begun) == 8:
            start, end = datetime.fromisoformat(begun), datetime.fromisoformat(ended)
            return self._busy(self.floating.instant(start), self.floating.instant(max(end, start + _DAY)), busy=busy)
        zone = _zone(began) if began else self.floating
        other = _zone(ended_in) if ended_in else zone
        if zone is None or other is None:
            return None
        first, last = _instant(begun, zone), _instant(ended, other)
        return None if last < first else self._busy(first, last, busy=busy)

    @staticmethod
    def _busy(start: datetime, end: datetime, *, busy: bool) -> list[Span]:
        return [(start, end)] if busy else []


_When = tuple[str, str]


def _told(body: str) -> tuple[_When, _When, bool] | None:
    """Give start, end (each its value and its zone) and whether it takes time; None for what says more."""
    lines: dict[str, str] = {}
    inner: list[tuple[str, str]] = []
    for name, value in _TELLING.findall(f"\n{body}"):
        edge = name.rstrip(": \t").upper()
        if edge in {"BEGIN", "END"}:
            inner.append((edge, value.strip().upper()))
        elif len(inner) % 2 and edge == "DURATION":
            continue  # of an alarm
        elif inner or edge in lines:
            return None
        else:
            lines[edge] = value
    if len(inner) % 2 or any(pair not in _ALARM for pair in inner) or inner[::2] != [_ALARM[0]] * (len(inner) // 2):
        return None
    status, free = lines.pop("STATUS", ":"), lines.pop("TRANSP", ":")
    if lines.keys() != {"DTSTART", "DTEND"}:
        return None
    start, end = _when(lines["DTSTART"]), _when(lines["DTEND"])
    if start is None or end is None or status[:1] != ":" or free[:1] != ":":
        return None
    return start, end, status[1:].strip().upper() != "CANCELLED" and free[1:].strip().upper() != "TRANSPARENT"


def _when(line: str) -> _When | None:
    more, _, value = line.rpartition(":")
    zone = _named(more)
    return None if zone is None else (value, zone)


@remembered
def _named(parameters: str) -> str | None:
    """Give the zone that parameters name, empty for none; None for parameters that are not plain."""
    match = _PARAMETERS.fullmatch(parameters)
    return None if match is None else match[1] or match[2] or ""


@remembered
def _zone(name: str) -> Zone | None:
    return zones.known(name)


def _instant(stamp: str, zone: Zone) -> datetime:
    moment = datetime.fromisoformat(stamp)
    return moment.astimezone(UTC) if stamp.endswith("Z") else zone.instant(moment)


def _is_plain(value: str) -> bool:
    """Whether this is a time that exists, of a year that is read."""
    first, last = limits.YEARS
    if not _STAMP.fullmatch(value) or not f"{first}" <= value[:4] < f"{last}":
        return False
    if "01" <= value[4:6] <= "12" and "01" <= value[6:8] <= "28":
        return len(value) == 8 or (value[9:11] < "24" and value[11:13] < "60" and value[13:15] < "60")
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


def _uid(piece: str) -> str:
    place = -1 if piece.startswith(_UID[1:]) else piece.find(_UID)
    if place < 0 and not piece.startswith(_UID[1:]):
        return ""
    return piece[place + 1 : piece.find("\n", place + 1)]
