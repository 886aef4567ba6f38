"""``python -m bench.nodes``: one node against two on one PostgreSQL and one Redis.

Every pair has its doctor on one node and its patient on the other, so each message is written by one and told by the
other. Nothing is pinned: nodes, database, Redis and generator share the cores (reliability.md G5). Prints JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import process, stages
from bench.goals import NODES, table
from bench.people import Pair, activations, make_pairs
from bench.plan import Plan
from bench.process import UNAVAILABLE, Server, Usage, beside, start
from bench.run import Bench, say
from bench.sockets import SocketIo
from server.__main__ import main as pli
from tools.services import MissingError, Postgres, Redis

SENDERS = 64
RATE = 200  # messages a second offered


@dataclass(slots=True)
class Cluster:
    """Nodes that are measured as one."""

    nodes: list[Server]

    def usage(self) -> Usage:
        return process.usage(node.process.pid for node in self.nodes)


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Start the PostgreSQL and the Redis that the nodes share, and tell nodes where they are."""
    with contextlib.ExitStack() as ended:
        postgres, redis = Postgres(), Redis()
        for service in (postgres, redis):
            ended.callback(service.remove)
            service.start()
            if service.process is not None:
                beside(service.process.pid, pinned=False)
        os.environ |= {"PLI_DATABASE_URL": postgres.url(), "PLI_REDIS_URL": redis.url}
        yield


@contextlib.contextmanager
def running(data: Path, count: int) -> Iterator[Cluster]:
    """Run ``count`` nodes, each on its own copy of a data folder."""
    with contextlib.ExitStack() as ended:
        nodes = []
        for _ in range(count):
            folder = Path(ended.enter_context(tempfile.TemporaryDirectory(prefix="pli-node-")))
            shutil.copytree(data, folder / "data")
            nodes.append(start(folder / "data", folder / "server.log", pinned=False))
            ended.callback(nodes[-1].stop)
        yield Cluster(nodes)


async def measure(cluster: Cluster, pairs: Sequence[Pair], plan: Plan) -> dict[str, Any]:
    """Send on the nodes in turn, hear on the next; the median of the rounds."""
    count = len(cluster.nodes)
    senders = [Bench(node, pairs[index::count], plan) for index, node in enumerate(cluster.nodes)]
    hearers = [Bench(cluster.nodes[(index + 1) % count], one.pairs, plan) for index, one in enumerate(senders)]
    arrivals = senders[0].arrivals
    listening = []
    for here, there in zip(senders, hearers, strict=True):
        there.arrivals = arrivals
        people = [(here, pair.doctor, lambda _: None) for pair in here.pairs]
        people += [(there, pair.patient, arrivals.note) for pair in there.pairs]
        for where, person, note in people:
            listening.append(SocketIo(where.server.host, where.server.port, person.token, note))
            await listening[-1].open()
    found = []
    for _ in range(plan.rounds):
        each = int(2_000 * plan.seconds / SENDERS)
        sends = [send for one in senders for send in await one.http_senders(SENDERS // count, each)]
        found.append(await stages.closed_loop(cluster, sends, plan.seconds, arrivals.at))
        arrivals.at.clear()
    sends = [send for one in senders for send in await one.http_senders(SENDERS // count, RATE)]
    offered = await stages.offered(cluster, sends, RATE, plan.seconds, arrivals.at)
    for one in senders:
        one.hang_up()
    for receiver in listening:
        receiver.close()
    return {
        "acked_per_s": statistics.median(one["per_s"] for one in found),
        "per_cpu_s": statistics.median(one["per_server_cpu_s"] for one in found),
        "ack_p50_ms": statistics.median(one["ack_p50_ms"] for one in found),
        "ack_p99_ms": statistics.median(one["ack_p99_ms"] for one in found),
        "refused": sum(one["refused"] for one in found),
        "undelivered": sum(one["undelivered"] for one in found),
        "other_cores": statistics.median(one["other_cores"] for one in found),
        f"delivery_p50_ms_at_{RATE}": offered["delivery_p50_ms"],
        f"delivery_p99_ms_at_{RATE}": offered["delivery_p99_ms"],
    }


def compare(folder: Path, plan: Plan, turns: int) -> dict[str, Any]:
    """Measure one and two nodes in turn, with the same people on the same database."""
    with contextlib.redirect_stdout(sys.stderr):
        if pli(["init", "--data", str(folder / "data")]):
            raise RuntimeError("pli init failed")
    first = start(folder / "data", folder / "server.log", pinned=False)
    try:
        tokens = activations(folder / "data", plan.pairs, plan.gathering)
        pairs = asyncio.run(make_pairs(first.host, first.port, tokens, plan.gathering))
    finally:
        first.stop()
    found: dict[int, list[dict[str, Any]]] = {1: [], 2: []}
    for _ in range(turns):
        for count, results in found.items():
            with running(folder / "data", count) as cluster:
                results.append(asyncio.run(measure(cluster, pairs, plan)))
            say(f"{count} nodes: {results[-1]}")
    return {
        str(count): {key: statistics.median(one[key] for one in results) for key in results[0]}
        for count, results in found.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.nodes", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of one round")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--turns", type=int, default=2, help="how often one and two nodes are measured in turn")
    arguments = parser.parse_args()
    plan = Plan(pairs=SENDERS, seconds=arguments.seconds, rounds=arguments.rounds, offered=(), idle=0, file=0)
    with tempfile.TemporaryDirectory(prefix="pli-nodes-") as folder, contextlib.ExitStack() as ended:
        try:
            ended.enter_context(shared())
        except MissingError as missing:
            print(f"not measured: {missing}", file=sys.stderr)
            return UNAVAILABLE
        found = {"nodes": compare(Path(folder), plan, arguments.turns)}
    print(table(found, NODES), file=sys.stderr)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
