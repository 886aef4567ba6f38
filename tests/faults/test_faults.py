"""The numbers of every run (reliability.md 5.2, G1 to G6), in parts that two processes share, and mutants that must be noticed.

`make faults` does the same in one go with all mutants, `make faults-release` with the numbers of a release.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import links, trials
from tests.faults.__main__ import AT_ONCE, IN_CI, Suite
from tests.faults.campaign import Campaign, How, Program
from tests.faults.fragile_disk import FragileDisk, Node
from tests.faults.mutants import MUTANTS
from tests.faults.nodes import REDIS_FAULTS, Nodes, Services
from tests.faults.partitions import Partitions, deaf_worker
from tools.services import MissingError

SEED = 20_261_122
NO_DISK = trials.fuse_refused()
needs_disk = pytest.mark.skipif(NO_DISK is not None, reason=f"no fragile disk: {NO_DISK}")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cast")


@pytest.fixture
async def forks() -> Iterator[Program]:  # type: ignore[misc]
    program = Program("tests.faults.fork_server")
    yield program
    program.end()
    await asyncio.sleep(0)  # let the loop forget the pipe


def parts(how: How) -> pytest.MarkDecorator:
    """Split the faults of a run into histories, each with a seed of its own."""
    return pytest.mark.parametrize("seed", range(SEED, SEED + -(-IN_CI[how] // AT_ONCE[how])))


@parts("kill")
async def test_kills_lose_nothing(home: Path, forks: Program, seed: int) -> None:
    outcome = await Campaign("kill", AT_ONCE["kill"], seed, home).play(forks)
    assert outcome.breaches == []
    assert outcome.counts["acknowledged"] > 50
    assert outcome.history.of("unknown"), "a campaign without a broken request proves nothing"


@needs_disk
@parts("cut")
async def test_power_cuts_lose_nothing(home: Path, forks: Program, seed: int) -> None:
    outcome = await Campaign("cut", AT_ONCE["cut"], seed, home).play(forks)
    assert outcome.breaches == []
    assert outcome.counts["acknowledged"] > 50
    assert outcome.counts["documents"] > 0


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    try:
        started = Services.start()
    except MissingError as reason:
        pytest.skip(f"no PostgreSQL and Redis here: {reason}")
    yield started
    started.remove()


@pytest.mark.postgres
@parts("nodes")
async def test_two_nodes_lose_nothing_while_all_around_crashes(
    services: Services, home: Path, forks: Program, seed: int
) -> None:
    outcome = await Nodes("nodes", AT_ONCE["nodes"], seed, home, services=services).play(forks)
    assert outcome.breaches == []
    assert outcome.counts["acknowledged"] > 50
    assert outcome.counts["postgres_crashes"] == AT_ONCE["nodes"] * 4 // 7
    assert {f"redis_{kind}" for kind in REDIS_FAULTS} <= set(outcome.counts)


NO_SPACES = links.refused()


@pytest.mark.postgres
@parts("partitions")
@pytest.mark.skipif(NO_SPACES is not None, reason=f"no network namespaces: {NO_SPACES}")
async def test_parted_wires_lose_nothing(services: Services, home: Path, forks: Program, seed: int) -> None:
    faults = AT_ONCE["partitions"]
    outcome = await Partitions("partitions", faults, seed, home, services=services, spaces=True).play(forks)
    assert outcome.breaches == []
    assert outcome.counts["acknowledged"] > 50
    assert outcome.counts["node_partitions"] == faults


@pytest.mark.postgres
async def test_wires_parted_by_proxies_lose_nothing(services: Services, home: Path, forks: Program) -> None:
    """What a machine that refuses namespaces does instead: the same faults, fewer."""
    outcome = await Partitions("partitions", 4, SEED, home, services=services, spaces=False).play(forks)
    assert outcome.breaches == []
    assert outcome.counts["acknowledged"] > 50
    assert outcome.counts["node_partitions"] == 4


@pytest.mark.postgres
async def test_a_deaf_worker_asks_within_a_bound(services: Services, home: Path, forks: Program) -> None:
    told = await deaf_worker(services, home, forks)
    assert told["deaf"] > 1, "the hint did arrive: the worker was not deaf"


def mutants(*needs: How) -> pytest.MarkDecorator:
    """Name the mutants that such campaigns show."""
    return pytest.mark.parametrize("name", [name for name, mutant in MUTANTS.items() if mutant.needs in needs])


async def noticed(name: str, home: Path, forks: Program, services: Services | None = None) -> bool:
    """Tell whether the checker sees the promise broken that the mutant breaks: a crash would not do."""
    suite = Suite(SEED, home, services, refused={})
    suite.forks = forks
    return await suite.notice(MUTANTS[name]) is not None


@mutants("kill", "run", "sim")
async def test_a_mutant_is_noticed(name: str, home: Path, forks: Program) -> None:
    assert await noticed(name, home, forks)


@needs_disk
@mutants("cut")
async def test_a_careless_disk_is_noticed(name: str, home: Path, forks: Program) -> None:
    assert await noticed(name, home, forks)


@pytest.mark.postgres
@mutants("nodes")
async def test_a_careless_database_is_noticed(name: str, services: Services, home: Path, forks: Program) -> None:
    assert await noticed(name, home, forks, services)


@needs_disk
async def test_a_full_disk_refuses_and_recovers(home: Path, forks: Program) -> None:
    told = await trials.full_disk(home, forks)
    assert told["accepted"] > 0


async def test_stuck_readers_cost_a_bounded_amount(home: Path, forks: Program) -> None:
    await trials.stuck_readers(home, forks, messages=200)


async def test_five_hundred_slow_clients_are_ended_and_keep_nobody_waiting(home: Path, forks: Program) -> None:
    await trials.slow_clients(home, forks)


def test_there_are_at_least_twelve_mutants() -> None:
    assert len(MUTANTS) >= 12


def test_a_fragile_disk_forgets_what_was_not_synced(tmp_path: Path) -> None:
    """Without a kernel: bytes survive by a sync of the file, names by a sync of the folder."""
    disk = FragileDisk(tmp_path)
    kept, lost = Node(100, 0o100600), Node(101, 0o100600)
    for node in (kept, lost):
        disk._nodes[node.number] = node
        node.seen += b"new"
        node.writes.append((0, b"new"))
    disk.root.names["kept"] = kept
    kept.sync()
    disk.root.sync()
    disk.root.names["lost"] = lost
    kept.seen[:] = b"old"
    kept.writes.append((0, b"old"))
    disk.lose_power(None)
    assert list(disk.root.names) == ["kept"]
    assert (bytes(kept.seen), bytes(lost.seen)) == (b"new", b"")
