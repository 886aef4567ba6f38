"""Bytes on a socket, as they are: what a client library would not let us send."""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tests.hostile.scene import Scene

PATIENCE = 8  # seconds for an answer


@dataclass
class Wire:
    """One connection to a server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def rest(self, seconds: float = PATIENCE) -> bytes:
        """Read until the server closes the connection, or falls silent."""
        said = b""
        try:
            async with asyncio.timeout(seconds):
                while chunk := await self.reader.read(65_536):
                    said += chunk
        except (TimeoutError, ConnectionError):
            pass
        return said

    async def closed(self, seconds: float = PATIENCE) -> bool:
        """Tell whether the server ends the connection in time."""
        try:
            async with asyncio.timeout(seconds):
                while await self.reader.read(65_536):
                    pass
        except TimeoutError:
            return False
        except ConnectionError:
            return True
        return True

    async def ended(self, seconds: float = PATIENCE) -> bool:
        """Tell whether a WebSocket server says that it closes (which it may wait for us to answer), or just does."""
        try:
            async with asyncio.timeout(seconds):
                while (await self.frame())[0] != 0x88:  # an "H" of HTTP is none
                    pass
        except TimeoutError:
            return False
        except (ConnectionError, asyncio.IncompleteReadError):
            return True
        return True

    async def frame(self) -> tuple[int, bytes]:
        """Read one frame of a WebSocket server: its first byte and its payload."""
        async with asyncio.timeout(PATIENCE):
            first, size = await self.reader.readexactly(2)
            assert not size & 0x80, "a server does not mask"
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            return first, await self.reader.readexactly(size)


@asynccontextmanager
async def connected(practice: Scene) -> AsyncIterator[Wire]:
    host, port = practice.server.url.removeprefix("http://").split(":")
    wire = Wire(*await asyncio.open_connection(host, int(port)))
    try:
        yield wire
    finally:
        wire.writer.close()


def statuses(said: bytes) -> list[int]:
    """Return the status of every answer in what a server has said."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", said)]


async def upgraded(wire: Wire, path: str, *more: str, host: str = "Host: x") -> bytes:
    """Ask for a WebSocket; return the head of the answer."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [f"GET {path} HTTP/1.1", host, "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13"]
    await wire.send("\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", *more, "", ""]).encode())
    async with asyncio.timeout(PATIENCE):
        return await wire.reader.readuntil(b"\r\n\r\n")


def masked(first: int, payload: bytes, *, size: int | None = None, mask: bool = True) -> bytes:
    """Build a client's frame: `first` is FIN, RSV and opcode as they shall stand there; the mask is of zeros."""
    told = len(payload) if size is None else size
    bit = 0x80 if mask else 0
    if told < 126:
        head = bytes((first, bit | told))
    elif told < 65_536:
        head = bytes((first, bit | 126)) + told.to_bytes(2, "big")
    else:
        head = bytes((first, bit | 127)) + told.to_bytes(8, "big")
    return head + (b"\0\0\0\0" if mask else b"") + payload
