"""The access journal: what a patient is told, each once, in a chain that cannot be changed unseen."""

from __future__ import annotations

import base64
import itertools
import os
from contextlib import closing

import pysqlite3.dbapi2 as sqlite
import pytest

from crypto import journal
from crypto.codec import b64, unb64
from crypto.errors import ProtocolError
from server.admin import verify
from server.clock import SetClock
from server.domain.journal import VISIT
from tests.fakes.peer import Peer, Refused, now
from tests.fakes.server import running

TUS = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
async def practice(tmp_path):
    """A doctor, a pharmacist, a patient, on a server whose clock we set."""
    clock = SetClock(now())
    async with running(tmp_path / "data", clock=clock) as server:
        claire = await Peer.professional(server, "Claire Martin")
        karim = await Peer.professional(server, "Karim Haddad", "21")
        letter = await claire.invite("Ordonnance", "Voici votre ordonnance.")
        jean = await Peer.claim(server, letter)
        await claire.refresh(letter.conversation)
        yield server, clock, claire, karim, jean, letter.conversation
        for peer in (claire, karim, jean):
            await peer.close()


async def told(peer: Peer) -> list[dict]:
    """The whole journal of somebody, checked from its first entry."""
    page = await peer.ask("GET", "/v1/journal", params={"after": 0, "limit": 200})
    entries = [
        journal.Entry(
            each["position"], each["kind"], each["at"], unb64(each["who"]), unb64(each["conversation"]),
            None if each["attachment"] is None else unb64(each["attachment"]), unb64(each["previous"]),
        )
        for each in page["entries"]
    ]  # fmt: skip
    head = journal.follow(peer.id, journal.Head(), entries)
    assert (head.position, b64(head.hash)) == (page["last"], page["head"])
    assert [each["hash"] for each in page["entries"]] == [b64(entry.hash(peer.id)) for entry in entries]
    return page["entries"]


async def said(peer: Peer, since: int = 0) -> list[tuple]:
    return [(each["kind"], each["who"]) for each in (await told(peer))[since:]]


async def send_document(peer: Peer, conv: bytes) -> str:
    attachment = b64(os.urandom(16))
    named = base64.b64encode(attachment.encode()).decode()
    headers = {"Authorization": f"Bearer {peer.token}"} | TUS
    begin = headers | {"Upload-Length": "100", "Upload-Metadata": f"attachment {named}"}
    async with peer.http.post("/v1/uploads", headers=begin) as begun:
        assert begun.status == 201
    part = headers | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    async with peer.http.patch(f"/v1/uploads/{attachment}", headers=part, data=b"s" * 100) as sent:
        assert sent.status == 204
    await peer.hand_in(conv, peer.words(conv, "Voici") | {"attachments": [attachment]})
    return attachment


async def fetch(peer: Peer, conv: bytes, attachment: str, **headers: str) -> None:
    path = f"/v1/conversations/{b64(conv)}/attachments/{attachment}"
    async with peer.http.get(path, headers={"Authorization": f"Bearer {peer.token}"} | headers) as got:
        assert got.status in {200, 206}
        await got.read()


async def test_every_way_to_come_to_read_is_told_once(practice):
    _, _, claire, karim, jean, conv = practice
    mine, hers, his = b64(jean.id), b64(claire.id), b64(karim.id)
    assert await said(jean) == [("joined", hers)], "who was there when he came"
    await claire.add(conv, karim.id)
    await karim.refresh(conv)
    for _ in range(3):
        events = await karim.events(conv, after=0)
    seen = events[-1]["seq"]
    for _ in range(2):
        await karim.acknowledge(conv, b"m" * 32, seen)
        await karim.ask("POST", f"/v1/conversations/{b64(conv)}/read", {"seq": seen})
    await jean.refresh(conv)
    await jean.events(conv)
    await jean.acknowledge(conv, b"m" * 32, seen)
    assert await said(jean, 1) == [("joined", his), ("opened", his), ("read", his)]
    document = await send_document(claire, conv)
    await fetch(karim, conv, document)
    await fetch(karim, conv, document, Range="bytes=10-")
    await fetch(jean, conv, document)
    await claire.remove(conv, karim.id)
    assert await said(jean, 4) == [("document_received", hers), ("document_opened", his), ("gone", his)]
    assert {each["attachment"] for each in (await told(jean))[4:6]} == {document}
    assert (await told(claire), await told(karim)) == ([], []), "nobody is a patient here but Jean"
    assert mine not in {who for _, who in await said(jean)}


async def test_what_a_patient_sends_is_not_received_by_him_but_its_opening_is_told(practice):
    _, _, claire, _, jean, conv = practice
    await jean.refresh(conv)
    document = await send_document(jean, conv)
    await fetch(claire, conv, document)
    assert (await said(jean))[1:] == [("document_opened", b64(claire.id))]


async def test_a_visit_is_told_again_after_an_hour(practice):
    _, clock, claire, _, jean, conv = practice
    for minutes in (0, 59, 2, 30, 31):
        clock.advance(minutes * 60)
        await claire.events(conv)
    times = [each["at"] for each in await told(jean) if each["kind"] == "opened"]
    assert len(times) == 3
    assert all(later - earlier >= VISIT for earlier, later in itertools.pairwise(times))


async def test_a_visit_is_known_again_after_a_restart(practice):
    server, _, claire, _, jean, conv = practice
    await claire.events(conv)
    server.services.journal._written.clear()
    await claire.events(conv)
    assert [kind for kind, _ in await said(jean)].count("opened") == 1


async def test_a_stranger_and_a_refused_request_leave_no_trace(practice):
    _, _, _, karim, jean, conv = practice
    before = await told(jean)
    for path in ("events", "epochs", f"attachments/{b64(b'a' * 16)}"):
        with pytest.raises(Refused):
            await karim.ask("GET", f"/v1/conversations/{b64(conv)}/{path}")
    assert await told(jean) == before


async def test_pages(practice):
    _, clock, claire, _, jean, conv = practice
    for _ in range(9):
        clock.advance(3601)
        await claire.events(conv)
    whole = await told(jean)
    assert [each["position"] for each in whole] == list(range(1, 11))
    newest = (await jean.ask("GET", "/v1/journal?before=11&limit=3"))["entries"]
    assert newest == whole[-3:]
    assert (await jean.ask("GET", "/v1/journal?after=4&limit=2"))["entries"] == whole[4:6]
    for query in ("limit=0", "limit=201", "after=1&before=2", "x=1"):
        with pytest.raises(Refused) as caught:
            await jean.ask("GET", f"/v1/journal?{query}")
        assert caught.value.code == "bad_request"


CHANGES = {
    "one is taken out": "DELETE FROM journal WHERE position = 3",
    "the newest is cut off": "DELETE FROM journal WHERE position = 6",
    "the oldest is cut off": "DELETE FROM journal WHERE position = 1",
    "a time is moved": "UPDATE journal SET at = at - 1 WHERE position = 2",
    "a name is changed": "UPDATE journal SET who = account WHERE position = 2",
    "a kind is changed": "UPDATE journal SET kind = 'joined' WHERE position = 5",
    "two are swapped": "UPDATE journal SET position = CASE position WHEN 3 THEN -4 WHEN 4 THEN -3 ELSE position END",
    "all are gone": "DELETE FROM journal",
    "the end is gone": "DELETE FROM journal_end",
    "the end is moved": "UPDATE journal_end SET last = 5",
}


@pytest.mark.parametrize("change", CHANGES)
async def test_pli_verify_finds_every_change(practice, change):
    server, clock, claire, _, jean, conv = practice
    for _ in range(5):
        clock.advance(3601)
        await claire.events(conv)
    assert len(await told(jean)) == 6
    assert verify.folder(server.data).wrong == 0
    with closing(sqlite.connect(server.data / "pli.db", isolation_level=None)) as database:
        database.execute(CHANGES[change])
        database.execute("UPDATE journal SET position = -position WHERE position < 0")
    found = verify.folder(server.data)
    assert found.wrong == 1
    assert found.findings[0]["check"] == "journals"
    assert b64(jean.id) in found.findings[0]["where"]


async def test_retention_removes_the_oldest_and_the_rest_still_holds(practice):
    server, clock, claire, _, jean, conv = practice
    for _ in range(5):
        clock.advance(3601)
        await claire.events(conv)
    whole = await told(jean)
    gone = await server.store.write(lambda tx: tx.journals.forget(whole[3]["at"], 100))
    assert gone == 3
    page = await jean.ask("GET", "/v1/journal?after=0")
    assert page["entries"] == whole[3:]
    assert (page["first"], page["last"]) == (4, 6)
    assert verify.folder(server.data).wrong == 0
    await server.store.write(lambda tx: tx.journals.forget(clock.now() + 1, 2))
    await server.store.write(lambda tx: tx.journals.forget(clock.now() + 1, 100))
    empty = await jean.ask("GET", "/v1/journal?after=0")
    assert (empty["entries"], empty["first"], empty["last"], empty["head"]) == ([], 7, 6, page["head"])
    clock.advance(3601)
    await claire.events(conv)
    assert (await jean.ask("GET", "/v1/journal?after=0"))["entries"][0]["previous"] == page["head"]
    assert verify.folder(server.data).wrong == 0


def test_a_chain_with_another_past_is_a_fork():
    first = journal.Entry(1, "opened", 5, b"w" * 32, b"c" * 32, None, bytes(32))
    head = journal.follow(b"a" * 32, journal.Head(), [first])
    for wrong, code in ((bytes(32), "fork"), (first.hash(b"b" * 32), "fork")):
        with pytest.raises(ProtocolError) as caught:
            journal.follow(b"a" * 32, head, [journal.Entry(2, "read", 6, b"w" * 32, b"c" * 32, None, wrong)])
        assert caught.value.code == code
    with pytest.raises(ProtocolError) as caught:
        journal.follow(b"a" * 32, head, [journal.Entry(3, "read", 6, b"w" * 32, b"c" * 32, None, head.hash)])
    assert caught.value.code == "not_next"
