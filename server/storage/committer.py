"""Group commit: writers queue intents, one thread runs them and commits many at once.

An intent is acknowledged after the commit that holds it, so acknowledged means synced. An intent that refuses before it
has written anything fails alone and costs nothing; one that fails later spoils its batch, which is rolled back and run
again one intent at a time. A failed commit for want of room is told as such; a database server that is gone fails the
batch and may come back; any other failure of the disk stops the writer, since what the disk holds is then unknown
(never retry an fsync).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, Protocol, TypeVar

from server import telemetry
from server.domain.errors import StorageFullError, UnavailableError
from server.services.ports import Ahead
from server.storage.faults import Fault

T = TypeVar("T")
Intent = Callable[[Any], Any]
Done = Callable[[Any, BaseException | None], None]

BATCH: Final = 256  # intents after which a commit takes no more of what waits


class Unit(Protocol):
    """What the committer needs of a unit of work."""

    @property
    def written(self) -> bool: ...
    def next_intent(self) -> None: ...
    def begin(self) -> None: ...
    def preload(self, ahead: list[Ahead]) -> None: ...
    def save(self) -> None: ...
    def rollback(self) -> None: ...
    def fault(self, exc: BaseException) -> Fault: ...
    def take_announcements(self) -> list[Any]: ...
    def close(self) -> None: ...


@dataclass(slots=True)
class _Queued:
    intent: Intent
    done: Done
    ahead: Ahead | None
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class Counts:
    """What the writer has done so far: for the operator, and for the test that counts transactions."""

    commits: int = 0
    intents: int = 0


class Committer:
    """The one writer of a database. ``write`` and ``submit`` are called on the event loop."""

    def __init__(self, open_unit: Callable[[], Unit], announce: Callable[[list[Any]], None]) -> None:
        self._open_unit = open_unit
        self._announce = announce
        self._queue: SimpleQueue[list[_Queued] | None] = SimpleQueue()
        self._arriving: list[_Queued] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.broken = False
        self.full_at: float | None = None
        """When (monotonic) there was last no room, if nothing was written since."""
        self.counts = Counts()

    def start(self) -> None:
        """Open the unit of work and start the thread. Call it on the running loop."""
        self._loop = asyncio.get_running_loop()
        unit = self._open_unit()
        self._thread = threading.Thread(target=self._run, args=(unit,), name="pli-writer", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Commit what is queued, then end the thread."""
        if self._thread is not None:
            self._hand_over()
            self._queue.put(None)
            await asyncio.to_thread(self._thread.join)
            self._thread = None

    async def write(self, intent: Callable[[Any], T], *, ahead: Ahead | None = None) -> T:
        """Run ``intent`` in a transaction and return its result once that is committed."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def done(result: Any, error: BaseException | None) -> None:
            if future.done():
                return  # the caller has gone; what was committed stays committed
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(intent, done, ahead=ahead)
        return await future

    def submit(self, intent: Intent, done: Done, *, ahead: Ahead | None = None) -> None:
        """Queue ``intent``; ``done(result, error)`` is called on the loop after the commit."""
        if self._thread is None or self._loop is None or self.broken:
            done(None, UnavailableError("the store does not take writes"))
            return
        self._arriving.append(_Queued(intent, done, ahead))
        if len(self._arriving) == 1:
            self._loop.call_soon(self._hand_over)

    def _hand_over(self) -> None:
        """Wake the writer once for all that came in one turn of the loop: a wake costs more than an intent."""
        arrived, self._arriving = self._arriving, []
        for first in range(0, len(arrived), BATCH):
            self._queue.put(arrived[first : first + BATCH])

    # --- the writer thread ---------------------------------------------------------------------------------------

    def _run(self, unit: Unit) -> None:
        running = True
        while running:
            batch, running = self._take()
            if self.broken:
                _fail(batch, UnavailableError("the store does not take writes"))
            elif batch:
                self._commit(unit, batch)
            announcements = [] if self.broken else unit.take_announcements()
            if batch and self._loop is not None:
                self._loop.call_soon_threadsafe(self._acknowledge, batch, announcements)
        unit.close()

    def _take(self) -> tuple[list[_Queued], bool]:
        batch: list[_Queued] = []
        first = self._queue.get()
        if first is None:
            return batch, False
        batch += first
        while len(batch) < BATCH:
            try:
                queued = self._queue.get_nowait()
            except Empty:
                break
            if queued is None:
                return batch, False
            batch += queued
        return batch, True

    def _commit(self, unit: Unit, batch: list[_Queued]) -> None:
        try:
            self._transact(unit, batch)
        except Exception as exc:  # noqa: BLE001  # the edge of the writer: whatever it is, the callers must hear of it
            fault = unit.fault(exc)
            unit.rollback()
            if fault is Fault.BROKEN:
                self._break(batch, exc)
            elif fault is Fault.LOST:
                telemetry.warning("database_lost", exc_type=type(exc).__name__)
                _fail(batch, UnavailableError("the database does not answer"))
            elif len(batch) > 1:
                for queued in batch:
                    queued.result = queued.error = None
                    self._commit_alone(unit, queued)
            elif fault is Fault.FULL:
                self.full_at = time.monotonic()
                _fail(batch, StorageFullError("nothing was stored"))
            else:
                _fail(batch, exc)

    def _commit_alone(self, unit: Unit, queued: _Queued) -> None:
        if self.broken:
            queued.error = UnavailableError("the store does not take writes")
            return
        self._commit(unit, [queued])

    def _transact(self, unit: Unit, batch: list[_Queued]) -> None:
        unit.begin()
        unit.preload([queued.ahead for queued in batch if queued.ahead is not None])
        has_written = False
        for queued in batch:
            unit.next_intent()
            try:
                queued.result = queued.intent(unit)
                has_written = has_written or unit.written
            except Exception as exc:
                if unit.written or len(batch) == 1 or unit.fault(exc) is not Fault.INTENT:
                    raise
                queued.error = exc
        unit.save()
        if has_written:
            self.full_at = None
        self.counts.commits += 1
        self.counts.intents += len(batch)

    def _break(self, batch: list[_Queued], exc: Exception) -> None:
        self.broken = True
        telemetry.error("writer_stopped", exc_type=type(exc).__name__)
        _fail(batch, UnavailableError("the store does not take writes"))

    def _acknowledge(self, batch: list[_Queued], announcements: list[Any]) -> None:
        for queued in batch:
            queued.done(queued.result, queued.error)
        if announcements:
            self._announce(announcements)


def _fail(batch: list[_Queued], error: BaseException) -> None:
    for queued in batch:
        queued.result, queued.error = None, error
