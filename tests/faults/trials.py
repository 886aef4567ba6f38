"""Faults that are no crash: a full disk, readers that stop reading, clients that never say what they want."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.faults import cast as casts
from tests.faults import devices, fragile_disk
from tests.faults.campaign import Program, Server
from tests.faults.devices import Device, Stage
from tests.faults.history import History

ROOM = 256 * 1024  # bytes that the disk has left when it is "almost full"
STUCK_READERS = 100
LARGE = 64 * 1024  # bytes of an envelope that stuck readers are sent
GROWTH = 64 * 1024**2  # bytes by which stuck readers may let the server grow (G6)


@asynccontextmanager
async def served(home: Path, forks: Program, *, fragile: bool) -> AsyncIterator[tuple[Server, Stage, Program | None]]:
    """Serve a copy of the cast's folder, on a fragile disk if asked."""
    folder = Path(tempfile.mkdtemp(prefix="pli-faults-"))
    disk: Program | None = None
    server: Server | None = None
    try:
        cast = await casts.make(home)
        data = casts.copy(home, folder / "data")
        if fragile:
            (folder / "disk").mkdir()
            disk = Program("tests.faults.fragile_disk", str(folder / "disk"), str(data))
            await disk.line()
            data = folder / "disk"
        server = Server(data, forks)
        await server.start()
        stage = Stage(cast, History(), random.Random(1), [server.port])
        stage.up.set()
        yield server, stage, disk
    finally:
        if server is not None:
            await server.kill()
        if disk is not None:
            disk.end()
        shutil.rmtree(folder, ignore_errors=True)


async def full_disk(home: Path, forks: Program) -> dict[str, int]:
    """Fill the disk under load, then make room again: every refusal is 507, nothing acknowledged is lost, writes resume.

    Raises:
        AssertionError: one of these is not so.

    """
    async with served(home, forks, fragile=True) as (_, stage, disk):
        assert disk is not None
        writer, conv = stage.cast.people[0], next(iter(stage.cast.conversations))
        device = Device(stage, writer)
        accepted, refused = [], 0
        await disk.tell(f"room {ROOM}")
        for _ in range(2_000):
            sent = casts.envelope(conv, 1)
            seq = await devices.hand_in(device, sent)
            assert seq is not None, "a full disk is answered, not hung up on"
            accepted += [sent.id] if seq else []
            refused += not seq
            if refused == 20:
                break
        assert refused == 20, "the disk never was full"
        assert stage.counts.get("storage_full") == refused, stage.counts
        await disk.tell("room -1")
        again = await devices.hand_in(device, casts.envelope(conv, 1))
        assert again, "writes resume when there is room"
        stored: list[str] = []
        after = 0
        while items := await devices.page(device, conv, after):
            after = items[-1][0]
            stored += [item[1] for item in items]
        assert [one for one in stored if one in set(accepted)] == accepted
        device.close()
        return {"accepted": len(accepted), "refused": refused}


async def stuck_readers(home: Path, forks: Program, *, messages: int = 400) -> dict[str, int]:
    """Write while a hundred live lines read nothing: the server's memory stays bounded, the writer is served.

    Raises:
        AssertionError: it grew by more than 64 MB, or the writer had no answer.

    """
    async with served(home, forks, fragile=False) as (server, stage, _):
        conv, members = next(iter(stage.cast.conversations.items()))
        people = {person.id: person for person in stage.cast.people}
        lines = [await _deaf(Device(stage, people[members[1]]), server.port) for _ in range(STUCK_READERS)]
        before = server.resident()
        writers = [Device(stage, people[members[0]]) for _ in range(8)]

        async def write(device: Device) -> None:
            for _ in range(messages // len(writers)):
                assert await devices.hand_in(device, casts.envelope(conv, 1, size=LARGE)), "the writer is served"

        await asyncio.gather(*(write(device) for device in writers))
        grown = server.resident() - before
        for line in lines:
            line.close()
        for device in writers:
            device.close()
        assert grown <= GROWTH, f"{grown} bytes for {STUCK_READERS} readers that read nothing"
        return {"readers": STUCK_READERS, "messages": messages, "grown": grown}


async def _deaf(device: Device, port: int) -> socket.socket:
    """Open a live line with a small buffer, and never read from it."""
    _, ticket = await device.ask("POST", "/v1/live/tickets")
    device.close()
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(line, ("127.0.0.1", port))
    head = (
        f"GET /v1/live?ticket={ticket['ticket']}&after=0 HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket",
        "Connection: Upgrade", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==", "", "",
    )  # fmt: skip
    await loop.sock_sendall(line, "\r\n".join(head).encode())
    return line


def fuse_refused() -> str | None:
    """Say why there is no fragile disk here; ``None`` when there is one."""
    if os.geteuid() != 0:
        return "mounting needs root"
    if not Path("/dev/fuse").exists():
        return "the kernel has no /dev/fuse"
    at = Path(tempfile.mkdtemp(prefix="pli-faults-"))
    try:
        channel = fragile_disk.mount(at)
    except OSError as exc:
        return f"the kernel refuses: {exc}"
    else:
        os.close(channel)
        fragile_disk.unmount(at)
    finally:
        with contextlib.suppress(OSError):
            at.rmdir()
    return None


SLOW = 500  # connections that never say what they want (G6)
LET_GO = 20.0  # seconds in which each of them is ended
BUSY = 10.0  # seconds more that a busy machine may take to notice
DRIPS = (
    b"",
    b"GET /v1/server HTTP/1.1\r\nHost: x\r\n",
    b"POST /v1/sessions/challenges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n{",
)
"""Nothing at all; a header that does not end; a body that does not end."""


async def slow_clients(home: Path, forks: Program) -> dict[str, float]:
    """Hold 500 connections that drip a byte a second: others are served meanwhile, and every one of them is ended.

    Raises:
        AssertionError: one lived on, or somebody else waited.

    """
    async with served(home, forks, fragile=False) as (server, stage, _):
        conv, members = next(iter(stage.cast.conversations.items()))
        writer = Device(stage, next(person for person in stage.cast.people if person.id == members[0]))
        ages: list[float] = []
        slow = []
        for each in range(SLOW):
            slow.append(asyncio.ensure_future(_drip(server.port, DRIPS[each % len(DRIPS)], ages)))
            await asyncio.sleep(0.002)  # more at once than the queue of the port takes exist for their client alone
        waits: list[float] = []
        loop = asyncio.get_running_loop()
        while not all(one.done() for one in slow):
            begun = loop.time()
            assert await devices.hand_in(writer, casts.envelope(conv, 1)), "others are served"
            waits.append(loop.time() - begun)
            await asyncio.sleep(0.05)
            assert waits[-1] < BUSY, f"somebody waited {waits[-1]:.1f} s"
        await asyncio.gather(*slow)
        writer.close()
        waits.sort()
        assert max(ages) <= LET_GO + BUSY, f"a connection lived {max(ages):.1f} s"
        oldest, p99 = round(max(ages), 1), round(waits[int(len(waits) * 0.99)], 3)
        return {"connections": SLOW, "oldest": oldest, "messages": len(waits), "p99": p99}


async def _drip(port: int, said: bytes, ages: list[float]) -> None:
    """Say the beginning, then a byte a second, until the server has had enough; note how long that took."""
    loop = asyncio.get_running_loop()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun, answer = loop.time(), b""
    writer.write(said)
    with contextlib.suppress(ConnectionError):
        while loop.time() - begun < 2 * LET_GO:
            try:
                async with asyncio.timeout(1):
                    answer = await reader.read(65_536)
            except TimeoutError:
                writer.write(b"X" if said else b"")
                continue
            if not answer:
                break
    ages.append(loop.time() - begun)
    writer.transport.abort()
