"""A calendar that came by mail: who says what about one appointment. Pure: bytes in, values out.

The times are read as every calendar is (docs/spec/agenda.md 3); the method and the people are read here.
Source: docs/spec/agenda-partners.md 11.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, get_args

import msgspec

from bridges.agenda.calendar.reading import Entry, Query
from bridges.agenda.calendar.reading import read as read_times

RAW: Final = 256 * 1024  # bytes of one calendar in a mail
ADDRESS: Final = 254  # characters
PEOPLE: Final = 100  # of one event

Method = Literal["REQUEST", "REPLY", "CANCEL", "COUNTER", "DECLINECOUNTER"]
METHODS: Final[frozenset[str]] = frozenset(get_args(Method))
_FOLD: Final = re.compile(r"\n[ \t]")
_LINE: Final = re.compile(
    r"^(METHOD|ORGANIZER|ATTENDEE|DTSTAMP)((?:;(?:[^:\"\n]|\"[^\"\n]*\")*)?):([^\n]{0,400})$",
    re.IGNORECASE | re.MULTILINE,
)
_PARTSTAT: Final = re.compile(r";PARTSTAT=\"?([A-Z-]{1,20})", re.IGNORECASE)
_ADDRESS: Final = re.compile(r"[^\s<>@,;:\"\\]{1,64}@[A-Za-z0-9.-]{1,189}")
_STAMP: Final = re.compile(r"\d{8}T\d{6}Z", re.ASCII)


class Told(msgspec.Struct, kw_only=True):
    """What a mail says about one appointment; ``reason`` says why nothing was understood."""

    reason: str = ""
    method: str = ""
    uid: str = ""
    sequence: int = 0
    stamp: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None
    status: str = ""
    organizer: str = ""  # address, in lower case
    attendees: list[tuple[str, str]] = []  # address in lower case, PARTSTAT


def read(raw: bytes, zone: str) -> Told:
    """Read one calendar of a mail; a refusal is a value here."""
    if len(raw) > RAW:
        return Told(reason="too_large")
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    times = read_times(raw, Query(start=moment, end=moment + timedelta(seconds=1), zone=zone, entries=True))
    if times.reason:
        return Told(reason=times.reason)
    if times.skipped or len(times.entries) != 1:
        return Told(reason=times.skipped[0].reason if times.skipped else "not_one_event")
    return _told(times.entries[0], raw)


def _told(entry: Entry, raw: bytes) -> Told:
    told = Told(uid=entry.uid, sequence=entry.sequence, start=entry.start, end=entry.end, status=entry.status)
    for name, parameters, value in _lines(raw):
        _take(told, name.upper(), parameters, value.strip())
    told.reason = _reason(told, entry)
    return told


def _lines(raw: bytes) -> list[tuple[str, str, str]]:
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")
    return _LINE.findall(_FOLD.sub("", text))


def _take(told: Told, name: str, parameters: str, value: str) -> None:
    if name == "METHOD":
        told.method = value.upper() if not told.method else "TWICE"
    elif name == "ORGANIZER":
        address = _address(value)
        told.organizer = address if told.organizer in {"", address} else "twice"
    elif name == "DTSTAMP":
        told.stamp = _stamp(value)
    elif len(told.attendees) < PEOPLE and (address := _address(value)):
        found = _PARTSTAT.search(parameters)
        told.attendees.append((address, found[1].upper() if found else "NEEDS-ACTION"))


def _reason(told: Told, entry: Entry) -> str:
    if told.method not in METHODS:
        return "method"
    if entry.recurs or entry.all_day:
        return "not_one_time"
    if not told.uid or not is_address(told.organizer):
        return "no_organizer"
    if not entry.start < entry.end:
        return "no_length"
    return ""


def is_address(text: str) -> bool:
    """Say whether this is an address of mail in its plain form: no quotes, no sign that means something in a line."""
    return len(text) <= ADDRESS and _ADDRESS.fullmatch(text) is not None


def _address(value: str) -> str:
    scheme, _, address = value.partition(":")
    plain = address.strip() if scheme.strip().lower() == "mailto" else ""
    return plain.lower() if is_address(plain) else ""


def _stamp(value: str) -> datetime | None:
    if not _STAMP.fullmatch(value):
        return None
    try:
        return datetime.fromisoformat(value)  # strptime would open a file, which the child may not
    except ValueError:
        return None
