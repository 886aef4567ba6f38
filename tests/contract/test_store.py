"""What every store promises: one order, nothing half written, acknowledged means committed."""

from __future__ import annotations

import asyncio

import asyncpg
import pysqlite3.dbapi2 as sqlite
import pytest

from server.bus.memory import MemoryBus
from server.domain.account import Account
from server.domain.conversation import Conversation, History, Member, Policy, Reply, Role
from server.domain.errors import NotFoundError, StorageFullError, UnavailableError
from server.domain.events import Event
from server.services.feed import FeedService
from server.services.ports import Ahead
from server.storage import committer, engine
from server.storage.store import SqliteStore
from server.storage.unit_of_work import UnitOfWork
from tests.fakes.server import fresh_database

NOW = 1_750_000_000_000
ALICE, BOB, CARE = b"a" * 32, b"b" * 32, b"c" * 32


@pytest.fixture
async def sqlite_store(tmp_path, told):
    fresh_database(tmp_path / "only.db")
    opened = SqliteStore(tmp_path / "only.db", told.extend)
    await opened.start()
    yield opened
    await opened.stop()


@pytest.fixture
async def care(store) -> bytes:
    """A conversation of two."""

    def intent(tx):
        head = Conversation.begun(CARE, b"h" * 32, NOW)
        for account, role in ((ALICE, Role.OWNER), (BOB, Role.PATIENT)):
            head.members[account] = Member(account, role, History.FULL, 1)
        tx.conversations.add(head)

    await store.write(intent)
    return CARE


def message(number: int, *, conversation=CARE):
    def intent(tx):
        head = tx.conversations.head(conversation)
        if head is None:
            raise NotFoundError
        identity = number.to_bytes(32, "big")
        known = tx.log.envelope(identity)
        if known:
            return known.seq
        event = Event(conversation, 0, "envelope", NOW, ALICE, 1, "message", identity, b"sealed")
        return tx.log.append(head, event).seq

    return intent


async def log_of(store, conversation=CARE):
    return await store.read(lambda view: view.log.after(conversation, 0, 10_000))


async def feed_of(store, account):
    return await store.read(lambda view: view.log.feed(account, 0, 10_000))


async def test_what_is_acknowledged_is_there(store, care, told):
    assert await store.write(message(1)) == 1
    (event,) = await log_of(store)
    assert (event.seq, event.body, event.author) == (1, b"sealed", ALICE)
    assert [entry.position for entry in await feed_of(store, BOB)] == [1]
    assert [(each.event.seq, sorted(each.positions)) for each in told] == [(1, [(ALICE, 1), (BOB, 1)])]


async def test_writers_at_once_get_a_gapless_order(store, care, told):
    seqs = await asyncio.gather(*(store.write(message(n)) for n in range(1000)))
    assert sorted(seqs) == list(range(1, 1001))
    assert [event.seq for event in await log_of(store)] == list(range(1, 1001))
    for account in (ALICE, BOB):
        entries = await feed_of(store, account)
        assert [entry.position for entry in entries] == [entry.event.seq for entry in entries] == list(range(1, 1001))
    assert [each.event.seq for each in told] == list(range(1, 1001))
    assert store.counts.commits < 100


async def test_the_same_envelope_twice_in_one_batch_is_one_event(store, care):
    ahead = Ahead((7).to_bytes(32, "big"), CARE)
    seqs = await asyncio.gather(*(store.write(message(7), ahead=ahead) for _ in range(50)))
    assert set(seqs) == {1}
    assert len(await log_of(store)) == 1


async def test_a_member_reads_a_page_from_where_it_may(store, care):
    late = b"l" * 32

    def let_in(tx):
        tx.conversations.save_member(CARE, Member(late, Role.PROFESSIONAL, History.NONE, 4))
        tx.conversations.save_member(CARE, Member(b"g" * 32, Role.PROFESSIONAL, History.FULL, 1))
        tx.conversations.end_member(CARE, b"g" * 32, 3)

    async def page(account, conversation=CARE, **asked):
        wanted = {"after": None, "before": None, "limit": 3} | asked
        found = await store.read(lambda view: view.log.page_for(account, conversation, **wanted))
        return found and (found[0].account, found[1], [each.seq for each in found[2]])

    await store.write(let_in)
    assert await page(BOB) == (BOB, 0, [])
    for number in range(1, 8):
        await store.write(message(number))
    assert await page(BOB) == await page(BOB, after=0) == (BOB, 7, [1, 2, 3])
    assert await page(BOB, after=5) == (BOB, 7, [6, 7])
    assert await page(BOB, after=7) == (BOB, 7, [])
    assert await page(BOB, before=3) == (BOB, 7, [1, 2])
    assert await page(BOB, before=2**53 - 1) == (BOB, 7, [5, 6, 7])
    assert await page(BOB, after=2**53 - 1) == (BOB, 7, [])
    assert await page(late) == await page(late, after=2) == (late, 7, [4, 5, 6])
    assert await page(late, after=5) == (late, 7, [6, 7])
    assert await page(late, before=6) == (late, 7, [4, 5])
    assert await page(late, before=4) == (late, 7, [])
    assert await page(b"g" * 32) is await page(b"s" * 32) is await page(BOB, b"x" * 32) is None
    found = await store.read(lambda view: view.log.page_for(late, CARE, after=6, before=None, limit=9))
    assert (found[0], found[2][0].body) == (Member(late, Role.PROFESSIONAL, History.NONE, 4), b"sealed")


async def test_lists_end_at_a_size_too(store):
    """Records and links of 250,000 bytes: five make a page, and the next one begins behind them."""
    large = bytes(250_000)

    def fill(tx):
        for number in range(1, 8):
            head = Conversation.begun(bytes([number]) * 32, b"h" * 32, NOW + number // 3)
            head.members[ALICE] = Member(ALICE, Role.OWNER, History.FULL, 1)
            tx.conversations.add(head)
            tx.conversations.add_epoch(head, 1, large, {ALICE: b"box"})
        for epoch in range(2, 8):
            head.epoch = epoch
            tx.conversations.add_epoch(head, epoch, large, {ALICE: b"box"})
        tx.accounts.add_links(BOB, 0, [large] * 7)

    await store.write(fill)
    places = await store.read(lambda view: view.conversations.places(ALICE, None, 200))
    assert [each.conversation[0] for each in places] == [7, 6, 5, 4, 3]
    last = places[-1]
    more = await store.read(lambda view: view.conversations.places(ALICE, (last.last_at, last.conversation), 200))
    assert [each.conversation[0] for each in more] == [2, 1]
    epochs = await store.read(lambda view: view.conversations.epochs(b"\7" * 32, ALICE, 1, 100))
    assert [each[0] for each in epochs] == [2, 3, 4, 5, 6]
    assert len(await store.read(lambda view: view.conversations.epochs(b"\7" * 32, ALICE, 0, 2))) == 2
    assert len(await store.read(lambda view: view.conversations.records(b"\7" * 32, 0))) == 7
    assert len(await store.read(lambda view: view.accounts.page_of_links(BOB, -1, 500))) == 5
    assert len(await store.read(lambda view: view.accounts.page_of_links(BOB, 4, 500))) == 2


async def test_a_page_has_a_size_however_many_are_asked_for(store, care):
    """Twelve envelopes of a quarter of a megabyte, one that was taken back: five fit (the one that fills it included)."""

    def large(tx):
        head = tx.conversations.head(CARE)
        for number in range(12):
            body = None if number == 4 else bytes(250_000)
            tx.log.append(head, Event(CARE, 0, "envelope", NOW, ALICE, 1, "message", bytes([number]) * 32, body))

    await store.write(large)

    async def page(asked):
        return [each.seq for each in await store.read(asked)]

    assert await page(lambda view: view.log.after(CARE, 0, 200)) == [1, 2, 3, 4, 5, 6]
    assert await page(lambda view: view.log.after(CARE, 6, 3)) == [7, 8, 9]
    assert await page(lambda view: view.log.after(CARE, 6, 200)) == [7, 8, 9, 10, 11]
    assert await page(lambda view: view.log.after(CARE, 11, 200)) == [12]
    assert await page(lambda view: view.log.before(CARE, 13, 1, 200)) == [8, 9, 10, 11, 12]
    assert await page(lambda view: view.log.before(CARE, 8, 2, 2)) == [6, 7]
    entries = await store.read(lambda view: view.log.feed(BOB, 2, 500))
    assert [(each.position, each.event.seq) for each in entries] == [(n, n) for n in range(3, 9)]
    missed = await FeedService(store, MemoryBus()).since(BOB, 2, limit=500)
    assert (missed.entries[-1].position, missed.last) == (8, 12), "a page that is cut is not the end"


async def test_a_refused_intent_fails_alone(store, care):
    intents = [message(n, conversation=CARE if n % 2 else b"x" * 32) for n in range(100)]
    commits = store.counts.commits
    results = await asyncio.gather(*(store.write(each) for each in intents), return_exceptions=True)
    assert sum(isinstance(each, NotFoundError) for each in results) == 50
    assert len(await log_of(store)) == 50
    assert store.counts.commits - commits < 20, "a refusal before writing costs the others nothing"


@pytest.mark.parametrize("failure", [NotFoundError, ZeroDivisionError, KeyError])
async def test_an_intent_that_fails_after_writing_takes_nobody_with_it(store, care, told, failure):
    def broken(tx):
        message(999)(tx)
        head = tx.conversations.head(CARE)
        head.policy = Policy(Reply.ENDED)
        head.members.clear()
        tx.conversations.save_right(BOB, ALICE, is_open=True)
        raise failure

    writes = [store.write(broken if n == 25 else message(n)) for n in range(50)]
    results = await asyncio.gather(*writes, return_exceptions=True)
    assert [type(each) for each in results if isinstance(each, Exception)] == [failure]
    assert [event.seq for event in await log_of(store)] == list(range(1, 50))
    assert 999 not in [int.from_bytes(event.envelope_id, "big") for event in await log_of(store)]
    assert len(told) == 49
    head = await store.read(lambda view: view.conversations.head(CARE))
    assert (head.policy.reply, len(head.members)) == (Reply.OPEN, 2)
    assert await store.write(lambda tx: tx.conversations.head(CARE).last_seq) == 49
    assert not await store.write(lambda tx: tx.conversations.right(BOB, ALICE))


async def test_keeps_a_block_beside_the_right_to_open_a_subject(store, care):
    """BOB, the patient, takes nothing from ALICE; the two facts of the pair do not touch each other."""

    async def pair():
        def ask(view):
            return (
                view.conversations.right(BOB, ALICE),
                view.conversations.blocked(BOB, ALICE),
                view.conversations.blocks(BOB, 10),
            )

        written = await store.write(ask)
        assert written == await store.read(ask), "the writer remembers what readers find"
        return written

    assert await pair() == (False, False, [])
    await store.write(lambda tx: tx.conversations.save_right(BOB, ALICE, is_open=True))
    await store.write(lambda tx: tx.conversations.save_block(BOB, ALICE, NOW))
    assert await pair() == (True, True, [(ALICE, NOW)])
    await store.write(lambda tx: tx.conversations.save_right(BOB, ALICE, is_open=False))
    assert await pair() == (False, True, [(ALICE, NOW)])
    await store.write(lambda tx: tx.conversations.save_block(BOB, ALICE, None))
    assert await pair() == (False, False, [])
    assert not await store.write(lambda tx: tx.conversations.blocked(ALICE, BOB))


async def test_knows_where_a_patient_and_another_meet_and_who_has_left(store, care):
    assert await store.read(lambda view: view.conversations.shared(BOB, ALICE)) == [CARE]
    assert await store.read(lambda view: view.conversations.shared(ALICE, BOB)) == [], "not as the patient"

    def leave(tx):
        head = tx.conversations.head(CARE)
        head.patient_gone = True
        tx.conversations.save_gone(head)

    await store.write(leave)
    assert await store.read(lambda view: view.conversations.head(CARE).patient_gone)
    await store.write(message(1))
    assert await store.write(lambda tx: tx.conversations.head(CARE).patient_gone), "a new message does not undo it"


async def test_sees_its_own_writes_inside_a_transaction(store, care):
    def intent(tx):
        message(1)(tx)
        return len(tx.log.after(CARE, 0, 10)), tx.log.last_position(BOB)

    assert await store.write(intent) == (1, 1)


async def test_a_reader_cannot_write(store, care):
    with pytest.raises((sqlite.OperationalError, asyncpg.ReadOnlySQLTransactionError, UnavailableError)):
        await store.read(lambda view: view.conversations.save_right(BOB, ALICE, is_open=True))


async def test_everything_is_there_after_a_restart(store, care, make):
    for n in range(5):
        await store.write(message(n))
    await store.stop()
    again = make()
    await again.start()
    assert await again.write(message(3)) == 4, "an envelope is known again"
    assert await again.write(message(9)) == 6
    assert [entry.position for entry in await feed_of(again, BOB)] == list(range(1, 7))
    await again.stop()


async def test_no_room_is_told_and_nothing_is_half_stored(tmp_path, told):
    fresh_database(tmp_path / "small.db")

    def small() -> UnitOfWork:
        connection = engine.writer(tmp_path / "small.db")
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 10}").fetchall()
        return UnitOfWork(connection)

    writer = committer.Committer(small, told.extend)
    writer.start()

    def account(n: int, size: int):
        return lambda tx: tx.accounts.add(Account(bytes([n]) * 32, "user", 0, b"x" * size, 1, True, NOW))

    await writer.write(account(1, 10))
    results = await asyncio.gather(
        *(writer.write(account(n, 100_000 if n == 5 else 10)) for n in range(2, 9)), return_exceptions=True
    )
    assert [type(each) for each in results] == [StorageFullError if n == 5 else type(None) for n in range(2, 9)]
    assert not writer.broken
    await writer.stop()
    kept = engine.reader(tmp_path / "small.db").execute("SELECT COUNT(*) FROM account").fetchone()
    assert kept == (7,)


async def test_a_failing_disk_stops_the_writer(sqlite_store, monkeypatch):
    """After a failed sync nobody knows what the disk holds: nothing more is taken, reads go on, readiness says no."""
    error = sqlite.OperationalError("disk I/O error")
    error.sqlite_errorcode = 1034  # SQLITE_IOERR_FSYNC

    def fail(_unit):
        raise error

    monkeypatch.setattr(UnitOfWork, "save", fail)
    results = await asyncio.gather(*(sqlite_store.write(message(n)) for n in range(5)), return_exceptions=True)
    assert {type(each) for each in results} == {UnavailableError}
    monkeypatch.undo()
    with pytest.raises(UnavailableError):
        await sqlite_store.write(message(6))
    assert not await sqlite_store.ready()
    assert await log_of(sqlite_store) == []


async def test_a_caller_who_goes_away_changes_nothing(store, care):
    waiting = asyncio.create_task(store.write(message(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    assert await store.write(message(2)) == 2


async def test_the_database_syncs_before_it_answers(tmp_path):
    fresh_database(tmp_path / "x.db")
    connection = engine.writer(tmp_path / "x.db")
    ask = {name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}
    assert ask == {"journal_mode": "wal", "synchronous": 2}
    connection.close()


def test_a_sqlite_with_the_wal_reset_race_is_refused(monkeypatch):
    monkeypatch.setattr(engine.sqlite, "sqlite_version_info", (3, 51, 2))
    with pytest.raises(RuntimeError, match="too old"):
        engine.check_version()
