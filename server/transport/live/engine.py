"""The Engine.IO end of a connection without what only long polling needs. Source: docs/spec/api.md 8.

The library keeps a queue, a task that writes it out, and a task and a timer for each frame that is waited for: 5 KiB
for every connection that says nothing. Here packets are written where they are sent, and one task reads.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from engineio import exceptions, packet
from engineio.async_socket import AsyncSocket
from typing_extensions import override

from server.transport.live.carrier import Carrier


class QuietSocket(AsyncSocket):  # type: ignore[misc]  # the library has no types
    """What ``slim`` makes of the library's socket."""

    last_ping: float | None
    early: list[packet.Packet]
    """What was sent before there was a line."""
    carrier: Carrier | None
    timer: asyncio.TimerHandle | None

    @override
    async def send(self, pkt: packet.Packet) -> None:
        """Write a packet, unless the peer owes an answer for too long; one that has gone hears nothing."""
        if not await self.check_ping_timeout():
            return
        if self.carrier is None:
            self.early.append(pkt)
            return
        try:
            await self.carrier.send(pkt.encode())
        except ConnectionError:
            return  # whoever reads sees it too

    @override
    async def close(self, wait: bool = True, abort: bool = False, reason: str | None = None) -> None:
        """Close the connection; nothing waits to be written."""
        await super().close(wait=False, abort=abort, reason=reason)

    @override
    async def handle_get_request(self, environ: dict[str, Any]) -> Any:
        """Open the WebSocket. There is nothing to poll: who asks for less than an upgrade is refused."""
        if "upgrade" in (word.strip() for word in environ.get("HTTP_CONNECTION", "").lower().split(",")):
            return await super().handle_get_request(environ)
        await self.close(abort=True, reason=self.server.reason.TRANSPORT_ERROR)
        return self.server._bad_request("Invalid websocket upgrade")  # noqa: SLF001  # as the library refuses

    @override
    async def _websocket_handler(self, ws: Carrier) -> None:
        """Serve the line to its end. A packet that cannot be read ends it."""
        self.connected = self.upgraded = True
        early, self.early, self.carrier = self.early, [], ws
        for each in early:
            await self.send(each)
        try:
            while True:
                await self._take(packet.Packet(encoded_packet=await ws.wait()))
        except (OSError, ValueError, LookupError, RecursionError, exceptions.SocketIsClosedError):
            await ws.close()
        finally:
            if self.timer is not None:
                self.timer.cancel()
            await self.close(abort=True, reason=self.server.reason.TRANSPORT_CLOSE)

    async def _take(self, heard: packet.Packet) -> None:
        try:
            await self.receive(heard)
        except exceptions.UnknownPacketError:
            return

    @override
    def schedule_ping(self) -> None:
        """Ask for a sign of life in a while; the peer has just given one."""
        self.last_ping = None
        self._wind(self.server.ping_interval, self._ping)

    def _ping(self) -> None:
        if self.carrier is not None:
            self.last_ping = time.time()  # noqa: TID251  # the library compares it with that clock
            self.carrier.say(packet.Packet(packet.PING).encode())
            self._wind(self.server.ping_timeout, self.carrier.drop)

    def _wind(self, seconds: float, then: Callable[[], None]) -> None:
        """Wind the one clock of the connection."""
        if self.timer is not None:
            self.timer.cancel()
        self.timer = asyncio.get_running_loop().call_later(seconds, then)


def slim(socket: AsyncSocket) -> None:
    """Turn the library's socket, just made, into one that costs less; the library has no door to give it another."""
    socket.__class__ = QuietSocket
    socket.early, socket.carrier, socket.timer = [], None, None
    while not socket.queue.empty():
        socket.early.append(socket.queue.get_nowait())
    socket.queue = None
