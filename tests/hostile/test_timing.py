"""What a stranger learns from how long an answer takes: Welch's t over interleaved pairs (reliability.md, goal G11).

A machine with other work gives outliers: the slowest tenth is left out of both, and a verdict is asked for three times.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from crypto.codec import b64
from crypto.secret import Secret
from crypto.sign import SigningKey
from server.clock import Clock
from server.domain.ids import HolderId
from server.transport.rest import limits
from server.transport.rest.limits import Failures, Limits
from tests.hostile.scene import Scene, scene

pytestmark = pytest.mark.slow
PAIRS = 2_000
SIGNED = b64(SigningKey(Secret(bytes(32))).sign("session", b"anything"))


def welch(one: list[float], other: list[float]) -> float:
    """Return t of two samples, each without its slowest tenth."""
    one, other = (sorted(each)[: len(each) * 9 // 10] for each in (one, other))
    spread = statistics.variance(one) / len(one) + statistics.variance(other) / len(other)
    return (statistics.fmean(one) - statistics.fmean(other)) / spread**0.5


async def measure(there: Callable[[], Awaitable[object]], absent: Callable[[], Awaitable[object]]) -> float:
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(PAIRS * 2):
        which = (number + number // 2) % 2  # there, absent, absent, there: no drift of the machine is on one side
        began = time.perf_counter()
        await (absent if which else there)()
        took[which].append(time.perf_counter() - began)
    return welch(*took)


async def challenged(practice: Scene, holder: bytes) -> None:
    await practice.call("askChallenge", who="", json={"holder": b64(holder)})


async def refused(practice: Scene, holder: bytes) -> None:
    """Sign well, with a key that is not the holder's."""
    challenge, _ = practice.server.services.sessions.challenge(HolderId(holder))
    body = {"holder": b64(holder), "challenge": b64(challenge), "signature": SIGNED, "cookie": False}
    assert (await practice.call("openSession", who="", json=body)).status == 401


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a stranger go on after ten tries; the limit would stop what is measured here."""
    made = limits.make

    def endless(clock: Clock) -> Limits:
        return dataclasses.replace(made(clock), session_holder=Failures(clock, 10**9))

    monkeypatch.setattr(limits, "make", endless)


@pytest.mark.parametrize("what", ["conversation", "holder", "session", "upload"])
async def test_what_exists_takes_as_long_as_what_does_not(tmp_path: Path, what: str):
    async with scene(tmp_path) as practice:
        real = practice.peers["claire"].own.holder.id
        nothing = {"conversation": b64(b"x" * 32), "attachment": b64(b"x" * 16)}
        mine = {"attachment": b64(practice.upload)}
        pairs = {
            "conversation": (
                lambda: practice.call("showConversation", who="sonia"),
                lambda: practice.call("showConversation", who="sonia", ids=nothing),
            ),
            "holder": (lambda: challenged(practice, real), lambda: challenged(practice, b"x" * 16)),
            "session": (lambda: refused(practice, real), lambda: refused(practice, b"x" * 16)),
            "upload": (
                lambda: practice.call("showUpload", who="sonia", ids=mine),
                lambda: practice.call("showUpload", who="sonia", ids=nothing),
            ),
        }
        found = []
        for _ in range(3):
            found.append(await measure(*pairs[what]))
            print(f"{what}: t = {found[-1]:.2f} over {PAIRS} pairs")
            if abs(found[-1]) < 4.5:
                return
    raise AssertionError(f"{what}: t = {found}")
