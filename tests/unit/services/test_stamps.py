"""Single-use stamps: once, in time, for one subject, by this server."""

from __future__ import annotations

from server.clock import SetClock
from server.services.stamps import Stamps


def test_a_stamp_counts_once():
    stamps = Stamps(SetClock())
    stamp, _ = stamps.issue(b"holder", 1000)
    assert len(stamp) == 32
    assert stamps.redeem(stamp, b"holder")
    assert not stamps.redeem(stamp, b"holder")


def test_a_stamp_counts_for_its_subject_and_in_time():
    clock = SetClock()
    stamps = Stamps(clock)
    stamp, ends = stamps.issue(b"holder", 1000)
    assert ends == clock.now() + 1000
    assert not stamps.redeem(stamp, b"other")
    clock.advance(1.5)
    assert not stamps.redeem(stamp, b"holder")


def test_any_flipped_bit_is_refused():
    stamps = Stamps(SetClock())
    stamp, _ = stamps.issue(b"holder", 1000)
    for bit in range(256):
        forged = bytearray(stamp)
        forged[bit // 8] ^= 1 << bit % 8
        assert not stamps.redeem(bytes(forged), b"holder")
    assert stamps.redeem(stamp, b"holder")


def test_unused_stamps_cost_no_memory_and_used_ones_are_forgotten():
    clock = SetClock()
    stamps = Stamps(clock)
    for _ in range(1000):
        stamps.issue(b"holder", 1000)
    assert not stamps._used
    for _ in range(500):
        stamp, _ = stamps.issue(b"holder", 1000)
        stamps.redeem(stamp, b"holder")
        clock.advance(0.1)
    assert len(stamps._used) < 20


def test_another_servers_stamp_is_refused():
    stamp, _ = Stamps(SetClock()).issue(b"holder", 1000)
    assert not Stamps(SetClock()).redeem(stamp, b"holder")
