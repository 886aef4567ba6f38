"""What the automate decides when its clock says so: reminders, patience, deadlines. Real server, real log, own clock."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from bridges.agenda.agent import Agent
from bridges.agenda.agent_memory import Memory
from bridges.agenda.desk import Desk
from bridges.agenda.holds import Holds
from bridges.agenda.provider import Change, Slot
from bridges.kit.client import client
from bridges.kit.home import Home
from bridges.kit.messages import Draft
from bridges.kit.wire import to_text
from tests.fakes.appointments import ABOUT, MINUTE, Actor, automate_home, doctor, patient_of
from tests.fakes.memory_agenda import MemoryAgenda
from tests.fakes.server import running as running_server

PARIS = ZoneInfo("Europe/Paris")
FIRST = datetime.now(PARIS).replace(hour=14, minute=0, second=0, microsecond=0) + timedelta(days=20)


def slot(hours: int = 0) -> Slot:
    start = (FIRST + timedelta(hours=hours)).astimezone(UTC)
    return Slot(start=start, end=start + timedelta(minutes=30), zone="Europe/Paris", reference=f"slot {hours}")


def plain(of: Slot) -> dict:
    return {"start": int(of.start.timestamp()) * 1000, "end": int(of.end.timestamp()) * 1000, "ref": of.reference}


@dataclass
class Room:
    doctor: Actor
    patient: Actor
    agent: Agent
    agenda: MemoryAgenda
    folder: Path
    clock: list[datetime] = field(default_factory=list)

    async def step(self, now: datetime | None = None) -> None:
        """Let the automate look once, at that time."""
        self.clock[:] = [(now or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)]
        await self.agent.attend(self.patient.conversation)

    async def booked(self, **about: object) -> str:
        appointment = await self.doctor.propose(plain(slot()), plain(slot(2)), **about)
        await self.patient.say("accept", appointment, proposal=appointment, slot=0)
        await self.step()
        assert await self.patient.standing() == "booked"
        return appointment

    def again(self) -> None:
        """The automate is started anew: only what lies on its disk is left."""
        self.agent.memory.close()
        self.agent = agent_of(self.agent.client, self.agenda, self.folder, self.clock)


def agent_of(made, agenda: MemoryAgenda, folder: Path, clock: list[datetime]) -> Agent:
    def now() -> datetime:
        return clock[0]

    desk = Desk(agenda, Holds(folder / "agenda.db", "a", now), now)
    return Agent(made, desk, Memory(folder / "agenda.db", "a"), "Europe/Paris", now)


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with (
        running_server(tmp_path / "server", web=False) as server,
        doctor(server, tmp_path) as (claire, code),
        patient_of(claire, tmp_path) as jean,
    ):
        home = Home(await automate_home(server, tmp_path, code))
        agenda, clock = MemoryAgenda(slot(), slot(2), slot(4)), [datetime.now(UTC)]
        async with client(home, server=None, ask=lambda: "", tell=print) as device:
            agent = agent_of(device, agenda, tmp_path, clock)
            yield Room(claire, jean, agent, agenda, tmp_path, clock)
            agent.memory.close()


async def test_each_reminder_leaves_once_in_the_evening_and_never_at_night(room: Room) -> None:
    await room.booked()
    evening = FIRST.replace(hour=18)
    times = [
        FIRST - timedelta(days=8),
        evening - timedelta(days=7, hours=1),
        evening - timedelta(days=7) + timedelta(hours=5),
    ]
    for early_or_night in times:
        await room.step(early_or_night)
    assert await room.patient.said("reminder") == []
    for now in (
        evening - timedelta(days=7, minutes=-25),
        evening - timedelta(days=1, minutes=-25),
        FIRST - timedelta(hours=2),
    ):
        for _ in range(2):
            await room.step(now)
            room.again()
    said = await room.patient.said("reminder")
    assert [each.said.payload["lead"] for each in said] == ["d7", "d1", "h2"]
    assert {each.said.payload["start"] for each in said} == {plain(slot())["start"]}
    await room.patient.say("cancel", said[0].said.payload["appointment"], note="", source="person")
    await room.step(FIRST - timedelta(minutes=90))
    assert len(await room.patient.said("reminder")) == 3


async def test_an_agenda_that_does_not_answer_is_waited_for_then_told_then_tried_again(room: Room) -> None:
    appointment = await room.doctor.propose(plain(slot()))
    room.agenda.broken = True
    await room.patient.say("accept", appointment, proposal=appointment, slot=0)
    await room.step()
    assert await room.patient.standing() == "accepted"
    await room.step(datetime.now(UTC) + timedelta(minutes=11))
    [failed] = await room.patient.said("failed")
    assert failed.said.payload["reason"] == "unreachable"
    assert await room.patient.standing() == "proposed"
    room.agenda.broken = False
    await room.patient.say("accept", appointment, proposal=appointment, slot=0)
    await room.step()
    assert await room.patient.standing() == "booked"
    assert len(room.agenda.entries) == 1


async def test_after_the_deadline_the_practice_is_told_and_its_agenda_left_alone(room: Room) -> None:
    month = 43_200
    appointment = await room.booked(cancel_before=month)
    await room.patient.say("cancel", appointment, note="Grippe", source="person")
    await room.step()
    agreed = await room.doctor.agreed()
    assert agreed.end is not None
    assert agreed.end.late
    assert len(room.agenda.entries) == 1


async def test_a_patient_and_a_stranger_to_the_agenda_learn_no_free_time(room: Room) -> None:
    now = plain(slot())["start"]
    await room.patient.say("find", None, **{"from": now - 60 * MINUTE, "to": now + 60 * MINUTE})
    await room.doctor.say("find", None, **{"from": now - 60 * MINUTE, "to": now + 60 * MINUTE})
    await room.step()
    assert await room.patient.said("availability") == []


async def test_what_one_doctor_proposes_the_agenda_of_another_does_not_answer(room: Room, tmp_path: Path) -> None:
    appointment = await room.doctor.propose({**plain(slot()), "ref": "of another agenda"}, cancel_before=0)
    room.agent.provider.provider.slots.clear()  # type: ignore[attr-defined]  # a desk in front of the agenda
    await room.patient.say("accept", appointment, proposal=appointment, slot=0)
    await room.step()
    [failed] = await room.patient.said("failed")
    assert failed.said.payload["reason"] == "gone"
    assert room.agenda.entries == {}


async def moved(room: Room, to: dict) -> str:
    """The doctor moves what is booked; gives the id of her move."""
    agreed = await room.doctor.agreed()
    return await room.doctor.say("move", agreed.id, slot=to, note="", source="person")


async def test_a_move_by_the_doctor_is_written_into_the_agenda_once_and_then_stands(room: Room) -> None:
    await room.booked()
    move = await moved(room, plain(slot(4)))
    assert (await room.patient.agreed()).state(0) == "moving"
    assert (await room.patient.agreed()).booked == plain(slot())  # nothing is promised before the agenda has it
    for _ in range(2):
        await room.step()
        room.again()
    agreed = await room.patient.agreed()
    assert (agreed.state(0), agreed.booked, agreed.booked_by) == ("booked", plain(slot(4)), move)
    assert [entry.start for entry in room.agenda.entries.values()] == [slot(4).start]
    assert len(await room.patient.said("confirmed")) == 2  # of the choice, of the move


async def test_a_move_to_a_time_that_has_gone_is_refused_and_the_old_one_stands(room: Room) -> None:
    await room.booked()
    room.agenda.slots = [each for each in room.agenda.slots if each != slot(4)]  # somebody booked it at the counter
    await moved(room, plain(slot(4)))
    for _ in range(2):
        await room.step(FIRST - timedelta(days=8))
    agreed = await room.doctor.agreed()
    assert (agreed.state(0), agreed.booked, agreed.failure) == ("booked", plain(slot()), "gone")
    assert [entry.start for entry in room.agenda.entries.values()] == [slot().start]
    assert len(await room.patient.said("propose")) == 1  # the patient, who asked for nothing, is offered nothing else


async def test_a_move_typed_by_hand_is_written_where_the_agenda_is_free_and_refused_elsewhere(room: Room) -> None:
    await room.booked()
    await moved(room, {**plain(slot(4)), "ref": ""})
    await room.step()
    assert [entry.start for entry in room.agenda.entries.values()] == [slot(4).start]
    await moved(room, {**plain(slot(5)), "ref": ""})  # at no time that the agenda offers
    await room.step()
    agreed = await room.doctor.agreed()
    assert agreed.booked is not None
    assert (agreed.booked["start"], agreed.failure) == (plain(slot(4))["start"], "refused")
    assert [entry.start for entry in room.agenda.entries.values()] == [slot(4).start]


async def test_of_two_moves_the_later_one_stands_and_an_agenda_that_is_away_moves_nothing(room: Room) -> None:
    await room.booked()
    await moved(room, plain(slot(2)))
    await moved(room, plain(slot(4)))
    room.agenda.broken = True
    await room.step()
    assert (await room.patient.agreed()).booked == plain(slot())
    room.agenda.broken = False
    await room.step()
    assert (await room.patient.agreed()).booked == plain(slot(4))
    assert [entry.start for entry in room.agenda.entries.values()] == [slot(4).start]
    room.agenda.broken = True
    await moved(room, plain(slot(2)))
    await room.step(datetime.now(UTC) + timedelta(minutes=11))
    agreed = await room.patient.agreed()
    assert (agreed.state(0), agreed.booked, agreed.failure) == ("booked", plain(slot(4)), "unreachable")


async def noted(room: Room, at: dict, appointment: str | None = None, **about: object) -> str:
    """The doctor says that it is agreed already; gives the id of her message."""
    return await room.doctor.say("booked", appointment, slot=at, source="person", **{**ABOUT, **about})


async def test_what_the_doctor_notes_at_a_free_time_is_written_once_and_reminded_of(room: Room) -> None:
    appointment = await noted(room, plain(slot()))
    agreed = await room.patient.agreed()
    assert (agreed.state(0), agreed.booked) == ("accepted", None)  # nothing is promised before the agenda has it
    for _ in range(2):
        await room.step()
        room.again()
    agreed = await room.patient.agreed()
    assert (agreed.state(0), agreed.booked, agreed.booked_by) == ("booked", plain(slot()), appointment)
    assert [entry.start for entry in room.agenda.entries.values()] == [slot().start]
    assert len(await room.patient.said("confirmed")) == 1
    await room.step(FIRST.replace(hour=18) - timedelta(days=1, minutes=-25))
    assert [each.said.payload["lead"] for each in await room.patient.said("reminder")] == ["d1"]
    await noted(room, plain(slot(4)), appointment, what="Contrôle")  # agreed anew, on the telephone
    await room.step()
    assert [entry.start for entry in room.agenda.entries.values()] == [slot(4).start]
    await room.patient.say("cannot_come", appointment, note="")
    await room.step()
    assert room.agenda.entries == {}


async def test_what_the_doctor_notes_and_the_agenda_does_not_take_is_no_appointment(room: Room) -> None:
    room.agenda.slots = [each for each in room.agenda.slots if each != slot()]  # somebody booked it at the counter
    appointment = await noted(room, plain(slot()))
    for _ in range(2):
        await room.step(FIRST - timedelta(days=8))  # so near that the agenda has others to offer
        room.again()
    agreed = await room.patient.agreed()
    assert (agreed.state(0), agreed.booked, agreed.failure) == ("failed", None, "gone")
    assert await room.patient.said("propose") == []  # the patient, who chose nothing, is offered nothing else
    await noted(room, plain(slot(2)), appointment)
    room.agenda.broken = True
    await room.step()
    assert await room.patient.standing() == "accepted"
    await room.step(datetime.now(UTC) + timedelta(minutes=11))
    assert (await room.patient.agreed()).failure == "unreachable"
    room.agenda.broken = False
    await noted(room, plain(slot(2)), appointment)
    await room.step()
    assert await room.patient.standing() == "booked"
    assert [entry.start for entry in room.agenda.entries.values()] == [slot(2).start]


async def test_what_the_doctor_notes_by_hand_stands_by_her_word_and_is_reminded_of(room: Room) -> None:
    await noted(room, {**plain(slot(5)), "ref": ""})
    assert await room.patient.standing() == "booked"
    await room.step(FIRST.replace(hour=18) - timedelta(days=1, minutes=-25))
    assert room.agenda.entries == {}
    assert [each.said.payload["lead"] for each in await room.patient.said("reminder")] == ["d1"]


async def test_a_patient_cannot_pass_for_a_practice_that_notes(room: Room) -> None:
    await room.patient.say("booked", slot=plain(slot()), source="person", **ABOUT)
    await room.patient.say("booked", slot=plain(slot(2)), source="agenda", **ABOUT)
    await room.step()
    assert room.agenda.entries == {}
    assert await room.patient.said("confirmed") == []


async def test_a_patient_cannot_pass_for_a_practice_that_moves(room: Room) -> None:
    appointment = await room.booked()
    await room.patient.say("move", appointment, slot=plain(slot(4)), note="", source="person")
    await room.patient.say("move", appointment, slot=plain(slot(4)), note="", source="agenda")
    await room.step()
    assert (await room.doctor.agreed()).booked == plain(slot())
    assert [entry.start for entry in room.agenda.entries.values()] == [slot().start]


async def test_a_move_in_the_agenda_that_no_card_can_carry_is_told_to_the_practice_and_ends_nothing(room: Room) -> None:
    """Seconds are rounded outwards; more than a day, a series, a whole day: the practice is asked to say what it is."""
    own = await room.agent.client.starting.alone("Agenda", Draft("…"))
    room.agent.memory.learn("conversation", to_text(own.conversation))
    appointment = await room.booked()
    [entry] = room.agenda.entries.values()

    async def becomes(kind: str, start: timedelta, end: timedelta) -> None:
        now = replace(entry, start=entry.start + start, end=entry.end + end, version=f"{start} {end}")
        told = None if kind == "unclear" else now
        room.agenda.told = [Change(reference=entry.reference, kind=kind, appointment=told)]  # type: ignore[arg-type]
        await room.agent.follow()

    async def warned() -> list[str]:
        reading = await room.agent.client.look(own.conversation)
        return [str(line.message.content.payload["text"]) for line in reading.log.lines if line.message][1:]

    await becomes("seen", timedelta(seconds=30), timedelta(seconds=30))
    moved = (await room.patient.agreed()).booked
    assert moved is not None
    assert (moved["start"], moved["end"]) == (plain(slot())["start"], plain(slot())["end"] + MINUTE)
    assert await warned() == []
    await becomes("seen", timedelta(), timedelta(days=2))
    assert (await room.patient.agreed()).booked == moved
    assert len(await warned()) == 1
    await becomes("unclear", timedelta(), timedelta())
    assert len(await warned()) == 2
    assert f"{FIRST:%d/%m/%Y %H:%M}" in (await warned())[-1]
    await becomes("seen", timedelta(hours=1), timedelta(hours=1))
    assert (await room.patient.agreed()).booked != moved
    await room.patient.say("cancel", appointment, note="", source="person")
    await room.step()
    await becomes("unclear", timedelta(), timedelta())
    assert len(await warned()) == 2  # it is over: there is nothing to tell


async def test_slots_that_no_card_can_carry_are_not_offered(room: Room) -> None:
    good = room.agenda.slots[1]
    room.agenda.slots = [
        replace(good, end=good.start + timedelta(hours=25), reference="long"),
        good,
        replace(good, start=good.start + timedelta(seconds=20), reference="seconds"),
        replace(good, start=good.start + timedelta(minutes=5), reference="x" * 201),
    ]
    own = await room.agent.client.starting.alone("Agenda", Draft("…"))
    await room.agent.publish(own.conversation, good.start - timedelta(days=1), good.end + timedelta(days=2), key="k")
    [told] = await room.doctor.said("availability", own.conversation)
    assert [each["ref"] for each in told.said.payload["slots"]] == [good.reference]


async def test_nothing_of_an_appointment_lies_on_the_server(room: Room) -> None:
    await room.booked(note="à jeun, marqueur-zèbre")
    words = [str(ABOUT["what"]), str(ABOUT["place"]), "zèbre", "Europe/Paris", "slot 2"]
    lies = [path for path in (room.folder / "server").rglob("*") if path.is_file()]
    assert lies
    for path in lies:
        held = path.read_bytes()
        assert not [word for word in words if word.encode() in held], path
