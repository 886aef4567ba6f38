"""The same request again, eight or sixteen at once: one effect, the same answer."""

from __future__ import annotations

import asyncio

import pytest

from tests.hostile.scene import BODIED, Scene, check_refusal, right_bytes, scene, send

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_the_same_request_again_gives_the_same_answer_and_changes_nothing(tmp_path):
    """Eight at once, of every operation that reads a body; those that move the heads of chains come last."""
    last = ("claimInvitation", "beginEpoch", "growChain")
    apart = {
        "askChallenge",
        "openSession",
        "showEndOfHolder",
        "refuseInvitation",
    }  # the body of the last one is refused: the letter stays
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
