"""How long processes wanted to run and were not let: what a busy machine owes, apart from what a server owes.

A bound in seconds of the wall clock says nothing on a machine that gives a process a fiftieth of a core. The kernel
counts what each thread has waited for a processor (`/proc/PID/task/*/schedstat`, the second number, nanoseconds): on a
quiet machine nothing, so nothing is forgiven there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path


def waited(pids: Iterable[int]) -> float:
    """Return the seconds that all threads of these processes have waited for a processor; 0 of one that is gone."""
    total = 0
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # it ends just now
                total += int(thread.read_text().split()[1])
    return total / 1e9


def lives(pid: int) -> bool:
    """Tell whether anything of a process still runs.

    One that only waits to be counted by its parent (a zombie) holds nothing; but its first thread may be one while
    others still end, and with them its files and locks.
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        return state not in {"Z", "X"} or len(list(Path(f"/proc/{pid}/task").iterdir())) > 1
    except (FileNotFoundError, ProcessLookupError):
        return False
