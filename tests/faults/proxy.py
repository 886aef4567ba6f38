"""A bad network between clients and server: connections that break, and answers that get lost on the way."""

from __future__ import annotations

import asyncio
import contextlib


class Proxy:
    """Passes bytes on from a port of its own, until told to misbehave."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = 0
        self.swallows = False
        """Answers are thrown away: the server has done the work, nobody hears of it."""
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Break every connection in both directions."""
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        self._server.close()
        self.cut()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, to_writer}
        passing = [
            asyncio.ensure_future(self._up(reader, to_writer)),
            asyncio.ensure_future(self._down(to_reader, writer)),
        ]
        await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
        for task in passing:
            task.cancel()
        await asyncio.gather(*passing, return_exceptions=True)
        for end in (writer, to_writer):
            end.transport.abort()
            self._writers.discard(end)

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if not self.swallows:
                    writer.write(data)
                    await writer.drain()
