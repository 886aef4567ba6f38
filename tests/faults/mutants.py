"""Servers with one fault each: what the checker must notice, or it proves nothing.

Every mutant is the real server with one thing patched in a forked child before it serves. `needs` says which campaign
shows it: `kill` (SIGKILL), `cut` (power cut), `nodes` (crashes of PostgreSQL), `sim` (the simulation, on two nodes) or
`run` (no crash needed).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from server.bus.redis import RedisBus
from server.domain.errors import DomainError
from server.services import envelopes, feed, retention
from server.storage import blobs, committer, engine, log, postgres, store, unit_of_work
from server.transport.live import line

How = Literal["kill", "cut", "run", "nodes", "sim"]


@dataclass(frozen=True)
class Mutant:
    """One fault, and the campaign that shows it."""

    name: str
    needs: How
    shows: str
    """The promise that it breaks: to be noticed by another only may mean that the patch no longer fits the server."""
    apply: Callable[[], None]


MUTANTS: dict[str, Mutant] = {}


def mutant(needs: How, shows: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Register a patch under its own name."""

    def register(apply: Callable[[], None]) -> Callable[[], None]:
        MUTANTS[apply.__name__] = Mutant(apply.__name__, needs, shows, apply)
        return apply

    return register


def _before_save(early: Callable[[Any, Any, list[Any]], None]) -> None:
    """Call ``early(committer, unit, batch)`` when a batch has run, some time before it is committed."""
    save = unit_of_work.UnitOfWork.save
    transact = committer.Committer._transact
    running: list[Any] = []

    def note(self: Any, unit: Any, batch: list[Any]) -> None:
        running[:] = self, unit, batch
        transact(self, unit, batch)

    def late(self: Any) -> None:
        early(*running)
        time.sleep(0.03)
        save(self)

    committer.Committer._transact = note  # type: ignore[method-assign]
    unit_of_work.UnitOfWork.save = late  # type: ignore[method-assign]


@mutant("kill", "P1")
def acknowledges_before_commit() -> None:
    """The answer leaves before the transaction is in the log."""

    def early(of: Any, _: Any, batch: list[Any]) -> None:
        for queued in batch:
            done, queued.done = queued.done, lambda *_: None
            of._loop.call_soon_threadsafe(done, queued.result, queued.error)

    _before_save(early)


@mutant("kill", "P5")
def pushes_before_commit() -> None:
    """Live lines hear of an event that a crash then takes back."""
    _before_save(lambda of, unit, _: of._loop.call_soon_threadsafe(of._announce, list(unit.log._announcements)))


def _synchronous(mode: str) -> None:
    writer = engine.writer

    def careless(database: Any) -> Any:
        connection = writer(database)
        connection.execute(f"PRAGMA synchronous={mode}").fetchall()
        return connection

    engine.writer = careless


@mutant("cut", "P1")
def never_syncs() -> None:
    """`synchronous=OFF`: a kill does not show it, a power cut does."""
    _synchronous("OFF")


@mutant("cut", "P1")
def syncs_at_checkpoints() -> None:
    """`synchronous=NORMAL`, which is the usual advice with a write-ahead log."""
    _synchronous("NORMAL")


@mutant("cut", "P1")
def counts_documents_before_they_are_synced() -> None:
    """An upload is acknowledged from the page cache."""

    async def no_sync(_: Any) -> None:
        return

    blobs.Part.sync = no_sync  # type: ignore[method-assign]


@mutant("cut", "P1")
def forgets_the_names_of_documents() -> None:
    """The bytes are synced, the folder is not."""
    blobs._sync_folder = lambda _: None


def _no_unique_index() -> None:
    """Remove the second wall, so that only the first one is tried."""
    writer = engine.writer

    def open_writer(database: Any) -> Any:
        connection = writer(database)
        connection.execute("DROP INDEX IF EXISTS ix_event_envelope_id").fetchall()
        return connection

    engine.writer = open_writer


@mutant("run", "P2")
def stores_repeats() -> None:
    """No idempotency: every submission is a new message."""
    _no_unique_index()
    log.SqlLog.preload = lambda *_: None  # type: ignore[method-assign]
    log.SqlLog.envelope = lambda *_: None  # type: ignore[method-assign]


@mutant("run", "P2")
def does_not_join_repeats_of_one_batch() -> None:
    """A repeat is recognised only once the first one is committed."""
    _no_unique_index()

    def committed_only(self: Any, envelope: bytes) -> Any:
        return None if self._known.get(envelope) in self._fresh() else self._known.get(envelope)

    def fresh(self: Any) -> list[Any]:
        return [announced.event for announced in self._announcements]

    log.SqlLog._fresh = fresh  # type: ignore[attr-defined]
    log.SqlLog.envelope = committed_only  # type: ignore[method-assign]
    transact = committer.Committer._transact

    def slow(self: Any, unit: Any, batch: list[Any]) -> None:
        time.sleep(0.02)  # so that repeats do meet in a batch
        transact(self, unit, batch)

    committer.Committer._transact = slow  # type: ignore[method-assign]


@mutant("run", "P4")
def trusts_whoever_repeats() -> None:
    """A repeat is answered without asking whose it is."""
    envelopes.Submit._again = lambda self, known: envelopes.Accepted(self.id, known.seq, known.at, again=True)  # type: ignore[method-assign]


@mutant("kill", "P3")
def numbers_from_memory() -> None:
    """Numbers are reserved in blocks of ten and kept in memory: a crash leaves a hole."""
    append = log.SqlLog.append
    counters: dict[bytes, int] = {}

    def counted(self: Any, to: Any, event: Any, **more: Any) -> Any:
        if to.id not in counters:
            counters[to.id] = -(-to.last_seq // 10) * 10
        to.last_seq, counters[to.id] = counters[to.id], counters[to.id] + 1
        return append(self, to, event, **more)

    log.SqlLog.append = counted  # type: ignore[method-assign]


@mutant("run", "P3")
def numbers_outside_the_transaction() -> None:
    """A number is taken first, as from a database sequence: a refusal burns it."""
    call = envelopes.Submit.__call__

    def burning(self: Any, tx: Any) -> Any:
        try:
            return call(self, tx)
        except DomainError:
            head = tx.conversations.head(self.conversation)
            if head is not None:
                head.last_seq += 1
            raise

    envelopes.Submit.__call__ = burning  # type: ignore[method-assign]


@mutant("kill", "P5")
def feeds_after_the_commit() -> None:
    """The rows of the feeds are a transaction of their own, a little later."""
    many = log.SqlLog._many
    save = unit_of_work.UnitOfWork.save
    kept: list[Any] = []

    def hold(self: Any, sql: str, rows: Any) -> None:
        if sql.startswith("INSERT INTO feed "):
            kept.extend((sql, row) for row in rows)
        else:
            many(self, sql, rows)

    def two_steps(self: Any) -> None:
        save(self)
        rows, kept[:] = list(kept), []
        if rows:
            time.sleep(0.02)
            self._connection.execute("BEGIN IMMEDIATE")
            self._connection.executemany(rows[0][0], [row for _, row in rows])
            self._connection.execute("COMMIT")

    log.SqlLog._many = hold  # type: ignore[method-assign]
    unit_of_work.UnitOfWork.save = two_steps  # type: ignore[method-assign]


@mutant("run", "P5")
def forgets_one_member() -> None:
    """Every twentieth event does not reach the last member's feed."""
    append, count = log.SqlLog.append, [0]

    def one_less(self: Any, to: Any, event: Any, **more: Any) -> Any:
        count[0] += 1
        gone = None
        if count[0] % 20 == 0 and len(to.members) > 1:
            gone = to.members.popitem()
        try:
            return append(self, to, event, **more)
        finally:
            if gone:
                to.members[gone[0]] = gone[1]

    log.SqlLog.append = one_less  # type: ignore[method-assign]


@mutant("run", "P7")
def overwrites_receipts() -> None:
    """The last acknowledgement wins, even when it is an older one."""
    deliver = feed._deliver

    def last_wins(tx: Any, positions: dict[Any, int]) -> list[Any]:
        for account in positions:
            tx.run("UPDATE member SET delivered_seq = 0 WHERE account = ?", account)
            tx.run("UPDATE account SET acked = 0 WHERE id = ?", account)
        return deliver(tx, positions)

    feed._deliver = last_wins


@mutant("run", "P6")
def reads_an_old_snapshot() -> None:
    """The reader keeps its transaction open for half a second, as a lagging replica would."""
    read = store.SqliteStore.read

    async def lagging(self: Any, query: Any) -> Any:
        connection = self._view._connection
        now = asyncio.get_running_loop().time()
        if now - getattr(self, "_since", 0) > 0.5:
            if connection.in_transaction:
                connection.execute("COMMIT")
            connection.execute("BEGIN")
            self._since = now
        return await read(self, query)

    store.SqliteStore.read = lagging  # type: ignore[method-assign]


@mutant("run", "P5")
def does_not_catch_lines_up() -> None:
    """A line hears what happens from now on; what it missed stays missed."""

    async def from_now_on(self: Any) -> None:
        newest = (await self._feed(2**53 - 1, 1)).last
        self._sent = self._acked = self._newest = newest
        self._catching_up = False

    line.Line.begin = from_now_on  # type: ignore[method-assign]


@mutant("run", "P8")
def shows_the_removed_everything() -> None:
    """A removed member keeps a place in the feed."""
    append = log.SqlLog.append
    known: dict[bytes, set[bytes]] = {}

    def to_all(self: Any, to: Any, event: Any, *, also: tuple[Any, ...] = ()) -> Any:
        everybody = known.setdefault(to.id, set())
        everybody.update(to.members)
        return append(self, to, event, also=(*also, *(everybody - set(to.members) - set(also))))

    log.SqlLog.append = to_all  # type: ignore[method-assign]


@mutant("sim", "P1")
def lets_go_before_the_term() -> None:
    """The sweep forgets the operator's term: everything is old."""
    retention.horizon = lambda now, _: now + 1


@mutant("sim", "P1")
def lets_go_without_a_word() -> None:
    """Messages go, and the log does not say that it begins later."""
    retention.announce = lambda tx, *, conversation, to, now: tx.retention.begin_log(conversation, to)


@mutant("run", "P4")
def changes_what_it_stores() -> None:
    """One stored envelope in fifty has another last byte."""
    append, count = log.SqlLog.append, [0]

    def changed(self: Any, to: Any, event: Any, **more: Any) -> Any:
        count[0] += 1
        if event.body is not None and event.type == "envelope" and count[0] % 50 == 0:
            event.body = event.body[:-1] + bytes([event.body[-1] ^ 1])
        return append(self, to, event, **more)

    log.SqlLog.append = changed  # type: ignore[method-assign]


@mutant("run", "P7")
def takes_the_reading_mark_back() -> None:
    """The newest receipt wins, even when it is about an older message."""
    log._SAVE_READ = "UPDATE member SET read_seq = ? WHERE conversation = ? AND account = ? AND ? >= 0"


@mutant("nodes", "P1")
def lets_postgres_sync_later() -> None:
    """`synchronous_commit=off`, which the server refuses when it is told of it: here it is not told."""
    postgres._SESSION = postgres._SESSION | {"synchronous_commit": "off"}
    postgres.check = lambda _: None


@mutant("sim", "P10")
def believes_a_deaf_bus() -> None:
    """A subscription that is open counts as one that hears: no heartbeat is missed."""
    RedisBus.silent = property(lambda _: False)  # type: ignore[method-assign, assignment]


@mutant("sim", "P10")
def keeps_lost_hints_to_itself() -> None:
    """A node that could not send its hints tells nobody, and neither does one that begins in the place of another."""
    RedisBus._owes = property(lambda _: False, lambda *_: None)  # type: ignore[assignment]


IN_SIMULATION = (
    "acknowledges_before_commit", "pushes_before_commit", "stores_repeats", "does_not_join_repeats_of_one_batch",
    "trusts_whoever_repeats", "numbers_from_memory", "numbers_outside_the_transaction", "feeds_after_the_commit",
    "forgets_one_member", "overwrites_receipts", "reads_an_old_snapshot", "does_not_catch_lines_up",
    "shows_the_removed_everything", "changes_what_it_stores", "takes_the_reading_mark_back", "believes_a_deaf_bus",
    "keeps_lost_hints_to_itself", "lets_go_before_the_term", "lets_go_without_a_word",
)  # fmt: skip
"""Those that the simulation notices too. The others are about syncing, which it does not simulate."""
