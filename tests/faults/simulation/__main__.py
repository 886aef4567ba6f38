"""`python -m tests.faults.simulation`: many schedules in virtual time. The last line is JSON; the exit code says whether all held.

`--first N --seeds 1 --home F` repeats one: the same steps at the same moments, and the same trace. `F` is the folder of
the cast, which is kept beside the history of a failure (its keys are drawn afresh otherwise, and so the trace is another).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from server import telemetry
from tests.faults import cast as casts
from tests.faults.mutants import MUTANTS
from tests.faults.simulation.world import Run, play

KEPT = Path(".make/faults")
IN_MEMORY = Path("/dev/shm")
AT_ONCE = 5  # schedules that a process takes at a time


@contextmanager
def folder() -> Iterator[Path]:
    """Give a place for databases, in memory where the system has one: nothing here is about the disk."""
    made = Path(tempfile.mkdtemp(prefix="pli-simulation-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def schedule(seed: int, home: Path, place: Path, nodes: int | None = None) -> Run:
    """Play one schedule."""
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    return play(seed, home, place / str(seed), nodes)


def keep(run: Run, home: Path) -> Path:
    """Keep what repeats a failure."""
    place = KEPT / f"simulation-{run.seed}"
    if home.resolve() != place.resolve():
        shutil.copytree(home, place, dirs_exist_ok=True)
    run.history.save(place / "history.jsonl")
    return place


def judge(seeds: range, home: Path, workers: int, within: float) -> int:
    """Play every seed, or those there is time for; print failures and the last line."""
    begun, told, counts = time.monotonic(), hashlib.sha256(), Counter[str]()
    with folder() as place, ProcessPoolExecutor(workers) as pool:
        for run in pool.map(partial(schedule, home=home, place=place), seeds, chunksize=AT_ONCE):
            told.update(run.trace.encode())
            counts.update({"schedules": 1, "acknowledged": run.counts.get("acknowledged", 0), "steps": run.steps})
            counts.update(breach.kind for breach in run.breaches)
            counts["breaches"] += len(run.breaches)
            if run.breaches:
                counts["failed"] += 1
                print(f"FAILED seed {run.seed} (repeat: --first {run.seed} --seeds 1 --home {keep(run, home)})")
                print(*(f"    {breach}" for breach in run.breaches[:5]), sep="\n", flush=True)
            if time.monotonic() - begun > within:
                print(f"the time is over, {len(seeds) - counts['schedules']} schedules were not tried")
                pool.shutdown(wait=True, cancel_futures=True)
                break
    line = {"schedules": counts["schedules"], "first": seeds.start, "seconds": round(time.monotonic() - begun, 1)}
    kinds = ("acknowledged", "steps", "lost", "duplicated", "reordered", "breaches")
    print(json.dumps(line | {kind: counts[kind] for kind in kinds} | {"trace": told.hexdigest()[:16]}))
    return 1 if counts["failed"] else 0


def bite(name: str, seeds: range, home: Path) -> int:
    """Play with one thing wrong in the server until the promise that it breaks is seen broken."""
    MUTANTS[name].apply()
    nodes = 2 if MUTANTS[name].needs == "sim" else 1  # the others are made for a server alone
    with folder() as place:
        for seed in seeds:
            run = schedule(seed, home, place, nodes)
            broken = {breach.promise for breach in run.breaches}
            if MUTANTS[name].shows in broken:
                print(json.dumps({"mutant": name, "seed": seed, "noticed": sorted(broken), "trace": run.trace}))
                return 0
    print(json.dumps({"mutant": name, "noticed": []}))
    return 1


def main() -> int:
    """Read the flags and play."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1_000)
    parser.add_argument("--first", type=int, default=secrets.randbelow(1_000_000) * 1_000)
    parser.add_argument("--within", type=float, default=float("inf"), help="seconds after which no more are begun")
    parser.add_argument("--home", type=Path, help="the cast of an earlier run")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--mutant", choices=sorted(MUTANTS))
    chosen = parser.parse_args()
    seeds = range(chosen.first, chosen.first + chosen.seeds)
    with tempfile.TemporaryDirectory(prefix="pli-cast-") as made:
        home = chosen.home or Path(made)
        asyncio.run(casts.make(home))
        if chosen.mutant:
            return bite(chosen.mutant, seeds, home)
        return judge(seeds, home, chosen.workers, chosen.within)


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":  # the order of a set of ids is part of a schedule
        os.execve(
            sys.executable,
            [sys.executable, "-m", "tests.faults.simulation", *sys.argv[1:]],
            os.environ | {"PYTHONHASHSEED": "0"},
        )
    sys.exit(main())
