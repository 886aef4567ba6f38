"""Both live sockets under bytes that no client library writes: closed with a reason, nothing kept, others not disturbed."""

from __future__ import annotations

import asyncio
import json
import os
import resource
import socket
import zlib
from pathlib import Path

import pytest

from server.app import GATEWAY
from server.transport.live import socket_io
from tests.hostile.scene import Scene, scene
from tests.hostile.wire import Wire, connected, masked, statuses, upgraded

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXT, BINARY, CLOSE, PING, PONG, MORE, FIN = 1, 2, 8, 9, 10, 0, 0x80
LIMIT = 64 * 1024**2  # bytes that the memory of the server may grow (reliability.md, goal G6)


@pytest.fixture(autouse=True)
def curt(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the server be short with those who go."""
    monkeypatch.setattr(socket_io, "GOODBYE", 0.05)


def memory() -> int:
    """Return the bytes of this process, server and test alike, that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


async def ticket(practice: Scene, who: str = "jean") -> str:
    return (await practice.call("issueLiveTicket", who=who)).problem["ticket"]


async def open_lean(practice: Scene, wire: Wire, who: str = "jean", *more: str) -> bytes:
    last = (await practice.peers[who].feed())["last"]
    return await upgraded(wire, f"/v1/live?ticket={await ticket(practice, who)}&after={last}", *more)


async def open_socket_io(practice: Scene, wire: Wire, *, connect: bool = True, **auth: object) -> None:
    """Open the transport and, if asked, the namespace."""
    head = await upgraded(wire, "/v1/socket.io/?EIO=4&transport=websocket")
    assert statuses(head) == [101]
    assert (await wire.frame())[1].startswith(b"0{")
    if connect:
        last = (await practice.peers["jean"].feed())["last"]
        said = {"ticket": await ticket(practice), "after": last} | auth
        await wire.send(masked(FIN | TEXT, b"40" + json.dumps(said).encode()))
        while (told := (await wire.frame())[1]) == b"2":  # asked for a sign of life before it could answer
            await wire.send(masked(FIN | TEXT, b"3"))
        assert told.startswith(b"40")


@pytest.mark.parametrize("path", ["/v1/live?ticket={ticket}&after=0", "/v1/socket.io/?EIO=4&transport=websocket"])
async def test_no_live_socket_tells_which_library_answers(practice: Scene, path: str):
    async with connected(practice) as wire:
        head = await upgraded(wire, path.format(ticket=await ticket(practice)))
    assert statuses(head) == [101]
    assert b"aiohttp" not in head.lower()
    assert b"python" not in head.lower()


LEAN_ABUSE = {
    "a reserved bit": masked(FIN | 0x40 | TEXT, b"{}"),
    "every reserved bit": masked(FIN | 0x70 | TEXT, b"{}"),
    "an unknown opcode": masked(FIN | 3, b"{}"),
    "an unknown control opcode": masked(FIN | 11, b""),
    "a continuation of nothing": masked(FIN | MORE, b"{}"),
    "a second beginning": masked(TEXT, b"{") + masked(FIN | TEXT, b"}"),
    "a ping in two parts": masked(PING, b"x") + masked(FIN | MORE, b"y"),
    "a ping of 126 bytes": masked(FIN | PING, b"x" * 126),
    "a close of 126 bytes": masked(FIN | CLOSE, b"\x03\xe8" + b"x" * 124),
    "a close of one byte": masked(FIN | CLOSE, b"\x03"),
    "a close with a code of nobody": masked(FIN | CLOSE, b"\x03\xed"),
    "a close with a reason that is no UTF-8": masked(FIN | CLOSE, b"\x03\xe8\xff\xfe"),
    "text that is no UTF-8": masked(FIN | TEXT, b'{"t":"\xff"}'),
    "half a surrogate": masked(FIN | TEXT, b'{"t":"\xed\xa0\x80"}'),
    "binary": masked(FIN | BINARY, b'{"t":"ack","position":1}'),
    "too large, told": masked(FIN | TEXT, b"", size=2**40),
    "too large, negative": masked(FIN | TEXT, b"", size=2**63 + 1),
    "too large, in parts": masked(TEXT, b"x" * 400_000) + masked(FIN | MORE, b"x" * 400_000),
    "no JSON": masked(FIN | TEXT, b"\0"),
    "deep JSON": masked(FIN | TEXT, b"[" * 500_000),
    "nothing": masked(FIN | TEXT, b""),
    "packed, though not agreed": masked(FIN | 0x40 | TEXT, zlib.compress(bytes(10_000_000))),
}


@pytest.mark.parametrize("what", LEAN_ABUSE)
async def test_the_lean_socket_closes_on(practice: Scene, what: str):
    before = practice.fingerprint()
    async with connected(practice) as wire:
        assert statuses(await open_lean(practice, wire)) == [101]
        await wire.send(LEAN_ABUSE[what])
        assert await wire.ended(5), what
    await gone(practice)
    assert practice.fingerprint() == before


async def gone(practice: Scene) -> None:
    """Wait until the gateway has forgotten every line."""
    gateway = practice.server.app[GATEWAY]
    async with asyncio.timeout(5):
        while gateway._lines:
            await asyncio.sleep(0.01)


async def test_a_frame_that_is_not_masked_is_no_frame_of_a_client(practice: Scene):
    """RFC 6455, 5.1: a server closes on it. aiohttp reads it; nothing is gained by it without a proxy that is fooled."""
    async with connected(practice) as wire:
        await open_lean(practice, wire)
        await wire.send(masked(FIN | TEXT, b'{"t":"dance"}', mask=False))
        assert await wire.ended(5)


async def test_no_compression_is_agreed_to(practice: Scene):
    async with connected(practice) as wire:
        head = await open_lean(
            practice, wire, "jean", "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
        )
    assert statuses(head) == [101]
    assert b"extensions" not in head.lower()
    async with connected(practice) as wire:
        head = await upgraded(
            wire, "/v1/socket.io/?EIO=4&transport=websocket", "Sec-WebSocket-Extensions: permessage-deflate"
        )
    assert b"extensions" not in head.lower()


async def test_a_flood_of_empty_parts_or_pings_keeps_nothing(practice: Scene):
    async with connected(practice) as wire:
        await open_lean(practice, wire)
        before = memory()
        await wire.send(masked(TEXT, b""))
        for _ in range(100):
            try:
                await wire.send(masked(MORE, b"") * 2_000 + masked(FIN | PING, b"x" * 125) * 20)
            except ConnectionError:
                break
        assert memory() - before < LIMIT
        assert (await practice.ask("GET", "/v1/server")).status == 200


PACKETS = {
    "100,000 attachments": b"45100000-" + b'["ack",{"_placeholder":true,"num":0}]',
    "an attachment": b'451-["ack",{"_placeholder":true,"num":0}]',
    "an answer in parts": b"461-1[]",
    "in a namespace of its own": b"451-/x,[]",
    "an event of another name": b'42["dance",{}]',
    "an event that is none": b"42{}",
    "an event without a name": b"42[]",
    "an event with a number for a name": b"42[1]",
    "broken JSON": b'42["ack",',
    "deep JSON": b"42" + b"[" * 60_000,
    "a position below zero": b'42["ack",{"position":-1}]',
    "a position with more": b'42["ack",{"position":1,"x":1}]',
    "a position that is true": b'42["ack",{"position":true}]',
    "a position that is a fraction": b'42["ack",{"position":1.5}]',
    "a position of 5,000 digits": b'42["ack",{"position":' + b"9" * 5_000 + b"}]",
    "a long id": b"42" + b"9" * 60_000 + b'["ack",{"position":1}]',
    "an unknown type": b"49",
    "a packet of an unknown kind": b"9",
}


@pytest.mark.parametrize("what", PACKETS)
async def test_socket_io_closes_on(practice: Scene, what: str):
    before, held = practice.fingerprint(), memory()
    async with connected(practice) as wire:
        await open_socket_io(practice, wire)
        await wire.send(masked(FIN | TEXT, PACKETS[what]))
        assert await wire.ended(5), what
    await gone(practice)
    assert memory() - held < LIMIT
    assert practice.fingerprint() == before


async def test_socket_io_takes_no_binary_frame_nor_a_large_one(practice: Scene):
    for frame in (masked(FIN | BINARY, b"\0" * 100), masked(FIN | TEXT, b"42" + b"x" * 70_000)):
        async with connected(practice) as wire:
            await open_socket_io(practice, wire)
            await wire.send(frame)
            assert await wire.ended(5)


async def test_socket_io_keeps_nobody_who_does_not_say_who_it_is(practice: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(socket_io, "GREETING", 0.3)
    async with connected(practice) as silent, connected(practice) as wrong, connected(practice) as right:
        await open_socket_io(practice, silent, connect=False)
        await open_socket_io(practice, wrong, connect=False)
        await wrong.send(masked(FIN | TEXT, b'40{"ticket":"x"}'))
        await open_socket_io(practice, right)
        assert await silent.ended(3)
        assert await wrong.ended(3)
        await right.send(masked(FIN | PING, b"there?"))
        assert (await right.frame())[0] & 0x0F == PONG


async def test_socket_io_gives_up_a_peer_that_answers_no_ping(tmp_path, monkeypatch: pytest.MonkeyPatch):
    """And a thousand answers that nobody asked for wind no thousand clocks: one ping follows, not a thousand."""
    monkeypatch.setattr(socket_io, "PING", 0.2)
    monkeypatch.setattr(socket_io, "ANSWER", 2)  # a pause of the machine must not look like silence
    async with scene(tmp_path) as practice, connected(practice) as wire:
        await open_socket_io(practice, wire)
        for _ in range(3):
            assert (await wire.frame())[1] == b"2"
            await wire.send(masked(FIN | TEXT, b"3"))
        await wire.send(masked(FIN | TEXT, b"3") * 1_000)
        assert (await wire.frame())[1] == b"2"
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):  # the end, and no second ping
            await wire.frame()
        await gone(practice)


@pytest.mark.parametrize(
    "auth",
    [{"ticket": "x"}, {"ticket": 1}, {"ticket": "A" * 64}, {"after": -1}, {"after": "0"}, {"after": 2**53}, {"x": 1}],
)
async def test_socket_io_is_not_opened_by_other_words(practice: Scene, auth: dict[str, object]):
    async with connected(practice) as wire:
        await open_socket_io(practice, wire, connect=False)
        said = {"ticket": await ticket(practice), "after": 0} | auth
        await wire.send(masked(FIN | TEXT, b"40" + json.dumps(said).encode()))
        assert (await wire.frame())[1].startswith(b"44")
    assert not practice.server.app[GATEWAY]._lines


async def test_socket_io_has_no_polling_and_no_other_version(practice: Scene):
    for query in (
        "EIO=4&transport=polling",
        "EIO=3&transport=websocket",
        "transport=polling",
        "EIO=4&transport=polling&sid=x",
        "",
    ):
        for method in ("GET", "POST", "OPTIONS", "PUT"):
            answer = await practice.ask(method, f"/v1/socket.io/?{query}")
            assert 400 <= answer.status < 500, (method, query, answer)
            assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_hundred_stuck_readers_cost_little_and_disturb_nobody(tmp_path):
    """G6: they open a socket, acknowledge what they never read, and messages of 60 kB keep coming."""
    async with scene(tmp_path) as practice:
        claire, stuck = practice.peers["claire"], []
        host, port = practice.server.url.removeprefix("http://").split(":")
        for _ in range(100):
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.setblocking(False)
            await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
            reader, writer = await asyncio.open_connection(sock=raw, limit=4096)
            wire = Wire(reader, writer)
            await open_lean(practice, wire)
            reader._transport.pause_reading()
            stuck.append(wire)
        await claire.say(practice.conversation, os.urandom(30_000).hex())
        before = memory()
        for _ in range(30):
            await claire.say(practice.conversation, os.urandom(30_000).hex())
            last = (await practice.peers["jean"].feed())["last"]
            for wire in stuck:
                wire.writer.write(masked(FIN | TEXT, b'{"t":"ack","position":%d}' % last))
        async with connected(practice) as reading:
            await open_lean(practice, reading)
            said = await claire.say(practice.conversation, "Et les autres ?")
            told = b""
            while said["id"].encode() not in told:
                told = (await reading.frame())[1]
        grown = memory() - before
        for wire in stuck:
            wire.writer.transport.abort()
    assert grown < LIMIT, f"{grown / 1024**2:.1f} MB"
