"""One live connection of an account: what it was told, what it has acknowledged, and when it has fallen behind.

At most ``WINDOW`` events are in flight without an acknowledgement, and nothing is written over ``FULL`` waiting bytes.
Past either the line is *behind*: it is told so once, and then nothing, until an acknowledgement reaches what it was
told. So a reader that stops reading costs a bounded amount of memory. Source: docs/spec/api.md 8.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from server.domain.errors import UnavailableError
from server.domain.session import Principal
from server.services.feed import Missed
from server.transport.live.frames import Framing, Told, frame

WINDOW: Final = 32  # events
FULL: Final = 256 * 1024  # bytes that may wait in a transport before its reader counts as behind
OWED: Final = 1024 * 1024  # bytes that a peer may hand in before any of it is answered
PATIENCE: Final = 30  # seconds that a full transport may stand still
AGAIN: Final = 1.0  # seconds after which a store that does not answer is asked again


class Transport(Protocol):
    """What a line needs of a connection."""

    def write(self, data: bytes, /) -> None: ...
    def get_write_buffer_size(self) -> int: ...
    def is_closing(self) -> bool: ...
    def abort(self) -> None: ...


Feed = Callable[[int, int], Awaitable[Missed]]
"""Reads the account's feed: (after, limit) → entries, the oldest position that is kept and the newest."""


class Line:
    """The state of one connection. Not thread-safe: it lives on the event loop."""

    def __init__(self, principal: Principal, transport: Transport, framing: Framing, feed: Feed, after: int) -> None:
        self.principal = principal
        self._transport = transport
        self._framing = framing
        self._feed = feed
        self._sent = after
        self._acked = after
        self._newest = after
        self._told_last = 0
        self._behind = False
        self._catching_up = True  # until ``begin`` has read what is there
        self._full_since: float | None = None
        self.owed = 0
        """Bytes of what the peer has handed in and was not answered yet."""
        self._answers: list[bytes] = []

    # --- what the account is told -----------------------------------------------------------------------------------

    async def begin(self) -> None:
        """Tell what has happened since the position the client came with."""
        await self._catch_up()

    def offer(self, position: int, told: Told) -> bool:
        """Take a new event: push it, or note that there is more. True when the line must be caught up (``resume``)."""
        if not self._catching_up and not self._behind and position == self._sent + 1 and self._has_room():
            self._newest = max(self._newest, position)
            self._push(position, told)
            return False
        return self.grown(position)

    def grown(self, position: int) -> bool:
        """Take note that the feed has grown to ``position``. True when the line must be caught up (``resume``)."""
        self._newest = max(self._newest, position)
        if self._catching_up or position <= self._sent:
            return False
        if self._behind:
            self._lose_patience()
        elif self._has_room():  # events before it were committed on another node
            self._catching_up = True
        else:
            self._fall_behind()
        return self._catching_up

    def say(self, name: str, members: bytes) -> None:
        """Write a message, behind the answers that wait."""
        data = frame(self._framing.text(name, members))
        if self._answers:
            data = b"".join((*self._answers, data))
            self._answers.clear()
        if not self._transport.is_closing():
            self._transport.write(data)

    def answer(self, name: str, members: bytes) -> None:
        """Answer a command. What was asked for is told a moment later on the same line, so one write takes both."""
        if not self._answers:
            asyncio.get_running_loop().call_soon(self._answer)
        self._answers.append(frame(self._framing.text(name, members)))

    def _answer(self) -> None:
        """Write the answers that no other message has taken along."""
        if self._answers and not self._transport.is_closing():
            self._transport.write(b"".join(self._answers))
        self._answers.clear()

    def hint(self, name: str, members: bytes) -> None:
        """Write a message that nobody misses; drop it when the reader is slow."""
        if not self._behind and not self._is_full():
            self.say(name, members)

    @property
    def is_crowded(self) -> bool:
        """Whether so much waits to be stored, or to be read by the peer, that nothing more may be asked for."""
        waits = self.owed > OWED or self._transport.get_write_buffer_size() > FULL
        return waits and not self._transport.is_closing()

    @property
    def is_behind(self) -> bool:
        """Whether it was told to catch up, and has not yet."""
        return self._behind

    def acknowledge(self, position: int) -> bool:
        """Take a cumulative acknowledgement. True when the line must be caught up (``resume``)."""
        self._acked = max(self._acked, position)
        if not self._behind or position < self._told_last:
            return False
        self._behind = False
        self._sent = max(self._sent, position)
        self._catching_up = self._newest > self._sent
        return self._catching_up

    async def resume(self) -> None:
        """Go on after an acknowledgement, if more has happened meanwhile."""
        await self._catch_up()

    def close(self) -> None:
        """Drop the connection."""
        self._transport.abort()

    async def _catch_up(self) -> None:
        while True:
            room, known = WINDOW - (self._sent - self._acked), self._newest
            read = await self._read(max(room, 1))
            if read is None:
                break
            entries, first, last = read
            self._newest = max(self._newest, last)
            if first > self._sent + 1:  # what came next is not kept any more: the reader must read anew
                self._fall_behind()
                break
            for entry in entries[:room]:
                if self._is_full():
                    break
                self._push(entry.position, Told(entry.event))
            if self._sent >= self._newest:
                break
            missing = not entries and self._newest == known  # not: it was told of, or committed, during the read
            if self._sent - self._acked >= WINDOW or self._is_full() or missing:
                self._fall_behind()
                break
        self._catching_up = False

    async def _read(self, limit: int) -> Missed | None:
        """Read what comes next. A store that is away is asked until it is back: nobody else would ask for this line."""
        while not self._transport.is_closing():
            try:
                return await self._feed(self._sent, limit)
            except UnavailableError:
                await asyncio.sleep(AGAIN)
        return None

    def _push(self, position: int, told: Told) -> None:
        self._sent = position
        self.say("event", told.members(self.principal.account, position))

    def _fall_behind(self) -> None:
        self._behind = True
        self._told_last = self._newest
        self.say("behind", b'"last":%d' % self._newest)

    # --- how much waits ---------------------------------------------------------------------------------------------

    def _has_room(self) -> bool:
        return self._sent - self._acked < WINDOW and not self._is_full()

    def _is_full(self) -> bool:
        return self._transport.is_closing() or self._transport.get_write_buffer_size() > FULL

    def _lose_patience(self) -> None:
        """Drop a connection whose transport stays full although we say nothing any more."""
        if not self._is_full():
            self._full_since = None
            return
        now = asyncio.get_running_loop().time()
        if self._full_since is None:
            self._full_since = now
        elif now - self._full_since > PATIENCE:
            self.close()
