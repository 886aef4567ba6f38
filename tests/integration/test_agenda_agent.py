"""The automate of a practice, as a process, between a real server and a real Radicale."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridges.kit import appointments_log
from tests.fakes.agendas import Radicale, needs_peers, running, settings
from tests.fakes.appointments import ABOUT, DAY, Actor, Automate, automate_home, doctor, patient_of, soon
from tests.fakes.server import running as running_server

pytestmark = needs_peers


@pytest.fixture
def radicale() -> Iterator[Radicale]:
    service = running(Radicale)
    yield service  # type: ignore[misc]  # the kind that was asked for
    service.remove()


@dataclass
class Practice:
    """A doctor with her automate, her patient, her calendar."""

    doctor: Actor
    patient: Actor
    automate: Automate
    calendar: Radicale

    def entries(self) -> list[str]:
        """What stands in the calendar."""
        _, body = self.calendar.ask("GET", self.calendar.calendar)
        return re.findall(r"BEGIN:VEVENT.*?END:VEVENT", body.decode(), re.DOTALL)

    async def slots(self, count: int = 2) -> list[dict]:
        """Free slots of the second day on, as the automate has told them."""
        found = await soon(self.doctor.free, "free slots")
        return found[-count:]

    async def booked(self, **about: object) -> str:
        """An appointment that stands in the agenda; gives its id."""
        appointment = await self.doctor.propose(*await self.slots(), **about)
        await self.patient.say("accept", appointment, proposal=appointment, slot=0)
        await soon(self._is("booked"), "the booking")
        return appointment

    def _is(self, standing: str):
        async def same() -> bool:
            return await self.patient.standing() == standing

        return same

    async def comes_to(self, standing: str) -> None:
        await soon(self._is(standing), standing)


@pytest.fixture
async def practice(tmp_path: Path, radicale: Radicale) -> AsyncIterator[Practice]:
    async with (
        running_server(tmp_path / "server", web=False) as server,
        doctor(server, tmp_path) as (claire, code),
        patient_of(claire, tmp_path) as jean,
    ):
        home = await automate_home(server, tmp_path, code)
        automate = Automate(home, settings(tmp_path, radicale.url), tmp_path / "automate.log")
        automate.start()
        try:
            yield Practice(claire, jean, automate, radicale)
        finally:
            automate.stop()


async def test_a_choice_is_written_moved_and_called_off(practice: Practice) -> None:
    appointment = await practice.booked()
    [entry] = practice.entries()
    first = (await practice.patient.agreed()).booked
    assert first is not None
    # Neutral: what, for whom and why stay in the conversation.
    assert "Dupont" not in entry
    assert "cardiologie" not in entry.lower()
    device = (await practice.patient.said("confirmed"))[0].device
    chain = practice.patient.client.device.directory.known(practice.doctor.client.device.id)
    assert chain is not None
    assert chain.active_holders[device].name == "Agenda du cabinet (automate)"

    await practice.patient.say("accept", appointment, proposal=appointment, slot=1)
    await practice.comes_to("booked")
    await soon(lambda: _moved(practice, first), "the move")
    assert len(practice.entries()) == 1
    assert practice.entries()[0] != entry

    await practice.patient.say("cancel", appointment, note="", source="person")
    await soon(lambda: _empty(practice), "an empty calendar")
    assert await practice.patient.standing() == "cancelled"


async def test_a_time_that_has_just_gone_is_told_with_others_that_are_free(practice: Practice) -> None:
    slot, other = await practice.slots()
    appointment = await practice.doctor.propose(slot, other)
    _put(practice, "busy", slot)
    await practice.patient.say("accept", appointment, proposal=appointment, slot=0)
    [failed] = await soon(lambda: practice.patient.said("failed"), "the answer")
    assert failed.said.payload["reason"] == "gone"
    await soon(lambda: _proposals(practice, 2), "other slots")
    agreed = await practice.patient.agreed()
    assert agreed.proposal is not None
    assert slot["start"] not in [each["start"] for each in agreed.proposal.slots]
    await practice.patient.say("accept", appointment, proposal=agreed.proposal.id, slot=0)
    await practice.comes_to("booked")
    assert len(practice.entries()) == 2


async def test_what_the_practice_does_in_its_calendar_is_told(practice: Practice) -> None:
    await practice.booked()
    href = _href(practice)
    _, body = practice.calendar.ask("GET", href)
    later = re.sub(rb"(DTSTART:\d{8})T\d{6}Z", rb"\1T051100Z", body)
    later = re.sub(rb"(DTEND:\d{8})T\d{6}Z", rb"\1T054100Z", later)
    assert practice.calendar.ask("PUT", href, later, {"Content-Type": "text/calendar"})[0] in {201, 204}
    [move] = await soon(lambda: practice.patient.said("move"), "the move")
    assert move.said.payload["source"] == "agenda"
    assert await practice.patient.standing() == "booked"

    assert practice.calendar.ask("DELETE", href)[0] in {200, 204}
    await practice.comes_to("cancelled")
    agreed = await practice.patient.agreed()
    assert agreed.end is not None
    assert agreed.end.source == "agenda"
    assert agreed.end.practice


async def test_killed_again_and_again_it_books_once_and_says_it_once(practice: Practice) -> None:
    for round_ in range(4):
        slots = await practice.slots()
        if round_ % 2:  # agreed on the telephone: the same writing, without a choice
            appointment = await practice.doctor.say("booked", slot=slots[0], source="person", **ABOUT)
        else:
            appointment = await practice.doctor.propose(*slots)
            await practice.patient.say("accept", appointment, proposal=appointment, slot=0)
        for pause in (0.3, 0.8, 1.3):
            await asyncio.sleep(pause + round_ / 8)
            practice.automate.stop(signal.SIGKILL)
            practice.automate.start()
        await practice.comes_to("booked")
        entries = practice.entries()
        assert len(entries) == 1, entries
        confirmed = [
            each for each in await practice.patient.said("confirmed") if each.said.payload["appointment"] == appointment
        ]
        assert len(confirmed) == 1
        await practice.patient.say("cancel", appointment, note="", source="person")
        await soon(lambda: _empty(practice), "an empty calendar")
    assert practice.automate.alive()


async def test_a_choice_while_the_password_is_another_one_is_written_as_soon_as_it_is_right_again(
    practice: Practice,
) -> None:
    appointment = await practice.doctor.propose(*await practice.slots())
    users = practice.calendar.folder / "users"
    known = users.read_text()
    users.write_text("alice:another one\n")
    await soon(lambda: _told(practice, "vérifiez son mot de passe|check its password"), "the state")
    await practice.patient.say("accept", appointment, proposal=appointment, slot=0)
    for _ in range(2):  # asked after the choice, answered twice: by then it was tried
        await _asks_what_is_free(practice)
    assert await practice.patient.standing() == "accepted"
    users.write_text(known)
    await practice.comes_to("booked")  # well before the next round through all conversations
    [_, again] = await soon(lambda: _told(practice, "mot de passe|password|répond de nouveau|answers again", 2), "both")
    assert re.search(r"\(\d\d/\d\d/\d{4} \d\d:\d\d, Europe/Paris\)$", again)
    assert len(practice.entries()) == 1


HURRIED = (
    "from datetime import timedelta; from bridges.agenda import agent, process; process.PATIENCE = timedelta(seconds=3)"
)
AWAY, BACK = "L'agenda ne répond pas|does not answer", "répond de nouveau|answers again"


async def test_an_agenda_that_is_away_is_told_once_and_what_is_chosen_meanwhile_is_written_when_it_is_back(
    practice: Practice,
) -> None:
    practice.automate.stop()
    practice.automate.hurried = HURRIED
    practice.automate.start()
    appointment = await practice.doctor.propose(*await practice.slots())
    practice.calendar.kill()
    await practice.patient.say("accept", appointment, proposal=appointment, slot=0)
    await soon(lambda: _told(practice, AWAY), "that it is away")
    assert await _asks_what_is_free(practice) == []  # nobody is offered what cannot be booked
    practice.automate.stop(signal.SIGKILL)  # started anew, it knows what it has told already
    practice.automate.start()
    await _asks_what_is_free(practice)
    assert await practice.patient.standing() == "accepted"
    practice.calendar.start()
    await practice.comes_to("booked")
    await soon(lambda: _told(practice, BACK), "that it is back")
    assert len(await _asks_what_is_free(practice)) > 0
    assert [len(await _told(practice, words, 0)) for words in (AWAY, BACK)] == [1, 1]
    assert len(practice.entries()) == 1
    assert await practice.patient.said("failed") == []


async def test_who_chose_while_the_agenda_was_away_for_long_is_told_and_can_choose_again(practice: Practice) -> None:
    practice.automate.stop()
    practice.automate.hurried = f"{HURRIED}; agent.PATIENCE = process.PATIENCE; process.ROUND = process.PATIENCE"
    practice.automate.start()
    appointment = await practice.doctor.propose(*await practice.slots())
    practice.calendar.kill()
    await practice.patient.say("accept", appointment, proposal=appointment, slot=0)
    [failed] = await soon(lambda: practice.patient.said("failed"), "that it could not be written")
    assert failed.said.payload["reason"] == "unreachable"
    await soon(lambda: _told(practice, AWAY), "that it is away")
    practice.calendar.start()
    await soon(lambda: _told(practice, BACK), "that it is back")
    assert practice.entries() == []
    await practice.patient.say("accept", appointment, proposal=appointment, slot=0)
    await practice.comes_to("booked")
    assert len(practice.entries()) == 1


async def test_of_two_patients_who_take_one_slot_one_has_it_and_the_other_is_told_what_else_is_free(
    practice: Practice, tmp_path: Path
) -> None:
    slot, _ = await practice.slots()
    elsewhere = Actor(practice.doctor.client)
    async with patient_of(elsewhere, tmp_path, "Luce Petit") as luce:
        people = [luce, practice.patient]
        hers, his = await elsewhere.propose(slot), await practice.doctor.propose(slot)
        await asyncio.gather(
            *(who.say("accept", what, proposal=what, slot=0) for who, what in zip(people, (hers, his), strict=True))
        )
        failed = await soon(lambda: _answered(people, "failed"), "the answer to one")
        confirmed = await soon(lambda: _answered(people, "confirmed"), "the answer to the other")
        assert failed != confirmed
        loser = people[failed[0]]
        await soon(lambda: loser.said("propose"), "other slots")
        proposal = (await loser.agreed()).proposal
    assert len(practice.entries()) == 1
    assert proposal is not None
    assert slot["start"] not in [each["start"] for each in proposal.slots]


async def test_what_was_chosen_in_time_is_written_later_and_what_was_chosen_later_is_not(practice: Practice) -> None:
    first, second = await practice.slots()
    practice.automate.stop()
    soon_over = int(datetime.now(UTC).timestamp() * 1000) + 4000
    in_time = await practice.doctor.say("propose", slots=[first], expires=soon_over, **ABOUT)
    late = await practice.doctor.say("propose", slots=[second], expires=soon_over, **ABOUT)
    await practice.patient.say("accept", in_time, proposal=in_time, slot=0)
    await practice.comes_to("expired")
    await practice.patient.say("accept", late, proposal=late, slot=0)
    practice.automate.start()
    await soon(lambda: practice.patient.said("confirmed"), "the booking")
    assert await practice.patient.standing() == "expired"
    [entry] = practice.entries()
    assert f"DTSTART:{datetime.fromtimestamp(first['start'] / 1000, UTC):%Y%m%dT%H%M%SZ}" in entry


@pytest.mark.parametrize("pause", [0.0, 0.4, 1.0])
async def test_an_entry_deleted_while_the_patient_moves_it_ends_in_one_truth(practice: Practice, pause: float) -> None:
    appointment = await practice.booked()
    href = _href(practice)
    await practice.patient.say("accept", appointment, proposal=appointment, slot=1)
    await asyncio.sleep(pause)  # the automate is somewhere between hearing of it and having written it
    assert practice.calendar.ask("DELETE", href)[0] in {200, 204, 404}
    await practice.comes_to("cancelled")
    await soon(lambda: _empty(practice), "an empty calendar")


async def test_cannot_come_is_heard_when_no_answer_is_expected_any_more(practice: Practice) -> None:
    appointment = await practice.booked()
    await practice.doctor.client.messages.end(practice.doctor.conversation, "")
    await practice.patient.say("cannot_come", appointment, note="Grippe")
    await soon(lambda: _empty(practice), "an empty calendar")
    assert await practice.doctor.standing() == "cancelled"


async def test_what_the_automate_says_in_an_ended_exchange_leaves_it_ended(practice: Practice) -> None:
    appointment = await practice.doctor.propose(*await practice.slots())
    practice.automate.stop()
    await practice.patient.say("accept", appointment, proposal=appointment, slot=0)
    await practice.doctor.client.messages.end(practice.doctor.conversation, "")
    practice.automate.start()
    await practice.comes_to("booked")
    reading = await practice.patient.client.look(practice.patient.conversation)
    assert reading.log.reply_right().state == "ended"
    detail = await practice.patient.client.device.api.conversation(practice.patient.conversation)
    assert detail.policy.reply == "ended"


async def test_a_slot_typed_by_hand_waits_for_a_person(practice: Practice) -> None:
    slot, other = await practice.slots()
    by_hand = await practice.doctor.propose({**slot, "ref": ""})
    await practice.patient.say("accept", by_hand, proposal=by_hand, slot=0)
    own = await practice.doctor.propose(other)
    await practice.patient.say("accept", own, proposal=own, slot=0)
    await practice.comes_to("booked")
    assert len(practice.entries()) == 1
    assert [each.said.payload["appointment"] for each in await practice.patient.said("confirmed")] == [own]


async def _moved(practice: Practice, first: dict) -> bool:
    agreed = await practice.patient.agreed()
    return agreed.booked is not None and agreed.booked["start"] != first["start"] and agreed.chosen is None


async def _answered(people: list[Actor], act: str) -> list[int]:
    """Who has been told that."""
    return [number for number, who in enumerate(people) if await who.said(act)]


async def _empty(practice: Practice) -> bool:
    return practice.entries() == []


async def _proposals(practice: Practice, count: int) -> bool:
    return len(await practice.patient.said("propose")) >= count


def _put(practice: Practice, name: str, slot: dict) -> None:
    """Somebody else books at the counter."""
    start, end = (f"{datetime.fromtimestamp(slot[key] / 1000, UTC):%Y%m%dT%H%M%SZ}" for key in ("start", "end"))
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//t//t//FR", "BEGIN:VEVENT", f"UID:{name}"]
    lines += [
        "DTSTAMP:20260101T000000Z",
        f"DTSTART:{start}",
        f"DTEND:{end}",
        "SUMMARY:x",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    body = "\r\n".join([*lines, ""]).encode()
    status, _ = practice.calendar.ask(
        "PUT", f"{practice.calendar.calendar}{name}.ics", body, {"Content-Type": "text/calendar"}
    )
    assert status == 201


def _href(practice: Practice) -> str:
    _, body = practice.calendar.ask("PROPFIND", practice.calendar.calendar, headers={"Depth": "1"})
    [href] = re.findall(r"<(?:\w+:)?href>([^<]+\.ics)</", body.decode())
    return href


async def _told(practice: Practice, words: str, count: int = 1) -> list[str]:
    """What the automate has told the practice in their own conversation, in these words."""
    device = practice.doctor.client.device
    await device.catch_up_own()
    found = []
    for row in await device.api.conversations():
        reading = await practice.doctor.client.look(bytes(row.conversation))
        texts = [each.content.payload["text"] for each in reading.log.messages if each.content.type == "text"]
        found += [text for text in texts if re.search(words, text)]
    return found if len(found) >= count else []


async def _asks_what_is_free(practice: Practice) -> list[dict]:
    rows = await practice.doctor.client.device.api.conversations()
    [own] = [bytes(row.conversation) for row in rows if bytes(row.conversation) != practice.doctor.conversation]
    before = len(await practice.doctor.said("availability", own))
    now = int(datetime.now(UTC).timestamp()) // 60 * 60_000
    fields = {"from": now, "to": now + 3 * DAY}
    await appointments_log.say(practice.doctor.client, own, "find", None, fields, key=os.urandom(4).hex())

    async def answered() -> bool:
        return len(await practice.doctor.said("availability", own)) > before

    await soon(answered, "an answer")
    return (await practice.doctor.said("availability", own))[-1].said.payload["slots"]
