"""A mail cut into its parts, as it came and within limits. Source: RFC 2045, RFC 2046, docs/spec/mail.md 5."""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bridges.mail import files, limits
from bridges.mail.charsets import declared_in_html, decode
from bridges.mail.flowed import unfold
from bridges.mail.headers import Fields, Value, split
from bridges.mail.html import to_text
from bridges.mail.reasons import QuarantineError
from bridges.mail.words import paragraph

_NOT_BASE64: Final = bytes(set(range(256)) - set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"))
_TYPE: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,60}/[a-z0-9!#$&^_.+-]{1,100}")
_LINE_END: Final = (b"\r\n", b"\n")


@dataclass(slots=True)
class Node:
    """One part with its place in the raw bytes; nothing is decoded before it is asked for."""

    path: str  # "1.2": as IMAP numbers them
    fields: Fields
    content: Value
    raw: bytes = field(repr=False)
    start: int = 0
    end: int = 0
    children: list["Node"] = field(default_factory=list)

    @property
    def media_type(self) -> str:
        return self.content.main

    @property
    def name(self) -> str:
        """The cleaned file name, or an empty text."""
        disposition = self.fields.structured("content-disposition").parameters
        return files.clean_name(disposition.get("filename") or self.content.parameters.get("name", ""))

    @property
    def disposition(self) -> str:
        """``inline`` or ``attachment``: what has a name or is no text is attached."""
        said = self.fields.structured("content-disposition").main
        text = self.media_type in {"text/plain", "text/html"}
        return "inline" if text and not self.name and said != "attachment" else "attachment"

    def body(self) -> bytes:
        """Decode the content; what is broken in it is left out."""
        octets = self.raw[self.start : self.end]
        encoding = self.fields.structured("content-transfer-encoding").main.strip('"')
        if encoding == "base64":
            return _from_base64(octets)
        return binascii.a2b_qp(octets) if encoding == "quoted-printable" else octets

    def walk(self) -> Iterator["Node"]:
        """Give the parts that hold something, in their order."""
        if not self.children:
            yield self
        for child in self.children:
            yield from child.walk()


def _from_base64(octets: bytes) -> bytes:
    signs = octets.translate(None, _NOT_BASE64)
    whole = len(signs) // 4 * 4
    rest = signs[whole:] if len(signs) % 4 > 1 else b""
    return base64.b64decode(signs[:whole]) + (base64.b64decode(rest + b"=" * (4 - len(rest))) if rest else b"")


class Cutter:
    """Cuts one mail; raises QuarantineError ``too_deep``, ``too_many_parts``, ``boundary_broken``."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._count = 0

    def cut(self) -> Node:
        """Give the tree of the parts."""
        fields, body = split(memoryview(self._raw))
        return self._node("1", fields, body, len(self._raw), depth=1)

    def _node(self, path: str, fields: Fields, start: int, end: int, *, depth: int) -> Node:
        self._count += 1
        if self._count > limits.PARTS:
            raise QuarantineError("too_many_parts", f"over {limits.PARTS}")
        if depth > limits.DEPTH:
            raise QuarantineError("too_deep", f"over {limits.DEPTH}")
        content = fields.structured("content-type")
        if not _TYPE.fullmatch(content.main):  # "text" alone is what old programs write (RFC 2045 5.2)
            text = content.main in {"", "text"}
            content = Value("text/plain" if text else "application/octet-stream", content.parameters)
        node = Node(path, fields, content, self._raw, start, end)
        if content.main.startswith("multipart/"):
            self._children(node, depth)
        return node

    def _children(self, node: Node, depth: int) -> None:
        prefix = "" if depth == 1 else node.path + "."
        for number, (start, end) in enumerate(self._sections(node), 1):
            fields, body = _lenient_split(memoryview(self._raw)[start:end])
            child = self._node(f"{prefix}{number}", fields, start + body, end, depth=depth + 1)
            node.children.append(child)
        if not node.children:
            raise QuarantineError("boundary_broken", "no part found")

    def _sections(self, node: Node) -> Iterator[tuple[int, int]]:
        boundary = node.content.parameters.get("boundary", "").rstrip(" ")
        if not 1 <= len(boundary) <= 200:
            raise QuarantineError("boundary_broken", "no boundary")
        opened: int | None = None
        for at, after, last in self._delimiters(b"--" + boundary.encode("utf-8", "replace"), node.start, node.end):
            if opened is not None:
                yield opened, max(at, opened)
            opened = None if last else after
            if last:
                return
        if opened is not None:  # cut off, or without its last line: what is there counts
            yield opened, node.end

    def _delimiters(self, mark: bytes, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
        """Give for each delimiter line: end of what is before, start of what follows, whether it is the last one."""
        at = start if self._raw.startswith(mark, start, end) else self._raw.find(b"\n" + mark, start, end)
        while at != -1:
            sign = at if at == start and self._raw.startswith(mark, at, end) else at + 1
            line_end = self._raw.find(b"\n", sign, end)
            line_end = end if line_end == -1 else line_end
            rest = self._raw[sign + len(mark) : min(line_end, sign + len(mark) + 80)].rstrip(b" \t\r")
            if rest in {b"", b"--"}:
                before = at - 1 if at > start and self._raw[at - 1 : at] == b"\r" else at
                yield before, min(line_end + 1, end), rest == b"--"
            at = self._raw.find(b"\n" + mark, max(line_end, sign), end)


def _lenient_split(section: memoryview) -> tuple[Fields, int]:
    """Cut the fields off an inner part; one that has none is all body (RFC 2046 5.1)."""
    if bytes(section[:2]).startswith(_LINE_END):
        return Fields(()), 2 if section[0] == ord("\r") else 1
    try:
        return split(section)
    except QuarantineError as error:
        if error.reason == "header_too_large":
            raise
        return Fields((("content-type", "application/octet-stream"),)), 0


def text_of(node: Node) -> str:
    """Give the words of a mail: plain text where there is some, else HTML made plain."""
    if node.children:
        shown = [text_of(child) for child in node.children]
        if node.media_type == "multipart/alternative":
            plain = (text for child, text in zip(node.children, shown, strict=True) if child.media_type != "text/html")
            return next(filter(str.strip, plain), next(filter(str.strip, shown), ""))
        return paragraph("\n\n".join(filter(None, shown)))
    if node.disposition == "attachment":
        return ""
    octets, said = node.body(), node.content.parameters
    if node.media_type == "text/html":
        return to_text(decode(octets, said.get("charset") or declared_in_html(octets), 4 * limits.HTML))
    text = paragraph(decode(octets, said.get("charset", ""), 4 * limits.TEXT))
    flowed = said.get("format", "").lower() == "flowed"
    return unfold(text, joined=said.get("delsp", "").lower() == "yes") if flowed else text


def read_block(octets: bytes) -> dict[str, str]:
    """Read the fields of a report part; the first of a name counts, what is broken is left out."""
    found = dict[str, str]()
    for line in re.sub(rb"\r?\n[ \t]+", b" ", octets[: limits.FIELD]).splitlines()[: limits.FIELDS]:
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.strip().decode("ascii", "replace").lower(), decode(value.strip(), "utf-8"))
    return found
