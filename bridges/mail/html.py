"""HTML of a mail into plain text: nothing of it is ever drawn, fetched or run. Source: docs/spec/mail.md 5."""

import re
from html.parser import HTMLParser
from typing import Final

from typing_extensions import override

from bridges.mail import limits
from bridges.mail.words import paragraph

_SILENT: Final = {"script", "style", "head", "title", "template", "svg", "math", "object", "iframe", "noscript"}
# Every element that stands on lines of its own (HTML 15.3): "Fer" in a heading and "9" below are not "Fer9".
_BREAKS: Final = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "footer",
        "form",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "legend",
        "li",
        "main",
        "menu",
        "nav",
        "ol",
        "option",
        "p",
        "pre",
        "search",
        "section",
        "summary",
        "table",
        "tbody",
        "tfoot",
        "thead",
        "tr",
        "ul",
    ]
)
_CELLS: Final = {"td", "th"}  # what stands in two cells is two words; the end of a cell may be left out
_SPACES: Final = re.compile(r"\s+")
_SAFE_LINK: Final = re.compile(r"(?:https?://|mailto:)[!-~]{1,500}", re.IGNORECASE)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._silent: list[str] = []
        self._link = ""
        self._as_written = 0  # how many ``pre`` are open

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "body":  # many pages leave out the end of their head
            self._silent.clear()
        elif tag in _SILENT:
            self._silent.append(tag)
        elif tag in _BREAKS:
            self.pieces.append("\n- " if tag == "li" else "\n")
            self._as_written += tag == "pre"
        elif tag in _CELLS:
            self._say_space()
        elif tag == "a":
            self._link = next((value or "" for name, value in attrs if name == "href"), "")

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKS:
            self.pieces.append("\n")

    @override
    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag in _BREAKS and tag != "br":
            self.pieces.append("\n")
            self._as_written = max(0, self._as_written - (tag == "pre"))
        elif tag in _CELLS:
            self._say_space()
        elif tag == "a" and self._link:
            self._say_where_the_link_goes()

    @override
    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(data if self._as_written else _SPACES.sub(" ", data))

    def _say_space(self) -> None:
        if self.pieces and not self.pieces[-1].endswith((" ", "\n")):
            self.pieces.append(" ")

    def _say_where_the_link_goes(self) -> None:
        """A link that shows one address and leads to another is told, not hidden."""
        target, self._link = self._link, ""
        if _SAFE_LINK.fullmatch(target) and (not self.pieces or target not in self.pieces[-1]):
            self.pieces.append(f" <{target}>")


def to_text(html: str) -> str:
    """Give the words of an HTML page with its paragraphs, list items and the targets of its links."""
    reader = _Reader()
    try:
        reader.feed(html[: limits.HTML])
        reader.close()
    except (AssertionError, ValueError):  # html.parser gives up on some marked sections; what it read stays
        pass
    text = re.sub(r" *\n *", "\n", "".join(reader.pieces))
    return paragraph(re.sub(r"\n{3,}", "\n\n", text)).strip()
