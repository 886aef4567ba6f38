"""What a patient refuses: the professional is told so for good, everybody in the conversation sees it, nothing else moves."""

from __future__ import annotations

import pytest

from crypto import conversation
from crypto.codec import b64
from crypto.epoch import Roster
from tests.fakes.peer import Refused, now


async def refused(call) -> str:
    with pytest.raises(Refused) as caught:
        await call
    assert caught.value.status == 403
    return caught.value.code


@pytest.fixture
async def practice(people):
    """A doctor, a pharmacist, and the patient who took the doctor's letter."""
    claire, karim = await people("Claire Martin"), await people("Karim Haddad", "21")
    letter = await claire.invite("Ordonnance", "Voici votre ordonnance.")
    jean = await people(letter)
    await claire.refresh(letter.conversation)
    await claire.add(letter.conversation, karim.id)
    for each in (karim, jean):
        await each.refresh(letter.conversation)
    return claire, karim, jean, letter.conversation


async def block(jean, who, *, method="PUT"):
    await jean.ask(method, f"/v1/blocks/{b64(who.id)}")


async def place(peer, conv):
    shown = await peer.ask("GET", f"/v1/conversations/{b64(conv)}")
    listed = (await peer.ask("GET", "/v1/conversations"))["conversations"]
    found = next(each for each in listed if each["conversation"] == b64(conv))
    assert (shown["refused"], shown["may_reply"]) == (found["refused"], found["may_reply"])
    return found["refused"], found["may_reply"]


async def test_who_is_blocked_is_told_before_and_after_writing_and_others_go_on(practice):
    claire, karim, jean, conv = practice
    assert await place(karim, conv) == (None, True)
    await block(jean, karim)
    assert await place(karim, conv) == ("patient_blocked", False)
    assert await refused(karim.say(conv, "Bonjour")) == "patient_blocked"
    last = (await claire.events(conv))[-1]
    assert (last["type"], last["blocked"]) == ("blocked", True)
    assert (last["patient"], last["professional"]) == (b64(jean.id), b64(karim.id))
    for peer in (claire, karim, jean):
        assert (await peer.feed(limit=500))["events"][-1]["event"] == last, "live, for everybody who is in"
    assert await place(claire, conv) == await place(jean, conv) == (None, True)
    await claire.say(conv, "Bonjour")
    await jean.say(conv, "Merci")
    read = (await karim.events(conv))[-1]
    await karim.acknowledge(conv, b"m" * 32, read["seq"])


async def test_a_block_stands_between_two_people_not_in_one_conversation(practice):
    claire, karim, jean, _ = practice
    await block(jean, claire)
    assert await refused(claire.start((jean.id, "patient"), text="Autre sujet")) == "patient_blocked"
    assert await refused(claire.start((jean.id, "patient"))) == "patient_blocked"
    assert await refused(jean.start((claire.id, "owner"), role="patient", text="Et ceci ?")) == "patient_blocked"
    other = await karim.start((jean.id, "patient"), text="De la pharmacie")
    assert await refused(karim.add(other, claire.id)) == "patient_blocked", "nobody else brings them together either"
    assert await place(karim, other) == (None, True)


async def test_a_patient_who_has_blocked_is_not_added_to_where_the_other_is(practice):
    claire, karim, jean, _ = practice
    talk = await claire.start((karim.id, "professional"), text="Entre nous")
    await block(jean, karim)
    seat = conversation.seat(await claire.chain_of(jean.id), "patient", history="none")
    new = conversation.add(claire.own, claire.opened[talk], [seat], at=now(), roster=Roster("Sujet", {}))
    assert await refused(claire.change(talk, new)) == "patient_blocked"


async def test_unblocking_undoes_it_and_both_may_be_repeated(practice):
    claire, _, jean, conv = practice
    for _ in range(2):
        await block(jean, claire)
    assert [each["account"] for each in (await jean.ask("GET", "/v1/blocks"))["blocks"]] == [b64(claire.id)]
    assert (await claire.ask("GET", "/v1/blocks"))["blocks"] == []
    for _ in range(2):
        await block(jean, claire, method="DELETE")
    assert (await jean.ask("GET", "/v1/blocks"))["blocks"] == []
    told = [event["blocked"] for event in await claire.events(conv, after=0, limit=200) if event["type"] == "blocked"]
    assert told == [True, False], "what changes nothing is not told"
    assert await place(claire, conv) == (None, True)
    await claire.say(conv, "Merci de votre confiance")
    await claire.start((jean.id, "patient"), text="Autre sujet")


async def test_whoever_is_no_professional_cannot_be_blocked(practice):
    claire, _, jean, _ = practice
    for account, code in ((b"x" * 32, "not_found"), (jean.id, "bad_request")):
        with pytest.raises(Refused) as caught:
            await jean.ask("PUT", f"/v1/blocks/{b64(account)}")
        assert caught.value.code == code
    with pytest.raises(Refused) as caught:
        await claire.ask("PUT", f"/v1/blocks/{b64(jean.id)}")
    assert caught.value.code == "not_found"


async def test_a_patient_who_leaves_leaves_a_final_answer(practice):
    claire, karim, jean, conv = practice
    await block(jean, karim)
    await jean.ask("POST", f"/v1/conversations/{b64(conv)}/leave")
    for peer in (claire, karim):
        assert await place(peer, conv) == ("patient_left", False)
        assert await refused(peer.say(conv, "Vous êtes là ?")) == "patient_left"
    await claire.remove(conv, jean.id)
    assert await place(claire, conv) == ("patient_left", False), "the removal changes the keys, not the answer"
    with pytest.raises(Refused) as caught:
        await jean.events(conv)
    assert caught.value.code == "not_found"


async def test_a_patient_who_is_let_in_again_is_heard_again(practice):
    claire, _, jean, conv = practice
    await jean.ask("POST", f"/v1/conversations/{b64(conv)}/leave")
    await claire.remove(conv, jean.id)
    await claire.add(conv, jean.id, role="patient")
    assert await place(claire, conv) == (None, True)
    await claire.say(conv, "De retour")
    assert (await jean.read(conv))[-1] == "De retour"


# --- refusing an account ---------------------------------------------------------------------------------------------


def refusal(letter, signer=None):
    invited = (signer or letter).invitation
    keys = letter.invitation.public
    signature = invited.refuse(conversation=letter.conversation)
    return {"sign": b64(keys.sign), "enc": b64(keys.enc), "signature": b64(signature)}


async def refuse(peer, letter, body):
    await peer.ask("POST", f"/v1/invitations/{b64(letter.invitation.id)}/refuse", body)


async def test_whoever_wants_no_account_refuses_the_letter_and_the_sender_knows(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad", "21")
    letter = await claire.invite()
    late = await karim.claim_body(letter.link)
    for _ in range(2):
        await refuse(claire, letter, refusal(letter))
    assert await place(claire, letter.conversation) == ("patient_left", False)
    assert await refused(claire.say(letter.conversation, "Vous êtes là ?")) == "patient_left"
    events = await claire.events(letter.conversation, after=0)
    told = [event for event in events if event["type"] == "refused"]
    assert [event["member"] for event in told] == [b64(letter.invitation.member)], "told once"
    shown = await claire.ask("GET", f"/v1/conversations/{b64(letter.conversation)}")
    assert [each["state"] for each in shown["invitations"]] == ["refused"]
    for path in ("", "/events"):
        with pytest.raises(Refused) as caught:
            await claire.ask("GET", f"/v1/invitations/{b64(letter.invitation.id)}{path}")
        assert (caught.value.status, caught.value.code) == (410, "invitation_refused")
    with pytest.raises(Refused) as caught:
        await karim.ask("POST", f"/v1/invitations/{b64(letter.invitation.id)}/claim", late)
    assert caught.value.code == "invitation_refused"


async def test_only_whoever_holds_the_letter_refuses_it(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad", "21")
    letter, other = await claire.invite(), await claire.invite()
    wrong = refusal(other)
    for body, code in (
        (refusal(letter, signer=other), "bad_signature"),
        (refusal(letter) | {"signature": b64(bytes(64))}, "bad_signature"),
        (refusal(letter) | {"sign": wrong["sign"]}, "bad_request"),
        (wrong, "bad_request"),
    ):
        with pytest.raises(Refused) as caught:
            await refuse(karim, letter, body)
        assert caught.value.code == code
    assert await place(claire, letter.conversation) == (None, True)
    jean = await people(letter)
    with pytest.raises(Refused) as caught:
        await refuse(jean, letter, refusal(letter))
    assert caught.value.code == "invitation_used"
