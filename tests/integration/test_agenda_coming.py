"""What partners push, between their own protocols, a real Radicale and real conversations; the automate looks when told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from bridges.kit.messages import Draft
from tests.fakes.agendas import Radicale, needs_peers, running
from tests.fakes.appointments import ABOUT, patient_of
from tests.fakes.partners import PAGE, day
from tests.fakes.partners_room import Room, at, practice_room

pytestmark = needs_peers


@pytest.fixture(autouse=True)
def french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    service = running(Radicale)
    try:
        async with practice_room(tmp_path, service) as made:  # type: ignore[arg-type]  # the kind that was asked for
            yield made
    finally:
        service.remove()


async def test_what_a_practice_software_pushes_is_copied_asked_about_and_shown(room: Room) -> None:
    assert day() in await room.free()
    assert await room.partners.push("booked", day(), person="P-12") == 200
    assert day() not in await room.free()  # at once, before anybody has looked
    await room.step()
    await room.step()
    assert room.entries() == [at(day())]
    told = await room.own()
    assert told.count("Logiciel") == 1
    number = re.search(r"(\d+) = nom du patient", told)[1]
    assert await room.patient.said("booked") == []

    await room.answers(f"{number} = Personne")
    assert "aucune conversation" in await room.own()
    await room.answers(f"{number} = dupont")
    [card] = await room.patient.said("booked")
    assert "Logiciel" in card.said.payload["note"]
    assert (card.said.payload["source"], card.said.payload["reply"]) == ("agenda", "keep")
    assert await room.patient.standing() == "booked"  # nobody is asked what stands already
    await room.step()
    assert room.entries() == [at(day())]

    await room.partners.push("moved", day(11), person="P-12")
    await room.step()
    await room.step()
    [move] = await room.patient.said("move")
    assert move.said.payload["source"] == "agenda"
    assert room.entries() == [at(day(11))]
    assert day() in await room.free()

    # The same person once more: nobody is asked any more.
    await room.partners.push("booked", day(14), reference="B", person="P-12")
    await room.step()
    assert len(await room.patient.said("booked")) == 2
    await room.partners.push("cancelled", day(14), reference="B")
    await room.partners.push("cancelled", day(11))
    await room.step()
    await room.step()
    assert room.entries() == []
    assert len(await room.patient.said("cancel")) == 2
    assert (await room.own()).count("nom du patient") == 1


async def test_an_event_that_a_link_led_to_finds_its_conversation_by_its_token(room: Room) -> None:
    await room.doctor.client.messages.send(room.doctor.conversation, Draft(f"Ici : {PAGE}?pli=K7xyz"))
    await room.step()
    await room.partners.push("booked", day(), correlation="K7xyz")
    await room.partners.push("booked", day(12), reference="C", correlation="another")
    await room.step()
    [card] = await room.patient.said("booked")
    assert card.said.payload["slot"]["start"] == int(day().timestamp()) * 1000
    assert (await room.own()).count("Aucune conversation") == 1


async def test_a_likely_owner_is_confirmed_by_a_person_and_a_wrong_one_says_so(room: Room, tmp_path: Path) -> None:
    await room.doctor.client.messages.send(room.doctor.conversation, Draft(f"Ici : {PAGE}"))
    await room.step()
    await room.partners.push("booked", day(), person="P-9")
    await room.step()
    assert await room.patient.said("booked") == []
    number = re.search(r"(\d+) = 1", await room.own())[1]
    await room.answers(f"{number} = 1")
    [card] = await room.patient.said("booked")
    await room.patient.say("cancel", card.said.id, note="Ce n'est pas moi", source="person")
    await room.step()
    await room.step()
    assert room.entries() == []  # the copy goes, the time stays taken: that program has it
    assert day() not in await room.free()
    told = await room.own()
    assert told.count("Annulez-le aussi") == 1
    number = re.search(r"autre personne, écrivez ici : (\d+)", told)[1]
    await room.answers(f"{number} = non")
    assert len(await room.patient.said("booked")) == 1
    async with patient_of(room.doctor, tmp_path, "Paul Durand") as paul:
        await room.step()
        await room.answers(f"{number} = durand")
        assert await paul.standing() == "booked"
        assert await room.patient.standing() == "cancelled"
        await room.step()
        assert room.entries() == [at(day())]
        await room.partners.push("booked", day(15), reference="B", person="P-9")
        await room.step()
        assert len(await paul.said("booked")) == 2  # the number is his from now on
        assert len(await room.patient.said("booked")) == 1
        await paul.say("cancel", (await paul.said("booked"))[0].said.id, note="", source="person")
        await room.step()
        await room.step()
        assert room.entries() == [at(day(15))]


async def test_a_look_that_was_cut_after_the_card_says_no_second_one(room: Room) -> None:
    await room.doctor.client.messages.send(room.doctor.conversation, Draft(f"Ici : {PAGE}?pli=K7xyz"))
    await room.step()
    await room.partners.push("booked", day(), correlation="K7xyz")
    await room.step()
    [card] = await room.patient.said("booked")
    assert room.following is not None
    assert room.agent is not None
    table, memory = room.following.table, room.agent.memory
    standing = table.of_appointment(card.said.id)
    assert standing is not None
    # As if the power had gone between the card and its being written down.
    table.put(msgspec.structs.replace(standing, appointment=""))
    memory.learn("cursor of Logiciel", "")
    await room.start()
    await room.step()
    assert [each.said.id for each in await room.patient.said("booked")] == [card.said.id]
    await room.partners.push("cancelled", day(), correlation="K7xyz")
    await room.step()
    assert await room.patient.standing() == "cancelled"


async def test_what_was_noted_by_hand_and_is_pushed_later_is_one_card(room: Room) -> None:
    await room.doctor.client.messages.send(room.doctor.conversation, Draft(f"Ici : {PAGE}?pli=K7xyz"))
    start = int(day().timestamp()) * 1000
    slot = {"start": start, "end": start + 1_800_000, "ref": ""}
    about = {**ABOUT, "what": "Contrôle", "place": "Cabinet"}
    card = await room.doctor.say("booked", slot=slot, source="person", **about)
    await room.step()
    assert await room.patient.standing() == "booked"
    assert room.entries() == []  # typed by hand: nobody but a person writes it
    await room.partners.push("booked", day(), correlation="K7xyz", person="P-3")
    for _ in range(2):
        await room.step()
        await room.start()
    agreed = await room.patient.agreed()
    assert (agreed.id, agreed.about and agreed.about["what"]) == (card, "Contrôle")
    assert [each.said.payload["source"] for each in await room.patient.said("booked")] == ["person", "agenda"]
    await room.partners.push("moved", day(12), correlation="K7xyz", person="P-3")
    await room.step()
    [move] = await room.patient.said("move")
    assert move.said.payload["appointment"] == card


async def test_what_the_automate_says_in_words_leaves_an_ended_exchange_ended(room: Room) -> None:
    await room.patient.say("ask", wish="Mardi matin", concerned=None)
    await room.doctor.client.messages.end(room.doctor.conversation, "")
    await room.step()
    assert PAGE in await room.texts()
    reading = await room.patient.client.look(room.patient.conversation)
    assert reading.log.reply_right().state == "ended"
    detail = await room.patient.client.device.api.conversation(room.patient.conversation)
    assert (detail.policy.reply, detail.may_reply) == ("ended", False)


async def test_what_a_conversation_booked_comes_back_as_itself(room: Room) -> None:
    start = int(day().timestamp()) * 1000
    slot = {"start": start, "end": start + 1_800_000, "ref": "any"}
    card = await room.doctor.propose(slot)
    await room.patient.say("accept", card, proposal=card, slot=0)
    await room.step()
    assert await room.patient.standing() == "booked"
    for _ in range(2):
        await room.partners.push("booked", day(), person="P-1")
        await room.step()
    assert room.entries() == [at(day())]
    assert "Logiciel" not in await room.own()
    assert await room.patient.said("booked") == []

    await room.partners.push("booked", day(16), person="P-1")  # moved there, in that program
    await room.step()
    await room.step()
    assert room.entries() == [at(day(16))]
    [move] = await room.patient.said("move")
    assert move.said.payload["slot"]["start"] == int(day(16).timestamp()) * 1000

    await room.patient.say("cancel", card, note="", source="person")
    await room.step()
    await room.step()
    assert room.entries() == []
    assert (await room.own()).count("Annulez-le aussi") == 1
    assert day(16) not in await room.free()  # until that program says so, too
    await room.partners.push("cancelled", day(16))
    assert day(16) in await room.free()


async def test_two_appointments_at_one_time_are_told_and_neither_is_overwritten(room: Room) -> None:
    body = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:o\r\nDTSTAMP:20260101T000000Z\r\nSUMMARY:x\r\n"
    body += f"DTSTART:{at(day())}\r\nDTEND:{at(day(10, 20))}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    path = f"{room.calendar.calendar}o.ics"
    assert room.calendar.ask("PUT", path, body.encode(), {"Content-Type": "text/calendar"})[0] == 201
    await room.partners.push("booked", day(10, 10))
    for _ in range(3):
        await room.step()
        await room.start()
    assert room.entries() == [at(day())]
    assert (await room.own()).count("deux rendez-vous à la fois") == 1
    await room.partners.push("moved", day(12))
    await room.step()
    assert room.entries() == [at(day()), at(day(12))]


async def test_hl7_books_moves_and_cancels(room: Room) -> None:
    assert await room.partners.siu("S12", day()) == "AA"
    await room.step()
    assert room.entries() == [at(day())]
    number = re.search(r"(\d+) = nom du patient", await room.own())[1]
    await room.answers(f"{number} = Jean")
    assert await room.partners.siu("S13", day(13)) == "AA"
    await room.step()
    assert room.entries() == [at(day(13))]
    [card], [move] = await room.patient.said("booked"), await room.patient.said("move")
    told = [each.said.payload["slot"]["start"] for each in (card, move)]
    assert told == [int(day().timestamp()) * 1000, int(day(13).timestamp()) * 1000]
    assert await room.partners.siu("S15", day(13)) == "AA"
    await room.step()
    assert room.entries() == []
    assert await room.patient.standing() == "cancelled"


@pytest.mark.parametrize("core", ["1.1", "2.0"])
async def test_fhir_appointments_take_their_time_and_are_told(room: Room, core: str) -> None:
    assert await room.partners.fhir("booked", day(), core=core) == 201
    assert day() not in await room.free()
    await room.step()
    assert room.entries() == []  # this partner is not copied
    assert "SAS" in await room.own()
    assert await room.partners.fhir("cancelled", day(), core=core) == 200
    assert day() in await room.free()


async def test_a_patient_who_asks_is_given_the_page_once(room: Room) -> None:
    await room.patient.say("ask", wish="Mardi matin", concerned=None)
    for _ in range(2):
        await room.step()
        await room.start()
    told = await room.texts()
    assert told.count(PAGE) == 1
    token = re.search(r"pli=([\w-]+)", told)[1]
    await room.step()
    await room.partners.push("booked", day(), correlation=token)
    await room.step()
    assert len(await room.patient.said("booked")) == 1


async def test_a_calendar_that_is_away_loses_nothing(room: Room) -> None:
    room.calendar.kill()
    assert await room.partners.push("booked", day(), person="P-12") == 200
    await room.step()
    room.calendar.start()
    await room.step()
    assert room.entries() == [at(day())]
    assert (await room.own()).count("nom du patient") == 1
