"""The server under test: started on a free port, pinned to one core, watched through /proc."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PLI = Path(sys.executable).with_name("pli")
ENVIRONMENT = {"PLI_ACCESS_LOG": "no", "PLI_WEB": "no"}  # the peers were measured without an access log either


UNAVAILABLE = 69  # EX_UNAVAILABLE of sysexits.h: what a run needs is not installed here
CORES = sorted(os.sched_getaffinity(0))  # before anything is pinned


def pin_generator() -> bool:
    """Keep this process on the second core; False when there is only one."""
    if len(CORES) < 2:
        return False
    os.sched_setaffinity(0, {CORES[1]})
    return True


BESIDE: list[int] = []
"""Other processes that work for the server: its database's."""


def beside(pid: int, *, pinned: bool = True) -> None:
    """Count a database's processes with the server, and keep them on its core."""
    BESIDE.append(pid)
    for one in tree(pid) if pinned else ():
        os.sched_setaffinity(one, {CORES[0]})


def _stat(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(pid: int) -> list[int]:
    """The process and its descendants."""
    found = [pid]
    for one in found:
        for children in Path(f"/proc/{one}/task").glob("*/children"):
            found += [int(child) for child in children.read_text().split()]
    return found


@dataclass(slots=True)
class Usage:
    """CPU seconds of the server and of the whole machine, at one instant."""

    server: float
    machine: float
    generator: float
    at: float


def _cpu(roots: Iterable[int]) -> float:
    """User and system seconds of whole process trees, ended children included."""
    total = 0
    for pid in (each for root in roots for each in tree(root)):
        fields = _stat(pid)
        total += sum(int(fields[index]) for index in (11, 12, 13, 14))
    return total / TICK


def usage(servers: Iterable[int]) -> Usage:
    """Look at what the servers with these process ids, and what works beside them, have used."""
    busy = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    machine = sum(int(busy[index]) for index in (0, 1, 2, 5, 6)) / TICK
    mine = os.times()
    return Usage(_cpu((*servers, *BESIDE)), machine, mine.user + mine.system, time.perf_counter())


@dataclass(slots=True)
class Server:
    process: subprocess.Popen
    host: str
    port: int

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def memory(self) -> int:
        """Resident bytes of the whole process tree."""
        pids = tree(self.process.pid)
        return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * PAGE

    def cpu(self) -> float:
        """User and system seconds of the whole process tree and of its database's, ended children included."""
        return _cpu((self.process.pid, *BESIDE))

    def usage(self) -> Usage:
        return usage([self.process.pid])

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def start(data: Path, log: Path, *, pinned: bool = True) -> Server:
    """Start ``pli serve`` on a free port, keep it on the first core, and wait for its ready line in ``log``."""
    with log.open("wb") as out:
        process = subprocess.Popen(
            [PLI, "serve", "--data", str(data), "--port", "0"],
            stdout=out,
            stderr=out,
            env={**os.environ, **ENVIRONMENT},
        )
    if len(CORES) > 1:
        os.sched_setaffinity(process.pid, {CORES[0]} if pinned else set(CORES))
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if found := re.search(rb"http://([\w.]+):(\d+)", log.read_bytes()):
            return Server(process, found[1].decode(), int(found[2]))
        time.sleep(0.05)
    process.kill()
    raise RuntimeError(f"pli serve did not become ready: {log.read_text(errors='replace')}")
