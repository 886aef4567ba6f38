"""The only grammar of addresses: what does not fit is refused, never repaired. Source: docs/spec/mail.md 4.

A small part of RFC 5322 3.4 on purpose. Libraries repair: ``<a@good.fr>evil@bad.fr`` becomes the good address.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from typing_extensions import override

from bridges.mail import limits
from bridges.mail.reasons import QuarantineError

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})+)", re.ASCII)
_ANGLE: Final = re.compile(r"(?P<name>[^<>\"]*)<(?P<address>[^<>]*)>")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"')
# Between the quotes all is a name, brackets included; behind them only one address may stand.
_ANGLE_AFTER_QUOTES: Final = re.compile(r'(?P<name>"(?:[^"\\]|\\.)*") *<(?P<address>[^<>"]*)>')
_COMMENT: Final = re.compile(r"\([^()\\]*\)\Z")
_SPECIAL: Final = re.compile(r'[()<>\[\]:;@\\,"]')
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


class AddressError(ValueError):
    """Not an address of our grammar."""


class Address(msgspec.Struct, frozen=True):
    """``local@domain``; two are the same mailbox when ``identity`` is equal."""

    local: str  # 1 to 64 characters
    domain: str  # lower case, at least two labels, no dot at the end

    @override
    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"

    @property
    def identity(self) -> str:
        """In lower case: MSSanté boxes do not differ by case."""
        return str(self).lower()


class Mailbox(msgspec.Struct, frozen=True):
    """An address with the name its sender shows, still encoded."""

    name: str
    address: Address


def read_address(text: str) -> Address:
    """Read ``local@domain`` and nothing around it; raises AddressError."""
    found = _ADDRESS.fullmatch(text)
    if not found or len(text) > 254 or len(found[1]) > 64:
        raise AddressError("not an address")
    return Address(found[1], found[2].lower())


def read_mailbox(text: str) -> Mailbox:
    """Read ``Name <address>``, ``address`` or ``address (comment)``; raises AddressError."""
    if _CONTROL.search(text) or len(text) > limits.FIELD:
        raise AddressError("control character or too long")
    text = text.strip(" ")
    angled = (_ANGLE_AFTER_QUOTES if text.startswith('"') else _ANGLE).fullmatch(text)
    if angled:
        name, address = angled["name"], angled["address"]
        return Mailbox(_read_name(name.strip(" ")), read_address(address))
    return Mailbox("", read_address(_COMMENT.sub("", text).rstrip(" ")))


def _read_name(name: str) -> str:
    quoted = _QUOTED.fullmatch(name)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if _SPECIAL.search(name):
        raise AddressError("name needs quotes")
    return name


def read_sender(fields: Sequence[str]) -> Mailbox:
    """Read the single mailbox of the single From; raises QuarantineError (``sender_…``)."""
    if not fields:
        raise QuarantineError("sender_missing")
    if len(fields) > 1:
        raise QuarantineError("sender_several", "two From fields")
    try:
        return read_mailbox(fields[0])
    except AddressError as error:
        several = "@" in fields[0] and sum(1 for _ in _split(fields[0])) > 1
        raise QuarantineError("sender_several" if several else "sender_broken", str(error)) from None


def read_list(text: str) -> tuple[list[Mailbox], int]:
    """Read the addresses of a To or Cc field: those of our grammar, and how many others there are.

    Raises:
        QuarantineError: ``too_many_recipients``.

    """
    good, bad = list[Mailbox](), 0
    for count, each in enumerate(_split(text)):
        if count >= limits.RECIPIENTS:
            raise QuarantineError("too_many_recipients")
        try:
            good.append(read_mailbox(each))
        except AddressError:
            bad += 1
    return good, bad


def _split(text: str) -> Iterator[str]:
    """Cut at the commas outside of quotes; linear in the length of the text."""
    start, quoted, escaped = 0, False, False
    for at, sign in enumerate(text):
        if escaped:
            escaped = False
        elif quoted and sign == "\\":
            escaped = True
        elif sign == '"':
            quoted = not quoted
        elif sign == "," and not quoted:
            yield text[start:at]
            start = at + 1
    if text[start:].strip():
        yield text[start:]
