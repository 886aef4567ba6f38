"""A practice with partners, as a whole: a real server, a real Radicale, open doors, and an automate that looks when told."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bridges.agenda.adapters import clock, open_agenda
from bridges.agenda.agent import Agent
from bridges.agenda.agent_memory import Memory
from bridges.agenda.coming.following import Following
from bridges.agenda.coming.source import open_sources
from bridges.agenda.coming.table import Table
from bridges.agenda.config import load
from bridges.agenda.process import Work, following_of
from bridges.agenda.provider import Provider, Window
from bridges.kit.client import Client, client
from bridges.kit.home import Home
from bridges.kit.messages import Draft
from tests.fakes.agendas import Radicale, settings
from tests.fakes.appointments import Actor, automate_home, doctor, patient_of
from tests.fakes.partners import PAGE, Partners, calling, day
from tests.fakes.server import running as running_server

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


@asynccontextmanager
async def practice_room(folder: Path, radicale: Radicale) -> AsyncIterator[Room]:
    """A doctor, her patient, her automate and her partners."""
    async with (
        running_server(folder / "server", web=False) as server,
        doctor(server, folder) as (claire, code),
        patient_of(claire, folder) as jean,
    ):
        home = Home(await automate_home(server, folder, code))
        settings(folder, radicale.url, more=f'page = "{PAGE}"\nanswer_with_page = true')
        path = folder / "agenda.toml"
        path.write_text(path.read_text() + PARTNERS)
        async with (
            calling(folder) as partners,
            client(home, server=None, ask=lambda: "", tell=print) as device,
        ):
            made = Room(claire, jean, device, radicale, folder, partners)
            await made.start()
            try:
                yield made
            finally:
                await made.end()
