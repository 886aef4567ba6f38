"""Start a program that is not ours with less than we have: ``python -m bridges.sandbox.confined SHARE PROGRAM …``.

The share is four numbers between commas, as ``Share.words`` writes them. The program takes the place of this process,
so what is given up here is given up for good. Source: docs/spec/mail.md 23.
"""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress
from typing import Final

_PARENT_DEATH_SIGNAL, _NO_NEW_PRIVILEGES = 1, 38  # prctl(2)
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # unshare(2)
_IGNORED_BY_PYTHON: Final = (signal.SIGXFSZ, signal.SIGPIPE)  # else the program would ignore them as well


def give_up(cpu: int, address_space: int, file_size: int, open_files: int) -> None:
    """Limit this process and what it becomes: seconds of processor, bytes of memory and of one file, open files."""
    bounds = {
        resource.RLIMIT_CPU: cpu,
        resource.RLIMIT_AS: address_space,
        resource.RLIMIT_FSIZE: file_size,
        resource.RLIMIT_NOFILE: open_files,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 0,  # starts no other program; the kernel does not hold the administrator to it
    }
    for what, most in bounds.items():
        # A limit that we were started with stays. One second after the signal of its processor time nothing survives.
        ceiling = resource.getrlimit(what)[1]
        least = most if ceiling == resource.RLIM_INFINITY else min(most, ceiling)
        further = what == resource.RLIMIT_CPU and least != ceiling
        resource.setrlimit(what, (least, least + further))
    for each in _IGNORED_BY_PYTHON:
        signal.signal(each, signal.SIG_DFL)


def leave_the_rest() -> None:
    """End with the parent, gain no right by a program that has some, and see no network where the kernel lets us."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    if libc.unshare(_NEW_USER | _NEW_NETWORK) != 0:
        libc.unshare(_NEW_NETWORK)


def main(share: str, program: str, *arguments: str) -> int:
    """Become the program; 127 when there is none."""
    leave_the_rest()
    give_up(*map(int, share.split(",")))
    with suppress(OSError):
        os.execv(program, [program, *arguments])  # noqa: S606  what the parent named, without a shell
    return 127


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
