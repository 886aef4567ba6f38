"""What a CalDAV server answers, read without document types, entities or fetches. Source: RFC 4918 13, RFC 6578 3."""

from dataclasses import dataclass, field
from typing import Final
from xml.parsers import expat

from bridges.agenda.provider import UnreachableError

DAV: Final = "DAV: "
CALDAV: Final = "urn:ietf:params:xml:ns:caldav "
_DEPTH: Final = 24
_ELEMENTS: Final = 200_000


@dataclass(slots=True)
class Element:
    """One element; its name is the namespace, a space and the local name."""

    name: str
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text directly inside."""
        return "".join(self.pieces)

    def all(self, *path: str) -> list["Element"]:
        """Give the descendants along a path of names."""
        found = [self]
        for name in path:
            found = [child for each in found for child in each.children if child.name == name]
        return found

    def first(self, *path: str) -> str:
        """Give the text of the first descendant along a path, or an empty text."""
        found = self.all(*path)
        return found[0].text.strip() if found else ""


@dataclass(frozen=True, slots=True)
class Response:
    """What is said about one resource."""

    href: str
    status: int  # of the resource itself; 200 when only its properties have one
    properties: Element  # those that were found

    def text(self, *path: str) -> str:
        """Give the text of a property, or an empty text."""
        return self.properties.first(*path)


@dataclass(frozen=True, slots=True)
class Multistatus:
    """A whole answer."""

    responses: list[Response]
    sync_token: str


def read_multistatus(body: bytes) -> Multistatus:
    """Read an answer; raises UnreachableError for what is none: a server that speaks otherwise is as good as away."""
    root = _parse(body)
    if root.name != f"{DAV}multistatus":
        raise UnreachableError("no multistatus")
    return Multistatus([_response(each) for each in root.all(f"{DAV}response")], root.first(f"{DAV}sync-token"))


def _response(element: Element) -> Response:
    found = Element("prop")
    for propstat in element.all(f"{DAV}propstat"):
        if _code(propstat.first(f"{DAV}status")) == 200:
            found.children += [child for prop in propstat.all(f"{DAV}prop") for child in prop.children]
    return Response(element.first(f"{DAV}href"), _code(element.first(f"{DAV}status")), found)


def _code(status: str) -> int:
    """Read ``HTTP/1.1 404 Not Found``; what is not said is well."""
    words = status.split()
    return int(words[1]) if len(words) > 1 and words[1].isascii() and words[1].isdigit() else 200


def _parse(body: bytes) -> Element:
    builder = _Builder()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.characters
    parser.StartDoctypeDeclHandler = builder.refuse
    parser.EntityDeclHandler = builder.refuse
    try:
        parser.Parse(body, True)  # noqa: FBT003  the parser takes no keyword
    except (expat.ExpatError, ValueError) as error:
        raise UnreachableError("broken XML") from error
    return builder.root


class _Builder:
    def __init__(self) -> None:
        self.root = Element("")
        self._open: list[Element] = []
        self._seen = 0

    def start(self, name: str, _: dict[str, str]) -> None:
        self._seen += 1
        if self._seen > _ELEMENTS or len(self._open) >= _DEPTH:
            raise ValueError("too many elements")
        made = Element(name)
        if self._open:
            self._open[-1].children.append(made)
        else:
            self.root = made
        self._open.append(made)

    def end(self, _: str) -> None:
        self._open.pop()

    def characters(self, text: str) -> None:
        self._open[-1].pieces.append(text)

    def refuse(self, *_: object) -> None:
        raise ValueError("a document type")
