"""Who asks for much and fetches nothing, or hands in more than can be stored, costs little and disturbs nobody."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
import threading
import time
from pathlib import Path

import pytest
import pytest_asyncio

from crypto.codec import b64
from server.app import GATEWAY
from server.storage import rows
from server.transport import runner
from server.transport.live.line import OWED
from tests.faults.cast import envelope
from tests.hostile.scene import Scene, scene
from tests.hostile.test_raw_sockets import FIN, LIMIT, TEXT, memory, open_lean
from tests.hostile.wire import Wire, connected, masked, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")
LARGE = 260_000  # bytes of content: nearly the largest envelope
MANY = 30


async def fill(practice: Scene) -> None:
    """Let Claire write `MANY` of the largest messages there may be."""
    path = f"/v1/conversations/{b64(practice.conversation)}/envelopes"
    for _ in range(MANY):
        body = envelope(
            b64(practice.conversation),
            practice.peers["claire"].opened[practice.conversation].chain.head.epoch,
            size=LARGE,
        )
        answer = await practice.ask(
            "POST", path, who="claire", headers={"Content-Type": "application/json"}, data=body.body
        )
        assert answer.status == 201, answer.body


async def deaf(practice: Scene, path: str, *, room: int = 4096) -> Wire:
    """Ask, and fetch nothing of the answer."""
    host, port = practice.server.url.removeprefix("http://").split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, (host, int(port)))
    wire = Wire(*await asyncio.open_connection(sock=raw, limit=4096))
    wire.reader._transport.pause_reading()
    token = practice.tokens["claire"]
    await wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    return wire


@pytest.fixture(scope="module")
def paths(practice: Scene) -> tuple[str, str]:
    return f"/v1/conversations/{b64(practice.conversation)}/events?after=0&limit=200", "/v1/feed?limit=500"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(practice: Scene) -> Scene:
    await fill(practice)
    return practice


async def test_answers_that_nobody_fetches_are_small(filled: Scene, paths: tuple[str, str]):
    """Sixteen questions for the whole log and the whole feed: each was ten megabytes of JSON, kept for ever."""
    for path in paths:
        assert len((await filled.ask("GET", path, who="claire")).body) < 2 * 1024**2
    before = memory()
    asking = [await deaf(filled, path) for path in paths * 8]
    begun = time.monotonic()
    assert (await filled.ask("GET", "/v1/server")).status == 200
    assert time.monotonic() - begun < 5, "others wait for all of them"
    assert memory() - before < LIMIT, f"{(memory() - before) / 1024**2:.0f} MB"
    for wire in asking:
        wire.writer.transport.abort()


async def test_who_fetches_nothing_is_let_go(filled: Scene, paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch):
    """The answer is larger here than the kernel keeps on its own account."""
    monkeypatch.setattr(rows, "PAGE", 2**30)
    monkeypatch.setattr(runner, "FETCH", 0.3)
    for path in paths:
        wire = await deaf(filled, path)
        async with asyncio.timeout(20):
            while not waiting(filled):  # a busy machine takes its time to answer
                await asyncio.sleep(0.05)
            while waiting(filled):
                await asyncio.sleep(0.05)
        wire.reader._transport.resume_reading()
        assert await wire.closed(5)
        wire.writer.close()


def waiting(practice: Scene) -> int:
    """Return how many connections have something to say that their peers do not fetch."""
    host, port = practice.server.url.removeprefix("http://").split(":")
    here = f"{int(ipaddress.ip_address(host)).to_bytes(4, 'little').hex().upper()}:{int(port):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1] == here and line[3] == "01" and line[4][:8] != "00000000" for line in lines)


async def test_a_slow_reader_is_served_to_the_end(
    filled: Scene, paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch
):
    """It takes several looks of the server, and all of it arrives."""
    monkeypatch.setattr(rows, "PAGE", 2**30)
    monkeypatch.setattr(runner, "FETCH", 0.2)
    wire = await deaf(filled, paths[0], room=256 * 1024)
    wire.reader._transport.resume_reading()
    head = await wire.reader.readuntil(b"\r\n\r\n")
    assert statuses(head) == [200]
    left = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    assert left > 5_000_000
    while left:
        chunk = await wire.reader.read(65_536)
        assert chunk, f"{left} bytes did not come"
        left -= len(chunk)
        await asyncio.sleep(0.005)
    wire.writer.close()


async def test_a_lean_socket_takes_no_more_than_it_can_store(tmp_path):
    """While the disk stands still sixty large messages are handed in: most are not even read, and none is lost."""
    async with scene(tmp_path) as practice, connected(practice) as wire:
        conversation = b64(practice.conversation)
        epoch = practice.peers["claire"].opened[practice.conversation].chain.head.epoch
        assert statuses(await open_lean(practice, wire, "claire")) == [101]
        going, standing = threading.Event(), practice.server.store.write(lambda _: going.wait(30))
        stopped = asyncio.ensure_future(standing)
        frames = []
        for number in range(60):
            body = envelope(conversation, epoch, size=LARGE).body
            said = b'{"t":"send","ref":%d,"conversation":"%s","submission":%s}' % (number, conversation.encode(), body)
            frames.append(masked(FIN | TEXT, said))
        before, sending = memory(), asyncio.ensure_future(wire.send(b"".join(frames)))
        (line,) = next(iter(practice.server.app[GATEWAY]._lines.values()))
        async with asyncio.timeout(20):
            while line.owed <= OWED:
                await asyncio.sleep(0.01)
        for _ in range(100):  # and no more of it is read, though it is there
            await asyncio.sleep(0.01)
            assert line.owed <= OWED + 2 * LARGE, "more was read than may wait"
        assert line.owed > OWED
        assert not sending.done()
        assert memory() - before < LIMIT
        going.set()
        await stopped
        answered = set()
        while len(answered) < len(frames):
            told = json.loads((await wire.frame())[1])
            if told["t"] in {"sent", "refused"}:
                assert told["t"] == "sent", told
                answered.add(told["ref"])
        assert line.owed == 0
        await sending
