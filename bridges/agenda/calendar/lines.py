"""Content lines and components: the little of iCalendar that says when somebody is busy. Source: RFC 5545 3.1."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reasons import UnreadError
from bridges.agenda.calendar.remembering import remembered

# Other lines are passed over at the speed of the expression. A name of a date may be followed by an unquoted zone with
# a colon in it, as some programs write, so the value of a date is what follows the last colon. Without a parameter it
# is all that follows: a time that is written in another way is a broken one, not a line that is missing.
_LINE: Final = re.compile(
    r"^(?:(BEGIN|END)[ \t]*+:[ \t]*+([\w-]{1,40})[ \t]*+"
    r"|(DTSTART|DTEND|RDATE|EXDATE|RECURRENCE-ID|FREEBUSY)((?:;[^\n]*)?):([^:\n]*+$|[^;\n]*+)"
    r"|(UID|DURATION|RRULE|TRANSP|STATUS|SEQUENCE|TZID|TZOFFSETFROM|TZOFFSETTO)((?:;[^:\n]*)?):([^\n]*+))$",
    re.IGNORECASE | re.MULTILINE,
)
_PARAMETER: Final = re.compile(r';(TZID|VALUE|RANGE|FBTYPE)=(?:"([^"]*)"|([^;]*))', re.IGNORECASE)
_GROUPS: Final = re.Match[str].groups
_NO_PARAMETERS: Final[Mapping[str, str]] = {}
_KEPT: Final = frozenset(["VCALENDAR", "VEVENT", "VFREEBUSY", "VTIMEZONE", "STANDARD", "DAYLIGHT"])


@dataclass(slots=True)
class Line:
    """One property: its value and those parameters that matter."""

    value: str
    parameters: Mapping[str, str]


@dataclass(slots=True)
class Component:
    """What stands between BEGIN and END."""

    name: str
    lines: dict[str, list[Line]] = field(default_factory=dict)
    children: list["Component"] = field(default_factory=list)
    is_cut: bool = False  # its END never came
    kept: bool = False  # its properties are read

    def first(self, name: str) -> Line | None:
        """Give the first property of a name."""
        found = self.lines.get(name)
        return found[0] if found else None

    def text(self, name: str) -> str:
        """Give the value of the first property of a name, or an empty text."""
        found = self.lines.get(name)
        return found[0].value.strip() if found else ""

    def all(self, name: str) -> list["Component"]:
        """Give the children of a name."""
        return [child for child in self.children if child.name == name]


def read_components(text: str) -> Component:
    """Read a file into a nameless component that holds its calendars and its loose events.

    ``text`` is unfolded. Raises UnreadError (``too_deep``, ``too_many``).
    """
    root = Component("")
    open_ones = [root]
    seen = 0
    # Half a million lines pass here: groups are read once, and no function is called for a property.
    for edge, name, dated, dated_more, date, plain, plain_more, value in map(_GROUPS, _LINE.finditer(text)):
        if edge is None:
            component = open_ones[-1]
            if component.kept:
                more = dated_more or plain_more
                line = Line(date if dated else value, _parameters(more) if more else _NO_PARAMETERS)
                component.lines.setdefault((dated or plain).upper(), []).append(line)
        elif edge.upper() == "BEGIN":
            seen += 1
            _open(open_ones, name.upper(), seen)
        else:
            _close(open_ones, name.upper())
    for each in open_ones[1:]:
        each.is_cut = True
    return root


def unfolded(raw: bytes) -> str:
    """Give the lines of a file, unfolded, each ended by a line feed."""
    text = raw.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\n ", "").replace("\n\t", "")


@remembered
def _parameters(text: str) -> Mapping[str, str]:
    return {kind.upper(): quoted or plain for kind, quoted, plain in _PARAMETER.findall(text)}


def _open(open_ones: list[Component], name: str, seen: int) -> None:
    if seen > limits.COMPONENTS:
        raise UnreadError("too_many")
    if len(open_ones) > limits.DEPTH:
        raise UnreadError("too_deep")
    made = Component(name, kept=name in _KEPT)
    if made.kept:
        open_ones[-1].children.append(made)
    open_ones.append(made)


def _close(open_ones: list[Component], name: str) -> None:
    """An END that closes nothing is passed over; one that closes an outer component cuts the inner ones."""
    if name not in {each.name for each in open_ones[1:]}:
        return
    while (last := open_ones.pop()).name != name:
        last.is_cut = True


def calendars(root: Component) -> Iterator[Component]:
    """Give each calendar, and the root itself when events lie loose in it."""
    for child in root.children:
        if child.name == "VCALENDAR":
            yield child
            yield from calendars(child)
    if root.name == "" and any(child.name != "VCALENDAR" for child in root.children):
        yield root
