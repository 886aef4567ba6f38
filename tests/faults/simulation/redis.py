"""A Redis that loses, delays and reorders what it is told, for the server's own bus to work with."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

from redis.exceptions import ConnectionError as GoneError

from server.bus.redis import Ask, RedisBus


class Redis:
    """One server for all nodes: sharded pub/sub, and nothing else."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.up = True
        self.standing = False
        """Paused: it takes connections and says nothing."""
        self.loses = 0.0
        """The share of messages that vanish without an error."""
        self.late = 0.02
        """Seconds that a message takes at most: later ones may arrive first."""
        self._order: list[_Subscription] = []

    def kill(self) -> None:
        self.up = False
        for each in self._order:
            each.broken = True
            each.queue.put_nowait(None)
        self._order.clear()

    def flush(self) -> None:
        """FLUSHALL: there is nothing that it could forget."""

    def deafen(self) -> None:
        """Every subscription stays open and hears nothing more (an output buffer overrun, a proxy that forgot)."""
        for each in self._order:
            each.deaf = True

    def subscribe(self, one: _Subscription) -> None:
        self._order.append(one)

    def leave(self, one: _Subscription) -> None:
        if one in self._order:
            self._order.remove(one)

    async def answer(self) -> None:
        """Take as long as an answer takes.

        Raises:
            redis.exceptions.ConnectionError: there is nobody.

        """
        await asyncio.sleep(self.chance.uniform(0.0001, 0.003))
        while self.standing and self.up:
            await asyncio.sleep(0.1)
        if not self.up:
            raise GoneError("nobody there")

    def publish(self, channel: bytes, message: bytes) -> None:
        loop = asyncio.get_running_loop()
        for each in self._order:
            if channel in each.channels and not each.deaf and self.chance.random() >= self.loses:
                loop.call_later(self.chance.uniform(0, self.late), each.queue.put_nowait, {"data": message})


class Connection:
    """The part of ``redis.asyncio.Redis`` that the bus uses."""

    def __init__(self, server: Redis) -> None:
        self._server = server

    def pipeline(self, *, transaction: bool) -> _Pipeline:
        assert not transaction
        return _Pipeline(self._server)

    def pubsub(self, **_: Any) -> _Subscription:
        return _Subscription(self._server)

    async def aclose(self) -> None:
        pass


class _Pipeline:
    def __init__(self, server: Redis) -> None:
        self._server = server
        self._commands: list[tuple[bytes, bytes]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def execute_command(self, name: str, channel: bytes, message: bytes) -> None:
        assert name == "SPUBLISH"
        self._commands.append((channel, message))

    async def execute(self) -> None:
        await self._server.answer()
        for channel, message in self._commands:
            self._server.publish(channel, message)


class _Subscription:
    def __init__(self, server: Redis) -> None:
        self._server = server
        self.queue: asyncio.Queue[dict[str, Any] | None] = asyncio.Queue()
        self.channels: Iterable[bytes] = ()
        self.deaf = self.broken = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.leave(self)

    async def ssubscribe(self, *channels: bytes) -> None:
        await self._server.answer()
        self.channels = frozenset(channels)
        self._server.subscribe(self)

    async def get_message(self, **_: Any) -> dict[str, Any] | None:
        message = await self.queue.get()
        if message is None:
            raise GoneError("the connection broke")
        return message


def bus(server: Redis, ask: Ask) -> RedisBus:
    """Make the server's bus on this Redis."""
    made = RedisBus("redis://nowhere", ask)
    made._redis = Connection(server)  # type: ignore[assignment]
    return made
