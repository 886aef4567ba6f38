"""Events that we write, and the one edit that we make to events of others: their time.

Times are written in UTC, so no program has to understand a zone of ours. Source: docs/spec/agenda.md 4.2.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

PRODUCT: Final = "-//Pli//agenda bridge//FR"
NEUTRAL: Final = "RDV"
LINE: Final = 75  # octets of one line, RFC 5545 3.1
_FOLD: Final = re.compile(r"\r?\n[ \t]")
_TIMED: Final = frozenset(["DTSTART", "DTEND", "DURATION", "DTSTAMP", "LAST-MODIFIED", "SEQUENCE"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an event of ours says."""

    uid: str
    start: datetime  # UTC
    end: datetime  # UTC
    stamp: datetime  # UTC, when this was said
    title: str = NEUTRAL
    description: str = ""
    url: str = ""
    status: str = "CONFIRMED"
    sequence: int = 0


def write(entries: Iterable[Entry], *, name: str = "") -> bytes:
    """Write a calendar: the same entries give the same bytes."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}"]
    if name:
        lines += ["METHOD:PUBLISH", f"X-WR-CALNAME:{_text(name)}"]
    for entry in entries:
        lines += _event(entry)
    return _joined([*lines, "END:VCALENDAR"])


def moved(raw: bytes, *, start: datetime, end: datetime, stamp: datetime) -> bytes:
    """Give an event another time and leave everything else of it as the practice wrote it.

    Raises ValueError for what is not exactly one event that happens once.
    """
    lines = _FOLD.sub("", raw.decode("utf-8").replace("\r\n", "\n")).split("\n")
    names = [re.split("[;:]", line, maxsplit=1)[0].upper().strip() for line in lines]
    upper = [line.upper().strip() for line in lines]
    if upper.count("BEGIN:VEVENT") != 1 or {"RRULE", "RDATE", "RECURRENCE-ID"} & set(names):
        raise ValueError("not one event that happens once")
    first, last = upper.index("BEGIN:VEVENT"), upper.index("END:VEVENT")
    sequence = next((_number(line) for name, line in zip(names, lines, strict=True) if name == "SEQUENCE"), 0)
    depth, kept = 0, []
    for name, line, said in zip(names[first + 1 : last], lines[first + 1 : last], upper[first + 1 : last], strict=True):
        depth += said.startswith("BEGIN:")
        if depth or name not in _TIMED:  # an alarm inside has times of its own
            kept.append(line)
        depth -= said.startswith("END:")
    times = [
        *_times(start, end),
        f"DTSTAMP:{_stamp(stamp)}",
        f"LAST-MODIFIED:{_stamp(stamp)}",
        f"SEQUENCE:{sequence + 1}",
    ]
    return _joined([line for line in [*lines[: first + 1], *times, *kept, *lines[last:]] if line.strip()])


def _event(entry: Entry) -> list[str]:
    lines = [
        "BEGIN:VEVENT",
        f"UID:{_text(entry.uid)}",
        f"DTSTAMP:{_stamp(entry.stamp)}",
        f"LAST-MODIFIED:{_stamp(entry.stamp)}",
        *_times(entry.start, entry.end),
        f"SUMMARY:{_text(entry.title)}",
        "CLASS:CONFIDENTIAL",
        f"STATUS:{entry.status}",
        "TRANSP:OPAQUE",
        f"SEQUENCE:{entry.sequence}",
    ]
    if entry.description:
        lines.append(f"DESCRIPTION:{_text(entry.description)}")
    if entry.url:
        lines.append(f"URL:{_one_line(entry.url)}")
    return [*lines, "END:VEVENT"]


def _times(start: datetime, end: datetime) -> list[str]:
    return [f"DTSTART:{_stamp(start)}", f"DTEND:{_stamp(end)}"]


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


def _number(line: str) -> int:
    digits = line.rpartition(":")[2].strip()
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 10 else 0


def _one_line(text: str) -> str:
    return "".join(sign for sign in text if sign.isprintable())


def _text(text: str) -> str:
    """Escape a text (RFC 5545 3.3.11); control characters other than line breaks are left out."""
    lines = [_one_line(line) for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    escaped = (line.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,") for line in lines)
    return "\\n".join(escaped)


def _joined(lines: Iterable[str]) -> bytes:
    return b"".join(_folded(line) for line in lines)


def _folded(line: str) -> bytes:
    """Fold at 75 octets, never inside of a character."""
    pieces, piece, most = [], b"", LINE
    for sign in line:
        octets = sign.encode("utf-8", "replace")
        if len(piece) + len(octets) > most:
            pieces.append(piece)
            piece, most = b"", LINE - 1  # the space in front counts
        piece += octets
    return b"\r\n ".join([*pieces, piece]) + b"\r\n"
