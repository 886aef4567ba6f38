"""Booking pages that conversations were given. Source: docs/spec/agenda-partners.md 7 and 12.3."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from bridges.agenda.agent import Agent, Looked
from bridges.agenda.coming import words
from bridges.agenda.coming.practice import Practice
from bridges.agenda.coming.source import Source
from bridges.agenda.coming.table import GivenLink, Table
from bridges.agenda.config import Config
from bridges.agenda.links.adapter import LinkProvider
from bridges.kit.appointments_state import PATIENT, PRACTICE
from bridges.kit.wire import to_text

AWAITED: Final = timedelta(days=30)  # in which what is booked there may be this patient's
_ADDRESS: Final = re.compile(r"https://[!-~]{1,600}")


@dataclass(frozen=True, slots=True)
class Links:
    """Finds the pages that were given; gives one to who asks, where the practice wants that."""

    agent: Agent
    table: Table
    practice: Practice
    page: LinkProvider
    answers: bool  # a patient who asks for an appointment is given the page

    async def notice(self, looked: Looked) -> None:
        """Keep what was given, and give what is to be given."""
        for given in self._given(looked):
            self.table.give(given)
        if self.answers:
            await self._answer(looked)

    def _given(self, looked: Looked) -> Iterator[GivenLink]:
        for line in looked.log.lines:
            message = line.message
            if message is None or message.content.type != "text" or message.author.role not in PRACTICE:
                continue
            for address in _ADDRESS.findall(str(message.content.payload["text"])):
                if self.page.names(address):
                    at = datetime.fromtimestamp(line.at // 1_000, UTC)
                    yield GivenLink(
                        message=to_text(line.id),
                        conversation=to_text(looked.id),
                        given_at=at,
                        until=at + AWAITED,
                        correlation=self.page.correlation(address),
                    )

    async def _answer(self, looked: Looked) -> None:
        """Answer the newest appointment that is only asked for, once, where nobody else of a practice could."""
        asked = [
            each for each in looked.book.appointments.values() if each.wish and each.end is None and not each.about
        ]
        mine = self.agent.client.device.id
        people = (await self.agent.client.conversations.sync(looked.id)).opened.chain.members
        alone = {key for key, each in people.items() if each.role in PRACTICE} == {mine}
        if not asked or not alone or not any(each.role in PATIENT for each in people.values()):
            return
        fact = f"page for {asked[-1].id}"
        if self.agent.memory.fact(fact):
            return
        link = await self.page.link()
        await self.practice.say_in(looked, words.page(link.label, link.url))
        self.agent.memory.learn(fact, "given")


def links_of(practice: Practice, sources: Sequence[Source], config: Config) -> list[Links]:
    """Give one for the booking page of the settings: of a source of kind ``link``, else the plain page."""
    pages = [each.provider for each in sources if isinstance(each.provider, LinkProvider)]
    if not pages and config.page:
        pages = [LinkProvider(config.page)]
    return [Links(practice.agent, practice.table, practice, each, config.answer_with_page) for each in pages]
