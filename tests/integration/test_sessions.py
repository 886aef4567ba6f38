"""Sessions: opened by a signature, counted when they fail, ended at once."""

from __future__ import annotations

import aiohttp
import pytest

from crypto import account, holder, session
from crypto.account_chain import AccountChain
from crypto.codec import b64, unb64
from server.clock import SetClock
from server.transport.rest.operations import Role
from server.transport.rest.routes import OPERATIONS, PARAMETERS
from tests.fakes.peer import Peer, Refused, now
from tests.fakes.server import running


async def refused(call) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


async def answered(peer, with_holder=None, **changed):
    """Return the body that opens a session, with some of it changed."""
    with_holder = with_holder or peer.own.holder
    asked = await peer.ask("POST", "/v1/sessions/challenges", {"holder": b64(with_holder.id)})
    signature = session.answer(with_holder, server=peer.server_id, challenge=unb64(asked["challenge"]))
    body = {"holder": b64(with_holder.id), "challenge": asked["challenge"], "signature": b64(signature)}
    return body | changed


async def test_a_challenge_looks_the_same_for_a_holder_that_does_not_exist(people):
    claire = await people("Claire Martin")
    real = await claire.ask("POST", "/v1/sessions/challenges", {"holder": b64(claire.own.holder.id)})
    none = await claire.ask("POST", "/v1/sessions/challenges", {"holder": b64(b"x" * 16)})
    assert real.keys() == none.keys()
    assert len(real["challenge"]) == len(none["challenge"])


async def test_what_is_not_right_is_refused_in_one_form(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad")
    claire.token = ""
    stranger = holder.from_seed(holder.new_seed(), kind="device", name="x")
    used = await answered(claire)
    await claire.ask("POST", "/v1/sessions", used)
    for body in [
        used,
        await answered(claire, signature=b64(b"s" * 64)),
        await answered(claire, challenge=b64(b"c" * 32)),
        await answered(claire, stranger),
        await answered(claire, holder=b64(karim.own.holder.id)),
    ]:
        told = await refused(claire.ask("POST", "/v1/sessions", body))
        assert (told.status, told.code, told.problem["detail"]) == (401, "signature_refused", "")


async def test_ten_failures_of_a_holder_make_it_wait(people):
    claire = await people("Claire Martin")
    for _ in range(10):
        body = await answered(claire, signature=b64(b"s" * 64))
        assert (await refused(claire.ask("POST", "/v1/sessions", body))).code == "signature_refused"
    told = await refused(claire.ask("POST", "/v1/sessions", await answered(claire)))
    assert (told.status, told.code) == (429, "too_many_tries")


async def test_a_challenge_lives_a_minute(tmp_path):
    clock = SetClock(now())
    async with running(tmp_path / "data", clock=clock) as local:
        claire = await Peer.professional(local, "Claire Martin")
        body = await answered(claire)
        clock.advance(61)
        assert (await refused(claire.ask("POST", "/v1/sessions", body))).code == "signature_refused"
        await claire.close()


async def test_a_session_ends_after_days_without_use(tmp_path):
    clock = SetClock(now())
    async with running(tmp_path / "data", clock=clock, session_days=30) as local:
        claire = await Peer.professional(local, "Claire Martin")
        for _ in range(3):
            clock.advance(20 * 86_400)
            await claire.ask("GET", "/v1/me")  # used, so it lives on
        clock.advance(31 * 86_400)
        assert (await refused(claire.ask("GET", "/v1/me"))).code == "unauthenticated"
        await claire.close()


async def test_sessions_are_listed_and_ended_at_once(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad")
    first = claire.token
    second = await claire.login()
    shown = (await claire.ask("GET", "/v1/sessions"))["sessions"]
    assert len(shown) == 2
    assert [each["holder_name"] for each in shown] == ["Device", "Device"]
    other = next(each["id"] for each in shown if not each["current"])
    assert (await refused(karim.ask("DELETE", f"/v1/sessions/{other}"))).code == "not_found"
    await claire.ask("DELETE", f"/v1/sessions/{other}")
    claire.token = first
    assert (await refused(claire.ask("GET", "/v1/me"))).code == "unauthenticated"
    claire.token = second
    await claire.ask("DELETE", "/v1/sessions/current")
    assert (await refused(claire.ask("GET", "/v1/me"))).code == "unauthenticated"


async def test_a_cookie_counts_only_with_the_header(server, people):
    claire = await people("Claire Martin")
    claire.token = ""
    body = await answered(claire, cookie=True)
    async with aiohttp.ClientSession(server.url, cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.post("/v1/sessions", json=body) as answer:
            assert (await answer.json())["token"] is None
            cookie = answer.cookies["pli_session"]
            assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
        async with browser.get("/v1/me") as answer:
            assert (answer.status, (await answer.json())["code"]) == (403, "csrf")
        async with browser.get("/v1/me", headers={"X-Pli": "1"}) as answer:
            assert answer.status == 200


def filled(path: str) -> str:
    """Return a path with ids that are well formed and of nobody."""
    for name, (length, _) in PARAMETERS.items():
        path = path.replace("{" + name + "}", b64(b"x" * (length or 20)))
    return path


async def test_every_operation_asks_for_what_the_table_says(people):
    """The role matrix: nobody, a patient, a professional who is a stranger, on every operation there is."""
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    seen = {}
    for operation in OPERATIONS:
        for who, token in (("nobody", ""), ("patient", jean.token), ("stranger", claire.token)):
            if operation.name == "endCurrentSession" and token:
                continue
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            body = b"{}" if operation.request else None
            headers |= {"Content-Type": "application/json"} if operation.request else {}
            url = filled(operation.path)
            async with claire.http.request(operation.method, url, data=body, headers=headers) as answer:
                seen[operation.name, who] = answer.status
        closed = operation.role not in {Role.ANYONE, Role.EITHER}
        assert (seen[operation.name, "nobody"] == 401) == closed, operation.name
        if operation.role is Role.MEMBER and operation.request is None:
            assert {seen[operation.name, who] for who in ("patient", "stranger")} == {404}, operation.name
        if operation.role is Role.PROFESSIONAL:
            assert seen[operation.name, "patient"] == 403, operation.name
    assert all(status < 500 for status in seen.values())


@pytest.mark.parametrize("token", ["", "x", "a" * 43, "Basic abc", "é"])
async def test_no_other_word_is_a_session(people, token):
    claire = await people("Claire Martin")
    async with claire.http.get("/v1/me", headers={"Authorization": f"Bearer {token}"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (401, "unauthenticated")


async def test_the_token_is_kept_nowhere(server, people):
    claire = await people("Claire Martin")
    await server.store.write(lambda _: None)
    kept = b"".join(path.read_bytes() for path in server.data.iterdir() if path.is_file())
    assert claire.token.encode() not in kept
    assert unb64(claire.token) not in kept


async def test_an_ended_holder_hears_how_and_no_more_than_that(people):
    claire = await people("Claire Martin")
    phone, next_one = (holder.from_seed(holder.new_seed(), kind="device", name=each) for each in ("Phone", "Tablet"))
    await claire.grow(account.add_holder(claire.own, phone, at=now()))
    known = claire.own.chain.position
    told = await refused(claire.ask("POST", "/v1/sessions/ended", await answered(claire, phone) | {"after": known}))
    assert told.code == "signature_refused"  # it has not ended
    await claire.grow(account.revoke_holder(claire.own, phone.id, at=now()))
    await claire.grow(account.add_holder(claire.own, next_one, at=now()))
    desk, claire.token = claire.token, ""
    right = await answered(claire, phone) | {"after": known}
    links = (await claire.ask("POST", "/v1/sessions/ended", right))["links"]
    chain = claire.own.chain
    assert len(links) == chain.holders[phone.id].term.ended_at - known == 1  # the tablet is none of its business
    own = AccountChain.replay([unb64(each) for each in (await _links(claire, desk))[: known + 1]])
    assert own.extend([unb64(each) for each in links]).holders[phone.id].revoked
    behind = await answered(claire, phone) | {"after": chain.position}
    assert (await claire.ask("POST", "/v1/sessions/ended", behind))["links"] == []
    stranger = holder.from_seed(holder.new_seed(), kind="device", name="x")
    for body in [
        right,  # a challenge counts once
        await answered(claire, phone, signature=b64(b"s" * 64)),
        await answered(claire, stranger),
        await answered(claire),  # an active one
    ]:
        told = await refused(claire.ask("POST", "/v1/sessions/ended", body))
        assert (told.status, told.code, told.problem["detail"]) == (401, "signature_refused", "")


async def _links(peer, token: str) -> list[str]:
    peer.token = token
    links = (await peer.ask("GET", f"/v1/accounts/{b64(peer.id)}/chain"))["links"]
    peer.token = ""
    return links
