"""The order of a run: one server, one population, every stage on it."""

import asyncio
import contextlib
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bench import attachments, stages
from bench.people import Pair, Prepared, activations, make_pairs
from bench.plan import SENDERS, Plan
from bench.process import Server, start
from bench.sockets import Arrivals, LeanSocket, Receiver, SocketIo
from bench.wire import Http, request
from server.__main__ import main as pli

RATE_GUESS = 6_000  # envelopes a second that one closed loop may need; more are sealed on the way


BEGUN = time.perf_counter()


def say(text: str) -> None:
    print(f"· {time.perf_counter() - BEGUN:5.1f} s  {text}", file=sys.stderr, flush=True)


class Bench:
    """A running server with its people."""

    def __init__(self, server: Server, pairs: Sequence[Pair], plan: Plan) -> None:
        self.server, self.pairs, self.plan = server, pairs, plan
        self.arrivals = Arrivals()
        self._kept: list[Http] = []

    def pace(self, half: int) -> None:
        """Shorten the stages to come when this machine is slow."""
        if self.plan.hurry and time.perf_counter() - BEGUN > self.plan.hurry[half]:
            self.plan = replace(self.plan, seconds=self.plan.seconds * 0.6)

    # --- senders ------------------------------------------------------------------------------------------------

    async def http(self) -> Http:
        connection = await Http.open(self.server.host, self.server.port)
        self._kept.append(connection)
        return connection

    def submit(self, pair: Pair, token: str, prepared: Prepared) -> bytes:
        return request(
            "POST",
            f"/v1/conversations/{pair.conversation}/envelopes",
            self.server.address,
            prepared.body,
            authorization=f"Bearer {token}",
            content_type="application/json",
        )

    def stock(self, pair: Pair, count: int) -> Callable[[], Prepared]:
        """Envelopes sealed before the clock starts; a few at a time after."""
        ready = pair.messages(count)

        def take() -> Prepared:
            if not ready:
                ready.extend(pair.messages(8))
            return ready.pop()

        return take

    async def http_senders(self, count: int, each: int) -> list[stages.Send]:
        async def sender(pair: Pair) -> stages.Send:
            connection, take = await self.http(), self.stock(pair, each)

            async def send() -> str | None:
                prepared = take()
                status, _, _ = await connection.ask(self.submit(pair, pair.doctor.token, prepared))
                return prepared.id if status == 201 else None

            return send

        return [await sender(self.pairs[index % len(self.pairs)]) for index in range(count)]

    def lean_senders(self, sockets: Sequence[LeanSocket], count: int, each: int) -> list[stages.Send]:
        def sender(pair: Pair, socket: LeanSocket) -> stages.Send:
            take = self.stock(pair, each)

            async def send() -> str | None:
                prepared = take()
                return prepared.id if await socket.send(pair.conversation, prepared.body) else None

            return send

        have = len(self.pairs)
        return [sender(self.pairs[index % have], sockets[index % have]) for index in range(count)]

    # --- receivers ----------------------------------------------------------------------------------------------

    async def connect(self, kind: type[Receiver]) -> tuple[list[Receiver], list[Receiver]]:
        """Connect both persons of every pair; the patients' arrivals count."""
        doctors = [self._receiver(kind, pair.doctor.token, lambda _: None) for pair in self.pairs]
        patients = [self._receiver(kind, pair.patient.token, self.arrivals.note) for pair in self.pairs]
        await in_groups([one.open for one in doctors + patients])
        return doctors, patients

    def _receiver(self, kind: type[Receiver], token: str, note: Callable[[str], None]) -> Receiver:
        return kind(self.server.host, self.server.port, token, note)

    def hang_up(self, *receivers: Receiver) -> None:
        for one in receivers:
            one.close()
        for connection in self._kept:
            connection.close()
        self._kept.clear()

    # --- stages -------------------------------------------------------------------------------------------------

    async def closed_loops(self, make: Callable[[int, int], Awaitable[list[stages.Send]]]) -> dict[str, Any]:
        found = {}
        for count in SENDERS:
            each = max(8, int(RATE_GUESS * self.plan.seconds / count)) if count > 1 else int(1_500 * self.plan.seconds)
            rounds = []
            for _ in range(self.plan.rounds):
                senders = await make(count, each)
                rounds.append(await stages.closed_loop(self.server, senders, self.plan.seconds, self.arrivals.at))
                self.arrivals.at.clear()
            rounds.sort(key=lambda one: one["per_server_cpu_s"])
            found[str(count)] = rounds[len(rounds) // 2] | {"rounds": [one["per_server_cpu_s"] for one in rounds]}
            say(f"{count} senders: {found[str(count)]['per_server_cpu_s']} messages per server-CPU-second")
        return found

    async def offered_loads(self) -> dict[str, Any]:
        found = {}
        for rate in self.plan.offered:
            each = int(rate * self.plan.seconds / min(64, len(self.pairs))) + 2
            senders = await self.http_senders(min(64, len(self.pairs)), each)
            result = await stages.offered(self.server, senders, rate, self.plan.seconds, self.arrivals.at)
            self.arrivals.at.clear()
            found[str(rate)] = result
            say(f"{rate}/s offered: p50 {result['delivery_p50_ms']} ms, p99 {result['delivery_p99_ms']} ms")
        return found

    async def receipts(self, doctors: Sequence[Receiver]) -> dict[str, Any]:
        """The patient's receipt until it is on the doctor's screen, one pair."""
        pair, doctor, connection = self.pairs[0], doctors[0], await self.http()
        arrived: dict[str, asyncio.Future[None]] = {}

        def note(envelope: str) -> None:
            if envelope in arrived and not arrived[envelope].done():
                arrived[envelope].set_result(None)

        [message] = pair.messages(1)
        _, _, answer = await connection.ask(self.submit(pair, pair.doctor.token, message))
        seq = int(answer.partition(b'"seq":')[2].split(b",")[0].strip(b" }"))
        ready = [pair.receipt(message.id, seq) for _ in range(int(1_000 * self.plan.seconds))]
        doctor.note = note

        async def ask() -> bool:
            if not ready:
                return await asyncio.sleep(0.01, result=False)
            receipt = ready.pop()
            arrived[receipt.id] = asyncio.get_running_loop().create_future()
            status, _, _ = await connection.ask(self.submit(pair, pair.patient.token, receipt))
            if status == 201:
                await asyncio.wait_for(arrived[receipt.id], 5)
            return status == 201

        result = await stages.repeated(self.server, [ask], min(self.plan.seconds, 2.0))
        doctor.note = lambda _: None
        return result

    async def history(self) -> dict[str, Any]:
        """Pages of 50 events, 16 readers."""

        async def reader(pair: Pair) -> Callable[[], Awaitable[bool]]:
            connection = await self.http()
            page = request(
                "GET",
                f"/v1/conversations/{pair.conversation}/events?after=0&limit=50",
                self.server.address,
                authorization=f"Bearer {pair.doctor.token}",
            )

            async def ask() -> bool:
                status, _, body = await connection.ask(page)
                return status == 200 and len(body) > 50 * 1000

            return ask

        readers = [await reader(pair) for pair in self.pairs[:16]]
        return await stages.repeated(self.server, readers, self.plan.seconds)

    async def idle(self, kind: type[Receiver]) -> dict[str, float]:
        """Resident memory of the server for each connection that says nothing."""
        people = [person for pair in self.pairs for person in (pair.doctor, pair.patient)]
        before = self.server.memory()
        quiet = [
            self._receiver(kind, people[index % len(people)].token, lambda _: None) for index in range(self.plan.idle)
        ]
        await in_groups([one.open for one in quiet])
        await asyncio.sleep(1)
        grown = self.server.memory() - before
        for one in quiet:
            one.close()
        return {"connections": len(quiet), "kib_each": round(grown / 1024 / len(quiet), 1)}


async def in_groups(calls: Sequence[Callable[[], Awaitable[None]]], size: int = 16) -> None:
    for first in range(0, len(calls), size):
        await asyncio.gather(*(call() for call in calls[first : first + size]))


def calibrate() -> float:
    """Milliseconds of CPU for a fixed loop: hosts change their speed, this says by how much."""
    times = []
    for _ in range(5):
        begun = time.process_time()
        sum(number * number for number in range(100_000))
        times.append((time.process_time() - begun) * 1000)
    return round(statistics.median(times), 2)


async def measure(server: Server, tokens: list[str], plan: Plan) -> dict[str, Any]:
    """Run every stage and return what was found."""
    begun = time.perf_counter()
    pairs = await make_pairs(server.host, server.port, tokens, plan.gathering)
    say(f"{len(pairs)} pairs made through the public interface in {time.perf_counter() - begun:.1f} s")
    bench = Bench(server, pairs, plan)
    found: dict[str, Any] = {
        "pairs": len(pairs),
        "calibration_ms": calibrate(),
        "envelope_bytes": pairs[0].messages(1)[0].size,
    }
    found["idle"] = await bench.idle(SocketIo)
    say(f"{found['idle']['kib_each']} KiB for each idle connection")
    bench.pace(0)
    doctors, patients = await bench.connect(SocketIo)
    say("HTTP command, Socket.IO push")
    found["http"] = await bench.closed_loops(bench.http_senders)
    found["offered"] = await bench.offered_loads()
    found["receipts"] = await bench.receipts(doctors)
    found["history"] = await bench.history()
    say(f"receipt round trip p50 {found['receipts']['p50_ms']} ms")
    say(f"{found['history']['per_server_cpu_s']} pages of history per server-CPU-second")
    found["behind"] = sum(one.behind for one in doctors + patients)
    bench.hang_up(*doctors, *patients)
    bench.pace(1)
    say("lean socket both ways")
    doctors, patients = await bench.connect(LeanSocket)

    async def lean(count: int, each: int) -> list[stages.Send]:
        return bench.lean_senders(doctors, count, each)

    found["lean"] = await bench.closed_loops(lean)
    bench.hang_up(*doctors, *patients)
    found["attachment"] = await attachments.measure(server, pairs[0], plan.file)
    return found


def run(plan: Plan, folder: Path) -> dict[str, Any]:
    """Start a fresh server, measure it, stop it."""
    data = folder / "data"
    with contextlib.redirect_stdout(sys.stderr):
        if pli(["init", "--data", str(data)]):
            raise RuntimeError("pli init failed")
    server = start(data, folder / "server.log")
    try:
        return asyncio.run(measure(server, activations(data, plan.pairs, plan.gathering / 2), plan))
    finally:
        server.stop()
