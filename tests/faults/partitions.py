"""Two nodes whose wires are parted: to their clients, to PostgreSQL, to Redis, in one direction or both.

Also the deaf worker: a node whose subscription to Redis stays open and hears nothing.
"""

from __future__ import annotations

import asyncio
import random
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from server.bus.redis import POLL
from tests.faults import cast as casts
from tests.faults import devices
from tests.faults.campaign import Program, Server
from tests.faults.devices import Device, Stage
from tests.faults.history import History
from tests.faults.links import Part, Wires
from tests.faults.nodes import Fault, Nodes, Services

LONGEST = 2.0  # seconds that a wire is parted
HEARD_WITHIN = 15.0  # seconds: ``server.bus.redis.SILENT`` and a poll, and room for a busy machine


@dataclass
class Partitions(Nodes):
    """One run of two nodes on wires. ``faults`` is the number of parted wires."""

    spaces: bool = False
    """Whether every node has a network namespace of its own."""
    wires: list[Wires] = field(default_factory=list)

    async def _wire(self, node: Server) -> None:
        assert self.services is not None
        self.wires.append(await wired(node, self.services, len(self.wires), spaces=self.spaces))

    async def _unwire(self) -> None:
        for wires in self.wires:
            await wires.remove()

    def _kinds(self, nodes: list[Server]) -> list[Fault]:
        return [self._part]

    async def _part(self, chance: random.Random, stage: Stage) -> None:
        """Part one wire of one node for a while; when it heals, its connections may be gone or go on."""
        wires = chance.choice(self.wires)
        name, how = chance.choice(wires.names), chance.choice(get_args(Part))
        wire = getattr(wires, name)
        stage.history.add("fault", kind=f"{name}, {how}")
        stage.count("node_partitions")
        if name == "redis":
            stage.count("redis_faults")
        await wire.part(how)
        await asyncio.sleep(chance.uniform(0.2, LONGEST))
        if chance.random() < 0.5:
            wire.proxy.cut()
        await wire.heal()


async def wired(node: Server, services: Services, number: int, *, spaces: bool) -> Wires:
    """Put wires between a node that has not started and everybody else."""
    wires = await Wires.lay(number, node.port, services.postgres.port, services.redis.port, spaces=spaces)
    for name, wire in (("database_url", wires.postgres), ("redis_url", wires.redis)):
        there = f"{wire.proxy.at}:{wire.proxy.port}"
        node.shared[name] = re.sub(r"127\.0\.0\.1:\d+", there, node.shared[name])
    node.shared["host"] = wires.host
    node.namespace, node.reach = wires.namespace, wires.clients.proxy.port
    return wires


async def deaf_worker(services: Services, home: Path, forks: Program) -> dict[str, float]:
    """Part the wire from Redis to a node: its lines hear of messages on the other node by polling, within a bound.

    Raises:
        AssertionError: later than that, or not at once again when the wire has healed.

    """
    folder = Path(tempfile.mkdtemp(prefix="pli-faults-"))
    nodes: list[Server] = []
    wires: list[Wires] = []
    try:
        cast = await services.cast(home / "nodes")
        database = await asyncio.to_thread(services.postgres.database, services.template)
        shared = {"database_url": services.postgres.url(database), "redis_url": services.redis.url}
        for name in ("one", "two"):
            nodes.append(Server(casts.copy(home / "nodes", folder / name), forks, shared=dict(shared)))
            wires.append(await wired(nodes[-1], services, len(wires), spaces=False))
            await nodes[-1].start()
        return await _listen(cast, nodes, wires[1])
    finally:
        for node in nodes:
            await node.kill()
        for each in wires:
            await each.remove()
        shutil.rmtree(folder, ignore_errors=True)


async def _listen(cast: casts.Cast, nodes: list[Server], wires: Wires) -> dict[str, float]:
    conv, members = next(iter(cast.conversations.items()))
    people = {person.id: person for person in cast.people}
    here, there = (Stage(cast, History(), random.Random(1), [node.reach]) for node in nodes)
    writer, reader = Device(here, people[members[0]]), Device(there, people[members[1]])
    _, last = await devices.feed(reader, 0)
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    line = await reader.listen(last, heard.put_nowait)

    async def told() -> float:
        begun = time.monotonic()
        assert await devices.hand_in(writer, casts.envelope(conv, 1)), "the writer is served"
        async with asyncio.timeout(2 * HEARD_WITHIN):
            while b'"event"' not in await heard.get():
                pass
        return time.monotonic() - begun

    try:
        await told()
        await asyncio.sleep(3 * POLL)  # what a node that begins to hear asks once, it has asked
        await wires.redis.part("to node")
        deaf = await told()
        polled = await told()
        await wires.redis.heal()
        await asyncio.sleep(3)
        healed = await told()
    finally:
        line.close()
        writer.close()
        reader.close()
    assert deaf <= HEARD_WITHIN, f"a deaf worker heard after {deaf:.1f} s"
    assert polled <= HEARD_WITHIN / 3, f"a worker that knows it is deaf heard after {polled:.1f} s"
    return {"deaf": round(deaf, 2), "polling": round(polled, 2), "healed": round(healed, 2)}
