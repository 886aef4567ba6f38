"""The short form of the simulation: schedules hold, the same seed is the same run, and mutants are noticed."""

from __future__ import annotations

import asyncio
import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults.mutants import IN_SIMULATION, MUTANTS
from tests.faults.simulation.virtual import DeadlockError, VirtualLoop

ROOT = Path(__file__).parents[2]
SEED = 20_261_122


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cast")


def simulate(home: Path, *flags: object) -> dict[str, Any]:
    """Run the program; return its last line."""
    words = [sys.executable, "-m", "tests.faults.simulation", "--home", home, *flags]
    done = subprocess.run(list(map(str, words)), cwd=ROOT, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.slow
def test_a_hundred_schedules_and_more_hold(home: Path) -> None:
    told = simulate(home, "--first", SEED, "--seeds", 150)
    assert (told["schedules"], told["breaches"]) == (150, 0)
    assert told["acknowledged"] > 500


@pytest.mark.slow
def test_the_same_seed_is_the_same_run_to_the_last_step(home: Path) -> None:
    """In other processes, and split among another number of them."""
    one, again, other = (
        simulate(home, "--first", first, "--seeds", 25, "--workers", workers)
        for first, workers in ((SEED, 1), (SEED, 2), (SEED + 25, 2))
    )
    assert (one["trace"], one["steps"]) == (again["trace"], again["steps"])
    assert other["trace"] != one["trace"]


@pytest.mark.slow
def test_a_failing_seed_fails_again_in_the_same_way(home: Path) -> None:
    first = simulate(home, "--mutant", "stores_repeats", "--first", SEED, "--seeds", 200)
    again = simulate(home, "--mutant", "stores_repeats", "--first", first["seed"], "--seeds", 1)
    assert first == again


@pytest.mark.slow
@pytest.mark.parametrize("name", ["pushes_before_commit", "keeps_lost_hints_to_itself", "lets_go_before_the_term"])
def test_a_mutant_is_noticed(home: Path, name: str) -> None:
    told = simulate(home, "--mutant", name, "--first", SEED, "--seeds", 600)
    assert MUTANTS[name].shows in told["noticed"]


def test_every_mutant_that_is_not_about_syncing_is_for_the_simulation_too() -> None:
    assert {name for name in MUTANTS if name not in IN_SIMULATION} == {
        name for name, mutant in MUTANTS.items() if mutant.needs in {"cut", "nodes"}
    }


# --- the loop itself -----------------------------------------------------------------------------------------------------


def order(seed: int) -> list[int]:
    """Let ten tasks take a step each, three times."""
    loop, went = VirtualLoop(seed), []

    async def go(number: int) -> None:
        for _ in range(3):
            went.append(number)
            await asyncio.sleep(0)

    async def all_go() -> None:
        await asyncio.gather(*map(go, range(10)))

    loop.run_until_complete(all_go())
    loop.close()
    return went


def test_the_seed_says_which_task_goes_first() -> None:
    assert order(1) == order(1)
    assert len({tuple(order(seed)) for seed in range(20)}) > 10
    assert sorted(order(3)) == sorted(list(range(10)) * 3)


def test_plain_callbacks_keep_their_order() -> None:
    loop, went = VirtualLoop(random.Random().getrandbits(32)), []
    for number in range(50):
        loop.call_soon(went.append, number)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    assert went == list(range(50))


def test_a_year_takes_no_time_and_waiting_for_nothing_is_an_error() -> None:
    loop, begun = VirtualLoop(1), time.monotonic()
    loop.run_until_complete(asyncio.sleep(365 * 24 * 3600))
    assert loop.time() >= 365 * 24 * 3600
    assert time.monotonic() - begun < 5
    forever = loop.create_future()
    with pytest.raises(DeadlockError):
        loop.run_until_complete(forever)
    loop.close()
