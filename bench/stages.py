"""What is measured. The price is the server's CPU seconds, not the clock: machines are shared."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bench.process import Server, Usage

Send = Callable[[], Awaitable[str | None]]
"""Sends one prepared envelope; its id when it was accepted, None when it was refused."""


def quantile(values: Sequence[float], q: float) -> float | None:
    """The q-quantile in milliseconds, nearest rank."""
    if not values:
        return None
    ordered = sorted(values)
    return round(ordered[max(0, math.ceil(q * len(ordered)) - 1)] * 1000, 3)


@dataclass(slots=True)
class Load:
    """What one stage cost."""

    done: int
    refused: int
    seconds: float
    cpu: float
    others: float
    """Cores that something else kept busy meanwhile: the noise."""
    generator: float
    """Share of its core that the generator used; near 1, the generator was the limit."""

    @classmethod
    def between(cls, before: Usage, after: Usage, done: int, refused: int = 0) -> "Load":
        seconds = after.at - before.at
        ours = after.server - before.server + after.generator - before.generator
        return cls(
            done,
            refused,
            seconds,
            after.server - before.server,
            max(0.0, (after.machine - before.machine - ours) / seconds),
            (after.generator - before.generator) / seconds,
        )

    @property
    def per_cpu_second(self) -> float:
        return round(self.done / self.cpu, 1) if self.cpu else 0.0

    def plain(self) -> dict[str, float]:
        return {
            "done": self.done,
            "refused": self.refused,
            "per_server_cpu_s": self.per_cpu_second,
            "per_s": round(self.done / self.seconds, 1),
            "server_busy": round(self.cpu / self.seconds, 3),
            "generator_busy": round(self.generator, 3),
            "other_cores": round(self.others, 3),
        }


async def arrived(expected: dict[str, float], at: dict[str, float], patience: float = 10) -> int:
    """Wait until every expected envelope arrived or patience ends; return how many did not."""
    deadline = time.perf_counter() + patience
    while (missing := len(expected.keys() - at.keys())) and time.perf_counter() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return missing


async def closed_loop(server: Server, senders: Sequence[Send], seconds: float, at: dict[str, float]) -> dict:
    """Each sender sends its next envelope when the last is acknowledged."""
    acked: dict[str, float] = {}
    waits: list[float] = []
    refused = 0
    end = time.perf_counter() + seconds

    async def work(send: Send) -> None:
        nonlocal refused
        while (begun := time.perf_counter()) < end:
            envelope = await send()
            if envelope is None:
                refused += 1
                continue
            acked[envelope] = begun
            waits.append(time.perf_counter() - begun)

    before = server.usage()
    await asyncio.gather(*(work(send) for send in senders))
    undelivered = await arrived(acked, at)
    load = Load.between(before, server.usage(), len(acked), refused)
    return {
        **load.plain(),
        "ack_p50_ms": quantile(waits, 0.5),
        "ack_p99_ms": quantile(waits, 0.99),
        "undelivered": undelivered,
    }


async def offered(server: Server, senders: Sequence[Send], rate: int, seconds: float, at: dict[str, float]) -> dict:
    """Send ``rate`` envelopes a second whatever the server does; times run from the planned instant of each."""
    planned: dict[str, float] = {}
    refused = 0
    locks = [asyncio.Lock() for _ in senders]
    total = int(rate * seconds)

    async def one(index: int, due: float) -> None:
        nonlocal refused
        which = index % len(senders)
        async with locks[which]:
            envelope = await senders[which]()
        if envelope is None:
            refused += 1
        else:
            planned[envelope] = due

    before = server.usage()
    begun = time.perf_counter()
    tasks = []
    for index in range(total):
        due = begun + index / rate
        if (wait := due - time.perf_counter()) > 0:
            await asyncio.sleep(wait)
        tasks.append(asyncio.ensure_future(one(index, due)))
    await asyncio.wait(tasks, timeout=20)
    for task in tasks:
        task.cancel()
    undelivered = await arrived(planned, at)
    load = Load.between(before, server.usage(), len(planned), refused)
    waits = [at[envelope] - due for envelope, due in planned.items() if envelope in at]
    saturated = undelivered > 0 or len(planned) < total or max(waits, default=0) > 5
    return {
        **load.plain(),
        "offered_per_s": rate,
        "saturated": saturated,
        "delivery_p50_ms": quantile(waits, 0.5),
        "delivery_p99_ms": quantile(waits, 0.99),
        "undelivered": undelivered,
    }


async def repeated(server: Server, asks: Sequence[Callable[[], Awaitable[bool]]], seconds: float) -> dict:
    """Closed loop of any request; the answer says whether it counted."""
    done = refused = 0
    waits: list[float] = []
    end = time.perf_counter() + seconds

    async def work(ask: Callable[[], Awaitable[bool]]) -> None:
        nonlocal done, refused
        while (begun := time.perf_counter()) < end:
            if await ask():
                done += 1
                waits.append(time.perf_counter() - begun)
            else:
                refused += 1

    before = server.usage()
    await asyncio.gather(*(work(ask) for ask in asks))
    load = Load.between(before, server.usage(), done, refused)
    return {**load.plain(), "p50_ms": quantile(waits, 0.5), "p99_ms": quantile(waits, 0.99)}
