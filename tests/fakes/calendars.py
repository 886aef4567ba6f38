"""Calendars written line by line, read in both ways: at once, and the long way that decides what is right."""

from datetime import UTC, datetime, timedelta

from msgspec.structs import replace

from bridges.agenda.calendar import zones
from bridges.agenda.calendar.plain import Plain
from bridges.agenda.calendar.reading import Query, Reading, read

HEAD, TAIL = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n", "END:VCALENDAR\r\n"


def event(uid: str, *lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT", ""])


def both(text: str, query: Query) -> tuple[Reading, Reading]:
    """At once, and the long way: nothing is read at once where the entries are wanted."""
    return read(text.encode(), query), read(text.encode(), replace(query, entries=True))


def left(text: str, query: Query) -> str:
    """What is left for the long way."""
    zone = zones.known(query.zone)
    assert zone is not None
    rest, _, _ = Plain(query.start, query.end, zone).take(text.replace("\r\n", "\n"))
    return rest


def window(start: str, days: int = 7, zone: str = "Europe/Paris") -> Query:
    begun = datetime.fromisoformat(start).replace(tzinfo=UTC)
    return Query(start=begun, end=begun + timedelta(days=days), zone=zone)


# --- zones that a file defines itself -------------------------------------------------------------------------------


def part(kind: str, start: str, before: str, after: str, *more: str) -> str:
    lines = (f"DTSTART:{start}", f"TZOFFSETFROM:{before}", f"TZOFFSETTO:{after}", *more)
    return "\r\n".join([f"BEGIN:{kind}", *lines, f"END:{kind}", ""])


def defined(name: str, *parts: str) -> str:
    return f"BEGIN:VTIMEZONE\r\nTZID:{name}\r\n{''.join(parts)}END:VTIMEZONE\r\n"


PARIS = (
    part("DAYLIGHT", "16010101T020000", "+0100", "+0200", "RRULE:FREQ=YEARLY;BYMONTH=3;BYDAY=-1SU"),
    part("STANDARD", "16010101T030000", "+0200", "+0100", "RRULE:FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU"),
)
ODD = (  # two shifts in one day, and one over the line of the date
    part("DAYLIGHT", "20260706T010000", "+0100", "+0500"),
    part("STANDARD", "20260706T070000", "+0500", "-0300", "RDATE:20260709T230000"),
    part("DAYLIGHT", "20260711T120000", "-0300", "+1400"),
)
CABINET, STRANGE = defined("Cabinet", *PARIS), defined("Odd", *ODD)
