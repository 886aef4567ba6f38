"""Numbers that fit the form and no database, beside links that are there already: refused, not a failure of the server."""

from __future__ import annotations

import copy
import itertools
from pathlib import Path

from tests.hostile.scene import check_refusal, scene


async def test_a_generation_that_is_none_is_refused_before_and_after_the_links_are_there(tmp_path: Path):
    async with scene(tmp_path) as practice:
        right = await practice.right("growChain")
        for known in (False, True):
            if known:
                assert (await practice.call("growChain", json=right)).status == 200
            before = practice.fingerprint()
            for part, generation in itertools.product(("boxes", "previous"), (2**64, -(2**70), -1, 0, 99)):
                spoiled = copy.deepcopy(right)
                spoiled[part][0]["generation"] = generation
                check_refusal("growChain", await practice.call("growChain", json=spoiled))
            assert practice.fingerprint() == before
