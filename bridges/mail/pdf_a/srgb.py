"""The colour space sRGB as an ICC profile, written by us, so that its bytes are the same everywhere.

Sources: ICC.1:1998-09 (version 2, the newest that PDF/A-1 takes), IEC 61966-2-1 (curve and primaries, adapted to D50).
"""

import struct
from typing import Final

_WHITE: Final = (0.9642, 1.0, 0.8249)  # D50, the white of the connection space
_COLOURS: Final = {  # XYZ of the media's white and of red, green and blue
    b"wtpt": (0.9505, 1.0, 1.0891),
    b"rXYZ": (0.43607, 0.22249, 0.01392),
    b"gXYZ": (0.38515, 0.71687, 0.09708),
    b"bXYZ": (0.14307, 0.06061, 0.71410),
}
_STEPS: Final = 1024  # of the curve
_TAGS: Final = 9
_HEADER: Final = 128  # bytes


def profile() -> bytes:
    """Give the profile, about 2.6 KB."""
    name = b"sRGB\0"
    # The name again in Unicode and for old Macintosh systems: both empty, 78 bytes.
    tags = {b"desc": b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)}
    tags[b"cprt"] = b"text\0\0\0\0No copyright\0"
    tags |= {tag: b"XYZ \0\0\0\0" + b"".join(map(_fixed, values)) for tag, values in _COLOURS.items()}
    curve = _curve()
    place, table, body = _HEADER + 4 + 12 * _TAGS, b"", b""
    for tag, octets in tags.items():
        table += tag + struct.pack(">II", place + len(body), len(octets))
        body += octets + bytes(-len(octets) % 4)
    for tag in (b"rTRC", b"gTRC", b"bTRC"):  # one curve for all three
        table += tag + struct.pack(">II", place + len(body), len(curve))
    body += curve
    return _header(place + len(body)) + struct.pack(">I", _TAGS) + table + body


def _header(size: int) -> bytes:
    start = struct.pack(">I4xI", size, 0x02100000) + b"mntrRGB XYZ "  # a monitor, version 2.1
    dated = start + struct.pack(">6H", 1999, 10, 18, 0, 0, 0) + b"acsp"  # the day of the standard
    return (dated + bytes(28) + b"".join(map(_fixed, _WHITE))).ljust(_HEADER, b"\0")


def _curve() -> bytes:
    values = (round(65535 * _linear(step / (_STEPS - 1))) for step in range(_STEPS))
    return b"curv\0\0\0\0" + struct.pack(f">I{_STEPS}H", _STEPS, *values)


def _linear(value: float) -> float:
    """Give the light of a value between 0 and 1."""
    return value / 12.92 if value <= 0.04045 else float(((value + 0.055) / 1.055) ** 2.4)


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))
