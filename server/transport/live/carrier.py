"""The WebSocket under Engine.IO: its own would agree to compression, which costs memory and lets small frames grow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from server.transport.live.inlet import Inlet

NAME: Final = "Pli"  # a stranger need not know which library answers
CARRIER: Final = "pli.carrier"
"""Where a connection's environment has it."""


class Carrier:
    """What python-engineio needs of a WebSocket library (its ``async_drivers``)."""

    def __init__(self, handler: Callable[[Carrier], Awaitable[object]], server: Any) -> None:
        self._handler = handler
        self.inlet = Inlet(largest=server.max_http_buffer_size)
        self.inlet.headers["Server"] = NAME

    async def __call__(self, environ: dict[str, Any]) -> web.StreamResponse:
        """Open the socket and serve it to its end."""
        environ[CARRIER] = self
        await self.inlet.prepare(environ["aiohttp.request"])
        try:
            await self._handler(self)
        finally:
            self.inlet.take(None)
        return self.inlet

    async def close(self) -> None:
        """End the socket."""
        await self.inlet.close()

    async def send(self, message: str | bytes) -> None:
        """Send one frame."""
        if isinstance(message, bytes):
            await self.inlet.send_bytes(message)
        else:
            await self.inlet.send_str(message)

    def say(self, text: str) -> None:
        """Write one short frame without waiting for anything; nobody misses it on a line that has ended."""
        self.inlet.say(text.encode())

    def drop(self) -> None:
        """End the connection without a word."""
        self.inlet.drop()

    async def wait(self) -> str | bytes:
        """Wait for the next frame.

        Raises:
            OSError: the socket has ended.

        """
        data = (await self.inlet.receive()).data
        if not isinstance(data, str | bytes):
            raise OSError  # what the library takes for the end
        return data
