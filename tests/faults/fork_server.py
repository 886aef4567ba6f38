"""Starts servers quickly: imports `pli serve` once and forks a fresh process for each start.

`python -m tests.faults.fork_server` reads one JSON object a line, `{"data", "port", "mutant", "clock", "shared"}`, and answers
`{"pid"}` and then `{"ready"}` (seconds from the fork to the ready line). The child runs exactly what `pli serve` runs,
with a mutant's one change applied before, and with a wall clock that jumps by `clock` milliseconds and back.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from server import clock as clocks
from server.admin import serve, terminal
from server.settings import Settings
from tests.faults.mutants import MUTANTS


def _jump(by: int) -> None:
    """Let the wall clock jump by ``by`` milliseconds and back, five times a second."""
    true = clocks.SystemClock.now

    def jumping(self: clocks.SystemClock) -> int:
        return true(self) + by * (int(time.monotonic() * 10) % 2)

    clocks.SystemClock.now = jumping  # type: ignore[method-assign]


def _serve(order: dict[str, Any]) -> None:
    """Be the server, until killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    begun = time.monotonic()
    if order["clock"]:
        _jump(order["clock"])
    if order["mutant"]:
        MUTANTS[order["mutant"]].apply()

    def progress(text: str) -> None:
        if text.startswith("ready"):
            os.write(1, json.dumps({"ready": time.monotonic() - begun}).encode() + b"\n")

    terminal.progress = progress
    settings = Settings(data=Path(order["data"]), port=order["port"], web=False, access_log=False, **order["shared"])
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    serve.run(settings)


def main() -> None:
    """Fork a server for each line."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the kernel forgets the dead
    while line := sys.stdin.readline():
        pid = os.fork()
        if pid == 0:
            try:
                _serve(json.loads(line))
            finally:
                os._exit(1)
        os.write(1, json.dumps({"pid": pid}).encode() + b"\n")


if __name__ == "__main__":
    main()
