"""The WebSocket under Engine.IO: its own would agree to compression, which costs memory and lets small frames grow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

NAME: Final = "Pli"  # a stranger need not know which library answers


class Carrier:
    """What python-engineio needs of a WebSocket library (its ``async_drivers``)."""

    def __init__(self, handler: Callable[[Carrier], Awaitable[object]], server: Any) -> None:
        self._handler = handler
        self._socket = web.WebSocketResponse(max_msg_size=server.max_http_buffer_size, compress=False)
        self._socket.headers["Server"] = NAME

    async def __call__(self, environ: dict[str, Any]) -> web.StreamResponse:
        """Open the socket and serve it to its end."""
        await self._socket.prepare(environ["aiohttp.request"])
        await self._handler(self)
        return self._socket

    async def close(self) -> None:
        """End the socket."""
        await self._socket.close()

    async def send(self, message: str | bytes) -> None:
        """Send one frame."""
        if isinstance(message, bytes):
            await self._socket.send_bytes(message)
        else:
            await self._socket.send_str(message)

    async def wait(self) -> str | bytes:
        """Wait for the next frame.

        Raises:
            OSError: the socket has ended.

        """
        data = (await self._socket.receive()).data
        if not isinstance(data, str | bytes):
            raise OSError  # what the library takes for the end
        return data
