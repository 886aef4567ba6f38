"""Conversations over the interface: who may start them, what strangers are told, how members change."""

from __future__ import annotations

import asyncio

import pytest

from crypto import conversation, permission
from crypto.codec import b64, unb64
from crypto.epoch import Roster
from server.services.chains import Chains
from server.storage.conversations import SqlConversations
from tests.fakes.peer import Refused, member_boxes, now


async def refused(call) -> Refused:
    with pytest.raises(Refused) as caught:
        await call
    return caught.value


@pytest.fixture
async def pair(people):
    """A doctor, the patient who took her letter, and their conversation."""
    claire = await people("Claire Martin")
    letter = await claire.invite("Ordonnance", "Voici votre ordonnance.")
    jean = await people(letter)
    await claire.refresh(letter.conversation)
    return claire, jean, letter.conversation


async def test_a_letter_is_read_and_answered(pair):
    claire, jean, conv = pair
    assert await jean.read(conv) == ["Voici votre ordonnance."]
    said = await jean.say(conv, "Merci !")
    assert said["state"] == "accepted"
    assert await claire.read(conv) == ["Voici votre ordonnance.", "Merci !"]


async def test_a_patient_opens_a_subject_only_with_who_has_written(pair, people):
    claire, jean, conv = pair
    karim = await people("Karim Haddad", "21")
    again = await jean.start((claire.id, "owner"), role="patient", text="Une question")
    assert await claire.read(again) == ["Une question"]
    told = await refused(jean.start((karim.id, "owner"), role="patient", text="Bonjour"))
    assert (told.status, told.code) == (403, "start_not_allowed")
    await karim.ask("PUT", "/v1/me/settings", {"accepts_patients": True})
    await jean.start((karim.id, "owner"), role="patient", text="Bonjour")
    await claire.end(conv)
    assert (await refused(jean.start((claire.id, "owner"), role="patient", text="?"))).code == "start_not_allowed"
    await claire.say(conv, "Une précision")
    await jean.start((claire.id, "owner"), role="patient", text="!")


async def test_a_patient_does_not_start_as_an_owner(pair, people):
    claire, jean, _ = pair
    assert (await refused(jean.start((claire.id, "professional"), text="Bonjour"))).code == "start_not_allowed"
    other = await people(await claire.invite())
    assert (await refused(jean.start((other.id, "patient"), text="Bonjour"))).code == "start_not_allowed"


async def test_a_carers_role_is_for_the_verified(pair):
    claire, jean, _conv = pair
    assert (await refused(claire.start((jean.id, "professional")))).code == "not_permitted"


async def test_repeating_a_start_gives_the_same_answer(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad")
    seat = conversation.seat(await claire.chain_of(karim.id), "professional")
    begun = conversation.create(claire.own, [seat], Roster("Sujet", {}), at=now())
    claire.opened[begun.opened.id] = begun.opened
    body = {**claire.start_body(begun), "envelope": claire.words(begun.opened.id, "Bonjour")}
    first = await claire.ask("POST", "/v1/conversations", body)
    assert await claire.ask("POST", "/v1/conversations", body) == first
    assert len(await karim.events(begun.opened.id)) == 2


async def test_a_refused_start_leaves_no_trace(pair, people):
    claire, jean, _ = pair
    karim = await people("Karim Haddad")
    before = [(await each.feed())["last"] for each in (claire, jean, karim)]
    listed = [len((await each.ask("GET", "/v1/conversations"))["conversations"]) for each in (claire, jean, karim)]
    await refused(jean.start((karim.id, "owner"), role="patient", text="Bonjour"))
    seat = conversation.seat(await claire.chain_of(karim.id), "professional")
    begun = conversation.create(claire.own, [seat], Roster("Sujet", {}), at=now())
    claire.opened[begun.opened.id] = begun.opened
    good = {**claire.start_body(begun), "envelope": claire.words(begun.opened.id, "Bonjour")}
    for broken, code in [
        ({"boxes": good["boxes"][:1]}, "forged_box"),
        ({"envelope": {**good["envelope"], "attachments": [b64(b"a" * 16)]}}, "attachment_unknown"),
        ({"envelope": {**good["envelope"], "kind": "receipt"}}, "bad_request"),
        ({"record": b64(b"rubbish")}, "bad_format"),
    ]:
        assert (await refused(claire.ask("POST", "/v1/conversations", good | broken))).code == code
    assert [(await each.feed())["last"] for each in (claire, jean, karim)] == before
    assert [
        len((await each.ask("GET", "/v1/conversations"))["conversations"]) for each in (claire, jean, karim)
    ] == listed


async def test_a_stranger_and_nothing_get_the_same_bytes(pair, people):
    claire, _, conv = pair
    stranger = await people("Mallory")
    submission = claire.words(conv, "x")
    calls = [
        ("GET", "", None),
        ("GET", "/epochs", None),
        ("GET", "/events", None),
        ("POST", "/read", {"seq": 1}),
        ("POST", "/leave", None),
        ("POST", "/envelopes", submission),
        ("DELETE", f"/envelopes/{b64(b'e' * 32)}", None),
        ("GET", f"/attachments/{b64(b'a' * 16)}", None),
    ]
    for method, path, body in calls:
        answers = []
        for target in (conv, conv[:16] + b"x" * 16):
            headers = {"Authorization": f"Bearer {stranger.token}"}
            url = f"/v1/conversations/{b64(target)}{path}"
            async with stranger.http.request(method, url, json=body, headers=headers) as answer:
                told = {key: value for key, value in answer.headers.items() if key != "Date"}
                answers.append((answer.status, told, await answer.read()))
        assert answers[0] == answers[1], path
        assert answers[0][0] == 404, path


async def test_the_list_says_what_waits(pair):
    claire, jean, conv = pair
    for n in range(3):
        await claire.say(conv, str(n))
    (shown,) = (await jean.ask("GET", "/v1/conversations"))["conversations"]
    assert (shown["unread"], shown["read_seq"], shown["may_reply"]) == (4, 0, True)
    assert shown["policy"] == {"reply": "open", "until": None, "by": None}
    await jean.ask("POST", f"/v1/conversations/{b64(conv)}/read", {"seq": shown["last_seq"] - 1})
    (shown,) = (await jean.ask("GET", "/v1/conversations"))["conversations"]
    assert shown["unread"] == 1
    await jean.ask("POST", f"/v1/conversations/{b64(conv)}/read", {"seq": 1})
    assert (await jean.ask("GET", "/v1/conversations"))["conversations"][0]["unread"] == 1  # it never goes back
    await claire.end(conv)
    (shown,) = (await jean.ask("GET", "/v1/conversations"))["conversations"]
    assert (shown["may_reply"], shown["policy"]["reply"]) == (False, "ended")
    assert unb64(shown["policy"]["by"]) == claire.id


async def test_the_list_is_paged_newest_first(people):
    claire, karim = await people("Claire Martin"), await people("Karim Haddad")
    begun = [await claire.start((karim.id, "professional"), text=str(n)) for n in range(5)]
    seen, cursor = [], {}
    while True:
        page = await claire.ask("GET", "/v1/conversations", params={"limit": 2, **cursor})
        seen += [unb64(each["conversation"]) for each in page["conversations"]]
        if page["next"] is None:
            break
        cursor = {"before": page["next"]}
    assert sorted(seen) == sorted(begun)
    assert len(seen) == len(set(seen))


async def test_a_colleague_joins_with_or_without_the_earlier_history(pair, people):
    claire, _, conv = pair
    karim, nora = await people("Karim Haddad", "21"), await people("Nora Petit", "60")
    await claire.add(conv, karim.id, history="full")
    await claire.add(conv, nora.id, history="none")
    await claire.say(conv, "Bienvenue")
    assert await karim.read(conv) == ["Voici votre ordonnance.", "Bienvenue"]
    assert await nora.read(conv) == ["Bienvenue"]
    joined = (await nora.events(conv))[0]
    assert (joined["type"], joined["epoch"]) == ("epoch", 4)
    assert (await nora.events(conv, before=joined["seq"] + 1, limit=50))[0] == joined
    rows = (await nora.ask("GET", f"/v1/conversations/{b64(conv)}/epochs"))["epochs"]
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert [row["box"] is not None for row in rows] == [False, False, False, True]


async def test_the_removed_is_told_and_then_a_stranger(pair, people):
    claire, _, conv = pair
    karim = await people("Karim Haddad")
    await claire.add(conv, karim.id)
    await claire.remove(conv, karim.id)
    last = (await karim.feed(limit=500))["events"][-1]["event"]
    assert (last["type"], last["epoch"], last["box"]) == ("epoch", 4, None)
    assert (await refused(karim.events(conv))).code == "not_found"
    before = (await karim.feed())["last"]
    await claire.say(conv, "entre nous")
    assert (await karim.feed())["last"] == before


async def test_the_loser_of_a_race_rebuilds(pair, people):
    claire, _, conv = pair
    karim, nora = await people("Karim Haddad"), await people("Nora Petit")
    opened = claire.opened[conv]
    seats = [conversation.seat(await claire.chain_of(each.id), "professional") for each in (karim, nora)]
    news = [conversation.add(claire.own, opened, [seat], at=now()) for seat in seats]
    results = await asyncio.gather(*(claire.change(conv, new) for new in news), return_exceptions=True)
    (lost,) = [each for each in results if isinstance(each, Refused)]
    assert (lost.status, lost.code, lost.problem["epoch"]) == (409, "stale_epoch", 3)
    winner = next(new for new, result in zip(news, results, strict=True) if not isinstance(result, Refused))
    assert await claire.change(conv, winner) == next(each for each in results if not isinstance(each, Refused))
    await claire.refresh(conv)
    await claire.add(conv, (nora if winner is news[0] else karim).id)
    assert len(await nora.events(conv)) == len(await karim.events(conv))


async def test_a_repeat_that_arrives_while_the_first_is_stored_gives_the_same_answer(pair, people, monkeypatch):
    """Between two statements of one check the first copy may be committed: what is asked later sees more."""
    claire, _, conv = pair
    karim, nora = [await people(name) for name in ("Karim Haddad", "Nora Petit")]
    await claire.refresh(conv)
    seat = conversation.seat(await claire.chain_of(karim.id), "professional")
    new = conversation.add(claire.own, claire.opened[conv], [seat], at=now())
    first = await claire.change(conv, new)
    committed = []
    read, ask = Chains.conversation, SqlConversations.epoch_seq

    def chain(*args):
        committed.append(True)
        return read(*args)

    monkeypatch.setattr(Chains, "conversation", chain)
    monkeypatch.setattr(SqlConversations, "epoch_seq", lambda *args: ask(*args) if committed else None)
    assert await claire.change(conv, new) == first
    monkeypatch.undo()
    await claire.refresh(conv)
    await claire.add(conv, nora.id)
    assert await claire.change(conv, new) == first  # also when others have come since


async def test_a_record_that_the_protocol_refuses_changes_nothing(pair, people):
    _claire, jean, conv = pair
    karim = await people("Karim Haddad")
    await jean.refresh(conv)
    seat = conversation.seat(await jean.chain_of(karim.id), "professional")
    allowed = permission.require_permitted
    permission.require_permitted = lambda _: None  # a patient's client that does not keep to the rules
    try:
        new = conversation.add(jean.own, jean.opened[conv], [seat], at=now())
    finally:
        permission.require_permitted = allowed
    body = {"record": b64(new.record), "boxes": member_boxes(new), "invitations": []}
    told = await refused(jean.ask("POST", f"/v1/conversations/{b64(conv)}/epochs", body))
    assert (told.status, told.code) == (422, "not_permitted")
    assert (await refused(karim.events(conv))).code == "not_found"


async def test_leaving(pair, people):
    claire, jean, conv = pair
    assert (await refused(claire.ask("POST", f"/v1/conversations/{b64(conv)}/leave"))).code == "last_owner"
    await jean.ask("POST", f"/v1/conversations/{b64(conv)}/leave")
    assert (await refused(jean.events(conv))).code == "not_found"
    assert (await jean.ask("GET", "/v1/conversations"))["conversations"] == []
    left = (await claire.events(conv))[-1]
    assert (left["type"], unb64(left["account"])) == ("left", jean.id)
    assert (await jean.feed(limit=500))["events"][-1]["event"] == left
    before = (await jean.feed())["last"]
    assert (await refused(claire.say(conv, "Bonjour ?"))).code == "patient_left"
    await claire.end(conv)
    assert (await jean.feed())["last"] == before


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=x", "after=-1", "after=1&before=2", "x=1", "after=1&after=2"]
)
async def test_a_query_is_read_strictly(pair, query):
    claire, _, conv = pair
    assert (await refused(claire.ask("GET", f"/v1/conversations/{b64(conv)}/events?{query}"))).code == "bad_request"
