"""One simulated run: the cast at work on one or two nodes, with every fault that its seed draws, and the verdict."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import random
import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pysqlite3.dbapi2 as sqlite

from crypto.codec import unb64
from server.bus.redis import POLL
from server.settings import Settings
from tests.faults import cast as casts
from tests.faults import devices, mutants
from tests.faults.checker import Breach, check
from tests.faults.devices import PATIENCE, Device, Stage
from tests.faults.history import History
from tests.faults.simulation import ageing, redis
from tests.faults.simulation.node import Cable, Node
from tests.faults.simulation.virtual import Turns, VirtualClock, VirtualLoop, pause

LEVEL_WITHIN = 15.0  # seconds: a deaf bus is noticed after 11 (``server.bus.redis.SILENT``), then asked around each
ASKED_WITHIN = 35.0  # seconds: a hint that vanishes alone is found by the question of every half minute
ENDLESS = 120.0  # seconds after the faults in which everybody ends
JUMPS = (-2 * 3_600_000, 24 * 3_600_000, 90_000, -500)  # milliseconds


@dataclass
class Network:
    """What happens to requests and answers on their way."""

    chance: random.Random
    lost: float = 0.0
    twice: float = 0.0
    slow: float = 0.0
    """Shares of messages."""

    def delay(self) -> float:
        if self.chance.random() < self.slow:
            return self.chance.uniform(1, 2 * PATIENCE)
        return self.chance.uniform(0.001, 0.02)

    def loses(self) -> bool:
        return self.chance.random() < self.lost


@dataclass
class Simulated(Device):
    """A device whose requests travel through the simulated network, to whichever node lives."""

    world: World = field(kw_only=True)

    async def ask(self, method: str, path: str, body: bytes = b"", **_: str) -> tuple[int, Any]:
        world, loop = self.world, asyncio.get_running_loop()
        answered: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        nodes = [world.chance.choice(world.nodes)]
        if world.network.chance.random() < world.network.twice:
            nodes.append(world.chance.choice(world.nodes))
        for node in nodes:
            if not world.network.loses():
                work = partial(self._arrive, node, answered, method, path, body)
                loop.call_later(world.network.delay(), work)
        async with asyncio.timeout(PATIENCE):
            status, text = await answered
        return status, msgspec.json.decode(text) if text else None

    def _arrive(self, node: Node, answered: asyncio.Future[Any], method: str, path: str, body: bytes) -> None:
        if node.alive:
            node.run(self._serve(node, answered, method, path, body))
        elif not answered.done():
            answered.set_exception(ConnectionError("nobody listens"))

    async def _serve(self, node: Node, answered: asyncio.Future[Any], method: str, path: str, body: bytes) -> None:
        network, loop = self.world.network, asyncio.get_running_loop()
        try:
            answer = await node.answer(method, path, self.person.token, body)
        except asyncio.CancelledError:
            if not answered.done():
                answered.set_exception(ConnectionError("it died"))
            raise
        if not network.loses():
            loop.call_later(network.delay(), lambda: answered.done() or answered.set_result(answer))

    async def listen(self, after: int, hear: Callable[[bytes], None]) -> Any:
        status, ticket = await self.ask("POST", "/v1/live/tickets")
        node = self.world.chance.choice(self.world.nodes)
        await asyncio.sleep(self.world.network.delay())
        if status != 201 or not node.alive:
            raise ConnectionError
        cable = Cable(random.Random(self.world.chance.random()), hear)
        try:
            await node.run(node.open(cable, ticket["ticket"], after))
        except asyncio.CancelledError:
            if node.alive:
                raise
            raise ConnectionError("it died") from None
        except Exception as exc:
            raise ConnectionError(str(exc)) from None
        return cable


@dataclass
class Run:
    """What a simulated run found."""

    seed: int
    trace: str
    """A fingerprint of all that happened, and when."""
    steps: int
    seconds: float
    """Virtual ones."""
    counts: dict[str, int]
    breaches: list[Breach]
    history: History
    """Kept only when something was breached."""


class World:
    """Everything there is in one run."""

    def __init__(self, seed: int, home: Path, folder: Path, nodes: int | None = None) -> None:
        self.seed, self.loop = seed, VirtualLoop(seed)
        self.chance = random.Random(seed)
        whole = msgspec.json.decode((home / "cast.json").read_bytes(), type=casts.Cast)
        self.cast = self._some(whole)
        self.network = self._network()
        self.database = folder / "pli.db"
        shutil.copy(home / "data" / "pli.db", self.database)
        shutil.copy(home / "data" / "server.key", folder)
        self.turns = Turns()
        drawn = self.chance.choice((1, 2))
        nodes = nodes or drawn
        self.redis = redis.Redis(random.Random(self.chance.random())) if nodes > 1 else None
        base = _last_used(self.database)
        self.history = History(clock=self.loop.time)
        self.history.add("term", days=ageing.TERM)
        self.nodes = [
            Node(
                Settings(
                    data=folder,
                    access_log=False,
                    redis_url="redis://simulated" if self.redis else None,
                    session_days=400,
                    message_days=ageing.TERM,
                ),
                VirtualClock(self.loop, base),
                random.Random(self.chance.random()),
                self.turns,
                self.redis,
            )
            for _ in range(nodes)
        ]
        self.stage = Stage(self.cast, self.history, random.Random(self.chance.random()), [])
        self.stage.up.set()
        self.over = 0.0
        """When the last fault ends by itself."""
        self.started: list[asyncio.Task[None]] = []
        self.target: dict[str, int] | None = None

    def _some(self, whole: casts.Cast) -> casts.Cast:
        """A conversation or two: any, and the one that a member is taken out of."""
        others = [conv for conv in whole.conversations if conv != whole.left]
        names = self.chance.choice(
            (
                [self.chance.choice(others)],
                [self.chance.choice(others)],
                [whole.left],
                [self.chance.choice(others), whole.left],
            )
        )
        chosen = {conv: whole.conversations[conv] for conv in names}
        there = {person for members in chosen.values() for person in members}
        people = [person for person in whole.people if person.id in there]
        return casts.Cast(people, chosen, whole.leaver, whole.left, whole.remover, whole.removal)

    def _network(self) -> Network:
        bad = self.chance.random() < 0.7
        share = partial(self.chance.uniform, 0, 0.08) if bad else lambda: 0.0
        return Network(random.Random(self.chance.random()), share(), share(), share() / 4)

    def device(self, account: str) -> Simulated:
        person = next(person for person in self.cast.people if person.id == account)
        return Simulated(self.stage, person, world=self)

    # --- the run -----------------------------------------------------------------------------------------------------

    async def play(self) -> None:
        """Let the devices work under faults, then let them finish, then read everything."""
        for conv, members in self.cast.conversations.items():
            for each in members:
                self.history.add("member", account=each, conv=conv)
        for node in self.nodes:
            await node.start()
        if self.chance.random() < 0.8:  # up for a while: what a node asks in the beginning is asked
            await asyncio.sleep(3 * POLL)
        working = [asyncio.ensure_future(work) for work in self._work()]
        following = [asyncio.ensure_future(self._follow(self.device(each.id))) for each in self.cast.people]
        try:
            await self._hurt()
            await self._finish(working, "writers and readers")
            self.history.add("calm")
            self.target = self._lengths()  # nobody says anything more: a message would wake those who missed one
            await self._finish(following, "followers")
            if self.chance.random() < 0.4:
                await ageing.age(self)
            await self._probe()
            await asyncio.sleep(3 * PATIENCE)  # what was given up may still be under way, and arrive between two reads
            await self._read_to_the_end()
        finally:
            for node in self.nodes:
                node.crash()
            for task in (*working, *following):
                task.cancel()
            await asyncio.gather(*working, *following, *self.started, return_exceptions=True)

    def _work(self) -> list[Any]:
        some = list(self.cast.conversations.items())
        writers = [(each, conv) for conv, members in some for each in members]
        self.chance.shuffle(writers)
        working = [devices.write(self.device(each), conv) for each, conv in writers[: self.chance.randint(1, 4)]]
        return [*working, devices.read(self.device(self.chance.choice(self.cast.people).id))]

    async def _follow(self, device: Simulated) -> None:
        """Keep a line open, believe what it says, and ask for nothing that it does not announce."""
        history, who, at, lines = self.history, device.person.id, 0, 0
        history.add("follower", who=who)

        def enough(reached: int) -> bool:
            return self.target is not None and reached >= self.target[who]

        while not enough(at):
            lines += 1
            with contextlib.suppress(*devices.BROKEN):
                at = await devices.follow_line(device, f"{who[:6]}/{lines}", at, enough)
            await asyncio.sleep(0.05)
        history.add("level", who=who)

    def _lengths(self) -> dict[str, int]:
        sql = "SELECT MAX(position) FROM feed WHERE account = ?"
        with contextlib.closing(sqlite.connect(self.database)) as connection:
            return {p.id: connection.execute(sql, (unb64(p.id),)).fetchone()[0] or 0 for p in self.cast.people}

    async def _finish(self, tasks: list[asyncio.Task[Any]], who: str) -> None:
        done, late = await asyncio.wait(tasks, timeout=ENDLESS)
        for task in done:
            task.result()
        if late:
            self.history.add("stuck", who=f"{len(late)} {who}", seconds=ENDLESS)

    async def _probe(self) -> None:
        for conv, members in self.cast.conversations.items():
            device = self.device(members[0])
            if not await devices.hand_in(device, casts.envelope(conv, self.stage.epochs.get(conv, 1))):
                self.history.add("stuck", who=f"the conversation {conv}", seconds=0)

    async def _read_to_the_end(self) -> None:
        for person in self.cast.people:
            device = self.device(person.id)
            for conv in [conv for conv, members in self.cast.conversations.items() if person.id in members]:
                after = 0
                while items := await devices.page(device, conv, after, whole=True):
                    after = items[-1][0]
                await devices.marks(device, conv)
            at, last = await devices.feed(device, 0, whole=True)
            while at < last:
                at, last = await devices.feed(device, at, whole=True)

    # --- faults ------------------------------------------------------------------------------------------------------

    async def _hurt(self) -> None:
        faults: list[Callable[[], Any]] = [
            self._crash,
            self._crash,
            self._cut,
            self._jump,
            self._fill,
            self._slow,
            partial(ageing.sweep, self),
        ]
        if self.redis is not None:
            faults += [self._kill_redis, self._pause_redis, self._deafen, self._lose_hints]
        removing: asyncio.Task[None] | None = None
        many = self.chance.randint(1, 4)
        for number in range(many):
            await asyncio.sleep(self.chance.uniform(0.02, 0.12))
            if number == many // 2 and self.cast.left in self.cast.conversations:
                removing = asyncio.ensure_future(devices.remove(self.stage, self.device(self.cast.remover)))
            fault = self.chance.choice(faults)
            kind = getattr(fault, "__name__", "_sweep")[1:]
            self.history.add("fault", kind=kind)
            self.stage.count(kind)
            fault()
        await asyncio.sleep(self.chance.uniform(0.02, 0.12))
        if removing is not None:
            await removing
        self.stage.ending = True
        if self.chance.random() < 0.5:  # the last words of a node: nothing later tells of them
            self._crash()
        await asyncio.sleep(max(0.0, self.over - self.loop.time()))
        self.network.lost = self.network.twice = self.network.slow = 0.0

    def _until(self, longest: float, ends: Callable[[], Any]) -> None:
        """End a fault later, at a moment of its own."""
        seconds = self.chance.uniform(0, longest)
        self.over = max(self.over, self.loop.time() + seconds)
        self.loop.call_later(seconds, ends)

    def _crash(self) -> None:
        node = self.chance.choice(self.nodes)
        if node.alive:
            node.crash()
            self._until(0.2, lambda: self.started.append(asyncio.ensure_future(node.start())))

    def _cut(self) -> None:
        for node in self.nodes:
            for cable in node.cables:
                cable.cut()
            node.cables.clear()

    def _jump(self) -> None:
        clock = self.chance.choice(self.nodes).clock
        clock.jumped = self.chance.choice(JUMPS)
        self._until(0.3, partial(setattr, clock, "jumped", 0))

    def _fill(self) -> None:
        disk = self.chance.choice(self.nodes).disk
        disk.full = True
        self._until(0.1, partial(setattr, disk, "full", False))

    def _slow(self) -> None:
        disk = self.chance.choice(self.nodes).disk
        disk.slow = 0.2
        self._until(0.5, partial(setattr, disk, "slow", 0.0))

    def _kill_redis(self) -> None:
        assert self.redis is not None
        self.redis.kill()
        self._until(3, partial(setattr, self.redis, "up", True))

    def _pause_redis(self) -> None:
        assert self.redis is not None
        self.redis.standing = True
        self._until(12, partial(setattr, self.redis, "standing", False))

    def _deafen(self) -> None:
        assert self.redis is not None
        self.redis.deafen()

    def _lose_hints(self) -> None:
        assert self.redis is not None
        self.redis.loses = 0.5
        self._until(1, partial(setattr, self.redis, "loses", 0.0))


def _last_used(database: Path) -> int:
    """Return when the cast was last awake: the sessions are as old as that, and outlive the run from now on."""
    connection = sqlite.connect(database)
    connection.execute("UPDATE session SET expires = expires + ?", (400 * 24 * 3_600_000,))
    connection.commit()
    (at,) = connection.execute("SELECT MAX(last_used) FROM session").fetchone()
    connection.close()
    return int(at) + 60_000


def play(seed: int, home: Path, folder: Path, nodes: int | None = None) -> Run:
    """Play one run, start to end, in a folder of its own."""
    folder.mkdir()
    drawn = random.Random(seed)
    kept = casts.fresh, secrets.token_bytes, mutants.time
    casts.fresh = secrets.token_bytes = drawn.randbytes
    mutants.time = SimpleNamespace(sleep=pause)
    world = World(seed, home, folder, nodes)
    try:
        asyncio.set_event_loop(world.loop)
        world.loop.run_until_complete(world.play())
    finally:
        casts.fresh, secrets.token_bytes, mutants.time = kept
        asyncio.set_event_loop(None)
        world.loop.close()
        shutil.rmtree(folder)
    history = world.history
    told = hashlib.sha256(json.dumps(history.records, separators=(",", ":")).encode())
    breaches = check(history, level_within=ASKED_WITHIN if "lose_hints" in world.stage.counts else LEVEL_WITHIN)
    told_whole = History(history.records if breaches else ())
    return Run(
        seed, told.hexdigest()[:16], world.loop.steps, world.loop.time(), world.stage.counts, breaches, told_whole
    )
