"""The files inside of winmail.dat, as Outlook sends them to people who do not use it.

Source: MS-OXTNEF 2.1, MS-OXCDATA 2.11. What is broken ends the reading; what was read before it stays. Words in RTF are
not read.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bridges.mail import limits
from bridges.mail.charsets import decode

TYPES: Final = frozenset(["application/ms-tnef", "application/vnd.ms-tnef"])
_SIGNATURE: Final = b"\x78\x9f\x3e\x22"
_HEAD: Final = struct.Struct("<BII")  # level, attribute, length
_BEGINS, _TITLE, _DATA, _PROPERTIES = 0x00069002, 0x00018010, 0x0006800F, 0x00069005
_LONG_NAME, _CONTENT = 0x3707, 0x3701  # the title is a short name of DOS
_INTERFACE: Final = 16  # bytes before the content of an object
_FIXED: Final = {2: 4, 3: 4, 4: 4, 5: 8, 6: 8, 7: 8, 10: 4, 11: 4, 20: 8, 64: 8, 72: 16}  # bytes of a value by its type
_OBJECT, _BYTES, _UNICODE = 0x0D, 0x1E, 0x1F
_COUNTED: Final = (_OBJECT, _BYTES, _UNICODE, 0x102)
_MANY: Final = 0x1000


@dataclass(slots=True)
class Attached:
    """One file; its name is not cleaned."""

    name: str = ""
    octets: bytes = b""


def read_files(octets: bytes) -> list[Attached]:
    """Give the files of a TNEF stream, in its order, at most ``limits.PARTS``; none for what is no such stream."""
    found = list[Attached]()
    try:
        for attribute, value in _attributes(octets):
            if attribute == _BEGINS:
                if len(found) >= limits.PARTS:
                    break
                found.append(Attached())
            elif found:
                _take(found[-1], attribute, value)
    except (struct.error, ValueError):
        pass
    return [each for each in found if each.octets]


def _attributes(octets: bytes) -> Iterator[tuple[int, bytes]]:
    if not octets.startswith(_SIGNATURE):
        return
    at = 6  # after the signature and a key
    while at + _HEAD.size <= len(octets):
        _, attribute, size = _HEAD.unpack_from(octets, at)
        at += _HEAD.size
        if at + size > len(octets):
            return
        yield attribute, octets[at : at + size]
        at += size + 2  # and a checksum


def _take(file: Attached, attribute: int, value: bytes) -> None:
    if attribute == _TITLE:
        file.name = file.name or decode(value.rstrip(b"\x00"), "cp1252")
    elif attribute == _DATA:
        file.octets = value
    elif attribute == _PROPERTIES:
        for name, kind, octets in _properties(value):
            if name == _LONG_NAME and kind in {_BYTES, _UNICODE}:
                charset = "utf-16-le" if kind == _UNICODE else "cp1252"
                file.name = decode(octets, charset).rstrip("\x00") or file.name
            elif name == _CONTENT and len(octets) > len(file.octets):  # of another mail, or of a linked object
                file.octets = octets[_INTERFACE:] if kind == _OBJECT else octets


def _properties(octets: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Give the properties that have a length of their own: number, type, first value; raises struct.error."""
    (count,) = struct.unpack_from("<I", octets)
    at = 4
    for _ in range(min(count, 1000)):
        kind, name = struct.unpack_from("<HH", octets, at)
        at = _after_names(octets, at + 4) if name & 0x8000 else at + 4
        values, at = _values(octets, at, kind)
        if values:
            yield name, kind, values[0]


def _after_names(octets: bytes, at: int) -> int:
    """Step over the name of a property that has one: a GUID, and a number or a text."""
    kind, size = struct.unpack_from("<16xII", octets, at)
    return at + 24 + (_padded(size) if kind else 0)


def _values(octets: bytes, at: int, kind: int) -> tuple[list[bytes], int]:
    """Give the values of a property that have a length of their own, and where the next property begins."""
    plain, count = kind & ~_MANY, 1
    if plain in _COUNTED or kind & _MANY:
        (count,) = struct.unpack_from("<I", octets, at)
        at += 4
    if plain in _FIXED:
        return [], at + _FIXED[plain] * count
    if plain not in _COUNTED:
        raise ValueError("unknown type")
    found = list[bytes]()
    for _ in range(min(count, 1000)):
        (size,) = struct.unpack_from("<I", octets, at)
        found.append(octets[at + 4 : at + 4 + size])
        at += 4 + _padded(size)
    return found, at


def _padded(size: int) -> int:
    return -(-size // 4) * 4
