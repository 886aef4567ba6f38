"""The server's own SQLite store and group commit, on a file in memory, with a writer that can be stopped anywhere."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite
from greenlet import greenlet

from server.storage import engine
from server.storage.committer import Committer
from server.storage.store import SqliteStore
from server.storage.unit_of_work import UnitOfWork
from tests.faults.simulation.virtual import Mailbox, Turns, pause


class Disk:
    """How a node's disk behaves now."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.full = False
        self.slow = 0.0
        """Seconds that a commit takes at most beside the usual."""

    def delay(self) -> float:
        return self._chance.uniform(0.0001, 0.004) + self._chance.uniform(0, self.slow)


class Unit(UnitOfWork):
    """A transaction that takes time before and after its commit, and its turn among the writers of one database.

    A node that is not alone forgets what it remembers when another one has written, as ``PostgresUnit`` does.
    """

    def __init__(self, database: Path, disk: Disk, turns: Turns) -> None:
        super().__init__(engine.writer(database))
        self._disk, self._turns = disk, turns

    def begin(self) -> None:
        self._turns.take(self)
        super().begin()
        if self._turns.last is not self:
            self.log.forget()
            self.conversations.forget()

    def save(self) -> None:
        pause(self._disk.delay())
        if self._disk.full:
            raise sqlite.OperationalError("database or disk is full")
        super().save()
        self._turns.last = self
        self._turns.give(self)
        pause(self._disk.delay())  # committed, and nobody has heard of it

    def rollback(self) -> None:
        super().rollback()
        self._turns.give(self)

    def lose(self) -> None:
        """End with the process: what is not committed never was."""
        self._connection.close()
        self._turns.give(self)


class Writer(Committer):
    """``Committer`` with its thread as a greenlet."""

    def __init__(self, unit: Callable[[], Unit], announce: Callable[[list[Any]], None], disk: Disk) -> None:
        super().__init__(self._opened, announce)
        self._make, self._disk = unit, disk
        self._unit: Unit | None = None
        self._green: greenlet | None = None

    def _opened(self) -> Unit:
        self._unit = self._make()
        return self._unit

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._queue = Mailbox(self._disk.delay)  # type: ignore[assignment]
        self._thread = threading.current_thread()
        unit = self._opened()
        self._green = greenlet(lambda: self._run(unit))
        self._loop.call_soon(self._green.switch)

    def die(self) -> None:
        """Stop at whatever point it is."""
        self._thread = None
        if self._green is not None and not self._green.dead:
            self._green.throw()
        if self._unit is not None:
            self._unit.lose()


class Store(SqliteStore):
    """``SqliteStore`` with that writer."""

    def __init__(self, database: Path, announce: Callable[[list[Any]], None], disk: Disk, turns: Turns) -> None:
        super().__init__(database, announce)
        self.writer = Writer(lambda: Unit(database, disk, turns), announce, disk)
        self._committer = self.writer

    def die(self) -> None:
        self.writer.die()
        if self._view is not None:
            self._view.close()
            self._view = None
