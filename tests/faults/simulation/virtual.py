"""Time that is only counted: an event loop that never waits, and that draws by its seed which task goes first.

Nothing here is concurrent, so the same seed is the same run, to the last step. The writer's thread of a node becomes a
greenlet: it runs the server's own code, and where that would wait, the loop goes on instead.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty
from typing import Any

from greenlet import getcurrent, greenlet

STEP = 1e-6  # seconds that one step of the loop takes: no two things happen at the same moment


class DeadlockError(Exception):
    """Everybody waits for somebody."""


class _Ready(deque[asyncio.Handle]):
    """What is about to run. A task may go before another; plain callbacks keep their order, as sockets and futures do."""

    def __init__(self, chance: random.Random, tick: Callable[[], None]) -> None:
        super().__init__()
        self._chance, self._tick = chance, tick

    def popleft(self) -> asyncio.Handle:
        self._tick()
        if len(self) > 1 and _is_task(self[0]):
            place = self._chance.randrange(len(self))
            if _is_task(self[place]):
                self[0], self[place] = self[place], self[0]
        return super().popleft()


def _is_task(handle: asyncio.Handle) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop without sockets, threads or waiting."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.steps = 0
        self._now = 0.0
        self._clock_resolution = STEP
        self._selector = self
        self._ready = _Ready(random.Random(seed), self._tick)

    def _tick(self) -> None:
        self.steps += 1
        self._now += STEP

    def time(self) -> float:
        return self._now

    def select(self, timeout: float | None) -> list[Any]:
        """Let the time pass that a real loop would sleep."""
        if timeout is None:
            raise DeadlockError("nobody has anything left to do")
        self._now += timeout
        return []

    def _process_events(self, events: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        pass


@dataclass
class VirtualClock:
    """Implements ``server.clock.Clock``: the wall jumps when it is told to, the monotonic clock never does."""

    loop: VirtualLoop
    base: int
    jumped: int = 0

    def now(self) -> int:
        return self.base + self.jumped + int(self.loop.time() * 1000)

    def monotonic(self) -> float:
        return self.loop.time()


def pause(seconds: float) -> None:
    """Let the writer's thread stand still while the world goes on."""
    me = getcurrent()
    assert me.parent is not None, "only a writer pauses"
    asyncio.get_running_loop().call_later(seconds, _resume, me)
    me.parent.switch()


def _resume(thread: greenlet) -> None:
    if not thread.dead:
        thread.switch()


class Mailbox:
    """Stands in for ``queue.SimpleQueue``: ``get`` waits in virtual time."""

    def __init__(self, delay: Callable[[], float]) -> None:
        self._items: deque[Any] = deque()
        self._delay = delay
        self._waiting: greenlet | None = None

    def put(self, item: Any) -> None:
        self._items.append(item)
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            asyncio.get_running_loop().call_later(self._delay(), _resume, waiting)

    def get(self) -> Any:
        while not self._items:
            me = getcurrent()
            self._waiting = me
            assert me.parent is not None
            me.parent.switch()
        return self._items.popleft()

    def get_nowait(self) -> Any:
        if not self._items:
            raise Empty
        return self._items.popleft()


class Turns:
    """The lock of the database: one writer at a time, in the order of asking."""

    def __init__(self) -> None:
        self._asked: deque[Any] = deque()
        self.last: Any = None
        """Who wrote last."""

    def take(self, who: Any) -> None:
        self._asked.append(who)
        while self._asked[0] is not who:
            pause(0.001)

    def give(self, who: Any) -> None:
        """Give the turn back, or the place in the queue for it."""
        if who in self._asked:
            self._asked.remove(who)
