"""Somebody who is wrong too often has to wait; somebody else does not."""

from __future__ import annotations

import ipaddress

import pytest
from aiohttp.test_utils import make_mocked_request

from server.clock import SetClock
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
