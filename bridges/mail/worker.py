"""The child that reads: after its start it can open nothing, reach nobody and take no more than its share.

``python -m bridges.mail.worker``: an order is one byte (1: bodies wanted) and the size as 8 bytes, then the file; an
answer is the size as 8 bytes, then a msgpack map of an ``Answer``. Source: docs/spec/mail.md 2.
"""

import os
import resource
import signal
import struct
import sys
import time
from typing import BinaryIO, Final

import msgspec

from bridges.mail import codes, limits
from bridges.mail.reading import Reading, read, set_aside
from bridges.mail.words import warm_up

ORDER: Final = struct.Struct(">BQ")
SIZE: Final = struct.Struct(">Q")


class Answer(msgspec.Struct):
    """A reading with what it cost."""

    reading: Reading
    seconds: float
    peak_mib: float


class Meter:
    """The memory of this process; its files are opened before the right to open files is given up."""

    def __init__(self) -> None:
        self._status = os.open("/proc/self/status", os.O_RDONLY)
        self._clear = os.open("/proc/self/clear_refs", os.O_WRONLY)

    def restart(self) -> None:
        """Forget the peak so far."""
        os.write(self._clear, b"5")

    def peak(self) -> float:
        """Give the most memory held since ``restart``, in MiB."""
        status = os.pread(self._status, 8192, 0).decode("ascii", "replace")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return round(int(line.split()[1]) / 1024, 1)


def give_up_rights() -> None:
    """Limit memory, open files (none new: no file, no socket), file size and core dumps for good."""
    warm_up()
    for name in ("types", "specialties"):
        codes.table(name)
    resource.setrlimit(resource.RLIMIT_AS, (limits.ADDRESS_SPACE, limits.ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))


def limit_time() -> None:
    """Let this file have ``limits.CPU`` seconds; the signal ends the process even inside of C code."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, limits.CPU)


def serve(source: BinaryIO, target: BinaryIO) -> None:
    """Read files until the parent closes the pipe."""
    meter = Meter()
    give_up_rights()
    while len(order := source.read(ORDER.size)) == ORDER.size:
        bodies, size = ORDER.unpack(order)
        meter.restart()
        limit_time()
        began = time.monotonic()
        octets = _answer(source.read(size), bodies=bool(bodies), began=began, meter=meter)
        signal.setitimer(signal.ITIMER_PROF, 0)
        target.write(SIZE.pack(len(octets)))
        target.write(octets)
        target.flush()


def _answer(raw: bytes, *, bodies: bool, began: float, meter: Meter) -> bytes:
    reading = read(raw, bodies=bodies)
    try:
        return msgspec.msgpack.encode(Answer(reading, round(time.monotonic() - began, 4), meter.peak()))
    except MemoryError:
        reading = set_aside("too_much_memory", digest=reading.digest)
        return msgspec.msgpack.encode(Answer(reading, round(time.monotonic() - began, 4), meter.peak()))


if __name__ == "__main__":
    serve(sys.stdin.buffer, sys.stdout.buffer)
