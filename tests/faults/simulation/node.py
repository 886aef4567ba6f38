"""A node of the server without sockets: its services, its edge, its live lines, its bus, its store."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web

from server import app
from server.bus.memory import MemoryBus
from server.domain.errors import StorageFullError, UnavailableError
from server.domain.ids import unb64
from server.jobs.work import JOBS, Worker
from server.services.container import Services
from server.settings import Settings
from server.storage.blobs import Blobs
from server.storage.identity import load_identity, stamp_key
from server.transport.live.doors import Doors
from server.transport.live.frames import Framing
from server.transport.live.gateway import Gateway
from server.transport.live.line import Line
from server.transport.rest import limits, problems
from server.transport.rest.routes import OPERATIONS, Endpoint, endpoint
from tests.faults.simulation import redis
from tests.faults.simulation.store import Disk, Store
from tests.faults.simulation.virtual import Turns, VirtualClock

RETENTION = next(job for job in JOBS if job.name == "messages")

app.load_identity = functools.cache(load_identity)
app.stamp_key = functools.cache(stamp_key)
PLACES = [
    (one.method, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", one.path)), one)
    for one in OPERATIONS
]  # fmt: skip


@functools.cache
def place(method: str, path: str) -> tuple[Any, dict[str, str]]:
    """Return the operation at an address, and what its path says."""
    for its, pattern, operation in PLACES:
        if its == method and (found := pattern.fullmatch(path)):
            return operation, found.groupdict()
    raise LookupError(f"{method} {path}")


@dataclass
class Arrived:
    """A body that came with the head of its request."""

    body: bytes

    def is_eof(self) -> bool:
        return True

    def read_nowait(self) -> bytes:
        return self.body


@dataclass
class Request:
    """The part of an aiohttp request that the edge looks at."""

    match_info: dict[str, str]
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    content_type: str = "application/json"
    cookies: dict[str, str] = field(default_factory=dict)

    @property
    def content_length(self) -> int:
        return len(self.body)

    @property
    def content(self) -> Arrived:
        return Arrived(self.body)


class Cable:
    """A live line between a node and a device: in order, as TCP is, until somebody cuts it."""

    def __init__(self, chance: random.Random, hear: Callable[[bytes], None]) -> None:
        self._chance, self._hear = chance, hear
        self._loop = asyncio.get_running_loop()
        self._free = 0.0
        self._waiting = 0
        self.closed = False
        self.told: Callable[[bytes], None] = lambda _: None
        """Takes what the device says."""
        self.gone: Callable[[], None] = lambda: None

    def _arrival(self) -> float:
        self._free = max(self._free + 1e-6, self._loop.time() + self._chance.uniform(0.001, 0.02))
        return self._free

    # --- the node's end: ``server.transport.live.line.Transport`` --------------------------------------------------------

    def write(self, data: bytes) -> None:
        self._waiting += len(data)
        self._loop.call_at(self._arrival(), self._deliver, data)

    def get_write_buffer_size(self) -> int:
        return self._waiting

    def is_closing(self) -> bool:
        return self.closed

    def abort(self) -> None:
        self.cut()

    def _deliver(self, data: bytes) -> None:
        self._waiting -= len(data)
        if not self.closed:
            head = 2 if data[1] < 126 else 4 if data[1] == 126 else 10
            self._hear(data[head:])

    # --- the device's end: what ``devices.follow_line`` needs ------------------------------------------------------------

    def say(self, text: bytes) -> None:
        self._loop.call_at(self._arrival(), lambda: None if self.closed else self.told(text))

    def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        """Break it; both ends notice."""
        if not self.closed:
            self.closed = True
            self._loop.call_later(self._chance.uniform(0, 0.05), self.gone)


class Node:
    """One process of the server: it starts, answers, and dies."""

    def __init__(
        self, settings: Settings, clock: VirtualClock, chance: random.Random, turns: Turns, shared: redis.Redis | None
    ) -> None:
        self.settings, self.clock, self.chance, self.turns, self.shared = settings, clock, chance, turns, shared
        self.disk = Disk(chance)
        self.alive = False
        self.cables: list[Cable] = []
        self._tasks: dict[asyncio.Task[Any], None] = {}

    async def start(self) -> None:
        self.store = Store(self.settings.database, self._announce, self.disk, self.turns)
        self.bus = MemoryBus() if self.shared is None else redis.bus(self.shared, self._ask)
        blobs = Blobs.open(self.settings.data)
        self.services: Services = app._services(self.settings, self.clock, self.store, self.bus, blobs)
        self.gateway = Gateway(self.services.feed, Doors(1_000, 1_000))
        self.bus.listen(self.gateway)
        self._endpoints: dict[str, Endpoint] = {}
        self._counters = limits.make(self.clock)
        await self.store.start()
        await self.bus.start()
        self.alive = True

    def _announce(self, announcements: list[Any]) -> None:
        if self.alive:
            self.bus.announce(announcements)

    async def _ask(self, accounts: list[Any], sessions: list[Any]) -> Any:
        return await self.store.read(
            lambda view: (view.log.last_positions(accounts), view.sessions.still_open(sessions))
        )

    def crash(self) -> None:
        """Stop everything where it stands."""
        self.alive = False
        for cable in self.cables:
            cable.cut()
        self.cables.clear()
        self.store.die()
        for task in (*self._tasks, *getattr(self.bus, "_tasks", ()), *self.gateway._tasks):
            task.cancel()

    async def sweep(self) -> None:
        """Let messages go whose term is over, as the background job does."""
        with contextlib.suppress(UnavailableError, StorageFullError):
            await Worker(self.services, self.chance.randbytes(16)).run(RETENTION)

    def run(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something that dies with the node."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    async def answer(self, method: str, address: str, token: str, body: bytes) -> tuple[int, bytes]:
        """Do what the HTTP edge does with a request."""
        path, _, query = address.partition("?")
        operation, ids = place(method, path)
        if operation.name not in self._endpoints:
            self._endpoints[operation.name] = endpoint(operation, self.services, self._counters)
        request: Any = Request(ids, dict(parse_qsl(query)), {"Authorization": f"Bearer {token}"}, body)
        try:
            response = await self._endpoints[operation.name](request)
        except Exception as exc:  # as the edge does
            response = problems._answer(exc)
        assert isinstance(response, web.Response)
        assert response.status != 500, response.body
        return response.status, bytes(response.body or b"")  # type: ignore[arg-type]

    async def open(self, cable: Cable, ticket: str, after: int) -> None:
        """Do what ``LeanSocket`` does with a live line."""
        principal = await self.services.sessions.redeem_ticket(unb64(ticket, 48))

        def close(code: str) -> None:
            line.say("ended", b'"code":"' + code.encode() + b'"')
            self.gateway.shut(line)

        line = self.gateway.open(principal, cable, Framing.LEAN, after=after, close=close)
        cable.told = functools.partial(self._told, line)
        cable.gone = lambda: self.gateway.shut(line)
        self.cables.append(cable)
        await line.begin()

    def _told(self, line: Line, text: bytes) -> None:
        if self.alive:
            self.gateway.acknowledge(line, int(text.rpartition(b":")[2].rstrip(b"}")))
