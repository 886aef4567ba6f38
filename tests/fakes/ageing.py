"""A real server in this process, on a thread of its own, whose clock a test moves: years pass between two commands."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pysqlite3.dbapi2 as sqlite

from crypto.codec import b64
from server.jobs.work import JOBS, Worker
from server.storage.identity import DATABASE
from tests.fakes.server import LocalServer, running

T = TypeVar("T")
DAY = 86_400_000


@dataclass
class ShiftedClock:
    """The machine's clock, so many milliseconds away."""

    shift: int = 0

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.shift

    def monotonic(self) -> float:
        return time.monotonic()


@dataclass
class AgeingServer:
    """What a test does to it, from its own thread."""

    clock: ShiftedClock
    loop: asyncio.AbstractEventLoop
    local: LocalServer

    @property
    def url(self) -> str:
        return self.local.url

    def ask(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run something on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work(), self.loop).result(60)

    def days_ago(self, days: int) -> None:
        """Let the server believe that it is so many days ago."""
        self.clock.shift = -days * DAY

    def work(self, name: str) -> None:
        """Run a background job to its end, now."""

        async def run() -> bool:
            await self.local.store.write(lambda tx: tx.run("DELETE FROM job WHERE name = ?", name))
            return await Worker(self.local.services).run(next(job for job in JOBS if job.name == name))

        assert self.ask(run)

    def tamper(self, sql: str, *values: Any) -> None:
        """Change the database under the server."""

        async def change() -> None:
            connection = sqlite.connect(self.local.data / DATABASE, isolation_level=None)
            connection.execute(sql, values)
            connection.close()

        self.ask(change)

    def query(self, sql: str, *values: Any) -> list[Any]:
        """Look into the database."""
        connection = sqlite.connect(self.local.data / DATABASE)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    def add_professional(self, name: str, profession: str, rpps: str) -> str:
        """Return the activation link of a new professional."""
        token = self.ask(lambda: self.local.activation(name, profession, rpps))
        return f"{self.url}/a#1.{b64(token)}"


@contextmanager
def ageing(data: Path, **chosen: object) -> Iterator[AgeingServer]:
    """Run a server whose background jobs run only when they are told to."""
    clock, ready, done = ShiftedClock(), threading.Event(), asyncio.Event()
    found: list[AgeingServer] = []

    async def serve() -> None:
        async with running(data, clock=clock, **chosen) as local:
            found.append(AgeingServer(clock, asyncio.get_running_loop(), local))
            ready.set()
            await done.wait()

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert ready.wait(60), "the server did not start"
    try:
        yield found[0]
    finally:
        found[0].loop.call_soon_threadsafe(done.set)
        thread.join(60)
