"""Several processes on one port (SO_REUSEPORT): the parent starts them, starts again what dies, ends them in order."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Final

from server import telemetry
from server.admin import terminal
from server.admin.terminal import CommandError
from server.settings import Settings

PAUSE: Final = 1.0  # seconds before a process that died is started again
_READY: Final = b"r"
_ENDED: Final = b"x"


@dataclass(frozen=True, slots=True)
class Worker:
    """One of the processes that serve. The first one also answers the operator's programs."""

    number: int = 0
    among: int = 1
    ready: Callable[[str], None] = field(default=lambda url: terminal.progress(f"ready {url}"))
    parent: int | None = None
    """A file that ends when the parent does: then the worker ends too."""


Serve = Callable[[Settings, Worker], int]


def run(settings: Settings, serve: Serve) -> int:
    """Run ``settings.workers`` processes until SIGTERM or SIGINT; return the exit code."""
    with ExitStack() as kept:
        if not settings.port:
            settings = replace(settings, port=_reserve(kept, settings.host))
        return _Parent(settings, serve).run()


def _reserve(kept: ExitStack, host: str) -> int:
    """Keep a free port for the workers; a socket that does not listen takes no connection away from them."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reserved = kept.enter_context(socket.socket(family))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    reserved.bind((host, 0))
    return int(reserved.getsockname()[1])


class _Parent:
    """Starts and watches the workers."""

    def __init__(self, settings: Settings, serve: Serve) -> None:
        self._settings = settings
        self._serve = serve
        self._alive, self._held = os.pipe()
        self._ready, self._told = os.pipe()
        self._running: dict[int, int] = {}
        self._ending = False
        self._code = 0

    def run(self) -> int:
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: self._end())
        signal.signal(signal.SIGCHLD, lambda *_: os.write(self._told, _ENDED))
        for number in range(self._settings.workers):
            self._start(number)
        if self._wait_ready():
            terminal.progress(f"ready {self._settings.address(self._settings.port)}")
        else:
            self._end()
        while self._running:
            self._reap()
        return self._code

    def _start(self, number: int) -> None:
        pid = os.fork()
        if pid:
            self._running[pid] = number
            return
        code = 1
        try:
            code = self._work(number)
        finally:
            sys.stderr.flush()
            os._exit(code)

    def _work(self, number: int) -> int:
        """Be a worker."""
        os.close(self._held)
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(each, signal.SIG_DFL)
        worker = Worker(number, self._settings.workers, self._tell_ready, self._alive)
        try:
            return self._serve(self._settings, worker)
        except CommandError as exc:
            return terminal.tell(exc, json=False)

    def _tell_ready(self, _: str) -> None:
        try:
            os.write(self._told, _READY)
        except OSError:
            return  # started again: the parent has stopped listening for the first time

    def _wait_ready(self) -> bool:
        """Return when all are ready; false when one ends before."""
        told = b""
        while _ENDED not in told and told.count(_READY) < self._settings.workers:
            told += os.read(self._ready, 64)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(self._ready)
        return _ENDED not in told

    def _reap(self) -> None:
        pid, status = os.wait()
        number = self._running.pop(pid, None)
        if number is None:
            return
        code = os.waitstatus_to_exitcode(status)
        if self._ending:
            self._code = self._code or max(code, 0)
            return
        telemetry.error("worker_ended", status=code)
        time.sleep(PAUSE)
        self._start(number)

    def _end(self) -> None:
        self._ending = True
        for pid in self._running:
            os.kill(pid, signal.SIGTERM)
