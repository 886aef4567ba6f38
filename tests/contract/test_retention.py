"""Messages go when their term is over, on every store: told first, from the oldest on, nothing younger."""

from __future__ import annotations

import pytest

from server.clock import SetClock
from server.domain.account import Account
from server.domain.attachment import Attachment
from server.domain.conversation import Conversation, History, Member, Role
from server.domain.events import Event
from server.domain.retention import DAY, Trimmed, horizon
from server.services import retention
from server.services.records import LeaseLostError
from server.services.retention import RetentionService

NOW = 1_796_000_000_000
TERM = 90
OLD, YOUNG = NOW - 200 * DAY, NOW - 10 * DAY
ALICE, BOB = b"a" * 32, b"b" * 32
CARE, OTHER = b"c" * 32, b"o" * 32
DOCUMENT, KEPT = b"d" * 16, b"k" * 16


def say(number, at, *, to=CARE, documents=()):
    def intent(tx):
        head = tx.conversations.head(to)
        identity = to[:1] + number.to_bytes(31, "big")
        event = Event(to, 0, "envelope", at, ALICE, 1, "message", identity, b"sealed", {"attachments": ["x"]})
        if documents:
            tx.attachments.link(list(documents), to, head.last_seq + 1)
        return tx.log.append(head, event).seq

    return intent


def beginning(conversation, at):
    def intent(tx):
        head = Conversation.begun(conversation, b"h" * 32, at)
        for account, role in ((ALICE, Role.OWNER), (BOB, Role.PATIENT)):
            head.members[account] = Member(account, role, History.FULL, 1)
        tx.conversations.add(head)
        tx.conversations.add_epoch(head, 1, b"record", {})
        tx.log.append(head, Event(conversation, 0, "epoch", at, ALICE, 1, body=b"record"))

    return intent


@pytest.fixture
async def care(store):
    """Two conversations of two, one with ten old messages and three young ones, one with young ones only."""

    def begin(tx):
        for account in (ALICE, BOB):
            tx.accounts.add(Account(account, "user", 0, b"h" * 32, 1, True, OLD))
        for document in (DOCUMENT, KEPT):
            tx.attachments.add(Attachment(document, ALICE, 100, 100, OLD))

    await store.write(begin)
    await store.write(beginning(CARE, OLD))
    for number in range(10):
        await store.write(say(number, OLD + number, documents=[DOCUMENT, KEPT] if number == 4 else []))
    await store.write(beginning(OTHER, YOUNG))
    for number in range(10, 13):
        await store.write(say(number, YOUNG, documents=[KEPT] if number == 11 else []))
        await store.write(say(number, YOUNG, to=OTHER))
    return CARE


def service(store, now=NOW):
    return RetentionService(store, SetClock(now))


async def log_of(store, conversation=CARE):
    return await store.read(lambda view: view.log.after(conversation, 0, 1_000))


async def test_the_old_go_and_the_young_stay(store, care):
    assert await service(store).sweep(TERM, store) == 10
    log = await log_of(store)
    assert [each.seq for each in log] == list(range(1, 16)), "no place is missing"
    assert [each.body for each in log if each.type == "envelope"] == [None] * 10 + [b"sealed"] * 3
    assert [each.detail for each in log[1:11]] == [None] * 10, "no document is named any more"
    told = log[-1]
    assert (told.type, told.detail) == ("trimmed", {"from": 12, "before": horizon(NOW, TERM)})
    assert await store.read(lambda view: view.retention.trimmed(CARE)) == Trimmed(12, horizon(NOW, TERM))
    assert [each.body for each in await log_of(store, OTHER)][1:] == [b"sealed"] * 3


async def test_who_is_in_stays_provable_and_a_repeat_is_known(store, care):
    await service(store).sweep(TERM, store)
    assert [row[2] for row in await store.read(lambda view: view.conversations.epochs(CARE, ALICE, 0, 10))] == [
        b"record"
    ]
    known = await store.write(lambda tx: tx.log.envelope(CARE[:1] + (3).to_bytes(31, "big")))
    assert (known.seq, known.body) == (5, None)


async def test_it_is_told_once_and_moves_nothing_in_the_list(store, care, told):
    last_at = (await store.read(lambda view: view.conversations.place(CARE, BOB))).last_at
    told.clear()
    assert await service(store).sweep(TERM, store) == 10
    assert await service(store).sweep(TERM, store) == 0
    assert [each.event.type for each in told] == ["trimmed"]
    place = await store.read(lambda view: view.conversations.place(CARE, BOB))
    assert (place.last_at, place.last_seq, place.trimmed.first, place.unread) == (last_at, 15, 12, 3)
    assert await store.write(lambda tx: tx.conversations.head(CARE).last_at) == last_at
    assert await service(store, NOW + 400 * DAY).sweep(TERM, store) == 6, "with time, the rest"
    assert await service(store, NOW + 900 * DAY).sweep(TERM, store) == 0, "what only the server said is told no further"


async def test_a_document_goes_when_no_kept_message_names_it(store, care):
    await service(store).sweep(TERM, store)
    loose = await store.read(lambda view: view.attachments.unlinked_before(NOW, 10))
    assert loose == [DOCUMENT]
    assert await store.read(lambda view: view.attachments.linked(KEPT, CARE))


async def test_it_is_told_before_anything_is_gone_and_goes_on_where_it_was_cut(store, care, monkeypatch):
    """The node dies after each of its transactions; the next one goes on."""
    monkeypatch.setattr(retention, "SLICE", 4)
    monkeypatch.setattr(retention, "LOOK", 5)

    class Dying:
        def __init__(self, lives):
            self.lives = lives

        async def write(self, intent):
            if self.lives == 0:
                raise LeaseLostError("messages")
            self.lives -= 1
            return await store.write(intent)

    removed, died = 0, True
    while died:
        try:
            await service(store).sweep(TERM, Dying(1))
            died = False
        except LeaseLostError:
            pass
        log = await log_of(store)
        begins = max((each.detail["from"] for each in log if each.type == "trimmed"), default=1)
        gone = [each.seq for each in log if each.type == "envelope" and each.body is None]
        assert gone == list(range(2, 2 + len(gone)))
        assert not gone or max(gone) < begins, "what is gone was told before"
        assert len(gone) - removed in {0, 1, 2, 3, 4}, "a piece at a time"
        removed = len(gone)
    assert removed == 10


async def test_a_feed_begins_later_and_goes_on_counting(store, care, make):
    assert await service(store).sweep(TERM, store) == 10
    first = await store.read(lambda view: view.retention.first_position(BOB))
    entries = await store.read(lambda view: view.log.feed(BOB, 0, 100))
    assert first == entries[0].position > 10
    assert entries[0].event.at >= horizon(NOW, TERM)
    last = entries[-1].position
    assert [each.position for each in entries] == list(range(first, last + 1))
    for later in (900, 1200):
        await service(store, NOW + later * DAY).sweep(TERM, store)
    left = await store.read(lambda view: view.log.feed(BOB, 0, 100))
    assert len(left) == 1, "the newest entry stays, however old"
    again = make()
    await again.start()
    await again.write(say(99, NOW))
    assert (await again.read(lambda view: view.log.feed(BOB, 0, 100)))[-1].position == left[0].position + 1
    await again.stop()


async def test_a_clock_that_jumped_keeps_what_stands_behind_something_young(store, care):
    """What is old by its time, but stands behind something young, stays: a log goes from its beginning on."""
    await store.write(say(50, OLD))
    assert await service(store).sweep(TERM, store) == 10
    newest = [each for each in await log_of(store) if each.type == "envelope"][-1]
    assert (newest.at, newest.body) == (OLD, b"sealed")
