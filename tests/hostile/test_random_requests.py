"""Random requests after the description: right bodies with random faults, anybody's ids, anybody's session.

Every answer is one that `docs/api/openapi.json` promises, in its form; none is a failure of the server. The seed is
printed; `HOSTILE_SEED` and `HOSTILE_CASES` repeat a run or lengthen it (`make hostile`: 20,000).
"""

from __future__ import annotations

import copy
import json
import os
import random
import secrets
from typing import Any

import jsonschema
import pytest

from crypto.codec import b64
from server.transport.rest.operations import Operation
from server.transport.rest.routes import OPERATIONS, PARAMETERS
from tests.hostile.scene import BY_NAME, DESCRIBED, TUS, Answer, Scene, announced, check_refusal, responses, scene

SEED = int(os.environ.get("HOSTILE_SEED", secrets.randbelow(2**32)))
CASES = int(os.environ.get("HOSTILE_CASES", "1500"))
PEOPLE = ("claire", "karim", "jean", "paul", "sonia", "lea", "lost phone", "")
TRIED = [one for one in OPERATIONS if one.name not in {"endCurrentSession", "endSession"}]
"""Ending the sessions of the practice would leave nothing to try."""


class Chance:
    """Draws requests."""

    def __init__(self, seed: int, practice: Scene, right: dict[str, Any]) -> None:
        self.of = random.Random(seed)
        self.practice, self.right = practice, right

    def value(self) -> Any:
        return self.of.choice(
            (None, True, 0, -1, 7, 2**53, 2**64, 1.5, "", "x", "é\0", [], {}, [{}], b64(self.of.randbytes(self.of.randrange(80))))
        )  # fmt: skip

    def spoiled(self, body: Any) -> Any:
        """Change one thing somewhere in a body."""
        if isinstance(body, dict) and body and self.of.random() < 0.85:
            key = self.of.choice(sorted(body))
            if self.of.random() < 0.1:
                return {k: v for k, v in body.items() if k != key}
            return body | {key: self.spoiled(body[key])}
        if isinstance(body, list) and body and self.of.random() < 0.7:
            place = self.of.randrange(len(body))
            changed = [*body[:place], self.spoiled(body[place]), *body[place + 1 :]]
            return self.of.choice((changed, changed, body * 2, body[1:]))
        if isinstance(body, str) and len(body) > 4 and self.of.random() < 0.7:
            place = self.of.randrange(len(body))
            return body[:place] + self.of.choice(("", "A", "_", "=", "/", "é")) + body[place + 1 :]
        return self.value()

    def body(self, name: str) -> Any:
        body = copy.deepcopy(self.right[self.of.choice((name, name, name, self.of.choice(sorted(self.right))))])
        for _ in range(self.of.randrange(4)):
            body = self.spoiled(body)
        return body

    def path(self, operation: Operation) -> str:
        ids, known = {}, self.practice.ids()
        for name, (length, _) in PARAMETERS.items():
            strange = b64(self.of.randbytes(length or 20))
            ids[name] = self.of.choice((known[name], known[name], strange, known["account"], "x"))
        described = DESCRIBED["paths"][operation.path][operation.method.lower()]["parameters"]
        queries = [one["name"] for one in described if one["in"] == "query" and one["name"] != "wait"]
        said = [
            f"{one}={self.of.choice(('0', '1', '50', '-1', 'x', '', '9' * 25))}"
            for one in queries
            if self.of.random() < 0.5
        ]
        return self.practice.path(operation, ids) + ("?" + "&".join(said) if said else "")

    def headers(self) -> dict[str, str]:
        told = TUS | announced(
            self.of.choice((self.practice.upload, self.of.randbytes(16))), self.of.choice((0, 56, 100, 10**12))
        )
        told |= {
            "Upload-Offset": self.of.choice(("0", "40", "x", "100")),
            "Range": self.of.choice(("bytes=0-1", "bytes=900-", "x")),
        }
        told["Content-Type"] = self.of.choice(("application/json", "application/offset+octet-stream", "text/plain"))
        return {name: value for name, value in told.items() if self.of.random() < 0.8}


def check(name: str, answer: Answer) -> None:
    if answer.status >= 300:
        check_refusal(name, answer)
        return
    operation = BY_NAME[name]
    assert answer.status in {200, 204, 206, operation.status}, (name, answer)
    if operation.response is not None:
        schema = responses(name)[str(operation.status)]["content"]["application/json"]["schema"]
        jsonschema.Draft202012Validator(schema | {"components": DESCRIBED["components"]}).validate(answer.problem)


@pytest.mark.slow
async def test_every_answer_is_one_that_is_promised_at_length(tmp_path):
    await run(tmp_path, max(CASES, 20_000))


async def test_every_answer_is_one_that_is_promised(tmp_path):
    await run(tmp_path, CASES)


async def run(folder: Any, cases: int) -> None:
    print(f"HOSTILE_SEED={SEED} HOSTILE_CASES={cases}")
    async with scene(folder) as practice:
        right = {one.name: await practice.right(one.name) for one in OPERATIONS if one.request is not None}
        chance, met = Chance(SEED, practice, right), set()
        for number in range(cases):
            operation = TRIED[number % len(TRIED)]
            body = json.dumps(chance.body(operation.name)).encode() if operation.request is not None else None
            headers = {"Content-Type": "application/json"} if body else chance.headers()
            data = body or (b"s" if operation.name == "appendUpload" else None)
            who = chance.of.choice(PEOPLE)
            sent = operation.method, chance.path(operation), who, headers, data
            answer = await practice.ask(*sent[:2], who=who, headers=headers, data=data)
            met.add((operation.name, answer.status))
            try:
                check(operation.name, answer)
            except (AssertionError, jsonschema.ValidationError) as exc:
                raise AssertionError(f"HOSTILE_SEED={SEED}, case {number}: {sent}\n{exc}") from None
    assert len(met) > 80, "the cases are too much alike"
