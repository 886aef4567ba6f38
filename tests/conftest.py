"""Fixtures of every folder: a running server, and people in front of it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from server import telemetry
from tests.fakes.peer import Letter, Peer
from tests.fakes.server import LocalServer, running

# Examples are judged by what they show. How long one takes says only how busy the machine is.
settings.register_profile("pli", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pli")


@pytest.fixture(autouse=True)
def same_umask() -> Iterator[None]:
    """Give the process its own again: `pli serve`, called in it, shuts its files to everybody else."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[LocalServer]:
    """A server on a free loopback port, with a data folder of its own. What it logs is checked, strictly."""
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    async with running(tmp_path / "data") as local:
        yield local


@pytest.fixture
async def people(server: LocalServer) -> AsyncIterator[Callable[..., Awaitable[Peer]]]:
    """Make peers: `await people("Claire")` a doctor, `await people(letter)` the patient who takes that letter."""
    made: list[Peer] = []

    async def make(who: str | Letter, profession: str = "10") -> Peer:
        peer = await (
            Peer.claim(server, who) if isinstance(who, Letter) else Peer.professional(server, who, profession)
        )
        made.append(peer)
        return peer

    yield make
    for peer in made:
        await peer.close()
