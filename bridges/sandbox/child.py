"""The child that reads: after its start it can open nothing, reach nobody and take no more than its share.

An order is the size of the options as 4 bytes and of the file as 8 bytes, then both; an answer is its size as 8 bytes,
then a msgpack value. Source: docs/spec/mail.md 2 and docs/spec/agenda.md 3.1.
"""

import os
import resource
import signal
import struct
import sys
from collections.abc import Callable
from importlib.machinery import BuiltinImporter, FrozenImporter
from typing import BinaryIO, Final

from bridges.sandbox.limits import Limits

ORDER: Final = struct.Struct(">IQ")
SIZE: Final = struct.Struct(">Q")


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


def give_up_rights(limits: Limits) -> None:
    """Limit memory, open files (none new: no file, no socket), file size and core dumps for good."""
    resource.setrlimit(resource.RLIMIT_AS, (limits.address_space, limits.address_space))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))
    # A module on the disk is from now on one that is not there: a stranger who names a rare character set would
    # otherwise have the codec looked for, and kill us with the error of a file that cannot be opened.
    sys.meta_path[:] = [BuiltinImporter, FrozenImporter]


def serve(source: BinaryIO, target: BinaryIO, limits: Limits, answer: Callable[[bytes, bytes, Meter], bytes]) -> None:
    """Give up all rights, then read files until the parent closes the pipe.

    Each has ``limits.cpu`` seconds; the signal ends the process even inside of C code.
    """
    meter = Meter()
    give_up_rights(limits)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    while len(order := source.read(ORDER.size)) == ORDER.size:
        options_size, size = ORDER.unpack(order)
        options = source.read(options_size)
        meter.restart()
        signal.setitimer(signal.ITIMER_PROF, limits.cpu)
        octets = answer(options, source.read(size), meter)
        signal.setitimer(signal.ITIMER_PROF, 0)
        target.write(SIZE.pack(len(octets)))
        target.write(octets)
        target.flush()
