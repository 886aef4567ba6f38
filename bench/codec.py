"""What base64url costs: our reading and writing beside the standard library's. `python -m bench.codec` prints JSON."""

from __future__ import annotations

import base64
import binascii
import json
import os
import timeit
from collections.abc import Callable

from server.domain.ids import b64, unb64

ROUNDS = 20_000
SIZES = (16, 32, 1_100)  # bytes: an identifier, a hash, an envelope of a short message


def microseconds(run: Callable[[], object]) -> float:
    """The best of five: what the code costs, not what the neighbours take."""
    return round(min(timeit.repeat(run, number=ROUNDS, repeat=5)) / ROUNDS * 1e6, 2)


def standard_read(text: str) -> bytes:
    """Read strictly with the standard library."""
    spelled = text.encode("ascii").translate(bytes.maketrans(b"-_+/=", b"+/!!!"))
    return binascii.a2b_base64(spelled + b"=" * (-len(spelled) % 4), strict_mode=True)


def main() -> None:
    """Measure each size."""
    found = {}
    for size in SIZES:
        raw = os.urandom(size)
        text = b64(raw)
        found[f"{size} bytes"] = {
            "write_us": microseconds(lambda raw=raw: b64(raw)),
            "read_us": microseconds(lambda text=text: unb64(text)),
            "standard_write_us": microseconds(lambda raw=raw: base64.urlsafe_b64encode(raw).rstrip(b"=").decode()),
            "standard_read_us": microseconds(lambda text=text: standard_read(text)),
        }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
