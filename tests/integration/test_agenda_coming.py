"""What partners push, between their own protocols, a real Radicale and real conversations; the automate looks when told."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridges.agenda.adapters import clock, open_agenda
from bridges.agenda.agent import Agent
from bridges.agenda.agent_memory import Memory
from bridges.agenda.coming.following import Following
from bridges.agenda.coming.source import open_sources
from bridges.agenda.coming.table import Table
from bridges.agenda.config import load
from bridges.agenda.imip.composing import Said, compose
from bridges.agenda.imip.reading import Told, read
from bridges.agenda.process import Work, following_of
from bridges.agenda.provider import Provider, Window
from bridges.kit.client import Client, client
from bridges.kit.home import Home
from bridges.kit.messages import Draft
from bridges.kit.wire import to_text
from tests.fakes.agendas import Radicale, needs_peers, running, settings
from tests.fakes.appointments import Actor, automate_home, doctor, patient_of
from tests.fakes.partners import PAGE, Partners, calling, day, mails
from tests.fakes.server import running as running_server

pytestmark = needs_peers
CABINET, PLATFORM, ANNE = "cabinet@exemple.fr", "rdv@plateforme.example", "anne@patient.example"
PARTNERS = """
[[partners]]
name = "Logiciel"
write = true
provider = { kind = "push", source = "lgc" }
[[partners]]
name = "HL7"
write = true
provider = { kind = "push", source = "hl7" }
[[partners]]
name = "SAS"
practitioner = "810100050075"
provider = { kind = "push", source = "sas" }
[[partners]]
name = "Page"
provider = { kind = "link", inbox = "inbox.db", source = "page", parameter = "pli" }
[[partners]]
name = "Courriel"
write = true
provider = { kind = "imip", spool = "spool", address = "cabinet@exemple.fr", partners = ["rdv@plateforme.example"] }
"""


@dataclass
class Room:
    """A practice with partners."""

    doctor: Actor
    patient: Actor
    automate: Client
    calendar: Radicale
    folder: Path
    partners: Partners
    agent: Agent | None = None
    agenda: Provider | None = None
    following: Following | None = None
    work: Work | None = None
    _stack: AsyncExitStack | None = None

    async def start(self) -> None:
        """Start the automate anew: only what lies on its disk is left."""
        await self.end()
        self._stack = AsyncExitStack()
        config = load(self.folder / "agenda.toml")
        self.agenda = await self._stack.enter_async_context(open_agenda(config))
        sources = await self._stack.enter_async_context(open_sources(config, self.agenda))
        store = config.beside(config.store)
        memory, table = Memory(store, config.name), Table(store, config.name)
        self._stack.callback(memory.close)
        self._stack.callback(table.close)
        self.agent = Agent(self.automate, self.agenda, memory, config.zone, clock)
        self.work = Work(self.agent, AsyncExitStack)
        self.work.following = self.following = following_of(self.work, table, sources, config)

    async def end(self) -> None:
        if self._stack is not None:
            await self._stack.aclose()

    async def step(self) -> None:
        """One look of the automate."""
        assert self.work is not None
        self.work._waiting.update(self.automate.device.store.conversations())
        await self.automate.feed.drain()
        self.work._waiting.update(self.automate.device.store.conversations())
        await self.work._step(everywhere=True)

    def entries(self) -> list[str]:
        """When the events of the calendar begin, and their titles are neutral."""
        _, body = self.calendar.ask("GET", self.calendar.calendar)
        events = re.findall(r"BEGIN:VEVENT.*?END:VEVENT", body.decode(), re.DOTALL)
        assert all(re.search(r"SUMMARY:RDV \w+\r?\n", each) or "SUMMARY:x" in each for each in events)
        assert "DUPONT" not in body.decode()
        return sorted(re.findall(r"DTSTART:(\S+)", "".join(events)))

    async def own(self) -> str:
        """Everything that the automate has said to the practice alone."""
        assert self.work is not None
        await self.doctor.client.device.catch_up_own()
        reading = await self.doctor.client.look(await self.work.own_conversation())
        texts = [each.content.payload["text"] for each in reading.log.messages if each.content.type == "text"]
        return "\n".join(texts)

    async def answers(self, text: str) -> None:
        """The doctor writes in the conversation with her automate."""
        assert self.work is not None
        await self.doctor.client.messages.send(await self.work.own_conversation(), Draft(text))
        await self.step()

    async def free(self) -> list[datetime]:
        assert self.agenda is not None
        found = await self.agenda.find(Window(start=day(0), end=day(24)))
        return [slot.start for slot in found]

    async def texts(self) -> str:
        """What the patient reads in words."""
        reading = await self.patient.client.look(self.patient.conversation)
        return "\n".join(m.content.payload["text"] for m in reading.log.messages if m.content.type == "text")


def at(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%SZ}"


@pytest.fixture(autouse=True)
def french(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")


@pytest.fixture
def radicale() -> Iterator[Radicale]:
    service = running(Radicale)
    yield service  # type: ignore[misc]  # the kind that was asked for
    service.remove()


@pytest.fixture
async def room(tmp_path: Path, radicale: Radicale) -> AsyncIterator[Room]:
    async with (
        running_server(tmp_path / "server", web=False) as server,
        doctor(server, tmp_path) as (claire, code),
        patient_of(claire, tmp_path) as jean,
    ):
        home = Home(await automate_home(server, tmp_path, code))
        settings(tmp_path, radicale.url, more=f'page = "{PAGE}"\nanswer_with_page = true')
        path = tmp_path / "agenda.toml"
        path.write_text(path.read_text() + PARTNERS)
        async with (
            calling(tmp_path) as partners,
            client(home, server=None, ask=lambda: "", tell=print) as device,
        ):
            made = Room(claire, jean, device, radicale, tmp_path, partners)
            await made.start()
            try:
                yield made
            finally:
                await made.end()


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
    assert await room.patient.said("propose") == []

    await room.answers(f"{number} = Personne")
    assert "aucune conversation" in await room.own()
    await room.answers(f"{number} = dupont")
    [card] = await room.patient.said("propose")
    assert "Logiciel" in card.said.payload["note"]
    await room.patient.say("accept", card.said.id, proposal=card.said.id, slot=0)
    await room.step()
    assert await room.patient.standing() == "booked"
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
    assert len(await room.patient.said("propose")) == 2
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
    [card] = await room.patient.said("propose")
    assert card.said.payload["slots"][0]["start"] == int(day().timestamp()) * 1000
    assert (await room.own()).count("Aucune conversation") == 1


async def test_a_likely_owner_is_confirmed_by_a_person_and_a_wrong_one_says_so(room: Room) -> None:
    await room.doctor.client.messages.send(room.doctor.conversation, Draft(f"Ici : {PAGE}"))
    await room.step()
    await room.partners.push("booked", day(), person="P-9")
    await room.step()
    assert await room.patient.said("propose") == []
    number = re.search(r"(\d+) = 1", await room.own())[1]
    await room.answers(f"{number} = 1")
    [card] = await room.patient.said("propose")
    await room.patient.say("refuse", card.said.id, proposal=card.said.id, note="Ce n'est pas moi")
    await room.step()
    await room.step()
    assert (await room.own()).count("Refusé dans sa conversation") == 1
    assert room.entries() == [at(day())]
    await room.partners.push("booked", day(15), reference="B", person="P-9")
    await room.step()
    assert len(await room.patient.said("propose")) == 1


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
    assert len(await room.patient.said("propose")) == 1

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
    offered = [each.said.payload["slots"][0]["start"] for each in await room.patient.said("propose")]
    assert offered == [int(day().timestamp()) * 1000, int(day(13).timestamp()) * 1000]
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
    assert len(await room.patient.said("propose")) == 1


async def test_a_calendar_that_is_away_loses_nothing(room: Room) -> None:
    room.calendar.kill()
    assert await room.partners.push("booked", day(), person="P-12") == 200
    await room.step()
    room.calendar.start()
    await room.step()
    assert room.entries() == [at(day())]
    assert (await room.own()).count("nom du patient") == 1


# --- mail -------------------------------------------------------------------------------------------------------------


def sent(folder: Path) -> list[tuple[str, Told]]:
    """What waits for the mail bridge; it is taken away."""
    found = []
    for path in sorted((folder / "spool/out").glob("*.json"), key=lambda each: each.stat().st_mtime_ns):
        letter = json.loads(path.read_bytes())
        found.append((letter["recipient"], read(base64.b64decode(letter["calendar"]), "Europe/Paris")))
        path.unlink()
    return found


def invitation(method: str, start: datetime, sequence: int, uid: str = "p1@plateforme.example", **more: str) -> bytes:
    people = {"organizer": PLATFORM, "attendee": CABINET, "participation": "NEEDS-ACTION", **more}
    said = Said(
        method=method,
        uid=uid,
        sequence=sequence,
        start=start,
        end=start + timedelta(minutes=30),
        stamp=datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=sequence),
        **people,
    )
    return compose(said)


async def test_an_invitation_by_mail_is_copied_and_accepted_or_declined(room: Room) -> None:
    mails(room.folder / "spool", PLATFORM, CABINET, invitation("REQUEST", day(), 0), "1")
    await room.step()
    assert room.entries() == [at(day())]
    [(who, reply)] = sent(room.folder)
    assert (who, reply.method, reply.attendees) == (PLATFORM, "REPLY", [(CABINET, "ACCEPTED")])
    mails(room.folder / "spool", PLATFORM, CABINET, invitation("REQUEST", day(), 0, uid="p2@x"), "2")
    await room.step()
    assert room.entries() == [at(day())]
    [(_, reply)] = sent(room.folder)
    assert reply.attendees == [(CABINET, "DECLINED")]
    mails(room.folder / "spool", PLATFORM, CABINET, invitation("CANCEL", day(), 1), "3")
    await room.step()
    await room.step()
    assert room.entries() == []
    assert day() in await room.free()


async def test_a_patient_is_invited_by_mail_and_wishes_declines_and_answers_by_it(room: Room) -> None:
    path = room.folder / "agenda.toml"
    known = f'addresses = {{ "{to_text(room.patient.conversation)}" = "{ANNE}" }}'
    path.write_text(path.read_text().replace('spool = "spool"', f'spool = "spool", {known}'))
    await room.start()
    start = int(day().timestamp()) * 1000
    card = await room.doctor.propose({"start": start, "end": start + 1_800_000, "ref": "any"})
    await room.patient.say("accept", card, proposal=card, slot=0)
    await room.step()
    await room.step()
    [(who, asked)] = sent(room.folder)
    assert (who, asked.method, asked.start) == (ANNE, "REQUEST", day())

    def answer(method: str, when: datetime, participation: str, sequence: int = 0) -> bytes:
        people = {"organizer": CABINET, "attendee": ANNE, "participation": participation}
        return invitation(method, when, sequence, asked.uid, **people)

    mails(room.folder / "spool", ANNE, CABINET, answer("COUNTER", day(15), "TENTATIVE"), "1")
    await room.step()
    await room.step()
    assert (await room.texts()).count("Autre souhait, reçu par courriel") == 1
    number = re.search(r"(\d+) = oui", await room.own())[1]
    await room.answers(f"{number} = non")
    assert [each.method for _, each in sent(room.folder)] == ["DECLINECOUNTER"]
    assert room.entries() == [at(day())]

    later = answer("COUNTER", day(15), "TENTATIVE").replace(b"DTSTAMP:20", b"DTSTAMP:21")
    mails(room.folder / "spool", ANNE, CABINET, later, "2")
    await room.step()
    await room.answers(f"{number} = oui")
    assert room.entries() == [at(day(15))]
    assert len(await room.patient.said("move")) == 1
    await room.step()
    [(_, again)] = sent(room.folder)
    assert (again.method, again.sequence, again.start) == ("REQUEST", 1, day(15))

    mails(room.folder / "spool", ANNE, CABINET, answer("REPLY", day(15), "DECLINED", 1), "3")
    await room.step()
    await room.step()
    assert await room.patient.standing() == "cancelled"
    assert room.entries() == []
    assert [each.method for _, each in sent(room.folder)] == ["CANCEL"]
