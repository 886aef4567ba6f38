"""The practice's own conversation with its automate: what came, and a person's answers.

Source: docs/spec/agenda-partners.md 12.4.
An answer is a line ``number = word`` that another device of the practice wrote there.
"""

import re
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from bridges.agenda.agent import Agent, Looked
from bridges.agenda.coming.table import Table
from bridges.kit.appointments_state import PATIENT, PRACTICE
from bridges.kit.errors import RefusedError
from bridges.kit.messages import Draft
from bridges.kit.wire import to_text
from crypto.errors import ProtocolError

_ANSWER: Final = re.compile(r"^\s*(\d{1,9})\s*[=:]\s*(\S.{0,199}?)\s*$", re.MULTILINE)
NO: Final = frozenset({"non", "no"})
YES: Final = frozenset({"oui", "yes"})
READ: Final = "answers"  # fact: up to which line of that conversation the answers were taken


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person of the practice wrote."""

    seq: int
    number: int
    word: str


@dataclass(frozen=True, slots=True)
class Named:
    """A conversation as people name it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Practice:
    """Speaks with the practice."""

    agent: Agent
    table: Table
    own: Callable[[], Awaitable[bytes]]  # gives the conversation that only the practice is in

    async def tell(self, lines: Sequence[str]) -> None:
        """Say several things at once. Raises as ``Messages.send``."""
        if lines:
            await self.agent.client.messages.send(await self.own(), Draft("\n\n".join(lines)))

    async def say_in(self, conversation: Looked, text: str) -> None:
        """Say something in a conversation and leave the reply right as it is. Raises as ``Messages.send``."""
        await self.agent.client.messages.send(conversation.id, Draft(text, reply="keep"))

    async def answers(self, looked: Looked) -> list[Answer]:
        """Give the answers that were not taken yet; ``taken`` says that they are."""
        if looked.id != await self.own():
            return []
        read = int(self.agent.memory.fact(READ) or 0)
        return [each for each in self._written(looked) if each.seq > read]

    def taken(self, looked: Looked) -> None:
        """Keep that everything there was taken."""
        if looked.log.lines:
            self.agent.memory.learn(READ, str(looked.log.lines[-1].seq))

    def _written(self, looked: Looked) -> Iterator[Answer]:
        device = self.agent.client.device
        for line in looked.log.lines:
            if line.message is None or line.message.content.type != "text":
                continue
            content = line.message.content
            if line.message.author.id == device.id and content.device != device.own.holder.id:
                for number, word in _ANSWER.findall(str(content.payload["text"])):
                    yield Answer(line.seq, int(number), word)

    # --- conversations by name --------------------------------------------------------------------------------------

    async def named(self, conversations: Sequence[str]) -> list[Named]:
        """Give conversations with the names that the practice knows them by."""
        wanted = set(conversations)
        return [each for each in await self.patients() if each.id in wanted]

    async def find(self, word: str) -> Named | None:
        """Find the one conversation whose subject or patient has this in its name; None for none or several."""
        found = [each for each in await self.patients() if word.casefold() in each.name.casefold()]
        exact = [each for each in found if word.casefold() in each.name.casefold().split(" - ")]
        one = exact or found
        return one[0] if len(one) == 1 else None

    async def patients(self) -> list[Named]:
        """Give every conversation of this practice with a patient."""
        found = []
        for conversation in self.agent.client.device.store.conversations():
            try:
                reading = await self.agent.client.look(conversation)
            except (RefusedError, ProtocolError):
                continue
            members = reading.conversation.opened.chain.members
            mine = members.get(self.agent.client.device.id)
            people = [reading.people.name(each.id) for each in members.values() if each.role in PATIENT]
            if mine is not None and mine.role in PRACTICE and people:
                subject = reading.conversation.roster.subject
                found.append(Named(to_text(conversation), " - ".join([*people, *([subject] if subject else [])])))
        return sorted(found, key=lambda each: each.name)
