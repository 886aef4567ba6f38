"""Every operation, asked by everybody who should not: on what is there, and on what is not. The answers are the same.

`tests/integration/test_sessions.py` asks with ids of nobody; here the objects exist, and their owners are somebody else.
"""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from crypto.codec import b64
from server.transport.rest.operations import Role
from server.transport.rest.routes import OPERATIONS
from tests.hostile.scene import BY_NAME, TUS, Answer, Scene, announced, check_refusal

pytestmark = pytest.mark.asyncio(loop_scope="module")

OUTSIDERS = ("sonia", "lea", "paul")
"""A professional and a patient who never were members, and a professional who no longer is."""
NOBODIES = ("nobody", "lost phone", "garbage")
CLOSED = [operation.name for operation in OPERATIONS if operation.role not in {Role.ANYONE, Role.EITHER}]
OF_MEMBERS = [operation.name for operation in OPERATIONS if operation.role is Role.MEMBER]
OF_OWNERS = ("showUpload", "appendUpload", "discardUpload", "endSession")
"""What stands under an id of one account, without a conversation around it."""
NOTHING = {
    "conversation": b64(b"x" * 32),
    "envelope": b64(b"x" * 32),
    "attachment": b64(b"x" * 16),
    "session": b64(b"x" * 16),
}


def told(name: str) -> dict[str, str]:
    if name == "beginUpload":
        return TUS | announced(b"n" * 16, 100)
    if name == "appendUpload":
        return TUS | {"Upload-Offset": "40", "Content-Type": "application/offset+octet-stream"}
    return dict(TUS) if name == "discardUpload" else {}


async def request(practice: Scene, name: str, who: str, ids: Any = None) -> Answer:
    """Ask with a body and headers with which the owner would succeed."""
    if BY_NAME[name].request is not None:
        return await practice.call(name, who=who, ids=ids, json=await practice.right(name))
    return await practice.call(
        name, who=who, ids=ids, headers=told(name), data=b"s" if name == "appendUpload" else None
    )


def same(answer: Answer) -> tuple[Any, ...]:
    """Return all that a stranger sees of an answer, but for the time of day."""
    return answer.status, answer.body, sorted((k.lower(), v) for k, v in answer.headers.items() if k != "Date")


@pytest.mark.parametrize(("name", "who"), list(itertools.product(CLOSED, NOBODIES)))
async def test_without_a_session_that_counts_nothing_is_told(practice: Scene, name: str, who: str):
    practice.tokens |= {"nobody": "", "garbage": "A" * 43}
    before = practice.fingerprint()
    there = await request(practice, name, who)
    absent = await request(practice, name, who, NOTHING)
    assert there.status == 401
    check_refusal(name, there)
    assert same(there) == same(absent)
    assert practice.fingerprint() == before


@pytest.mark.parametrize(("name", "who"), list(itertools.product(OF_MEMBERS, OUTSIDERS)))
async def test_to_an_outsider_a_conversation_that_exists_is_one_that_does_not(practice: Scene, name: str, who: str):
    there = await request(practice, name, who)
    before = practice.fingerprint()
    if name == "submitEnvelope":  # the header names the conversation, so the one of nothing would be another envelope
        assert (there.status, there.problem["code"]) == (404, "not_found")
    else:
        absent = await request(practice, name, who, NOTHING)
        assert there.status == 404
        assert same(there) == same(absent)
    check_refusal(name, there)
    assert practice.fingerprint() == before


@pytest.mark.parametrize(("name", "who"), list(itertools.product(OF_OWNERS, (*OUTSIDERS, "karim", "jean"))))
async def test_what_belongs_to_somebody_else_looks_like_nothing(practice: Scene, name: str, who: str):
    before = practice.fingerprint()
    mine = practice.ids() | {"attachment": b64(practice.upload)}
    there = await request(practice, name, who, mine)
    absent = await request(practice, name, who, NOTHING)
    assert there.status == 404
    assert same(there) == same(absent)
    check_refusal(name, there)
    assert practice.fingerprint() == before


READS = ("showConversation", "showEpochs", "showEvents", "readAttachment")
OTHERS = ("retractEnvelope", "beginEpoch")
"""What Claire wrote or signed, handed in by another member."""


@pytest.mark.parametrize(("name", "who"), list(itertools.product(READS, ("karim", "jean"))))
async def test_a_member_reads(practice: Scene, name: str, who: str):
    assert (await request(practice, name, who)).status == 200


@pytest.mark.parametrize(("name", "who"), list(itertools.product(OTHERS, ("karim", "jean"))))
async def test_a_member_acts_only_in_the_own_name(practice: Scene, name: str, who: str):
    before = practice.fingerprint()
    check_refusal(name, await request(practice, name, who))
    assert practice.fingerprint() == before


async def test_an_envelope_of_another_member_is_not_sent_again(practice: Scene):
    claire = practice.peers["claire"]
    kept = (await claire.events(practice.conversation, after=0, limit=200))[-1]
    before = practice.fingerprint()
    again = {"envelope": kept["envelope"], "kind": "message", "reply": "open", "attachments": [], "read_seq": None}
    for who in ("karim", "jean"):
        await practice.call("submitEnvelope", who=who, json=again)
    assert practice.fingerprint() == before


async def test_an_attachment_is_read_only_where_it_was_sent(practice: Scene):
    """A member of another conversation cannot fetch it through that one."""
    sonia = practice.peers["sonia"]
    conversation = next(iter(sonia.opened))
    elsewhere = {"conversation": b64(conversation)}
    await sonia.refresh(conversation)
    there = await practice.call("readAttachment", who="sonia", ids=elsewhere)
    absent = await practice.call("readAttachment", who="sonia", ids=elsewhere | {"attachment": NOTHING["attachment"]})
    assert there.status == 404
    assert same(there) == same(absent)
    submission = sonia.words(conversation, "volé") | {"attachments": [b64(practice.attachment)]}
    stolen = await practice.call("submitEnvelope", who="sonia", ids=elsewhere, json=submission)
    missing = await practice.call(
        "submitEnvelope", who="sonia", ids=elsewhere, json=submission | {"attachments": [NOTHING["attachment"]]}
    )
    assert (stolen.status, stolen.problem["code"]) == (422, "attachment_unknown")
    assert same(stolen) == same(missing)


@pytest.mark.parametrize("who", ["lea", "jean"])
async def test_a_patient_neither_searches_people_nor_starts_a_conversation(practice: Scene, who: str):
    before = practice.fingerprint()
    searched = await practice.ask("GET", "/v1/directory?q=Martin", who=who)
    chosen = await practice.ask("PUT", "/v1/me/settings", who=who, json={"accepts_patients": True})
    assert [searched.status, chosen.status] == [403, 403]
    assert searched.problem["code"] == chosen.problem["code"] == "not_permitted"
    started = await request(practice, "startConversation", who)
    check_refusal("startConversation", started)
    assert practice.fingerprint() == before


@pytest.mark.parametrize("who", ["sonia", "jean", "lea"])
async def test_a_chain_grows_and_a_passkey_is_kept_only_by_its_own_account(practice: Scene, who: str):
    before = practice.fingerprint()
    for name in ("growChain", "keepPasskey"):
        check_refusal(name, await request(practice, name, who))
    assert practice.fingerprint() == before


async def test_every_operation_is_in_the_matrix():
    """A new operation is open to anybody on purpose, or it is asked by those who may not."""
    open_to_all = {operation.name for operation in OPERATIONS} - set(CLOSED)
    assert open_to_all == {
        "showServer", "createAccount", "showActivation", "showPasskey", "askChallenge", "openSession",
        "showEndOfHolder", "showUploads",
        "findInvitationByCode", "showInvitation", "showInvitationEvents", "claimInvitation",
        "refuseInvitation",
    }  # fmt: skip
