"""Guessing codes, links and keys: how many tries are looked at, from one address and from ten thousand."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Awaitable, Callable

import pytest

from crypto.codec import b64
from tests.hostile.scene import Answer, Scene, check_refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

Try = Callable[[Scene, str], Awaitable[Answer]]
_homes = itertools.count(1)


def home() -> str:
    """Return an address of an attacker, of a network that no other test uses."""
    number = next(_homes)
    return f"172.{16 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


async def code(practice: Scene, where: str) -> Answer:
    path = f"/v1/invitations/code/{b64(secrets.token_bytes(16))}"
    return await practice.ask("GET", path, headers={"X-Forwarded-For": where})


async def link(practice: Scene, where: str) -> Answer:
    path = f"/v1/invitations/{b64(secrets.token_bytes(16))}"
    return await practice.ask("GET", path, headers={"X-Forwarded-For": where})


async def letter(practice: Scene, where: str) -> Answer:
    path = f"/v1/invitations/{b64(secrets.token_bytes(16))}/events"
    return await practice.ask("GET", path, headers={"X-Forwarded-For": where})


async def key(practice: Scene, where: str, holder: bytes | None = None) -> Answer:
    told = {"X-Forwarded-For": where}
    body = {"holder": b64(holder or secrets.token_bytes(16))}
    asked = await practice.ask("POST", "/v1/sessions/challenges", headers=told, json=body)
    body |= {"challenge": asked.problem["challenge"], "signature": b64(secrets.token_bytes(64))}
    return await practice.ask("POST", "/v1/sessions", headers=told, json=body)


@pytest.mark.parametrize(
    ("name", "attempt", "allowed", "refusal"),
    [
        ("findInvitationByCode", code, 10, 404),
        ("showInvitation", link, 30, 404),
        ("showInvitationEvents", letter, 30, 404),
        ("openSession", key, 30, 401),
    ],
)
async def test_an_address_may_be_wrong_so_often(practice: Scene, name: str, attempt: Try, allowed: int, refusal: int):
    """What is looked at is counted; every answer to a guess has the same bytes; who waits is told how long."""
    where = home()
    answers = [await attempt(practice, where) for _ in range(allowed * 3)]
    assert [answer.status for answer in answers] == [refusal] * allowed + [429] * (allowed * 2)
    assert len({answer.body for answer in answers if answer.status == refusal}) == 1
    for answer in answers:
        check_refusal(name, answer)
        if answer.status == 429:
            assert 0 < int(answer.headers["Retry-After"]) <= 900
    other = await attempt(practice, home())
    assert other.status == refusal, "somebody else is not made to wait"


async def test_an_ipv6_network_is_one_address(practice: Scene):
    found = [await code(practice, f"2001:db8::{number:x}") for number in range(1, 30)]
    assert [answer.status for answer in found].count(404) == 10


async def test_a_holder_may_be_guessed_at_ten_times_from_everywhere(practice: Scene):
    """Two hundred addresses, one holder: ten signatures are looked at. A holder that does not exist waits as well."""
    real = practice.peers["lea"].own.holder.id
    seen = {}
    for who, holder in (("real", real), ("none", secrets.token_bytes(16))):
        answers = [await key(practice, home(), holder) for _ in range(200)]
        assert [answer.status for answer in answers].count(401) == 10
        seen[who] = [(answer.status, answer.problem["code"]) for answer in answers]
    assert seen["real"] == seen["none"]


async def test_a_stranger_cannot_wear_out_the_limit_of_somebody_elses_address(practice: Scene):
    """Whoever writes `X-Forwarded-For` by hand is counted by the address that our own proxy saw."""
    where, statuses = home(), []
    for number in range(30):
        forged = f"198.51.100.{number}, {where}"
        statuses.append((await code(practice, forged)).status)
    assert statuses == [404] * 10 + [429] * 20


async def test_the_chance_of_a_typed_code_is_counted(practice: Scene):
    """T25: ten tries a quarter of an hour and address, 60 bits: a thousand addresses for a year find nothing.

    The locator is 128 bits of a stretched code of 60: 10 * 4 * 24 * 365 * 1,000 guesses among 2**60.
    """
    a_year = 10 * 4 * 24 * 365 * 1_000
    open_letters = 1_000
    assert a_year * open_letters / 2**60 < 1e-6
    distributed = [await code(practice, home()) for _ in range(500)]
    assert {answer.status for answer in distributed} == {404}
    assert len({answer.body for answer in distributed}) == 1
