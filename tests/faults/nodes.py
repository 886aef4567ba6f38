"""Two nodes on one PostgreSQL and one Redis, each of the four killed in turn, at random."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import random
import shutil
import signal
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis as Client

from server.storage.schema import migrate
from tests.faults import cast as casts
from tests.faults import devices
from tests.faults.campaign import Campaign, Outcome, Program, Server
from tests.faults.checker import check
from tests.faults.devices import Stage
from tools.services import MissingError, Postgres, Redis, Service

COMMANDS = {
    "pause": (("CLIENT", "PAUSE", "700", "ALL"),),
    "flush": (("FLUSHALL",), ("SCRIPT", "FLUSH"), ("CLIENT", "KILL", "TYPE", "pubsub")),
}
"""What Redis is told: to answer nobody for 700 ms; to drop its data and its listeners, as a failover does."""
REDIS_FAULTS = ("kill", "stop", "pause", "flush")
SETTLED = 20.0  # seconds in which a killed service is back
Fault = Callable[[random.Random, Stage], Awaitable[None]]


@dataclass
class Services:
    """The database and the bus that nodes share, with a database of the cast to copy."""

    postgres: Postgres
    redis: Redis
    template: str

    @classmethod
    def start(cls) -> Services:
        """Start both, in temporary places.

        Raises:
            MissingError: one of them is not installed here, or does not start.

        """
        with contextlib.ExitStack() as undo:
            postgres, redis = Postgres(), Redis()
            for service in (postgres, redis):
                undo.callback(service.remove)
                service.start()
            template = postgres.database()
            migrate(postgres.url(template))
            undo.pop_all()
        return cls(postgres, redis, template)

    async def cast(self, home: Path) -> casts.Cast:
        """Make the cast in the template, once."""
        home.mkdir(exist_ok=True)
        return await casts.make(home, database_url=self.postgres.url(self.template))

    def remove(self) -> None:
        self.postgres.remove()
        self.redis.remove()


@dataclass
class Nodes(Campaign):
    """One run of two nodes. ``faults`` is the number of all faults, of every kind."""

    services: Services | None = None
    redis_hurt: int = 0
    """How often Redis was hurt so far."""

    async def play(self, forks: Program | None = None) -> Outcome:
        services = self.services
        assert services is not None
        assert forks is not None
        begun, home = time.monotonic(), self.home / "nodes"
        folder = Path(tempfile.mkdtemp(prefix="pli-faults-"))
        nodes: list[Server] = []
        try:
            cast = await services.cast(home)
            database = await asyncio.to_thread(services.postgres.database, services.template)
            shared = {"database_url": services.postgres.url(database), "redis_url": services.redis.url}
            for name in ("one", "two"):
                data = casts.copy(home, folder / name)
                nodes.append(Server(data, forks, mutant=self.mutant, shared=dict(shared)))
                await self._wire(nodes[-1])
            stage = await self._act(cast, nodes, functools.partial(self._hurt, nodes))
        finally:
            for node in nodes:
                await node.kill()
            await self._unwire()
            shutil.rmtree(folder, ignore_errors=True)
        starts = [start for node in nodes for start in node.starts]
        breaches, seconds = check(stage.history), time.monotonic() - begun
        return Outcome(self.how, self.seed, self.faults, stage.counts, breaches, stage.history, starts, seconds)

    async def _wire(self, node: Server) -> None:
        """Nodes stand beside what they use."""

    async def _unwire(self) -> None:
        """There is nothing to remove."""

    def _kinds(self, nodes: list[Server]) -> list[Fault]:
        """Return the faults in their turn."""
        postgres, redis = self._postgres, self._redis
        return [self._node(nodes), postgres, postgres, redis, postgres, postgres, redis]

    async def _hurt(self, nodes: list[Server], chance: random.Random, stage: Stage) -> None:
        kinds = self._kinds(nodes)
        for number in range(self.faults):
            if number == self.faults // 2:
                stage.removing.append(asyncio.ensure_future(devices.remove(stage, patience=None)))
            await asyncio.sleep(chance.uniform(0.2, 0.6))
            await kinds[number % len(kinds)](chance, stage)

    def _node(self, nodes: list[Server]) -> Fault:
        async def kill(chance: random.Random, stage: Stage) -> None:
            node = chance.choice(nodes)
            stage.history.add("fault", kind="node")
            stage.count("node_kills")
            await node.kill()
            await node.start()

        return kill

    async def _postgres(self, chance: random.Random, stage: Stage) -> None:
        """SIGKILL, or an immediate stop: recovery from its log in both cases."""
        assert self.services is not None
        postgres = self.services.postgres
        stage.history.add("fault", kind="postgres")
        stage.count("postgres_crashes")
        if chance.random() < 0.5 and postgres.process is not None:
            postgres.signal(signal.SIGQUIT)
            await asyncio.to_thread(postgres.process.wait, SETTLED)
        else:
            await asyncio.to_thread(postgres.kill)
        await _again(postgres)

    async def _redis(self, chance: random.Random, stage: Stage) -> None:
        """Kill it, or let it stand still, or make it forget everything it knows and whom it talks to: each in its turn."""
        assert self.services is not None
        redis = self.services.redis
        kind = REDIS_FAULTS[(self.seed + self.redis_hurt) % len(REDIS_FAULTS)]
        self.redis_hurt += 1
        stage.history.add("fault", kind=f"redis {kind}")
        stage.count("redis_faults")
        stage.count(f"redis_{kind}")
        if kind == "kill":
            await asyncio.to_thread(redis.kill)
            await asyncio.sleep(chance.random())
            await _again(redis)
        elif kind == "stop":
            redis.signal(signal.SIGSTOP)
            await asyncio.sleep(0.5)
            redis.signal(signal.SIGCONT)
        else:
            async with Client.from_url(redis.url) as asked:
                for command in COMMANDS[kind]:
                    await asked.execute_command(*command)


async def _again(service: Service) -> None:
    """Start a killed service; what is left of its processes may still hold its files for a moment."""
    deadline = time.monotonic() + SETTLED
    while True:
        try:
            await asyncio.to_thread(service.start)
        except MissingError:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            return
