"""`make faults`: every fault, every mutant, one verdict. The last line is JSON; the exit code says whether all held.

`python -m tests.faults [--release] [--seed N] [--only kill|cut|nodes|partitions|sim|mutants|trials]`; the same seed repeats
the same faults (the threads and the network of the machine still choose their own moments, but in the simulation).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults import links, trials
from tests.faults.campaign import Campaign, How, Outcome, Program
from tests.faults.mutants import MUTANTS, Mutant
from tests.faults.nodes import Nodes, Services
from tests.faults.partitions import Partitions, deaf_worker
from tools.services import MissingError

IN_CI: dict[How, int] = {"kill": 150, "cut": 60, "partitions": 20, "nodes": 70, "sim": 1_500}
IN_RELEASE: dict[How, int] = {"kill": 2_000, "cut": 1_000, "partitions": 300, "nodes": 1_050, "sim": 200_000}
AT_ONCE: dict[How, int] = {"kill": 50, "cut": 20, "nodes": 14, "partitions": 10}  # faults of one history
FOR_A_MUTANT: dict[How, int] = {"kill": 8, "cut": 8, "run": 15, "nodes": 5}
TRIES = 3  # histories in which a mutant must be noticed
SCHEDULES = 2_000  # in which a mutant of the simulation must be noticed
SIMULATED = 60  # seconds after which `make faults` begins no further schedule
BUDGET = 360  # seconds after which `make faults` begins no further history of crashes: a slow machine tries fewer
KEPT = Path(".make/faults")


@dataclass
class Suite:
    """What has been tried so far."""

    seed: int
    home: Path
    services: Services | None
    refused: dict[How, str]
    """What the machine does not let us do, and why."""
    until: float = float("inf")
    """When no further history of crashes begins."""
    spaces: bool = False
    """Whether partitions are made in network namespaces."""
    schedules: int = 0
    deafened: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    caught: int = 0
    tried: int = 0
    failures: list[str] = field(default_factory=list)
    forks: Program = field(init=False)

    async def crash(self, how: How, count: int) -> None:
        """Kill, cut the power, part wires or simulate, ``count`` times in all."""
        if how in self.refused:
            print(f"· {how} skipped: {self.refused[how]}")
            return
        if how == "sim":
            await self._simulate(count)
            return
        for number, first in enumerate(range(0, count, AT_ONCE[how])):
            if time.monotonic() > self.until:
                print(f"· {how}: the time is over, {count - first} faults were not tried", flush=True)
                return
            faults = min(AT_ONCE[how], count - first)
            outcome = await self._campaign(how, faults, self.seed + number).play(self.forks)
            self.outcomes.append(outcome)
            print("·", outcome, flush=True)
            if outcome.breaches:
                self._keep(outcome)

    def _campaign(self, how: How, faults: int, seed: int, mutant: str | None = None) -> Campaign:
        if how == "partitions":
            return Partitions(how, faults, seed, self.home, mutant, services=self.services, spaces=self.spaces)
        if how == "nodes":
            return Nodes(how, faults, seed, self.home, mutant, services=self.services)
        return Campaign(how, faults, seed, self.home, mutant)

    async def _simulate(self, count: int) -> None:
        """Play ``count`` schedules in virtual time."""
        within = "inf" if self.until == float("inf") else SIMULATED
        code, said = await simulation("--first", self.seed * 1_000, "--seeds", count, "--within", within)
        print("· simulation:", *said, sep="\n  ", flush=True)
        self.schedules += json.loads(said[-1])["schedules"]
        if code:
            self.failures.append("the simulation found a breach: see above")

    def _keep(self, outcome: Outcome) -> None:
        KEPT.mkdir(parents=True, exist_ok=True)
        path = KEPT / f"{outcome.how}-{outcome.seed}.jsonl"
        outcome.history.save(path)
        self.failures.append(f"{outcome.how} with seed {outcome.seed}: {len(outcome.breaches)} breaches, see {path}")
        for breach in outcome.breaches[:20]:
            print("   ", breach)

    async def bite(self) -> None:
        """Run every mutant until the checker notices it."""
        for mutant in MUTANTS.values():
            if mutant.needs in self.refused:
                print(f"· mutant {mutant.name} skipped: {self.refused[mutant.needs]}")
                continue
            self.tried += 1
            said = await self.notice(mutant)
            self.caught += said is not None
            if said is None:
                self.failures.append(f"the mutant {mutant.name} was not noticed")
            print(f"· mutant {mutant.name}: {said or 'NOT NOTICED'}", flush=True)

    async def notice(self, mutant: Mutant) -> str | None:
        """Run one mutant until the checker sees the promise broken that it breaks; say how, or `None`."""
        if mutant.needs == "sim":
            code, said = await simulation("--mutant", mutant.name, "--first", self.seed * 1_000, "--seeds", SCHEDULES)
            return (
                None if code else f"noticed by {mutant.shows}, at seed {json.loads(said[-1])['seed']} of the simulation"
            )
        for number in range(1, TRIES + 1):
            campaign = self._campaign(
                mutant.needs, FOR_A_MUTANT[mutant.needs] * number, self.seed + number, mutant.name
            )
            breaches = (await campaign.play(self.forks)).breaches
            if any(breach.promise == mutant.shows for breach in breaches):
                promises = sorted({breach.promise for breach in breaches}, key=lambda one: int(one[1:]))
                return f"noticed by {', '.join(promises)}"
        return None

    async def endure(self) -> None:
        """Deafen a worker; fill the disk; let readers stop reading, and clients stop in the middle of a request."""
        if self.services is not None:
            try:
                print(f"· deaf_worker: {await deaf_worker(self.services, self.home, self.forks)}", flush=True)
                self.deafened = 1
            except (AssertionError, TimeoutError) as exc:
                self.failures.append(f"deaf_worker: {exc!r}")
        for trial in (trials.full_disk, trials.stuck_readers, trials.slow_clients):
            if trial is trials.full_disk and "cut" in self.refused:
                print(f"· full disk skipped: {self.refused['cut']}")
                continue
            try:
                print(f"· {trial.__name__}: {await trial(self.home, self.forks)}", flush=True)
            except AssertionError as exc:
                self.failures.append(f"{trial.__name__}: {exc}")

    def line(self) -> str:
        """Return the last line."""

        def breaches(kind: str) -> int:
            return sum(outcome.number(kind) for outcome in self.outcomes)

        def faults(how: How) -> int:
            return sum(outcome.faults for outcome in self.outcomes if outcome.how == how)

        def counted(what: str) -> int:
            return sum(outcome.counts.get(what, 0) for outcome in self.outcomes)

        return json.dumps(
            {
                "kills": faults("kill") + counted("node_kills"),
                "power_cuts": faults("cut"),
                "postgres_crashes": counted("postgres_crashes"),
                "redis_faults": counted("redis_faults") + self.deafened,
                "acknowledged": counted("acknowledged"),
                "lost": breaches("lost"),
                "duplicated": breaches("duplicated"),
                "reordered": breaches("reordered"),
                "mutants_caught": self.caught,
                "mutants": self.tried,
                "partitions": counted("node_partitions"),
                "schedules": self.schedules,
            }
        )


async def simulation(*flags: object) -> tuple[int, list[str]]:
    """Run the simulation in a process of its own: its exit code and what it said."""
    words = [sys.executable, "-m", "tests.faults.simulation", *map(str, flags)]
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode().splitlines()


def _starts(outcomes: list[Outcome]) -> str:
    starts = sorted(start for outcome in outcomes for start in outcome.starts)
    if not starts:
        return "no starts"
    at = [starts[int(len(starts) * share)] for share in (0.5, 0.99)]
    return f"{len(starts)} starts, ready in {at[0]:.2f} s (p50), {at[1]:.2f} s (p99)"


def _beside(outcomes: list[Outcome]) -> str:
    """Say what happened beside the faults that the last line counts."""
    counts: Counter[str] = sum((Counter(outcome.counts) for outcome in outcomes), Counter())
    told = ("clock_jumps", "io_errors", "partitions", "redis_kill", "redis_stop", "redis_pause", "redis_flush")
    return ", ".join(f"{counts[kind]} {kind}" for kind in told)


def _services(refused: dict[How, str]) -> Services | None:
    """Start PostgreSQL and Redis, or note why there are none."""
    try:
        return Services.start()
    except MissingError as exc:
        refused["nodes"] = refused["partitions"] = str(exc)
        return None


async def play(suite: Suite, counts: dict[How, int], only: str | None) -> None:
    """Play everything, or one part."""
    suite.forks = Program("tests.faults.fork_server")
    try:
        if only in {None, "mutants"}:
            await suite.bite()
        for how, count in counts.items():
            if only in {None, how}:
                await suite.crash(how, count)
        if only in {None, "trials"}:
            await suite.endure()
    finally:
        suite.forks.end()


def run(seed: int, counts: dict[How, int], only: str | None) -> int:
    """Play; return the exit code."""
    begun = time.monotonic()
    print(f"seed {seed} (repeat with: python -m tests.faults --seed {seed})", flush=True)
    no_disk = trials.fuse_refused()
    refused: dict[How, str] = {"cut": no_disk} if no_disk else {}
    services = _services(refused) if only not in {"kill", "cut", "sim"} else None
    if no_spaces := links.refused():
        print(f"· no network namespaces, so wires are proxies: {no_spaces}")
    with tempfile.TemporaryDirectory(prefix="pli-cast-") as home:
        until = begun + BUDGET if counts is IN_CI else float("inf")
        suite = Suite(seed, Path(home), services, refused, until, spaces=no_spaces is None)
        try:
            asyncio.run(play(suite, counts, only))
        finally:
            if services is not None:
                services.remove()
    print(f"· {_beside(suite.outcomes)}")
    print(f"· {_starts(suite.outcomes)}; {time.monotonic() - begun:.0f} s in all")
    for failure in suite.failures:
        print(f"FAILED {failure}")
    print(suite.line())
    return 1 if suite.failures else 0


def main() -> int:
    """Read the flags and play."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--release", action="store_true", help="the numbers of a release (hours)")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(1_000_000))
    parser.add_argument("--only", choices=["kill", "cut", "nodes", "partitions", "sim", "mutants", "trials"])
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # whoever ends us also ends what we started
    return run(chosen.seed, IN_RELEASE if chosen.release else IN_CI, chosen.only)


if __name__ == "__main__":
    sys.exit(main())
