"""A bad network between two programs: connections that break, and bytes that get lost or stand still on the way."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Literal

Way = Literal["up", "down"]  # up: from whoever connects


class Proxy:
    """Passes bytes on from a port of its own, until told to misbehave."""

    def __init__(self, target: int, host: str = "127.0.0.1", at: str = "127.0.0.1") -> None:
        self.target, self.host, self.at = target, host, at
        self.port = 0
        self.swallows = False
        """Answers are thrown away: the server has done the work, nobody hears of it."""
        self._passing: dict[Way, asyncio.Event] = {"up": asyncio.Event(), "down": asyncio.Event()}
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections: set[asyncio.Task[None]] = set()
        self.release()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, self.at, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def hold(self, *ways: Way) -> None:
        """Let bytes stand still, as a network does that drops every packet: no end hears of it."""
        for way in ways:
            self._passing[way].clear()

    def release(self) -> None:
        """Let everything pass, what stood still first."""
        for passing in self._passing.values():
            passing.set()

    def cut(self) -> None:
        """Break every connection in both directions."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        self._server.close()
        self.release()
        self.cut()
        if self._connections:
            await asyncio.wait(self._connections, timeout=2)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if (this := asyncio.current_task()) is not None:
            self._connections.add(this)
            this.add_done_callback(self._connections.discard)
        try:
            to_reader, to_writer = await asyncio.open_connection(self.host, self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, to_writer}
        passing = [
            asyncio.ensure_future(self._pass("up", reader, to_writer)),
            asyncio.ensure_future(self._pass("down", to_reader, writer)),
        ]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        for end in (writer, to_writer):
            end.transport.abort()
            self._writers.discard(end)

    async def _pass(self, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._passing[way].wait()
                if way == "up" or not self.swallows:
                    writer.write(data)
                    await writer.drain()
