"""What happened in a conversation before an invitation is taken: who holds it can verify all of it with what it is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridges.kit import claims
from bridges.kit.api import Api
from bridges.kit.beginning import Beginning
from bridges.kit.client import client
from bridges.kit.home import Home
from bridges.kit.transport import Transport
from crypto import account, conversation, envelope, holder, invitation
from crypto.codec import b64, unb64
from server.services import conversations, feed, invitations
from server.storage import rows
from server.transport import rest
from tests.fakes.peer import Letter, Peer, invitation_json, now

VISIT = ["Voici.", "Je prépare les médicaments.", "Tout est prêt."]


@pytest.fixture
async def visited(people):
    """A letter nobody has taken yet. Karim is let in, writes, changes his phone, and is removed."""
    claire, karim = await people("Claire Martin"), await people("Karim Haddad", "21")
    letter = await claire.invite("Suivi", "Voici.")
    await claire.refresh(letter.conversation)
    await claire.add(letter.conversation, karim.id)
    phone = holder.from_seed(holder.new_seed(), kind="device", name="Phone")
    await karim.grow(account.add_holder(karim.own, phone, at=now()))
    karim.own = replace(karim.own, holder=phone)
    await karim.login()
    await karim.refresh(letter.conversation)
    await karim.say(letter.conversation, VISIT[1])  # by a holder that the record does not pin yet
    await claire.refresh(letter.conversation)
    await claire.remove(letter.conversation, karim.id)
    await claire.say(letter.conversation, VISIT[2])
    return claire, karim, letter


async def texts_of(reader: Peer, letter: Letter) -> list[str]:
    """Open and verify every text with the answers to the invitation alone: no account, no session."""
    opened = await reader.preview(letter.link)
    path, events = f"/v1/invitations/{b64(letter.invitation.id)}/events", []
    while page := (await reader.ask("GET", path, params={"after": events[-1]["seq"] if events else 0}))["events"]:
        events += page
    sent = [(event["envelope"], event["kind"]) for event in events if event["type"] == "envelope"]
    return [envelope.open_message(unb64(wire), opened, kind=kind).content.payload["text"] for wire, kind in sent]


async def test_who_came_and_went_before_the_claim_can_be_verified(visited, people):
    claire, karim, letter = visited
    assert karim.id not in claire.opened[letter.conversation].chain.members
    reader = replace(claire, token="", opened={})
    assert await texts_of(reader, letter) == VISIT
    jean = await people(letter)
    assert await jean.read(letter.conversation) == VISIT


@pytest.fixture(params=["one page", "many pages"])
def paged(request, monkeypatch):
    """Answers end after a kilobyte, so that what a page can be cut at is cut."""
    if request.param == "many pages":
        for module in (rows, conversations, feed, invitations):
            monkeypatch.setattr(module, "PAGE", 1_000)
        for module in (conversations, rest.conversations):
            monkeypatch.setattr(module, "INVITATIONS", 1)


async def test_who_came_and_went_is_verified_at_a_terminal(visited, server, tmp_path, paged):
    claire, _, letter = visited
    await claire.invite("Autre", "Bonjour")
    home = Home(tmp_path / "jean")
    home.prepare()
    ticket = claims.Ticket.read(link=letter.link, code=None)
    await claims.claim(Beginning(home, server.url, "Terminal", lambda: None), ticket)
    async with client(home, server=None, ask=lambda: "", tell=print) as jean:
        reading = await jean.look(letter.conversation)
    assert [message.content.payload["text"] for message in reading.log.messages] == VISIT
    assert reading.log.errors == []


async def test_all_pages_of_a_list_and_of_a_conversation_are_asked_for(visited, server, paged):
    claire, karim, letter = visited
    for _ in range(3):
        await claire.invite("Autre", "Bonjour")
    places = [invitation.draw().public for _ in range(3)]
    expires = now() + 1_000_000
    seats = [conversation.invited_seat(each, "member", expires=expires) for each in places]
    opened = await claire.refresh(letter.conversation)
    new = conversation.add(claire.own, opened, seats, at=now())
    await claire.change(letter.conversation, new, [invitation_json(each, expires) for each in places])

    async def session(_: bool) -> str:
        return claire.token

    async with Transport(server.url, session) as transport:
        api = Api(transport)
        assert len(await api.conversations()) == 4
        detail = await api.conversation(letter.conversation)
        assert {bytes(each.member) for each in detail.invitations} >= {each.member for each in places}
        assert len(detail.invitations) == 4
        view = await api.invitation(letter.invitation.id)
        records = []
        while page := await api.epochs(letter.conversation, len(records)):
            records += [bytes(each.record) for each in page]
    assert [bytes(each) for each in view.epochs] == records
    assert {bytes(each.account): len(each.links) for each in view.chains} == {
        each.id: (await claire.chain_of(each.id)).position + 1 for each in (claire, karim)
    }


async def test_a_place_in_a_conversation_of_many_epochs_can_be_taken(people):
    claire = await people("Claire Martin")
    letter = await claire.invite("Suivi", "Voici.")
    opened = await claire.refresh(letter.conversation)
    for _ in range(60):
        new = conversation.rotate(claire.own, opened, at=now())
        await claire.change(letter.conversation, new)
        opened = replace(new.opened, invitations={letter.invitation.member: letter.invitation.public})
    await claire.say(letter.conversation, "Toujours là.")
    assert await texts_of(replace(claire, token="", opened={}), letter) == ["Voici.", "Toujours là."]
    jean = await people(letter)
    assert await jean.read(letter.conversation) == ["Voici.", "Toujours là."]
