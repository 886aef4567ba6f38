"""The same request again, eight or sixteen at once: one effect, the same answer."""

from __future__ import annotations

import asyncio
import io
import json

import pytest

from server.transport.rest.operations import Role
from tests.hostile.scene import (
    BODIED,
    BY_NAME,
    Answer,
    Scene,
    check_refusal,
    scene,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
JSON = {"Content-Type": "application/json"}
EVERY = pytest.mark.parametrize("name", BODIED)
WRONG = (7, -1, 2**63, 1e308, 1.5, True, "x", "", [], {}, None, [[]], {"until": "x"})


async def send(practice: Scene, name: str, body: bytes, **headers: str) -> Answer:
    who = "" if BY_NAME[name].role in {Role.ANYONE, Role.EITHER} else "claire"
    return await practice.call(name, who=who, data=io.BytesIO(body), headers=JSON | headers)


async def right_bytes(practice: Scene, name: str) -> bytes:
    return json.dumps(await practice.right(name)).encode()


async def test_the_same_request_again_gives_the_same_answer_and_changes_nothing(tmp_path):
    """Eight at once, of every operation that reads a body; those that move the heads of chains come last."""
    last = ("claimInvitation", "beginEpoch", "growChain")
    apart = {"askChallenge", "openSession", "refuseInvitation"}  # the body of the last one is refused: the letter stays
    others = [name for name in BODIED if name not in {*last, *apart}]
    async with scene(tmp_path) as practice:
        for name in (*others, *last):
            body = await right_bytes(practice, name)
            first = await send(practice, name, body)
            assert first.status in {200, 201, 204}, (name, first)
            after = practice.fingerprint()
            again = await asyncio.gather(*(send(practice, name, body) for _ in range(8)))
            assert {answer.body for answer in again} == {first.body}, name
            assert practice.fingerprint() == after, name


async def test_a_challenge_opens_one_session_whoever_repeats_it(practice: Scene):
    body = await right_bytes(practice, "openSession")
    answers = await asyncio.gather(*(send(practice, "openSession", body) for _ in range(16)))
    assert [answer.status for answer in answers].count(201) == 1
    for answer in answers:
        if answer.status != 201:
            check_refusal("openSession", answer)
            assert answer.status in {401, 429}
