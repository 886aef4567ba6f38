"""What is done in the background: once among all nodes, as the operator has chosen, told to metrics and doctor."""

from __future__ import annotations

import base64
import secrets
from contextlib import closing

import pysqlite3.dbapi2 as sqlite
import pytest

from crypto.codec import b64
from server import metrics
from server.admin import doctor, verify
from server.admin.lock import FolderLock
from server.clock import SetClock
from server.jobs import work
from server.jobs.work import JOBS, Job, Worker
from server.settings import Settings
from server.storage.identity import DATABASE
from tests.fakes.peer import Peer, Refused, now
from tests.fakes.server import running


async def send_document(peer, conv):
    attachment = b64(secrets.token_bytes(16))
    named = base64.b64encode(attachment.encode()).decode()
    tus = {"Authorization": f"Bearer {peer.token}", "Tus-Resumable": "1.0.0"}
    begin = {**tus, "Upload-Length": "100", "Upload-Metadata": f"attachment {named}"}
    async with peer.http.post("/v1/uploads", headers=begin) as begun:
        assert begun.status == 201
    part = {**tus, "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    async with peer.http.patch(f"/v1/uploads/{attachment}", headers=part, data=b"s" * 100) as sent:
        assert sent.status == 204
    await peer.hand_in(conv, {**peer.words(conv, "Un document."), "attachments": [attachment]})
    return attachment


BY_NAME = {job.name: job for job in JOBS}


def counted(job: str, outcome: str) -> float:
    return metrics.JOBS.values.get((job, outcome), 0)


@pytest.fixture
async def house(tmp_path, monkeypatch):
    """A server that keeps little, does nothing by itself, and whose clock we set."""

    async def rest(_: Worker) -> None:
        return None

    monkeypatch.setattr(Worker, "work_for_ever", rest)
    clock = SetClock(now())
    async with running(tmp_path / "data", clock=clock, invitation_days=7, journal_days=30, message_days=30) as server:
        yield server, clock


def test_nothing_is_removed_that_the_operator_has_not_chosen():
    assert [job.name for job in JOBS if job.wanted(Settings())] == ["uploads", "sessions"]


async def test_two_workers_do_it_once(house):
    server, clock = house
    one, two = Worker(server.services), Worker(server.services)
    before = counted("uploads", "done")
    assert [await worker.run(BY_NAME["uploads"]) for worker in (one, two, one)] == [True, False, False]
    clock.advance(15 * 60)
    assert await two.run(BY_NAME["uploads"])
    assert counted("uploads", "done") == before + 2


async def test_a_worker_that_has_lost_its_job_stops_in_the_middle(house):
    server, clock = house
    one, two = Worker(server.services), Worker(server.services)
    written = []

    async def slow(_, held):
        await held.write(lambda _: written.append("first"))
        clock.advance(3600)
        assert await two.run(Job("slow", 60_000, quick))
        await held.write(lambda _: written.append("second"))
        return 0

    async def quick(_, held):
        await held.write(lambda _: written.append("other"))
        return 0

    lost = counted("slow", "lost")
    assert not await one.run(Job("slow", 60_000, slow))
    assert written == ["first", "other"]
    assert counted("slow", "lost") == lost + 1


async def test_a_job_that_fails_is_tried_again_when_it_is_due(house):
    server, clock = house
    tries = []

    async def broken(_, held):
        tries.append(held.token)
        raise OSError("the disk is away")

    job = Job("broken", 60_000, broken)
    worker = Worker(server.services)
    assert not await worker.run(job)
    assert not await worker.run(job)
    clock.advance(60)
    assert not await worker.run(job)
    assert len(tries) == 2


async def test_a_typed_code_is_forgotten_when_its_time_is_over(house, monkeypatch):
    server, clock = house
    claire = await Peer.professional(server, "Claire Martin")
    letter = await claire.invite(with_code=True, expires=clock.now() + 3_600_000)

    async def codes():
        def ask(view):
            return [
                each.locator is not None for each in view.invitations.of_conversation(letter.conversation, None, 10)
            ]

        return await server.store.read(ask)

    monkeypatch.setattr(work, "SWEEP", 1)
    worker = Worker(server.services)
    assert await worker.run(BY_NAME["invitations"])
    assert await codes() == [True]
    clock.advance(8 * 86_400)
    assert await worker.run(BY_NAME["invitations"])
    assert await codes() == [False]
    with pytest.raises(Refused) as caught:
        await claire.ask("GET", f"/v1/invitations/{b64(letter.invitation.id)}")
    assert caught.value.code == "invitation_expired", "the link still says what has become of it"
    await claire.close()


async def test_a_journal_beyond_its_term_is_removed_and_what_is_kept_holds(house):
    server, clock = house
    claire = await Peer.professional(server, "Claire Martin")
    letter = await claire.invite()
    jean = await Peer.claim(server, letter)
    await claire.refresh(letter.conversation)
    clock.advance(29 * 86_400)
    await claire.login()
    await jean.login()
    await claire.events(letter.conversation)
    worker = Worker(server.services)
    assert await worker.run(BY_NAME["journal"])
    assert (await jean.ask("GET", "/v1/journal"))["first"] == 1
    clock.advance(2 * 86_400)
    assert await worker.run(BY_NAME["journal"])
    page = await jean.ask("GET", "/v1/journal")
    assert (page["first"], [each["kind"] for each in page["entries"]]) == (2, ["opened"])
    assert verify.folder(server.data).wrong == 0
    for peer in (claire, jean):
        await peer.close()


async def test_messages_beyond_their_term_go_and_the_rest_verifies(house):
    server, clock = house
    claire = await Peer.professional(server, "Claire Martin")
    letter = await claire.invite()
    jean = await Peer.claim(server, letter)
    await claire.refresh(letter.conversation)
    old = await claire.say(letter.conversation, "Voici le compte rendu.")
    document = await send_document(claire, letter.conversation)
    path = f"/v1/conversations/{b64(letter.conversation)}"
    worker = Worker(server.services)

    async def later(days):
        clock.advance(days * 86_400)
        await claire.login()
        await jean.login()
        assert await worker.run(BY_NAME["messages"])

    await later(29)
    assert (await jean.ask("GET", path))["trimmed"] is None
    young = await claire.say(letter.conversation, "Et ceci.")
    await later(10)
    events = (await jean.ask("GET", f"{path}/events"))["events"]
    kept = {each["seq"]: each["envelope"] for each in events if each["type"] == "envelope"}
    assert kept[old["seq"]] is None
    assert kept[young["seq"]] is not None
    assert [each["seq"] for each in events] == list(range(1, len(events) + 1))
    told = events[-1]
    assert (told["type"], told["from"]) == ("trimmed", young["seq"])
    assert (await jean.ask("GET", path))["trimmed"] == {"from": told["from"], "before": told["before"]}
    page = await jean.ask("GET", "/v1/feed?after=0")
    assert page["first"] == page["events"][0]["position"] > 1
    assert page["events"][-1]["event"] == told
    assert verify.folder(server.data).wrong == 0
    assert await worker.run(BY_NAME["uploads"]), "and the document with it"
    with pytest.raises(Refused) as caught:
        await jean.ask("GET", f"{path}/attachments/{document}")
    assert caught.value.code == "not_found"
    assert verify.folder(server.data).wrong == 0
    for peer in (claire, jean):
        await peer.close()


async def test_verify_finds_what_went_before_its_time_or_without_a_word(house):
    server, clock = house
    claire = await Peer.professional(server, "Claire Martin")
    letter = await claire.invite()
    await claire.say(letter.conversation, "Bonjour")
    clock.advance(60 * 86_400)
    assert await Worker(server.services).run(BY_NAME["messages"])
    assert verify.folder(server.data).wrong == 0

    def problems(sql):
        with closing(sqlite.connect(server.data / DATABASE, isolation_level=None)) as database:
            database.execute("BEGIN")
            before = database.execute("SELECT * FROM log_beginning").fetchall()
            assert len(before) == 1
            database.execute(sql)
            database.execute("COMMIT")
        return [each["problem"] for each in verify.folder(server.data).findings]

    assert problems("UPDATE event SET at = at + 90 * 86400000 WHERE seq = 2") == ["it was let go before its time"]
    assert problems("UPDATE event SET at = at - 90 * 86400000 WHERE seq = 2") == []
    assert "its members were told" in problems("UPDATE log_beginning SET first = first - 1")[-1]
    assert problems("UPDATE log_beginning SET first = first + 1") == []
    assert problems("UPDATE event SET type = 'policy' WHERE type = 'trimmed'")[0].endswith("no member was told")
    await claire.close()


async def test_the_doctor_says_which_job_is_late(house):
    server, clock = house
    await Worker(server.services).run(BY_NAME["uploads"])

    def told():
        chosen = Settings(data=server.data, web=False, port=0, public_url="https://care.example")
        return next(line for line in doctor.examine(chosen, clock) if line.name == "background jobs")

    clock.advance(2 * 3600)
    assert told().verdict == "ok", "no server runs, so nothing is expected"
    lock = FolderLock(server.data)
    assert lock.take()
    try:
        assert told().verdict == "look"
        assert "uploads" in told().told
        await Worker(server.services).run(BY_NAME["uploads"])
        assert told().verdict == "ok"
    finally:
        lock.release()
