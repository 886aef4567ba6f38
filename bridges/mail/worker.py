"""The child that reads mail: ``python -m bridges.mail.worker``. Source: docs/spec/mail.md 2.

The options of an order are one byte: 1 when bodies are wanted. An answer is a msgpack map of an ``Answer``.
"""

import sys
import time

import msgspec

from bridges.mail import codes, limits
from bridges.mail.charsets import warm_up
from bridges.mail.reading import Reading, read, set_aside
from bridges.sandbox.child import Meter, serve


class Answer(msgspec.Struct):
    """A reading with what it cost."""

    reading: Reading
    seconds: float
    peak_mib: float


def prepare() -> None:
    """Load what reading needs, for afterwards no file is opened."""
    warm_up()
    for name in ("types", "specialties"):
        codes.table(name)


def answer(options: bytes, raw: bytes, meter: Meter) -> bytes:
    """Read one file."""
    began = time.monotonic()
    reading = read(raw, bodies=options == b"\x01")
    try:
        return msgspec.msgpack.encode(Answer(reading, round(time.monotonic() - began, 4), meter.peak()))
    except MemoryError:
        reading = set_aside("too_much_memory", digest=reading.digest)
        return msgspec.msgpack.encode(Answer(reading, round(time.monotonic() - began, 4), meter.peak()))


if __name__ == "__main__":
    prepare()
    serve(sys.stdin.buffer, sys.stdout.buffer, limits.child(), answer)
