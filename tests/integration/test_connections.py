"""Whoever opens thousands of connections and says nothing takes nobody's place: real sockets, from several addresses."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from server import metrics
from server.transport.connections import CONNECTIONS, Connections
from tests.fakes.peer import Peer
from tests.fakes.server import LocalServer, running

HERE = (ipaddress.ip_network("127.0.0.1/32"),)
ASK = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
Wire = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@pytest.fixture
def crowd(tmp_path):
    """Serve with few places, and let people connect from an address each."""
    wires: list[Wire] = []

    @asynccontextmanager
    async def serve(**chosen: Any):
        async with running(tmp_path / "data", **chosen) as server:
            port = int(server.url.rpartition(":")[2])

            async def come(address: str, said: bytes = b"") -> Wire:
                wire = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
                wires.append(wire)
                wire[1].write(said)
                return wire

            yield server, come
            for _, writer in wires:
                writer.transport.abort()

    return serve


async def served(wire: Wire) -> bool:
    """Ask, and tell whether there is an answer."""
    reader, writer = wire
    try:
        writer.write(ASK)
        async with asyncio.timeout(10):
            return (await reader.read(4096)).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


async def ended(wire: Wire) -> bool:
    """Tell whether the server has ended a connection on which nothing was asked."""
    try:
        async with asyncio.timeout(0.2):
            return await wire[0].read(1) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


async def settled(server: LocalServer, looks: Callable[[Connections], bool]) -> None:
    async with asyncio.timeout(10):
        while not looks(server.app[CONNECTIONS]):
            await asyncio.sleep(0.01)


def told(outcome: str) -> float:
    return metrics.CONNECTIONS.values.get((outcome,), 0)


async def test_idle_connections_of_one_address_make_room_for_its_own_newer_ones(crowd):
    async with crowd(connections=50, connections_each=10) as (server, come):
        before = told("let_go")
        neighbour = await come("127.0.0.9")
        assert await served(neighbour)
        idle = [await come("127.0.0.2", said) for said in (b"", b"GET /healthz HTT", ASK) for _ in range(20)]
        assert await served(await come("127.0.0.2"))
        assert len(server.app[CONNECTIONS]) <= 11
        assert told("let_go") - before >= 50
        assert all([await ended(each) for each in idle[:40]])
        assert await served(neighbour), "another address has lost nothing"


async def test_the_house_is_full_and_whoever_asks_for_something_gets_in(crowd):
    async with crowd(connections=30, connections_each=20) as (server, come):
        used = await come("127.0.1.1")
        for last in range(2, 12):
            for _ in range(10):
                await come(f"127.0.0.{last}")
            assert await served(used), "a connection that is used is not the one that has been idle the longest"
            assert await served(await come(f"127.0.2.{last}"))
            assert len(server.app[CONNECTIONS]) <= 30


async def test_who_is_being_answered_is_not_let_go_and_others_are_refused(crowd):
    async with crowd(connections=6, connections_each=4) as (server, come):
        claire = await Peer.professional(server, "Claire")
        position = (await claire.feed())["last"]
        await claire.close()
        poll = (
            f"GET /v1/feed?after={position}&wait=25 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {claire.token}\r\n\r\n"
        )
        waiting = [await come("127.0.0.2", poll.encode()) for _ in range(4)]
        await settled(server, lambda _: server.services.feed.waiting == 4)
        before = told("refused")
        assert not await served(await come("127.0.0.2"))
        assert told("refused") - before == 1
        waiting += [await come("127.0.0.3", poll.encode()) for _ in range(2)]
        await settled(server, lambda _: server.services.feed.waiting == 6)
        assert not await served(await come("127.0.0.4"))
        waiting[0][1].transport.abort()
        await settled(server, lambda places: len(places) == 5)
        assert await served(await come("127.0.0.4"))


async def test_a_trusted_proxy_is_counted_in_all_only(crowd):
    async with crowd(connections=20, connections_each=3, trusted_proxies=HERE) as (server, come):
        proxied = [await come("127.0.0.1") for _ in range(15)]
        assert all([await served(each) for each in proxied])
        others = [await come("127.0.0.2") for _ in range(5)]
        assert await ended(others[0])
        assert all([await served(each) for each in proxied]), "one stranger does not push the proxy out"
        for _ in range(10):
            await come("127.0.0.1")
        await settled(server, lambda places: len(places) <= 20)


async def test_a_live_socket_is_counted_by_its_doors_and_takes_no_place_here(crowd):
    async with crowd(connections=4, connections_each=2, sockets=10, sockets_each=10) as (server, come):
        claire = await Peer.professional(server, "Claire")
        lines = []
        for _ in range(6):
            ticket = (await claire.ask("POST", "/v1/live/tickets"))["ticket"]
            lines.append(await claire.http.ws_connect(f"/v1/live?ticket={ticket}&after=0"))
        assert not any(line.closed for line in lines)
        assert len(server.app[CONNECTIONS]) <= 2
        for line in lines:
            await line.close()
        await claire.close()
        await settled(server, lambda places: len(places) == 0)
        assert await served(await come("127.0.0.1"))


async def test_nothing_is_counted_twice_or_forgotten(crowd):
    async with crowd(connections=40, connections_each=40) as (server, come):
        async with aiohttp.ClientSession(server.url) as http:
            for _ in range(5):
                answers: list[Awaitable[Any]] = [http.get("/healthz") for _ in range(20)]
                for answer in await asyncio.gather(*answers):
                    assert answer.status == 200
                    answer.release()
        for _ in range(30):
            (await come("127.0.0.2", b"nonsense\r\n\r\n"))[1].write_eof()
        await settled(server, lambda places: len(places) == 0)
        assert not server.app[CONNECTIONS]._from
