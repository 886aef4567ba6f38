"""Starts servers quickly: imports `pli serve` once and forks a fresh process for each start.

`python -m tests.faults.fork_server` reads one JSON object a line, `{"data", "port", "mutant", "clock", "shared", "namespace"}`,
and answers `{"pid"}` and then `{"ready"}` (seconds from the fork to the ready line), or `{"failed"}`. The child runs exactly what `pli serve`
runs, with a mutant's one change applied before, with a wall clock that jumps by `clock` milliseconds and back, and in a
network namespace if one is named.
"""

from __future__ import annotations

import ctypes
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

NETWORK = 0x40000000  # CLONE_NEWNET


def _jump(by: int) -> None:
    """Let the wall clock jump by ``by`` milliseconds and back, five times a second."""
    true = clocks.SystemClock.now

    def jumping(self: clocks.SystemClock) -> int:
        return true(self) + by * (int(time.monotonic() * 10) % 2)

    clocks.SystemClock.now = jumping  # type: ignore[method-assign]


def _enter(namespace: str) -> None:
    """Move this process into a network namespace."""
    handle = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if ctypes.CDLL(None, use_errno=True).setns(handle, NETWORK) != 0:
        raise OSError(ctypes.get_errno(), f"cannot enter {namespace}")
    os.close(handle)


def _serve(order: dict[str, Any]) -> None:
    """Be the server, until killed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    begun = time.monotonic()
    if order.get("namespace"):
        _enter(order["namespace"])
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
            except Exception as exc:  # whoever waits for the ready line must hear that none comes
                os.write(1, json.dumps({"failed": repr(exc)}).encode() + b"\n")
            finally:
                os._exit(1)
        os.write(1, json.dumps({"pid": pid}).encode() + b"\n")


if __name__ == "__main__":
    main()
