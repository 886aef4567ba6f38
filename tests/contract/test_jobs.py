"""Leases of background jobs: one node at a time, and what an older one still wants to write is refused."""

from __future__ import annotations

import asyncio

import pytest

from crypto.journal import Head, follow
from server.clock import SetClock
from server.domain.journal import Access, Told
from server.jobs import lease
from server.jobs.lease import LEASE
from server.services.records import LeaseLostError

EVERY = 15 * LEASE
ONE, TWO = b"1" * 16, b"2" * 16
PATIENT, DOCTOR = b"p" * 32, b"d" * 32


@pytest.fixture
async def nodes(make):
    """Two nodes on one database, each with a clock of its own."""
    stores = make(), make()
    for store in stores:
        await store.start()
    yield [(store, SetClock()) for store in stores]
    for store in stores:
        await store.stop()


def take(node, holder, name="sweep"):
    store, clock = node
    return lease.take(store, clock, name, holder, every=EVERY)


def block(since):
    """Something that a job might write."""
    return lambda tx: tx.conversations.save_block(PATIENT, DOCTOR, since)


async def kept(node) -> list[tuple[bytes, int]]:
    return await node[0].read(lambda view: view.conversations.blocks(PATIENT, 10))


async def test_of_many_who_want_it_one_gets_it(nodes):
    asked = [take(nodes[n % 2], bytes([n]) * 16) for n in range(20)]
    assert [held is None for held in await asyncio.gather(*asked)].count(False) == 1


async def test_a_job_rests_until_it_is_due_again(nodes):
    one, two = nodes
    held = await take(one, ONE)
    await held.finish(3)
    assert await take(two, TWO) is None
    for node in nodes:
        node[1].advance(EVERY / 1000)
    assert (await take(two, TWO)).token == held.token + 1
    states = await two[0].read(lambda view: view.jobs.states())
    assert [(state.name, state.removed, state.done) for state in states] == [("sweep", 3, one[1].now() - EVERY)]


async def test_the_lease_of_a_node_that_was_killed_is_taken_over_and_its_late_write_refused(nodes):
    one, two = nodes
    dead = await take(one, ONE)
    await dead.write(block(1))
    two[1].advance(EVERY / 1000)
    living = await take(two, TWO)
    assert living is not None
    with pytest.raises(LeaseLostError):
        await dead.write(block(2))
    assert await kept(two) == [(DOCTOR, 1)], "nothing of the late write is there"
    await living.write(block(3))
    await dead.finish(99)
    assert await kept(one) == [(DOCTOR, 3)]
    state = (await two[0].read(lambda view: view.jobs.states()))[0]
    assert (state.done, state.removed) == (None, 0), "the dead one does not report for the living"
    await living.write(block(4))


async def test_a_lease_is_held_by_working(nodes):
    one, two = nodes
    held = await take(one, ONE)
    for step in range(40):
        for node in nodes:
            node[1].advance(LEASE / 2000)
        await held.write(block(step))
        assert await take(two, TWO) is None
    await held.finish(0)
    assert await take(two, TWO) is not None, "it began long ago"


async def test_a_clock_that_was_wrong_keeps_nobody_out_for_long(nodes):
    one, two = nodes
    one[1].advance(86_400)
    held = await take(one, ONE)
    assert await take(two, TWO) is not None, "its lease lies in a future that no lease reaches"
    with pytest.raises(LeaseLostError):
        await held.write(block(1))


async def test_jobs_do_not_wait_for_each_other(nodes):
    one, two = nodes
    assert await take(one, ONE, "a") is not None
    assert await take(two, TWO, "b") is not None


async def test_two_nodes_write_one_journal_without_a_gap_and_retention_takes_the_oldest(nodes):
    def told(at):
        return lambda tx: tx.journals.append(PATIENT, Told(Access.OPENED, DOCTOR, b"c" * 32), at)

    await asyncio.gather(*(nodes[n % 2][0].write(told(n + 1)) for n in range(30)))
    store = nodes[0][0]
    entries, ends = await store.read(lambda view: (view.journals.after(PATIENT, 0, 100), view.journals.ends(PATIENT)))
    assert follow(PATIENT, Head(), entries) == Head(ends.last, ends.head)
    assert len(entries) == 30
    seen = Told(Access.OPENED, DOCTOR, b"c" * 32)
    assert await store.read(lambda view: view.journals.visited(PATIENT, seen, 29))
    assert not await store.read(lambda view: view.journals.visited(PATIENT, seen, 30))
    late = max(entry.at for entry in entries[:10]) + 1
    gone = await store.write(lambda tx: tx.journals.forget(late, 5))
    assert gone == 5
    assert await store.read(lambda view: view.journals.after(PATIENT, 0, 1)) == entries[5:6]
    assert await store.read(lambda view: view.journals.before(PATIENT, 31, 2)) == entries[-2:]
