"""Two nodes that write in turn on one PostgreSQL: each sees what the other wrote, and asks for it once a batch."""

from __future__ import annotations

import asyncio
import os

import pytest

from server.domain.conversation import Conversation, History, Member, Role
from server.domain.events import Event
from server.services.ports import Ahead
from server.storage.postgres import PostgresConnection
from server.storage.postgres_store import PostgresStore
from tests.fakes.services import fresh_postgres

pytestmark = pytest.mark.postgres
NOW = 1_750_000_000_000
CONVERSATIONS = [bytes([number]) * 32 for number in range(1, 17)]


def doctor(conversation: bytes) -> bytes:
    return b"d" + conversation[1:]


def patient(conversation: bytes) -> bytes:
    return b"p" + conversation[1:]


@pytest.fixture
def url() -> str:
    return fresh_postgres()


@pytest.fixture
async def two(told, url):
    stores = [PostgresStore(url, told.extend) for _ in range(2)]
    for store in stores:
        await store.start()

    def begin(tx):
        for conversation in CONVERSATIONS:
            head = Conversation.begun(conversation, b"h" * 32, NOW)
            for account, role in ((doctor(conversation), Role.OWNER), (patient(conversation), Role.PATIENT)):
                head.members[account] = Member(account, role, History.FULL, 1)
            tx.conversations.add(head)

    await stores[0].write(begin)
    yield stores
    for store in stores:
        await store.stop()


async def say_everywhere(store) -> list[int]:
    """Write one message into every conversation, as one batch; return their seqs."""

    def message(conversation, envelope):
        def intent(tx):
            head = tx.conversations.head(conversation)
            assert not tx.conversations.blocked(patient(conversation), doctor(conversation))
            event = Event(conversation, 0, "envelope", NOW, doctor(conversation), 1, "message", envelope, b"sealed")
            return tx.log.append(head, event).seq

        return intent

    envelopes = [os.urandom(32) for _ in CONVERSATIONS]
    writes = [
        store.write(message(conversation, envelope), ahead=Ahead(envelope, conversation))
        for conversation, envelope in zip(CONVERSATIONS, envelopes, strict=True)
    ]
    return await asyncio.gather(*writes)


async def test_a_batch_after_another_nodes_asks_for_everything_at_once(two, monkeypatch):
    one, other = two
    for seq, store in enumerate([one, other, one, other], 1):
        assert await say_everywhere(store) == [seq] * len(CONVERSATIONS)
    asked = []
    for name in ("execute", "executemany", "script"):
        known = getattr(PostgresConnection, name)

        def counted(connection, sql, *values, known=known):
            asked.append(sql)
            return known(connection, sql, *values)

        monkeypatch.setattr(PostgresConnection, name, counted)
    assert await say_everywhere(one) == [5] * len(CONVERSATIONS)
    assert len(asked) <= 8, "some statement is asked for each of sixteen messages"


async def test_positions_stay_gapless_whoever_writes(two):
    await asyncio.gather(*(say_everywhere(store) for _ in range(5) for store in two))
    for conversation in CONVERSATIONS:
        for account in (doctor(conversation), patient(conversation)):
            feed = await two[0].read(lambda view, account=account: view.log.feed(account, 0, 100))
            assert [entry.position for entry in feed] == list(range(1, 11))
            assert [entry.event.seq for entry in feed] == list(range(1, 11))


async def test_a_block_that_another_node_wrote_holds_at_once(two):
    one, other = two
    (first, *_) = CONVERSATIONS
    await say_everywhere(one)  # it knows of no block now
    await other.write(lambda tx: tx.conversations.save_block(patient(first), doctor(first), NOW))
    seen = await one.write(
        lambda tx: tx.conversations.blocked(patient(first), doctor(first)), ahead=Ahead(os.urandom(32), first)
    )
    assert seen
