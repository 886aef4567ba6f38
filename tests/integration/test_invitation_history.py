"""What happened in a conversation before an invitation is taken: who holds it can verify all of it with what it is sent."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bridges.kit import claims
from bridges.kit.beginning import Beginning
from bridges.kit.client import client
from bridges.kit.home import Home
from crypto import account, conversation, envelope, holder
from crypto.codec import b64, unb64
from tests.fakes.peer import Letter, Peer, now

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


async def test_who_came_and_went_is_verified_at_a_terminal(visited, server, tmp_path):
    _, _, letter = visited
    home = Home(tmp_path / "jean")
    home.prepare()
    ticket = claims.Ticket.read(link=letter.link, code=None)
    await claims.claim(Beginning(home, server.url, "Terminal", lambda: None), ticket)
    async with client(home, server=None, ask=lambda: "", tell=print) as jean:
        reading = await jean.look(letter.conversation)
    assert [message.content.payload["text"] for message in reading.log.messages] == VISIT
    assert reading.log.errors == []


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
