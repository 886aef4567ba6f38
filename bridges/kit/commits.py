"""Writes of several tasks that reach the disk in one commit: waiting for it is most of what a small write costs."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")
Together = Callable[[], AbstractContextManager[None]]
"""Opens the transaction of one file; the same bound method for the same file."""


@dataclass(slots=True)
class _Write:
    together: Together
    do: Callable[[], Any]
    done: asyncio.Future[Any]


@dataclass(slots=True)
class Commits:
    """A round of tasks that go side by side: each write waits until every task of the round writes or has left."""

    _members: int = 0
    _waiting: list[_Write] = field(default_factory=list)

    def enter(self, members: int) -> None:
        """Begin a round of some tasks; each calls ``leave`` once, whatever becomes of it."""
        self._members += members

    def leave(self) -> None:
        """Let the others not wait for this task any more."""
        self._members -= 1
        self._commit_if_all()

    async def write(self, together: Together, do: Callable[[], T]) -> T:
        """Execute a write; durable when it returns. Outside of a round it is a commit of its own."""
        if self._members < 2:
            with together():
                return do()
        write = _Write(together, do, asyncio.get_running_loop().create_future())
        self._waiting.append(write)
        self._commit_if_all()
        done: T = await write.done
        return done

    def _commit_if_all(self) -> None:
        self._waiting = [each for each in self._waiting if not each.done.cancelled()]
        if not self._waiting or len(self._waiting) < self._members:
            return
        waiting, self._waiting = self._waiting, []
        for together in dict.fromkeys(each.together for each in waiting):
            _commit(together, [each for each in waiting if each.together == together])


def _commit(together: Together, writes: list[_Write]) -> None:
    try:
        with together():
            results = [each.do() for each in writes]
    except Exception as error:  # noqa: BLE001  nothing of it was written: every task hears why
        for each in writes:
            each.done.set_exception(error)
    else:
        for each, result in zip(writes, results, strict=True):
            each.done.set_result(result)
