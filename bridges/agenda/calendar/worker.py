"""The child that reads calendars: ``python -m bridges.agenda.calendar.worker``. Source: docs/spec/agenda.md 3.1."""

import sys
import time
from typing import Final

import msgspec

from bridges.agenda.calendar import limits, zones
from bridges.agenda.calendar.reading import Query, Reading, read
from bridges.sandbox.child import Meter, serve

PATIENT: Final = "--patient"
_QUERY: Final = msgspec.msgpack.Decoder(Query)


class Answer(msgspec.Struct):
    """A reading with what it cost."""

    reading: Reading
    seconds: float
    peak_mib: float


def answer(options: bytes, raw: bytes, meter: Meter) -> bytes:
    """Read one calendar."""
    began = time.monotonic()
    reading = read(raw, _QUERY.decode(options))
    return msgspec.msgpack.encode(Answer(reading, round(time.monotonic() - began, 4), meter.peak()))


if __name__ == "__main__":
    zones.load()  # afterwards no file is opened, and the right to is given up
    serve(sys.stdin.buffer, sys.stdout.buffer, limits.PATIENT if PATIENT in sys.argv else limits.CHILD, answer)
