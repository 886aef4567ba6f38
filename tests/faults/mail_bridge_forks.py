"""Starts mail bridges quickly: imports `pli-bridge mail` once and forks a fresh process for each line.

`python -m tests.faults.mail_bridge_forks` reads paths of configurations, one a line, and answers each with the process
id. The child runs exactly what `pli-bridge mail --config PATH` runs, in a process group of its own.
"""

from __future__ import annotations

import os
import signal
import sys

from bridges.__main__ import main as pli_bridge
from bridges.mail import bridge_commands


def _bridge(path: str) -> None:
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    pli_bridge(["mail", "--config", path])


def main() -> None:
    """Fork a bridge for each line."""
    assert bridge_commands, "imported before the first fork"
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets the dead
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            try:
                _bridge(line.strip())
            finally:
                os._exit(1)
        print(pid, flush=True)


if __name__ == "__main__":
    main()
