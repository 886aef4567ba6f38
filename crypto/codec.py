"""How values become bytes: strict base64url, canonical JSON, the signed wire form, PADME.

Source: docs/spec/protocol.md 1.1, 1.3, 1.4, 7.2.
"""

import base64
import binascii
import json
import re
import struct
import unicodedata
from dataclasses import dataclass
from typing import Any, Final, Never

from crypto.errors import ProtocolError, require
from crypto.suite import SIGNATURE

MAX_BODY: Final = 262_144  # bytes of a signed body
MAX_INTEGER: Final = 2**53 - 1
MAX_DEPTH: Final = 16  # the outer object is depth 1
_KEY: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DASHES: Final = re.compile(r"[\s\u002d\u2010-\u2015\u2212]+")


def b64(data: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str, size: int | None = None) -> bytes:
    """Decode what ``b64`` wrote, and nothing else.

    Raises:
        ProtocolError: ``bad_format``: padding, another alphabet, white space, non-zero trailing bits, another ``size``.

    """
    try:
        raw = text.encode("ascii")
        data = base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        raise ProtocolError("bad_format", "not base64url") from None
    require(b64(data) == text, "bad_format", "not the one spelling of these bytes")
    require(size is None or len(data) == size, "bad_format", "wrong number of bytes")
    return data


def encode(value: dict[str, Any]) -> bytes:
    """Write canonical JSON.

    Raises:
        ProtocolError: ``bad_format``: a key, type, number, string or depth that the form does not have.

    """
    require(type(value) is dict, "bad_format", "an object is expected")
    _check(value, 1)
    try:
        return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    except UnicodeEncodeError:
        raise ProtocolError("bad_format", "lone surrogate") from None


def decode(data: bytes) -> dict[str, Any]:
    """Read canonical JSON; ``encode(decode(data)) == data`` holds for all that is accepted.

    Raises:
        ProtocolError: ``bad_format``: any other byte sequence.

    """
    try:
        value = json.loads(data.decode(), parse_float=_no_number, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise ProtocolError("bad_format", "not JSON of this form") from None
    require(type(value) is dict and encode(value) == data, "bad_format", "not canonical JSON")
    return value  # type: ignore[no-any-return]  # json.loads is untyped; the line above checked it


def _no_number(_: str) -> Never:
    raise ValueError


def _check(value: object, depth: int) -> None:
    """Refuse what canonical JSON cannot carry. Exact types: ``True`` is an ``int`` to ``isinstance``."""
    kind = type(value)
    if kind is dict or kind is list:
        require(depth <= MAX_DEPTH, "bad_format", "nested too deeply")
        for inner in _children(value):
            _check(inner, depth + 1)
    elif kind is int:
        require(abs(value) <= MAX_INTEGER, "bad_format", "integer out of range")  # type: ignore[arg-type]  # exact int
    else:
        require(value is None or kind is bool or kind is str, "bad_format", "a type this form does not have")


def _children(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    assert isinstance(value, dict)
    for key in value:
        require(type(key) is str and _KEY.fullmatch(key), "bad_format", "key")
    return list(value.values())


@dataclass(frozen=True, slots=True)
class Signed:
    """A signed body as it travels: links, epoch records, certificates."""

    body: bytes
    signatures: tuple[bytes, ...]

    def pack(self) -> bytes:
        """``u32 length | body | u8 n | n x 64``."""
        return struct.pack(">I", len(self.body)) + self.body + bytes([len(self.signatures)]) + b"".join(self.signatures)

    @classmethod
    def unpack(cls, wire: bytes) -> "Signed":
        """Read the wire form, with nothing after.

        Raises:
            ProtocolError: ``bad_format``.

        """
        require(len(wire) >= 5, "bad_format", "cut")
        (length,) = struct.unpack_from(">I", wire)
        require(length <= MAX_BODY and len(wire) > 4 + length, "bad_format", "length of the body")
        body, count, rest = wire[4 : 4 + length], wire[4 + length], wire[5 + length :]
        require(count in {1, 2} and len(rest) == count * SIGNATURE, "bad_format", "signatures")
        return cls(body, tuple(rest[i : i + SIGNATURE] for i in range(0, len(rest), SIGNATURE)))


def padme(length: int) -> int:
    """The padded length for ``length`` >= 2: at most 12 % more, and few distinct sizes."""
    exponent = length.bit_length() - 1
    mask = (1 << (exponent - exponent.bit_length())) - 1
    return (length + mask) & ~mask


def pad(content: bytes, trailer: bytes = b"") -> bytes:
    """``u32 length of content | content | trailer | zeros``, of ``padme(max(256, what is before the zeros))`` bytes."""
    data = struct.pack(">I", len(content)) + content + trailer
    return data.ljust(padme(max(256, len(data))), b"\0")


def unpad(padded: bytes, trailer: int = 0) -> tuple[bytes, bytes]:
    """Read what ``pad`` wrote: the content, and the trailer of so many bytes.

    Raises:
        ProtocolError: ``bad_format``: cut, padding that is not zero, or more or less of it than there must be.

    """
    require(len(padded) >= 4, "bad_format", "cut")
    end = 4 + int.from_bytes(padded[:4])
    require(end + trailer <= len(padded), "bad_format", "length of the content")
    content, tail = padded[4:end], padded[end : end + trailer]
    require(pad(content, tail) == padded, "bad_format", "padding")
    return content, tail


def tidy(typed: str) -> str:
    """What a person typed, ready to be read as a code: NFKC, upper case, no white space, no dash."""
    return _DASHES.sub("", unicodedata.normalize("NFKC", typed).upper())
