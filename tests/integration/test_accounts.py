"""Accounts over the interface: made once, grown link by link, shown to those who may see them."""

from __future__ import annotations

import secrets

import pytest

from crypto import account, certificate, holder
from crypto.codec import b64, unb64
from crypto.secret import Secret
from crypto.sign import SigningKey
from tests.fakes.peer import Peer, Refused, boxes_json, now, rpps


async def refused(call) -> str:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value.code


def new_account(name="Device"):
    device = holder.from_seed(holder.new_seed(), kind="device", name=name)
    made = account.create(device, at=now())
    return made, {"chain": [b64(w) for w in made.growth.links], "boxes": boxes_json(made.growth.boxes)}


async def test_an_activation_makes_one_account_and_its_certificate(server, people):
    helper = await people("Karim Haddad", "21")
    token = b64(await server.activation("Claire Martin", "10", rpps()))
    shown = await helper.ask("GET", f"/v1/activations/{token}")
    assert (shown["name"], shown["profession"]) == ("Claire Martin", "10")
    made, body = new_account()
    first = await helper.ask("POST", "/v1/accounts", {"activation": token, **body})
    assert await helper.ask("POST", "/v1/accounts", {"activation": token, **body}) == first
    registry = unb64((await helper.ask("GET", "/v1/server"))["registry_key"])
    said = certificate.verify(unb64(first["certificate"]), registry=registry, account=made.own.id)
    assert (said.name, said.profession, said.identifier) == (shown["name"], shown["profession"], shown["identifier"])
    _, other = new_account()
    assert await refused(helper.ask("POST", "/v1/accounts", {"activation": token, **other})) == "activation_invalid"
    assert await refused(helper.ask("GET", f"/v1/activations/{token}")) == "activation_invalid"


@pytest.mark.parametrize("token", [b64(b"x" * 32), b64(b"x" * 31), "%20", "===="])
async def test_an_unknown_activation_is_invalid(people, token):
    helper = await people("Karim Haddad")
    assert await refused(helper.ask("GET", f"/v1/activations/{token}")) == "activation_invalid"


async def test_an_account_needs_a_second_way_in(server, people):
    helper = await people("Karim Haddad")
    token = b64(await server.activation("Claire Martin", "10", rpps()))
    device = holder.from_seed(holder.new_seed(), kind="device", name="x")
    alone = account.begin(device, at=now())
    second = holder.from_seed(holder.new_seed(), kind="device", name="y")
    two = alone.then(account.add_holder(alone.own, second, at=now()))
    for growth in (alone, two):
        body = {"activation": token, "chain": [b64(w) for w in growth.links], "boxes": boxes_json(growth.boxes)}
        assert await refused(helper.ask("POST", "/v1/accounts", body)) == "bad_request"
    assert (await helper.ask("GET", f"/v1/activations/{token}"))["name"] == "Claire Martin"  # nothing was used up


async def test_a_bad_chain_is_refused_by_its_code(server, people):
    helper = await people("Karim Haddad")
    token = b64(await server.activation("Claire Martin", "10", rpps()))
    made, body = new_account()
    broken = bytearray(made.growth.links[1])
    broken[-1] ^= 1
    for chain, code in [
        ([body["chain"][0], b64(bytes(broken))], "bad_signature"),
        ([body["chain"][1], body["chain"][0]], "not_next"),
        ([b64(b"rubbish"), body["chain"][1]], "bad_format"),
    ]:
        answer = helper.ask("POST", "/v1/accounts", {"activation": token, "chain": chain, "boxes": body["boxes"]})
        assert await refused(answer) == code


async def test_a_missing_box_is_refused(server, people):
    helper = await people("Karim Haddad")
    token = b64(await server.activation("Claire Martin", "10", rpps()))
    _, body = new_account()
    assert (
        await refused(
            helper.ask(
                "POST", "/v1/accounts", {"activation": token, "chain": body["chain"], "boxes": body["boxes"][:1]}
            )
        )
        == "bad_request"
    )


async def test_a_chain_grows_and_is_shown(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad", "21")
    shown = await karim.ask("GET", f"/v1/accounts/{b64(claire.id)}")
    assert shown["position"] == claire.own.chain.position
    assert unb64(shown["head"]) == claire.own.chain.head
    assert shown["professional"]["name"] == "Claire Martin"
    assert (await karim.chain_of(claire.id)).heads == claire.own.chain.heads
    later = await karim.ask("GET", f"/v1/accounts/{b64(claire.id)}/chain", params={"after": 0})
    assert len(later["links"]) == claire.own.chain.position


async def test_repeating_links_is_fine_and_a_fork_is_stale(people):
    claire = await people("Claire Martin")
    phone = holder.from_seed(holder.new_seed(), kind="device", name="Phone")
    tablet = holder.from_seed(holder.new_seed(), kind="device", name="Tablet")
    before = claire.own
    growth = account.add_holder(before, phone, at=now())
    await claire.grow(growth)
    await claire.grow(growth)
    assert await refused(claire.grow(account.add_holder(before, tablet, at=now()))) == "stale_head"
    assert (await claire.ask("GET", "/v1/me"))["position"] == growth.own.chain.position


async def test_a_new_holder_opens_the_account(people):
    claire = await people("Claire Martin")
    phone = holder.from_seed(holder.new_seed(), kind="device", name="Phone")
    await claire.grow(account.add_holder(claire.own, phone, at=now()))
    await claire.login(phone)
    me = await claire.ask("GET", "/v1/me")
    assert unb64(me["holder"]) == phone.id
    box = account.HolderBox(phone.id, me["box_generation"], unb64(me["box"]))
    opened = account.open_account(await claire.chain_of(claire.id), phone, box)
    assert opened.id == claire.id


async def test_a_revoked_holder_loses_its_sessions_at_once(people):
    claire = await people("Claire Martin")
    phone = holder.from_seed(holder.new_seed(), kind="device", name="Phone")
    await claire.grow(account.add_holder(claire.own, phone, at=now()))
    laptop_token = claire.token
    stolen = await claire.login(phone)
    await claire.ask("GET", "/v1/me")
    claire.token = laptop_token
    await claire.grow(account.revoke_holder(claire.own, phone.id, at=now()))
    claire.token = stolen
    assert await refused(claire.ask("GET", "/v1/me")) == "unauthenticated"
    claire.token = ""
    assert await refused(claire.login(phone)) == "signature_refused"
    await claire.login()
    me = await claire.ask("GET", "/v1/me")
    assert me["generation"] == 2
    assert me["box_generation"] == 2
    assert [each["generation"] for each in me["previous"]] == [2]


async def test_a_rotation_without_its_boxes_is_refused(people):
    claire = await people("Claire Martin")
    growth = account.rotate(claire.own, at=now())
    body = {"links": [b64(w) for w in growth.links], "boxes": boxes_json(growth.boxes), "previous": []}
    assert await refused(claire.ask("POST", "/v1/me/chain", body)) == "bad_request"
    body = {
        **body,
        "boxes": body["boxes"][:1],
        "previous": [{"generation": 2, "sealed": b64(growth.previous[0].sealed)}],
    }
    assert await refused(claire.ask("POST", "/v1/me/chain", body)) == "bad_request"


async def test_without_a_second_way_in_nothing_is_written(people):
    claire = await people("Claire Martin")
    letter = await claire.invite()
    paper = next(key for key, each in claire.own.chain.active_holders.items() if each.kind == "recovery")
    await claire.grow(account.retire_holder(claire.own, paper, at=now()))
    assert await refused(claire.say(letter.conversation, "encore")) == "unlocker_missing"


async def test_a_certificate_of_another_registry_is_not_carried(people):
    claire = await people("Claire Martin")
    forged = certificate.issue(
        SigningKey(Secret(secrets.token_bytes(32))),
        certificate.Certificate(claire.id, now(), rpps(), "Somebody Else", "10", "operator"),
    )
    assert await refused(claire.grow(account.attest(claire.own, forged, at=now()))) == "bad_signature"


async def test_only_a_pharmacy_opens_its_door(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad", "21")
    assert await refused(claire.ask("PUT", "/v1/me/settings", {"accepts_patients": True})) == "not_permitted"
    assert (await claire.ask("GET", "/v1/directory", params={"open": "1"}))["people"] == []
    chosen = await karim.ask("PUT", "/v1/me/settings", {"accepts_patients": True, "language": "fr"})
    assert chosen == {"accepts_patients": True, "language": "fr"}
    found = (await claire.ask("GET", "/v1/directory", params={"open": "1"}))["people"]
    assert [each["name"] for each in found] == ["Karim Haddad"]


async def test_the_directory_is_for_professionals(people):
    claire = await people("Claire Martin-Müller")
    jean = await people(await claire.invite())
    for query in ("claire", "MULL", "mart cl"):
        found = (await claire.ask("GET", "/v1/directory", params={"q": query}))["people"]
        assert [unb64(each["account"]) for each in found] == [claire.id], query
    number = (await claire.ask("GET", f"/v1/accounts/{b64(claire.id)}"))["professional"]["identifier"]
    assert len((await claire.ask("GET", "/v1/directory", params={"q": number}))["people"]) == 1
    assert (await claire.ask("GET", "/v1/directory", params={"q": "%"}))["people"] == []
    assert await refused(jean.ask("GET", "/v1/directory", params={"q": "claire"})) == "not_permitted"


async def test_a_passkey_blob_is_kept_for_its_owner(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad")
    credential = b64(secrets.token_bytes(40))
    body = {"holder": b64(claire.own.holder.id), "blob": b64(b"sealed")}
    assert await refused(claire.ask("GET", f"/v1/passkeys/{credential}")) == "not_found"
    await claire.ask("PUT", f"/v1/passkeys/{credential}", body)
    assert await claire.ask("GET", f"/v1/passkeys/{credential}") == {"blob": b64(b"sealed")}
    assert await refused(karim.ask("PUT", f"/v1/passkeys/{credential}", body)) == "not_permitted"
    mine = {"holder": b64(karim.own.holder.id), "blob": b64(b"other")}
    assert await refused(karim.ask("PUT", f"/v1/passkeys/{credential}", mine)) == "not_permitted"


@pytest.mark.parametrize("path", ["/v1/accounts/{}", "/v1/accounts/{}/chain"])
async def test_an_account_that_is_not_there_is_not_found(people, path):
    claire: Peer = await people("Claire Martin")
    assert await refused(claire.ask("GET", path.format(b64(b"x" * 32)))) == "not_found"
    assert await refused(claire.ask("GET", path.format("x"))) == "not_found"
