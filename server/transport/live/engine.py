"""The Engine.IO end of a connection without what only long polling needs. Source: docs/spec/api.md 8.

The library keeps two tasks waiting for every connection that says nothing: one that bounds how long its queue may be
empty, one that sleeps until the next ping. A timer and a plain wait do the same in a fifth of the memory.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

from engineio import packet
from engineio.async_socket import AsyncSocket
from typing_extensions import override


class QuietSocket(AsyncSocket):  # type: ignore[misc]  # the library has no types
    """What ``slim`` makes of the library's socket."""

    last_ping: float | None

    @override
    async def poll(self) -> list[Any]:
        """Return what waits to be sent; nothing at the end. A ping comes along before any deadline."""
        packets = [await self.queue.get()]
        self.queue.task_done()
        while packets[-1] is not None and not self.queue.empty():
            packets.append(self.queue.get_nowait())
            self.queue.task_done()
        if packets[-1] is None and len(packets) > 1:
            self.queue.put_nowait(None)
        return [each for each in packets if each is not None]

    @override
    def schedule_ping(self) -> None:
        self.last_ping = None
        asyncio.get_running_loop().call_later(self.server.ping_interval, self._ping)

    def _ping(self) -> None:
        if not self.closing and not self.closed:
            self.last_ping = time.time()  # noqa: TID251  # the library compares it with that clock
            self.queue.put_nowait(packet.Packet(packet.PING))


def slim(socket: AsyncSocket) -> None:
    """Turn the library's socket, just made, into one that costs less; the library has no door to give it another."""
    socket.__class__ = QuietSocket
