"""Campaigns: the cast at work while the server is killed, loses its power, or simply runs; then the verdict.

Safety first, liveness after: when the faults end, every device finishes what it has begun, every follower catches up,
every log and feed is read to its end, and the checker judges the whole history.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pysqlite3.dbapi2 as sqlite

from tests.faults import cast as casts
from tests.faults import devices, starving
from tests.faults.checker import Breach, check
from tests.faults.devices import Device, Stage
from tests.faults.history import History
from tests.faults.proxy import Proxy
from tools.services import free_port

ROOT = Path(__file__).parents[2]
How = Literal["kill", "cut", "run", "nodes", "partitions", "sim"]
Hurt = Callable[[random.Random, Stage], Awaitable[None]]
STUCK = 15.0  # seconds after the faults in which everybody ends, beside those that the machine keeps them waiting
GONE = 30.0  # seconds in which nothing is left of a killed process
HELPED = 120.0  # seconds in which a helper answers, on a machine with much else to do
CLOCKS = (0, 0, -2 * 3_600_000, 24 * 3_600_000)  # milliseconds by which the wall clock of a start jumps


class Program:
    """A helper program that takes lines and answers with lines."""

    def __init__(self, module: str, *arguments: str) -> None:
        with Path(os.environ.get("FAULTS_LOG", os.devnull)).open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=ROOT,
            )
        self._reader: asyncio.StreamReader | None = None
        self._pipe: asyncio.ReadTransport | None = None

    async def line(self) -> str:
        if self._reader is None:
            self._reader = asyncio.StreamReader()
            loop = asyncio.get_running_loop()
            protocol = asyncio.StreamReaderProtocol(self._reader)
            self._pipe, _ = await loop.connect_read_pipe(lambda: protocol, self.process.stdout)
        try:
            line = await asyncio.wait_for(self._reader.readline(), HELPED)
        except TimeoutError:
            raise RuntimeError(f"a helper says nothing for {HELPED:.0f} s: {self.process.args}") from None
        if not line:
            raise RuntimeError(f"a helper ended: {self.process.args}")
        return line.decode().strip()

    async def tell(self, line: str) -> str:
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()
        return await self.line()

    def end(self) -> None:
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self._pipe is not None:
            self._pipe.close()  # before its number is given to another pipe
        else:
            self.process.stdout.close()


@dataclass
class Server:
    """The server under fault: at one address, in one process after another."""

    data: Path
    forks: Program
    port: int = field(default_factory=free_port)
    mutant: str | None = None
    shared: dict[str, str] = field(default_factory=dict)
    """Settings of nodes: what they have in common."""
    reach: int = 0
    """Where clients find it on loopback; 0: at its own port."""
    namespace: str | None = None
    """The network namespace it lives in."""
    pid: int = 0
    starts: list[float] = field(default_factory=list)

    async def start(self, clock: int = 0) -> None:
        order = {"data": str(self.data), "port": self.port, "mutant": self.mutant, "clock": clock}
        order |= {"shared": self.shared, "namespace": self.namespace}
        self.pid = json.loads(await self.forks.tell(json.dumps(order)))["pid"]
        said = json.loads(await self.forks.line())
        if "ready" not in said:
            raise RuntimeError(f"the server does not start: {said}")
        self.starts.append(said["ready"])

    async def kill(self) -> None:
        """SIGKILL, and wait until nothing is left of it (its fork server may be gone too, and count it no more).

        Raises:
            RuntimeError: it is still there after ``GONE`` seconds.

        """
        if not self.pid:
            return
        deadline = time.monotonic() + GONE
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        while starving.lives(self.pid):
            if time.monotonic() > deadline:
                raise RuntimeError(f"process {self.pid} is still there {GONE:.0f} s after SIGKILL")
            await asyncio.sleep(0.002)
        self.pid = 0

    def resident(self) -> int:
        """Return its resident bytes."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@dataclass
class Outcome:
    """What a campaign found."""

    how: How
    seed: int
    faults: int
    counts: dict[str, int]
    breaches: list[Breach]
    history: History
    starts: list[float]
    seconds: float

    def number(self, kind: str) -> int:
        return sum(breach.kind == kind for breach in self.breaches)

    def __str__(self) -> str:
        slowest = max(self.starts, default=0.0)
        return (
            f"{self.how}: seed {self.seed}, {self.faults} faults in {self.seconds:.0f} s, "
            f"{self.counts.get('acknowledged', 0)} acknowledged, {len(self.history.of('unknown'))} unknown, "
            f"slowest start {slowest:.2f} s, {len(self.breaches)} breaches"
        )


@dataclass
class Campaign:
    """One run. ``faults`` is the number of kills or cuts; for ``run``, tenths of a second."""

    how: How
    faults: int
    seed: int
    home: Path
    """Where the cast was made; everything else is put in a temporary folder."""
    mutant: str | None = None
    partitions: bool = True

    async def play(self, forks: Program | None = None) -> Outcome:
        begun = time.monotonic()
        folder = Path(tempfile.mkdtemp(prefix="pli-faults-"))
        own_forks = forks or Program("tests.faults.fork_server")
        disk: Program | None = None
        server: Server | None = None
        try:
            cast = await casts.make(self.home)
            data = casts.copy(self.home, folder / "data")
            if self.how == "cut":
                (folder / "disk").mkdir()
                disk = Program("tests.faults.fragile_disk", str(folder / "disk"), str(data))
                await disk.line()
                data = folder / "disk"
            server = Server(data, own_forks, mutant=self.mutant)
            stage = await self._act(cast, [server], functools.partial(self._fault, server, disk))
            await server.kill()
            _inspect(stage.history, data)
        finally:
            if server is not None:
                await server.kill()
            if disk is not None:
                disk.end()
            if forks is None:
                own_forks.end()
            shutil.rmtree(folder, ignore_errors=True)
        history = stage.history
        return Outcome(
            self.how, self.seed, self.faults, stage.counts, check(history), history, server.starts,
            time.monotonic() - begun,
        )  # fmt: skip

    async def _act(self, cast: casts.Cast, servers: list[Server], hurt: Hurt) -> Stage:
        """Let the devices work while ``hurt`` runs, then let them finish and read everything."""
        chance = random.Random(self.seed)
        proxy = Proxy(servers[0].reach or servers[0].port)
        await proxy.start()
        ports = [proxy.port, *(server.reach or server.port for server in servers)]
        stage = Stage(
            cast, History(), random.Random(chance.random()), ports, clock_jumps=self.how == "kill",
            starved=lambda: starving.waited([os.getpid(), *(server.pid for server in servers)]),
        )  # fmt: skip
        calm = asyncio.Event()
        for conv, members in cast.conversations.items():
            for each in members:
                stage.history.add("member", account=each, conv=conv)
        for server in servers:
            await server.start()
        stage.up.set()
        writing = self._writers(stage)
        following = [asyncio.ensure_future(devices.follow(Device(stage, person), calm)) for person in cast.people]
        probes: list[asyncio.Future[None]] = []
        weather = asyncio.ensure_future(self._weather(proxy, random.Random(chance.random()), stage))
        try:
            await hurt(chance, stage)
            weather.cancel()
            proxy.swallows = False
            stage.history.add("calm", starved=stage.starved())
            calm.set()
            stage.ending = True
            stage.up.set()
            await _finish(writing, stage, "writers and readers")
            await _finish(stage.removing, stage, "removals of a member")
            probes = [asyncio.ensure_future(_probe(stage, conv)) for conv in cast.conversations]
            await _finish(probes, stage, "conversations")
            await _finish(following, stage, "followers")
            await _read_to_the_end(stage)
        finally:
            tasks = (weather, *writing, *stage.removing, *probes, *following)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await proxy.close()
        return stage

    def _writers(self, stage: Stage) -> list[asyncio.Future[None]]:
        cast, working = stage.cast, []
        for person in cast.people:
            mine = [conv for conv, members in cast.conversations.items() if person.id in members]
            working += [asyncio.ensure_future(devices.write(Device(stage, person), conv)) for conv in mine]
            working.append(asyncio.ensure_future(devices.read(Device(stage, person))))
        conv, members = next(iter(cast.conversations.items()))
        uploader = next(person for person in cast.people if person.id == members[0])
        if self.how not in {"nodes", "partitions"}:  # their documents would lie on one node's disk
            working.append(asyncio.ensure_future(devices.upload(Device(stage, uploader), conv)))
        return working

    async def _weather(self, proxy: Proxy, chance: random.Random, stage: Stage) -> None:
        """Cut the network, or let answers vanish, now and then."""
        while self.partitions:
            await asyncio.sleep(chance.uniform(0.2, 0.6))
            proxy.swallows = chance.random() < 0.5
            await asyncio.sleep(0.05)
            proxy.cut()
            proxy.swallows = False
            stage.count("partitions")
            stage.history.add("fault", kind="partition")

    async def _fault(self, server: Server, disk: Program | None, chance: random.Random, stage: Stage) -> None:
        if self.how == "run":
            await asyncio.sleep(self.faults / 20)
            await devices.remove(stage)
            await asyncio.sleep(self.faults / 20)
            return
        for number in range(self.faults):
            if number == self.faults // 2:
                stage.removing.append(asyncio.ensure_future(devices.remove(stage, patience=None)))
            await asyncio.sleep(chance.uniform(0.05, 0.3))
            stage.up.clear()
            if disk is not None:
                await self._lose_power(chance, disk, stage)
            await server.kill()
            stage.history.add("fault", kind=self.how)
            clock = chance.choice(CLOCKS) if stage.clock_jumps else 0
            stage.counts["clock_jumps"] = stage.counts.get("clock_jumps", 0) + (clock != 0)
            await server.start(clock)
            stage.up.set()

    async def _lose_power(self, chance: random.Random, disk: Program, stage: Stage) -> None:
        """Now and then the disk fails before it dies: nothing may be acknowledged then."""
        if chance.random() < 0.2:
            await disk.tell("fail sync")
            stage.count("io_errors")
            await asyncio.sleep(0.03)
        await disk.tell(f"cut {chance.choice(('forget', 'torn'))} {chance.random()}")
        await disk.tell("fail none")


async def _probe(stage: Stage, conv: str) -> None:
    """A conversation takes a message again: liveness."""
    first = stage.cast.conversations[conv][0]
    device = Device(stage, next(person for person in stage.cast.people if person.id == first))
    try:
        while (seq := await devices.hand_in(device, casts.envelope(conv, stage.epochs.get(conv, 1)))) is None:
            pass
    finally:
        device.close()
    if not seq:
        stage.history.add("stuck", who=f"the conversation {conv}", seconds=0)


async def _finish(working: list[asyncio.Future[None]], stage: Stage, who: str) -> None:
    """Wait for those who are about to end; who does not, though the machine lets everybody run, is a breach."""
    late, until, owed = set(working), time.monotonic() + STUCK, stage.starved()
    while late and (left := until + stage.starved() - owed - time.monotonic()) > 0:
        done, late = await asyncio.wait(late, timeout=left)
        for task in done:
            task.result()
    if late:
        stage.history.add("stuck", who=f"{len(late)} {who}", seconds=STUCK)


async def _read_to_the_end(stage: Stage) -> None:
    """Read every log as each member, every feed, every mark, every document."""
    cast, people = stage.cast, {person.id: person for person in stage.cast.people}
    for person in cast.people:
        device = Device(stage, person)
        for conv in [conv for conv, members in cast.conversations.items() if person.id in members]:
            after = 0
            while items := await devices.page(device, conv, after, whole=True):
                after = items[-1][0]
            await devices.marks(device, conv)
        at, last = await devices.feed(device, 0, whole=True)
        while at < last:
            at, last = await devices.feed(device, at, whole=True)
        device.close()
    for conv, document in stage.documents:
        device = Device(stage, people[cast.conversations[conv][-1]])
        status, sealed = await device.ask("GET", f"/v1/conversations/{conv}/attachments/{document}")
        told = devices.digest(casts.b64(sealed)) if status == 200 else None
        stage.history.add("blob_read", id=document, hash=told)
        stage.count("documents")
        device.close()


def _inspect(history: History, data: Path) -> None:
    """Let SQLite look for itself."""
    try:
        connection = sqlite.connect(data / "pli.db")
        said = connection.execute("PRAGMA integrity_check").fetchone()[0]
        connection.close()
    except (sqlite.Error, OSError) as exc:
        said = repr(exc)
    history.add("integrity", said=said)
