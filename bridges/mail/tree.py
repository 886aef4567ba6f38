"""XML of a stranger into a small tree: no document type, no entity, no fetch. Source: docs/spec/mail.md 9.

Names are read without their prefix: documents in the wild use prefixes that they never declare.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NoReturn
from xml.parsers import expat

from bridges.mail import limits
from bridges.mail.reasons import QuarantineError
from bridges.mail.words import one_line

_WORDS_LIMIT: Final = re.compile("limit on input amplification|out of memory")


@dataclass(slots=True)
class Element:
    """One element: its name without prefix, its attributes without prefix, its own text."""

    name: str
    attributes: dict[str, str]
    children: list["Element"] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """The text directly inside, as one line."""
        return one_line("".join(self.pieces), most=2000)

    def get(self, name: str) -> str:
        """Give an attribute as one line, or an empty text."""
        return one_line(self.attributes.get(name, ""), most=1000)

    def all(self, path: str) -> Iterator["Element"]:
        """Give the descendants along a path of names: ``author/assignedAuthor/id``."""
        name, _, rest = path.partition("/")
        for child in self.children:
            if child.name == name:
                if rest:
                    yield from child.all(rest)
                else:
                    yield child

    def first(self, path: str) -> "Element":
        """Give the first descendant along a path, or an empty element."""
        return next(self.all(path), Element("", {}))

    def anywhere(self, name: str) -> Iterator["Element"]:
        """Give every descendant of a name, in the order of the document."""
        for child in self.children:
            if child.name == name:
                yield child
            yield from child.anywhere(name)


class _Builder:
    def __init__(self) -> None:
        self.root: Element | None = None
        self._open: list[Element] = []
        self._count = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > limits.XML_ELEMENTS:
            raise QuarantineError("xml_too_large", "elements")
        if len(self._open) >= limits.XML_DEPTH:
            raise QuarantineError("xml_too_large", "depth")
        if len(attributes) > limits.XML_ATTRIBUTES:
            raise QuarantineError("xml_too_large", "attributes")
        plain = {key.rpartition(":")[2]: value for key, value in attributes.items() if not key.startswith("xmlns")}
        made = Element(name.rpartition(":")[2], plain)
        if self._open:
            self._open[-1].children.append(made)
        else:
            self.root = made
        self._open.append(made)

    def end(self, _name: str) -> None:
        self._open.pop()

    def text(self, text: str) -> None:
        self._open[-1].pieces.append(text)


def refuse_doctype(*_: object) -> NoReturn:
    """Stand where the parser meets a document type or an entity."""
    raise QuarantineError("xml_doctype")


def parse(octets: bytes) -> Element:
    """Read a document.

    Raises:
        QuarantineError: ``xml_doctype``, ``xml_too_large``, ``xml_broken``.

    """
    if len(octets) > limits.XML:
        raise QuarantineError("xml_too_large", "bytes")
    builder = _Builder()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.buffer_size = 65536
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse_doctype
    parser.ExternalEntityRefHandler = refuse_doctype
    try:
        parser.Parse(octets, True)  # noqa: FBT003  the parser takes no keyword
    except expat.ExpatError as error:
        large = _WORDS_LIMIT.search(str(error))
        raise QuarantineError("xml_too_large" if large else "xml_broken", f"line {error.lineno}") from None
    except (LookupError, ValueError) as error:  # a character set that Python does not have
        raise QuarantineError("xml_broken", type(error).__name__) from None
    if builder.root is None:
        raise QuarantineError("xml_broken", "empty")
    return builder.root
