"""The fields of one part, as they came: cut, unfolded, counted; never written again. Source: docs/spec/mail.md 4."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from bridges.mail import limits
from bridges.mail.charsets import decode
from bridges.mail.reasons import QuarantineError

_NAME: Final = re.compile(rb"[!-9;-~]+")
_FOLD: Final = re.compile(rb"\r?\n(?=[ \t])")
_END: Final = re.compile(rb"\r?\n")
_BLANK: Final = re.compile(rb"(?:\A|\n)\r?\n")
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b-\x1f\x7f]")
_PARAMETER: Final = re.compile(r';[ \t]*([!#-\'*+.0-9A-Z^-~-]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))')
_COMMENT: Final = re.compile(r"\([^()]*\)")
ONCE: Final = ("from", "sender", "subject", "message-id", "date", "content-type", "content-transfer-encoding")


@dataclass(frozen=True, slots=True)
class Value:
    """A structured value: ``text/plain; charset=utf-8``."""

    main: str  # lower case
    parameters: dict[str, str]


@dataclass(frozen=True, slots=True)
class Fields:
    """What stands above the empty line, in its order."""

    pairs: tuple[tuple[str, str], ...]  # name in lower case, unfolded value

    def all(self, name: str) -> list[str]:
        """Give every value of a field."""
        return [value for each, value in self.pairs if each == name]

    def first(self, name: str) -> str:
        """Give the first value of a field, or an empty text."""
        return next((value for each, value in self.pairs if each == name), "")

    def structured(self, name: str) -> Value:
        """Read ``main; name=value``, RFC 2231 included."""
        return read_value(self.first(name))

    def require_once(self) -> None:
        """Refuse fields that readers disagree about when they stand twice; raises QuarantineError."""
        names = [name for name, _ in self.pairs]
        for name in ONCE:
            if name != "from" and names.count(name) > 1:
                raise QuarantineError("header_twice", name)


def split(raw: memoryview) -> tuple[Fields, int]:
    """Cut the fields off a part.

    Returns:
        the fields, and where the body begins.

    Raises:
        QuarantineError: ``header_too_large``, ``header_control``, ``header_broken``.

    """
    head = bytes(raw[: limits.HEADER_BLOCK + 4])
    end = _BLANK.search(head)
    if end is None and len(head) > limits.HEADER_BLOCK:
        raise QuarantineError("header_too_large", f"over {limits.HEADER_BLOCK} B")
    block = head[: end.start() + 1] if end else head
    return _read_block(block), end.end() if end else len(raw)


def _read_block(block: bytes) -> Fields:
    lines = _END.split(_FOLD.sub(b"", block).strip(b"\r\n"))
    if len(lines) > limits.FIELDS:
        raise QuarantineError("header_too_large", f"over {limits.FIELDS} fields")
    pairs = []
    for number, line in enumerate(lines):
        if not line or (number == 0 and line.startswith(b"From ")):  # the separator of an mbox file
            continue
        name, colon, value = line.partition(b":")
        name = name.rstrip(b" \t")
        if not colon or not _NAME.fullmatch(name):
            raise QuarantineError("header_broken", f"line {number + 1}")
        if _CONTROL.search(value):
            raise QuarantineError("header_control", f"line {number + 1}")
        if len(value) > limits.FIELD and name.lower() not in {b"to", b"cc"}:
            value = value[: limits.FIELD]
        pairs.append((name.decode("ascii").lower(), _to_text(value).strip(" \t")))
    return Fields(tuple(pairs))


def _to_text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("cp1252", "replace")


def read_value(text: str) -> Value:
    """Read a structured value leniently; at most ``limits.PARAMETERS`` parameters, the first of a name counts."""
    plain, extended = dict[str, str](), dict[str, list[tuple[int, bool, str]]]()
    for count, found in enumerate(_PARAMETER.finditer(text)):
        if count >= limits.PARAMETERS:
            break
        name = found[1].lower()
        value = re.sub(r"\\(.)", r"\1", found[2]) if found[2] is not None else found[3].strip(" \t")
        if "*" in name:
            _keep_extended(extended, name, value)
        else:
            plain.setdefault(name, value)
    plain.update({name: _join(pieces) for name, pieces in extended.items()})
    return Value(_COMMENT.sub("", text.partition(";")[0]).strip().lower(), plain)


def _keep_extended(extended: dict[str, list[tuple[int, bool, str]]], name: str, value: str) -> None:
    base, _, rest = name.partition("*")
    number = rest.rstrip("*") or "0"
    if number.isascii() and number.isdigit() and len(number) <= 3:
        extended.setdefault(base, []).append((int(number), name.endswith("*"), value))


def _join(pieces: list[tuple[int, bool, str]]) -> str:
    """Put RFC 2231 pieces together before decoding them: a sign may begin in one and end in the next."""
    charset, octets = "utf-8", b""
    for number, (_, encoded, value) in enumerate(sorted(pieces)):
        rest = value
        if encoded and number == 0:
            charset, _, rest = value.partition("'")
            rest = rest.partition("'")[2]
        octets += unquote_to_bytes(rest) if encoded else rest.encode()
    return decode(octets, charset or "utf-8")
