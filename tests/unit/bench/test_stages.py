"""The load generator counts what it should: a benchmark that miscounts is worse than none."""

import asyncio

import pytest

from bench import people, stages, wire
from bench.process import Usage


class Stub:
    """A server whose CPU seconds we choose: one for each look."""

    def __init__(self):
        self.looks = 0

    def usage(self):
        self.looks += 1
        return Usage(server=self.looks, machine=self.looks * 2.0, generator=0.0, at=self.looks * 4.0)


async def test_only_acknowledged_messages_count_and_lost_ones_are_told(monkeypatch):
    arrivals = {}
    sent = iter(range(1000))

    async def send():
        number = next(sent)
        await asyncio.sleep(0.001)
        if number % 3 == 0:
            return None  # refused
        if number % 3 == 1:
            arrivals[f"m{number}"] = 0.0
        return f"m{number}"  # every third is accepted and never arrives

    monkeypatch.setattr(stages.arrived, "__defaults__", (0.05,))
    found = await stages.closed_loop(Stub(), [send], 0.05, arrivals)
    assert found["done"] == found["per_server_cpu_s"] > 0  # one CPU second
    assert found["refused"] > 0
    assert found["undelivered"] == pytest.approx(found["done"] / 2, abs=1)


async def test_an_overloaded_server_is_called_saturated(monkeypatch):
    async def send():
        await asyncio.sleep(0.01)

    monkeypatch.setattr(stages.arrived, "__defaults__", (0.05,))
    assert (await stages.offered(Stub(), [send], 100, 0.05, {}))["saturated"]


def test_quantiles_are_of_the_nearest_rank():
    assert stages.quantile([], 0.5) is None
    assert stages.quantile([0.001, 0.002, 0.003, 0.004], 0.5) == 2
    assert stages.quantile([0.001] * 99 + [1.0], 0.99) == 1
    assert stages.quantile([0.001] * 99 + [1.0], 1) == 1000


def test_identifiers_have_a_valid_luhn_key():
    for rpps in [rpps for rpps, _ in zip(people.identifiers(), range(50), strict=False)]:
        digits = [int(digit) for digit in reversed(rpps)]
        assert len(rpps) == 11
        assert sum(sum(divmod(digit * (1 + index % 2), 10)) for index, digit in enumerate(digits)) % 10 == 0


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536])
async def test_a_socket_reads_what_a_peer_frames(size):
    heard = []
    socket = wire.WebSocket(heard.append)
    text = b"x" * size
    masked = wire.frame(text)
    head = len(masked) - size - 4
    plain = bytes([masked[0], masked[1] & 0x7F]) + masked[2:head] + text  # a server does not mask
    socket._greeted = True
    for byte in range(0, len(plain), 1000):
        socket.data_received(plain[byte : byte + 1000])
    assert heard == [text]
