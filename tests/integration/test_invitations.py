"""Invitations over the interface: looked at without an account, typed by hand, taken once."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from crypto import account, conversation, holder, invitation
from crypto.codec import b64, unb64
from server.clock import SetClock
from server.services.epochs import CheckedEpoch
from server.storage.store import SqliteStore
from tests.fakes.peer import DAY, Letter, Peer, Refused, boxes_json, invitation_json, now
from tests.fakes.server import running


async def refused(call) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


def path(letter: Letter, rest="") -> str:
    return f"/v1/invitations/{b64(letter.invitation.id)}{rest}"


async def new_claim(helper: Peer, letter: Letter) -> tuple[Peer, dict]:
    """Return somebody without an account, and the claim that makes one."""
    made = account.create(holder.from_seed(holder.new_seed(), kind="device", name="Phone"), at=now())
    somebody = replace(helper, own=made.own, token="", opened={})
    body = await somebody.claim_body(letter.link)
    body["account"] = {"chain": [b64(w) for w in made.growth.links], "boxes": boxes_json(made.growth.boxes)}
    return somebody, body


async def test_the_letter_is_read_before_there_is_an_account(people):
    claire = await people("Claire Martin")
    letter = await claire.invite("Ordonnance", "Voici.")
    reader = replace(claire, token="")
    opened = await reader.preview(letter.link)
    assert opened.roster.subject == "Ordonnance"
    shown = await reader.ask("GET", path(letter, "/events"))
    assert [event["type"] for event in shown["events"]] == ["epoch", "envelope"]
    assert unb64(shown["events"][0]["box"])
    place = await claire.ask("GET", f"/v1/conversations/{b64(letter.conversation)}")
    assert {each["seq"] for each in place["delivered"]} == {0}
    assert [each["state"] for each in place["invitations"]] == ["open"]


async def test_a_typed_code_finds_the_letter(people):
    claire = await people("Claire Martin")
    letter = await claire.invite(with_code=True)
    salt = unb64((await claire.ask("GET", "/v1/server"))["code_salt"])
    stretched = invitation.read_code(letter.code).stretch(salt)
    found = await replace(claire, token="").ask("GET", f"/v1/invitations/code/{b64(stretched.locator)}")
    carried = stretched.unseal(unb64(found["id"]), unb64(found["code_box"]))
    assert carried.invitation.id == letter.invitation.id


async def test_ten_wrong_codes_make_an_address_wait(people):
    claire = await people("Claire Martin")
    for n in range(10):
        told = await refused(claire.ask("GET", f"/v1/invitations/code/{b64(bytes([n]) * 16)}"))
        assert (told.status, told.code) == (404, "invitation_unknown")
    told = await refused(claire.ask("GET", f"/v1/invitations/code/{b64(b'x' * 16)}"))
    assert (told.status, told.code) == (429, "too_many_tries")


async def test_a_claim_is_one_transaction_and_may_be_repeated(people):
    claire = await people("Claire Martin")
    letter = await claire.invite()
    jean, body = await new_claim(claire, letter)
    first = await jean.ask("POST", path(letter, "/claim"), body)
    assert unb64(first["account"]) == jean.id
    assert (first["epoch"], unb64(first["conversation"])) == (2, letter.conversation)
    assert await jean.ask("POST", path(letter, "/claim"), body) == first
    await jean.login()
    assert await jean.read(letter.conversation) == ["Bonjour"]
    for rest in ("", "/events"):
        assert (await refused(jean.ask("GET", path(letter, rest)))).code == "invitation_used"
    shown = await claire.ask("GET", f"/v1/conversations/{b64(letter.conversation)}")
    assert [each["state"] for each in shown["invitations"]] == ["claimed"]
    assert (await claire.feed())["events"][-1]["event"]["type"] == "epoch"


async def test_the_same_claim_several_times_at_once_gives_each_the_same_answer(people, monkeypatch):
    claire = await people("Claire Martin")
    letter = await claire.invite()
    jean, body = await new_claim(claire, letter)
    all_have_asked, read = asyncio.Barrier(8), SqliteStore.read

    async def together(store, query):
        result = await read(store, query)
        if isinstance(result, CheckedEpoch):
            await all_have_asked.wait()
        return result

    monkeypatch.setattr(SqliteStore, "read", together)
    answers = await asyncio.gather(*(jean.ask("POST", path(letter, "/claim"), body) for _ in range(8)))
    assert answers == [answers[0]] * 8
    await jean.login()
    assert await jean.read(letter.conversation) == ["Bonjour"]


async def test_of_two_who_claim_one_gets_the_place(people):
    claire = await people("Claire Martin")
    letter = await claire.invite()
    claims = [await new_claim(claire, letter) for _ in range(2)]
    results = await asyncio.gather(
        *(who.ask("POST", path(letter, "/claim"), body) for who, body in claims), return_exceptions=True
    )
    lost = [each for each in results if isinstance(each, Refused)]
    assert len(lost) == 1
    assert lost[0].code in {"invitation_used", "stale_epoch"}
    loser = next(who for (who, _), result in zip(claims, results, strict=True) if isinstance(result, Refused))
    assert (await refused(claire.ask("GET", f"/v1/accounts/{b64(loser.id)}"))).code == "not_found"  # no half account


async def test_a_refused_claim_leaves_no_trace(people):
    claire = await people("Claire Martin")
    letter, other = await claire.invite(), await claire.invite()
    jean, body = await new_claim(claire, letter)
    _, for_other = await new_claim(claire, other)
    record = bytearray(unb64(body["record"]))
    record[-1] ^= 1
    keys = {"sign": for_other["sign"], "enc": for_other["enc"]}
    for changed, code in [
        ({"record": b64(bytes(record))}, "bad_signature"),
        ({"boxes": body["boxes"][:1]}, "forged_box"),
        (keys, "bad_request"),
        ({"account": None}, "unauthenticated"),
        ({"account": {**body["account"], "boxes": []}}, "bad_request"),
        ({"account": for_other["account"]}, "not_permitted"),
        ({"record": for_other["record"]}, "not_permitted"),
    ]:
        assert (await refused(jean.ask("POST", path(letter, "/claim"), body | changed))).code == code, changed.keys()
    assert (await refused(claire.ask("GET", f"/v1/accounts/{b64(jean.id)}"))).code == "not_found"
    await jean.ask("POST", path(letter, "/claim"), body)


async def test_an_account_that_exists_takes_another_place(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad", "21")
    jean = await people(await claire.invite())
    second = await karim.invite(text="De la pharmacie")
    body = await jean.claim_body(second.link)
    await jean.ask("POST", path(second, "/claim"), body)
    assert await jean.read(second.conversation) == ["De la pharmacie"]
    await jean.start((karim.id, "owner"), role="patient", text="Une question")  # he has written to him


async def test_a_claim_may_open_the_browsers_session(people):
    claire = await people("Claire Martin")
    letter = await claire.invite()
    jean, body = await new_claim(claire, letter)
    async with jean.http.post(path(letter, "/claim"), json={**body, "cookie": True}) as answer:
        cookie = answer.cookies["pli_session"].value
    headers = {"Cookie": f"pli_session={cookie}", "X-Pli": "1"}
    async with jean.http.get("/v1/me", headers=headers) as answer:
        assert unb64((await answer.json())["account"]) == jean.id


async def test_an_expired_or_replaced_invitation_says_so(tmp_path):
    clock = SetClock(now())
    async with running(tmp_path / "data", clock=clock) as local:
        claire = await Peer.professional(local, "Claire Martin")
        letter = await claire.invite(expires=now() + DAY)
        replaced = await claire.invite()
        new = invitation.draw()
        expires = now() + 20 * DAY
        seat = conversation.invited_seat(new.public, "patient", expires=expires)
        opened = claire.opened[replaced.conversation]
        epoch = conversation.reinvite(claire.own, opened, replaced.invitation.member, seat, at=now())
        await claire.change(replaced.conversation, epoch, [invitation_json(new.public, expires)])
        assert (await refused(claire.ask("GET", path(replaced)))).code == "invitation_replaced"
        jean, body = await new_claim(claire, letter)
        clock.advance(25 * 3600)
        for call in (jean.ask("GET", path(letter)), jean.ask("POST", path(letter, "/claim"), body)):
            told = await refused(call)
            assert (told.status, told.code) == (410, "invitation_expired")
        shown = await claire.ask("GET", f"/v1/conversations/{b64(letter.conversation)}")
        assert [each["state"] for each in shown["invitations"]] == ["expired"]
        await claire.close()


@pytest.mark.parametrize(
    "changed",
    [
        {"expires": 1},
        {"member": b64(b"m" * 32)},
        {"sign": b64(b"\1" + bytes(31))},
        {"locator": b64(b"l" * 16)},
        {"id": "x"},
    ],
)
async def test_an_offered_invitation_is_checked(people, changed):
    claire = await people("Claire Martin")
    new = invitation.draw()
    expires = now() + DAY
    seat = conversation.invited_seat(new.public, "patient", expires=expires)
    begun = conversation.create(claire.own, [seat], conversation.Roster("Sujet", {}), at=now())
    body = claire.start_body(begun, [invitation_json(new.public, expires) | changed])
    assert (await refused(claire.ask("POST", "/v1/conversations", body))).status in {400, 422}
    await claire.ask("POST", "/v1/conversations", claire.start_body(begun, [invitation_json(new.public, expires)]))
