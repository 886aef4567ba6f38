"""The bus of several nodes: Redis carries hints, the log stays the truth.

What this node commits it tells its own listeners at once and the other nodes by sharded pub/sub. A hint may be lost at
any time, without an error (reliability.md 2.1). So each node listens to its own heartbeat: while that is silent it asks
the store every second what has grown and which sessions have ended, and every half minute it asks in any case. A node
that could not send its hints, or that begins (the one before it may have died between a commit and its hint), tells the
others to ask once.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis
from redis.exceptions import RedisError
from typing_extensions import override

from server import telemetry
from server.bus import hints
from server.bus.hints import BEAT, CHANGED, ENDED, GROWN, LOST, MARK, number
from server.bus.memory import MemoryBus
from server.domain.errors import DomainError
from server.domain.events import Announcement, Mark
from server.domain.ids import AccountId, ConversationId, SessionId

SHARDS: Final = 16
BEATS: Final = 5.0  # seconds between heartbeats
SILENT: Final = 2 * BEATS + 1  # seconds without one's own heartbeat after which nothing is believed to arrive
POLL: Final = 1.0  # seconds between questions to the store while the bus is silent
SWEEP: Final = 30.0  # seconds between them while it is not
GATHER: Final = 0.002  # seconds in which hints are gathered into one round trip
_WAITING: Final = 10_000  # messages that may wait for Redis; beyond, they are dropped: polling finds what they said

Ask = Callable[[list[AccountId], list[SessionId]], Awaitable[tuple[dict[AccountId, int], set[SessionId]]]]
"""Asks the store for the newest positions of feeds, and which sessions are still open."""


class RefusedBusError(RuntimeError):
    """An address of Redis that cannot be read. The text is for the operator; the address may hold a password."""


class RedisBus(MemoryBus):
    """Implements ``services.ports.Bus`` over Redis 7."""

    def __init__(self, url: str, ask: Ask) -> None:
        super().__init__()
        self._node = secrets.token_bytes(hints.NODE)
        self._ask = ask
        # No socket timeout: it would end an idle subscription (reliability.md 2.18). The heartbeat tells what is alive.
        try:
            self._redis = Redis.from_url(url, socket_timeout=None, socket_connect_timeout=2, socket_keepalive=True)
        except ValueError:
            raise RefusedBusError("PLI_REDIS_URL cannot be read: look at what follows its `?`") from None
        self._waiting: list[tuple[bytes, bytes]] = []
        self._sending = asyncio.Event()
        self._owes = True
        """Whether others may have missed a hint of this node, or of the one whose place it takes."""
        self._missed = False
        """Whether hints may have gone by: another node has said so, or this one hears again (or for the first time)."""
        self._heard = float("-inf")
        self._tasks: list[asyncio.Task[None]] = []

    # --- what is committed here ---------------------------------------------------------------------------------------

    @override
    def announce(self, announcements: list[Announcement]) -> None:
        """Tell the listeners here, and the nodes where others listen."""
        super().announce(announcements)
        newest: dict[AccountId, int] = {}
        for announcement in announcements:
            newest.update(announcement.positions)
        self._tell(GROWN, [(account, number(position)) for account, position in newest.items()])

    @override
    def mark(self, marks: list[Mark]) -> None:
        """Tell what has been delivered."""
        super().mark(marks)
        told = [(each, mark.conversation, mark.account, number(mark.seq)) for mark in marks for each in mark.tell]
        self._tell(MARK, told)

    @override
    def end_sessions(self, sessions: list[SessionId]) -> None:
        """Tell that sessions have ended."""
        super().end_sessions(sessions)
        self._tell(ENDED, [(session,) for session in sessions])

    @override
    def change(self, account: AccountId | None) -> None:
        """Tell that an account must be read again."""
        super().change(account)
        if account is not None:
            self._tell(CHANGED, [(account,)])

    def _tell(self, kind: bytes, records: Sequence[tuple[bytes, ...]]) -> None:
        shards: dict[bytes, list[tuple[bytes, ...]]] = defaultdict(list)
        for record in records:
            shards[_channel(record[0][0])].append(record)
        if len(self._waiting) >= _WAITING:
            self._owes = True
        else:
            for channel, some in shards.items():
                self._waiting += [(channel, message) for message in hints.pack(self._node, kind, some)]
        if self._waiting:
            self._sending.set()

    # --- Redis --------------------------------------------------------------------------------------------------------

    @override
    async def start(self) -> None:
        """Connect in the background: a node works without Redis, only slower to hear of the others."""
        self._tasks = [asyncio.create_task(work()) for work in (self._send, self._listen, self._beat, self._watch)]

    @override
    async def stop(self) -> None:
        """Let go of Redis; what still waits to be told is sent first if that is possible at once."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._redis.aclose()

    @property
    def silent(self) -> bool:
        """Whether hints of other nodes cannot be relied on now."""
        return asyncio.get_running_loop().time() - self._heard > SILENT

    async def _send(self) -> None:
        while True:
            await self._sending.wait()
            await asyncio.sleep(GATHER)
            self._sending.clear()
            waiting, self._waiting = self._waiting, []
            if self._owes:
                waiting += [(_channel(0), message) for message in hints.pack(self._node, LOST, ())]
            self._owes = False
            try:
                async with asyncio.timeout(BEATS), self._redis.pipeline(transaction=False) as pipe:
                    for channel, message in waiting:
                        pipe.execute_command("SPUBLISH", channel, message)
                    await pipe.execute()
            except (RedisError, OSError, TimeoutError):
                self._owes = True
                self._lose("redis_send")

    async def _beat(self) -> None:
        for shard in itertools.cycle(range(SHARDS)):
            self._waiting += [(_channel(shard), message) for message in hints.pack(self._node, BEAT, ())]
            self._sending.set()
            await asyncio.sleep(BEATS if not self.silent else POLL)

    async def _listen(self) -> None:
        while True:
            try:
                await self._hear()
            except (RedisError, OSError, TimeoutError):
                self._lose("redis_listen")
            await asyncio.sleep(POLL)

    async def _hear(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.ssubscribe(*(_channel(shard) for shard in range(SHARDS)))
            self._sending.set()
            while True:
                async with asyncio.timeout(SILENT):  # not even our own heartbeat: begin again
                    message = await pubsub.get_message(ignore_subscribe_messages=True, timeout=None)
                if message is not None and isinstance(message.get("data"), bytes):
                    self._take(message["data"])

    def _lose(self, where: str) -> None:
        """Stop believing that hints arrive, until our own heartbeat does."""
        if not self.silent:
            telemetry.warning("bus_silent", source=where)
        self._heard = float("-inf")

    # --- what other nodes tell ----------------------------------------------------------------------------------------

    def _take(self, message: bytes) -> None:
        try:
            node, kind, records = hints.unpack(message)
        except ValueError:
            telemetry.warning("bus_unreadable", bytes=len(message))
            return
        if node == self._node:
            if kind == BEAT:
                self._live()
            return
        self._tell_here(kind, records)

    def _live(self) -> None:
        if self.silent:
            self._missed = True  # what was told since it was last asked for, and before this
            telemetry.info("bus_heard")
        self._heard = asyncio.get_running_loop().time()

    def _tell_here(self, kind: bytes, records: list[tuple[Any, ...]]) -> None:
        if kind == GROWN:
            for account, position in records:
                self.grow(account, int.from_bytes(position, "big"))
        elif kind == MARK:
            marks = [
                Mark(ConversationId(c), AccountId(a), int.from_bytes(s, "big"), (told,)) for told, c, a, s in records
            ]
            super().mark(marks)
        elif kind == ENDED:
            super().end_sessions([record[0] for record in records])
        elif kind == CHANGED:
            for (account,) in records:
                super().change(account)
        elif kind == LOST:
            self._missed = True

    # --- without hints ------------------------------------------------------------------------------------------------

    async def _watch(self) -> None:
        """Ask the store what hints would have told: every second while the bus is silent, else now and then."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        while True:
            await asyncio.sleep(POLL)
            if self.silent or self._missed or loop.time() - asked > SWEEP:
                asked, self._missed = loop.time(), False
                await self.poll()

    async def poll(self) -> None:
        """Ask once. What is remembered of accounts and sessions is forgotten; it costs a read when it is used next."""
        followed, served = self.followed(), self.served()
        super().change(None)
        if not followed and not served:
            return
        try:
            positions, still_open = await self._ask(followed, served)
        except DomainError:
            return  # the store does not answer either; it is asked again
        for account, position in positions.items():
            self.grow(account, position)
        super().end_sessions([session for session in served if session not in still_open])


def _channel(shard: int) -> bytes:
    return b"pli:%d" % (shard % SHARDS)
