"""``python -m bench.scale``: does a message cost the same with a million stored, and how fast is a long absence over?

One population, one server that is restarted between loads. The load is written straight into the tables while the
server is stopped: other people's conversations, with ids as random as real ones and bodies as large. Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench import stages
from bench.goals import SCALE, table
from bench.people import Pair, activations, make_pairs
from bench.plan import Plan
from bench.process import Server, pin_generator, start
from bench.run import Bench, say
from bench.sockets import LeanSocket, SocketIo
from bench.wire import Http, request
from crypto.codec import unb64
from server.__main__ import main as pli
from server.storage import engine

SENDERS = 64
BODY = 1_050  # bytes of an envelope
LENGTH = 500  # messages of one conversation of the load
ABSENCE = 10_000  # events that a device has missed
PAGE = 200
AT = 1_760_000_000_000


def conversations(count: int) -> Iterator[tuple[bytes, list[tuple[Any, ...]]]]:
    """Yield the load: a conversation and its events, ``count`` in all."""
    for first in range(0, count, LENGTH):
        conversation = os.urandom(32)
        yield conversation, events(conversation, 1, min(LENGTH, count - first), os.urandom(32))


def events(conversation: bytes, first: int, count: int, author: bytes) -> list[tuple[Any, ...]]:
    return [
        (conversation, seq, "envelope", AT + seq, author, 1, "message", os.urandom(32), os.urandom(BODY), None)
        for seq in range(first, first + count)
    ]


def load(data: Path, count: int) -> None:
    """Write ``count`` messages of other people: events, and the feeds of the two who read each."""
    connection = engine.writer(data / "pli.db")
    for conversation, rows in conversations(count):
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        for account in (os.urandom(32), os.urandom(32)):
            feed = [(account, row[1], conversation, row[1]) for row in rows]
            connection.executemany("INSERT INTO feed VALUES (?, ?, ?, ?)", feed)
        connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def miss(data: Path, pair: Pair) -> int:
    """Write an absence into the feed of a pair's patient; return the position before it."""
    connection = engine.writer(data / "pli.db")
    conversation, reader = unb64(pair.conversation), pair.patient.own.id
    (last,) = connection.execute("SELECT last_seq FROM conversation WHERE id = ?", (conversation,)).fetchone() or (0,)
    (position,) = connection.execute("SELECT MAX(position) FROM feed WHERE account = ?", (reader,)).fetchone() or (0,)
    rows = events(conversation, last + 1, ABSENCE, pair.doctor.own.id)
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany("INSERT INTO event VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    feed = [(reader, position + number, conversation, row[1]) for number, row in enumerate(rows, 1)]
    connection.executemany("INSERT INTO feed VALUES (?, ?, ?, ?)", feed)
    connection.execute("UPDATE conversation SET last_seq = ? WHERE id = ?", (last + ABSENCE, conversation))
    connection.execute("COMMIT")
    connection.close()
    return int(position)


def stored(data: Path) -> int:
    connection = engine.writer(data / "pli.db")
    (count,) = connection.execute("SELECT COUNT(*) FROM event").fetchone() or (0,)
    connection.close()
    return int(count)


async def cost(server: Server, pairs: list[Pair], plan: Plan) -> dict[str, float]:
    """Messages per server-CPU-second, the median of the rounds, both ways."""
    bench = Bench(server, pairs, plan)
    found = {}
    for name, kind in (("http", SocketIo), ("lean", LeanSocket)):
        doctors, patients = await bench.connect(kind)
        rates = []
        for _ in range(plan.rounds):
            each = int(6_000 * plan.seconds / SENDERS)
            http = kind is SocketIo
            senders = (
                await bench.http_senders(SENDERS, each) if http else bench.lean_senders(doctors, SENDERS, each)  # type: ignore[arg-type]
            )
            result = await stages.closed_loop(server, senders, plan.seconds, bench.arrivals.at)
            rates.append(result["per_server_cpu_s"])
            bench.arrivals.at.clear()
        bench.hang_up(*doctors, *patients)
        found[name] = statistics.median(rates)
    return found


async def catch_up(server: Server, pair: Pair, position: int) -> dict[str, float]:
    """Ask page by page for what was missed, as a device does when it comes back."""
    http, took = await Http.open(server.host, server.port), []
    for _ in range(3):
        after, had, begun = position, 0, time.perf_counter()
        while had < ABSENCE:
            path = f"/v1/feed?after={after}&limit={PAGE}"
            asked = request("GET", path, server.address, authorization=f"Bearer {pair.patient.token}")
            page = json.loads((await http.ask(asked))[2])
            had, after = had + len(page["events"]), page["events"][-1]["position"]
        took.append(time.perf_counter() - begun)
    http.close()
    return {"events": ABSENCE, "seconds": round(statistics.median(took), 3)}


def measure(folder: Path, sizes: tuple[int, ...], plan: Plan) -> dict[str, Any]:
    data = folder / "data"
    with contextlib.redirect_stdout(sys.stderr):
        if pli(["init", "--data", str(data)]):
            raise RuntimeError("pli init failed")
    server = start(data, folder / "server.log")
    try:
        pairs = asyncio.run(make_pairs(server.host, server.port, activations(data, plan.pairs), plan.gathering))
    finally:
        server.stop()
    found: dict[str, Any] = {}
    for size in sizes:
        load(data, max(0, size - stored(data)))
        say(f"{stored(data)} events are stored")
        server = start(data, folder / "server.log")
        try:
            found[str(size)] = asyncio.run(cost(server, pairs, plan))
        finally:
            server.stop()
        say(f"{size}: {found[str(size)]}")
    position = miss(data, pairs[0])
    server = start(data, folder / "server.log")
    try:
        missed = asyncio.run(catch_up(server, pairs[0], position))
    finally:
        server.stop()
    return {"messages_per_server_cpu_s_at": found, "catch_up": missed}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--sizes", default="10000,100000,1000000", help="stored messages at which to measure")
    parser.add_argument("--seconds", type=float, default=4.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    pin_generator()
    plan = Plan(pairs=SENDERS, seconds=arguments.seconds, rounds=arguments.rounds, offered=(), idle=0, file=0)
    with tempfile.TemporaryDirectory(prefix="pli-scale-") as folder:
        found = measure(Path(folder), tuple(map(int, arguments.sizes.split(","))), plan)
    print(table(found, SCALE), file=sys.stderr)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
