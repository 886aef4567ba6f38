"""HL7 v2 messages with bars and carets, as much as appointments need. Source: docs/spec/agenda-partners.md 4.

A message is lines; a line is fields; a field repeats, and has components, which have subcomponents. The separators are
named by the message itself. Nothing here knows what a field means.
"""

import re
from dataclasses import dataclass
from typing import Final

from bridges.agenda.push.arrival import MalformedError

MESSAGE: Final = 256 * 1024  # bytes of one message
SEGMENTS: Final = 200  # lines of one message
FIELDS: Final = 200  # of one line
PARTS: Final = 100  # repetitions of a field, components of a repetition
CHARSETS: Final = {
    "": "utf-8",
    "ASCII": "ascii",
    "UNICODE UTF-8": "utf-8",
    "UNICODE": "utf-8",
    "8859/1": "iso-8859-1",
    "8859/15": "iso-8859-15",
}


@dataclass(frozen=True, slots=True)
class Separators:
    """The five signs of MSH-1 and MSH-2."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One line: its name and its raw fields, numbered as in the standard (``field(3)`` is the third)."""

    name: str
    fields: tuple[str, ...]
    signs: Separators

    def field(self, number: int) -> str:
        """Give a field as it stands; empty when it is missing, or says that it is empty (``""``)."""
        found = self.fields[number] if number < len(self.fields) else ""
        return "" if found == '""' else found

    def repetitions(self, number: int) -> list[str]:
        """Give the repetitions of a field, raw."""
        return _split(self.field(number), self.signs.repetition, PARTS)

    def component(self, number: int, component: int = 1, repetition: str | None = None) -> str:
        """Give the text of a component of a field's first repetition, or of one given; its first subcomponent."""
        raw = repetition if repetition is not None else self.repetitions(number)[0]
        parts = _split(raw, self.signs.component, PARTS)
        found = parts[component - 1] if component <= len(parts) else ""
        return _unescape(found.split(self.signs.subcomponent)[0], self.signs)


@dataclass(frozen=True, slots=True)
class Message:
    """All lines of one message; the first is MSH."""

    segments: tuple[Segment, ...]

    @property
    def header(self) -> Segment:
        """The line MSH."""
        return self.segments[0]

    def first(self, name: str) -> Segment | None:
        """Give the first line of a name."""
        return next((each for each in self.segments if each.name == name), None)


def parse(raw: bytes) -> Message:
    """Read one message; raises MalformedError."""
    if len(raw) > MESSAGE:
        raise MalformedError("too_large")
    if not raw.startswith(b"MSH"):
        raise MalformedError("not_hl7", "MSH")
    head, signs = _header(raw)
    text = _decode(raw, head.component(18))
    lines = [line for line in re.split(r"[\r\n]+", text) if line]
    if len(lines) > SEGMENTS:
        raise MalformedError("too_many_segments")
    return Message(tuple(_segment(line, signs) for line in lines))


def _header(raw: bytes) -> tuple[Segment, Separators]:
    """Read the first line as Latin 1, which never fails, to learn the separators and the character set."""
    line = re.split(rb"[\r\n]", raw, maxsplit=1)[0].decode("latin-1")
    given = line[3:8]
    if len(given) < 5 or len(set(given)) < 5 or any(sign.isalnum() or ord(sign) < 32 for sign in given):
        raise MalformedError("separators_broken", "MSH-2")
    signs = Separators(*given)
    return _segment(line, signs), signs


def _segment(line: str, signs: Separators) -> Segment:
    parts = _split(line, signs.field, FIELDS)
    name = parts[0]
    if not re.fullmatch(r"[A-Z][A-Z0-9]{2}", name):
        raise MalformedError("segment_broken")
    if name == "MSH":  # its first field is the separator itself
        parts = ["MSH", signs.field, *parts[1:]]
    return Segment(name, tuple(parts), signs)


def _decode(raw: bytes, charset: str) -> str:
    encoding = CHARSETS.get(charset.strip().upper())
    if encoding is None:
        raise MalformedError("charset_unknown", "MSH-18")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        if charset:
            raise MalformedError("charset_wrong", "MSH-18") from None
        return raw.decode("cp1252", "replace")  # what senders that say nothing mean


def _split(text: str, sign: str, most: int) -> list[str]:
    parts = text.split(sign, most)
    if len(parts) > most:
        raise MalformedError("too_many_parts")
    return parts


def _unescape(text: str, signs: Separators) -> str:
    plain = {"F": signs.field, "S": signs.component, "T": signs.subcomponent, "R": signs.repetition, "E": signs.escape}
    sign = re.escape(signs.escape)
    # What formats text (\H\, \.br\) or gives bytes (\X..\) has no place in an id or a time: it is dropped.
    return re.sub(rf"{sign}([^{sign}]*){sign}", lambda found: plain.get(found[1], ""), text)


def escape(text: str, signs: Separators) -> str:
    """Write text into a component; control characters are dropped."""
    names = {signs.field: "F", signs.component: "S", signs.subcomponent: "T", signs.repetition: "R", signs.escape: "E"}
    marked = (f"{signs.escape}{names[sign]}{signs.escape}" if sign in names else sign for sign in text if sign >= " ")
    return "".join(marked)
