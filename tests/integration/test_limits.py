"""Somebody who is wrong too often has to wait; somebody else does not."""

from __future__ import annotations

import asyncio
import ipaddress
import shutil

import pytest
from aiohttp.test_utils import TestClient, TestServer, make_mocked_request

from server import telemetry
from server.app import build_app
from server.clock import SetClock
from server.domain.ids import b64
from server.settings import Settings
from server.storage.identity import init_data
from server.transport.rest import json as json_bodies
from server.transport.rest import limits
from server.transport.rest.limits import Buckets, Failures

PROXIES = (ipaddress.ip_network("10.0.0.0/8"),)


def test_ten_failures_in_a_quarter_of_an_hour_and_the_oldest_has_to_pass():
    clock = SetClock()
    failures = Failures(clock, 10)
    for _ in range(10):
        assert failures.wait("a") == 0
        failures.count("a")
        clock.advance(60)
    assert failures.wait("a") == 300
    assert failures.wait("b") == 0
    clock.advance(299)
    assert failures.wait("a") == 1
    clock.advance(1)
    assert failures.wait("a") == 0
    failures.count("a")
    assert failures.wait("a") == 60


def test_more_failures_than_the_limit_do_not_lengthen_the_wait():
    clock = SetClock()
    failures = Failures(clock, 2, window=100)
    for _ in range(50):
        failures.count("a")
    assert failures.wait("a") == 100


def test_the_table_of_failures_is_bounded_and_forgets_the_oldest():
    failures = Failures(SetClock(), 1, capacity=3)
    for key in "abcd":
        failures.count(key)
    assert [failures.wait(key) > 0 for key in "abcd"] == [False, True, True, True]


def test_a_question_does_not_fill_the_table():
    failures = Failures(SetClock(), 1, capacity=1)
    failures.count("a")
    for number in range(100):
        failures.wait(str(number))
    assert failures.wait("a") > 0


def test_a_bucket_gives_its_burst_then_its_rate():
    clock = SetClock()
    buckets = Buckets(clock, burst=3, rate=0.5)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2]
    assert buckets.take("b") == 0
    clock.advance(2)
    assert [buckets.take("a"), buckets.take("a")] == [0, 2]
    clock.advance(1000)
    assert [buckets.take("a") for _ in range(4)] == [0, 0, 0, 2]


def request(peer, *forwarded):
    class Transport:
        def get_extra_info(self, name, default=None):
            return (peer, 1) if name == "peername" else default

        def is_closing(self):
            return False

    headers = [("X-Forwarded-For", line) for line in forwarded]
    from multidict import CIMultiDict  # noqa: PLC0415

    return make_mocked_request("GET", "/", headers=CIMultiDict(headers), transport=Transport())


@pytest.mark.parametrize(
    ("peer", "forwarded", "trusted", "counted"),
    [
        ("192.0.2.1", [], (), "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], (), "192.0.2.1"),
        ("192.0.2.1", ["198.51.100.7"], PROXIES, "192.0.2.1"),
        ("10.0.0.1", ["198.51.100.7"], PROXIES, "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.1, 198.51.100.7"], PROXIES, "198.51.100.7"),
        ("10.0.0.1", ["203.0.113.1", "198.51.100.7, 10.2.2.2"], PROXIES, "198.51.100.7"),
        ("10.0.0.1", ["nonsense"], PROXIES, "10.0.0.1"),
        ("10.0.0.1", ["198.51.100.7, nonsense"], PROXIES, "10.0.0.1"),
        ("10.0.0.1", [], PROXIES, "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", [], (), "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", [], (), "192.0.2.1"),
    ],
)
def test_only_our_own_proxies_may_say_who_is_behind_them(peer, forwarded, trusted, counted):
    assert limits.address(request(peer, *forwarded), trusted) == counted


# --- as the interface promises it ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laid-out") / "data"
    init_data(folder)
    return folder


@pytest.fixture
async def house(laid_out, tmp_path):
    shutil.copytree(laid_out, tmp_path / "data")
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    clock = SetClock()
    async with TestClient(TestServer(build_app(Settings(data=tmp_path / "data"), clock=clock))) as client:
        yield client, clock
    telemetry.configure(strict=False, foreign=False)


async def wrong_session(client, holder):
    body = {"holder": b64(holder), "challenge": b64(b"c" * 32), "signature": b64(b"s" * 64), "cookie": False}
    answer = await client.post("/v1/sessions", json=body)
    return answer.status, (await answer.json(content_type="application/problem+json"))["code"], answer.headers


async def test_a_holder_may_fail_ten_times_and_an_address_thirty_times(house):
    client, clock = house
    for _ in range(10):
        assert (await wrong_session(client, b"a" * 16))[:2] == (401, "signature_refused")
    status, code, headers = await wrong_session(client, b"a" * 16)
    assert (status, code, headers["Retry-After"]) == (429, "too_many_tries", "900")
    for number in range(20):
        assert (await wrong_session(client, bytes([number]) * 16))[0] == 401
    assert (await wrong_session(client, b"z" * 16))[0] == 429
    clock.advance(901)
    assert (await wrong_session(client, b"a" * 16))[0] == 401


async def test_a_typed_code_may_be_wrong_ten_times(house):
    client, clock = house
    for number in range(10):
        answer = await client.get(f"/v1/invitations/code/{b64(bytes([number]) * 16)}")
        assert answer.status == 404
    answer = await client.get(f"/v1/invitations/code/{b64(b'x' * 16)}")
    assert (answer.status, answer.headers["Retry-After"]) == (429, "900")
    clock.advance(900)
    assert (await client.get(f"/v1/invitations/code/{b64(b'x' * 16)}")).status == 404


async def test_an_invitation_may_be_guessed_thirty_times(house):
    client, _ = house
    answers = [(await client.get(f"/v1/invitations/{b64(bytes([number]) * 16)}")).status for number in range(31)]
    assert answers == [404] * 30 + [429]


# --- bodies and headers that are not meant well ------------------------------------------------------------------------


async def raw(client, *lines, body=b""):
    """Send bytes as they are; return the status line, and the code if there is one."""
    reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
    writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    writer.close()
    return int(head.split()[1]), head.lower()


CHALLENGE = ("POST /v1/sessions/challenges HTTP/1.1", "Host: pli", "Content-Type: application/json")


async def test_a_body_that_drips_is_let_go(house, monkeypatch):
    monkeypatch.setattr(json_bodies, "PATIENCE", 0.1)
    status, head = await raw(house[0], *CHALLENGE, "Content-Length: 50", body=b'{"holder":')
    assert status == 400
    assert b"connection: close" in head


@pytest.mark.parametrize(
    ("lines", "body", "status"),
    [
        ([*CHALLENGE, "Content-Length: 2"], b"{}", 400),
        ([*CHALLENGE, "Content-Length: 9"], b'{"x":1e9}', 400),
        ([*CHALLENGE, "Content-Length: 4"], b"null", 400),
        ([*CHALLENGE, "Content-Length: 3"], b"\xff\xfe{", 400),
        ([*CHALLENGE, "Content-Length: 0"], b"", 400),
        ([*CHALLENGE, "Content-Length: 100000"], b"[" * 100000, 400),
        ([*CHALLENGE, "Content-Length: 99999999"], b"{", 413),
        ([*CHALLENGE, "Content-Length: -1"], b"", 400),
        ([*CHALLENGE, "Content-Length: 2", "Content-Length: 3"], b"{}", 400),
        ([*CHALLENGE, "Content-Length: 2", "Transfer-Encoding: chunked"], b"0\r\n\r\n", 400),
        ([*CHALLENGE, "Content-Encoding: gzip", "Content-Length: 2"], b"{}", 415),
        ([CHALLENGE[0], "Host: pli", "Content-Type: text/plain", "Content-Length: 2"], b"{}", 415),
        ([CHALLENGE[0], "Host: pli", "Content-Length: 2"], b"{}", 415),
        (["GET /v1/server HTTP/1.1", "Host: pli", "X: " + "a" * 20_000], b"", 400),
        (["GET /v1/server HTTP/1.1", "Host: pli", "Bad Header: x"], b"", 400),
        (["GET /v1/me HTTP/1.1", "Host: pli", "Authorization: Basic eDp5"], b"", 401),
        (["GET /v1/me HTTP/1.1", "Host: pli", "Cookie: pli_session=x"], b"", 403),
        (["GET /v1/me HTTP/1.1", "Host: pli", "Cookie: pli_session=x", "X-Pli: 1"], b"", 401),
        (["TRACE /v1/server HTTP/1.1", "Host: pli"], b"", 405),
        (["GET /v1/server?x=1 HTTP/1.1", "Host: pli"], b"", 200),
        (["GET /v1/%00 HTTP/1.1", "Host: pli"], b"", 404),
    ],
)
async def test_what_is_not_meant_well_is_answered_shortly(house, lines, body, status):
    assert (await raw(house[0], *lines, body=body))[0] == status
    assert (await house[0].get("/readyz")).status == 200


async def test_a_body_of_unknown_length_is_cut_at_its_limit(house):
    async def endless():
        while True:
            yield b" " * 65536

    answer = await house[0].post(
        "/v1/sessions/challenges", data=endless(), headers={"Content-Type": "application/json"}
    )
    assert answer.status == 413
