"""What partners tell, brought into the calendar, into conversations and before the practice.

Source: docs/spec/agenda-partners.md 12. Each step compares what the partner says last with what stands here, and does
what is missing: a step that was cut is simply taken again.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC
from typing import Final

import msgspec

from bridges.agenda.agent import Agent, Looked
from bridges.agenda.agent_writing import NotYetError
from bridges.agenda.card_times import minutes_around
from bridges.agenda.coming import words
from bridges.agenda.coming.cards import Cards
from bridges.agenda.coming.copies import Copies
from bridges.agenda.coming.inviting import Inviting, inviting
from bridges.agenda.coming.links import Links
from bridges.agenda.coming.practice import NO, YES, Answer, Practice
from bridges.agenda.coming.source import Source
from bridges.agenda.coming.table import Question, Standing, State, Table
from bridges.agenda.desk import KEPT, Desk
from bridges.agenda.imip.adapter import ImipProvider
from bridges.agenda.imip.composing import Participation
from bridges.agenda.links.matching import owner
from bridges.agenda.provider import (
    AgendaError,
    Change,
    ChangedError,
    HoldExpiredError,
    RefusedError,
    Slot,
    SlotGoneError,
)
from bridges.agenda.push.arrival import Arrival
from bridges.kit import errors

LISTED: Final = 20  # of what came at once
STANDS: Final = frozenset({"booked", "moved"})


@dataclass(slots=True)
class Following:
    """Follows the partners of one agenda."""

    agent: Agent
    table: Table
    practice: Practice
    sources: Sequence[Source]
    links: Sequence[Links] = ()
    _inviting: list[Inviting] = field(init=False)
    _cards: Cards = field(init=False)
    _lines: list[str] = field(default_factory=list)
    _unlisted: int = 0

    def __post_init__(self) -> None:
        self._inviting = inviting(self.agent, self.table, self.practice, self.sources)
        self._cards = Cards(self.agent, self.table)

    # --- from the partners ------------------------------------------------------------------------------------------

    async def follow(self) -> None:
        """Do what the partners' news ask for, and tell the practice.

        Raises:
            UnreachableError, ProtocolError: of a conversation; it is done at the next look.

        """
        for source in self.sources:
            with suppress(AgendaError, NotYetError):  # an agenda that does not answer: the next look does it again
                await self._source(source)
        with suppress(AgendaError):
            await self._again()
        for each in self._inviting:
            with suppress(errors.RefusedError):
                self._lines += await each.wishes()
        for source in self.sources:
            self._answer_partner(source)
        self._compare()
        await self._tell()
        self.table.forget(self.agent.now() - KEPT)

    async def _source(self, source: Source) -> None:
        fact = f"cursor of {source.name}"
        told = await source.provider.changes(self.agent.memory.fact(fact))
        for change in told.changes:
            await self._take(source, change)
        self.agent.memory.learn(fact, told.cursor)

    async def _take(self, source: Source, change: Change) -> None:
        for each in self._inviting:
            if each.source is source and await each.take(change):
                return
        told = source.told(change.reference)
        if told is None or told.start is None or told.end is None:
            return
        standing = self._placed(source, change.reference, told)
        if standing is None:
            return
        standing = await self._in_the_agenda(source, standing)
        with suppress(errors.RefusedError):  # a conversation that the practice has left: nobody to tell
            standing = await self._in_its_conversation(standing, told)

    def _placed(self, source: Source, reference: str, told: Arrival) -> Standing | None:
        """Keep what the partner says; None for what is over already, or never was here."""
        assert told.start is not None
        assert told.end is not None
        start, end = minutes_around(told.start, told.end)
        known = self.table.get(source.name, reference)
        stands = told.kind in STANDS
        if known is None:
            if not stands or told.end <= self.agent.now():
                return None
            known = Standing(source=source.name, reference=reference, zone=told.zone, start=start, end=end)
        elif stands and known.state != "booked":  # it was off, and is on again: another card
            known = msgspec.structs.replace(known, appointment="", is_ours=False, said="")
        if (known.start, known.end) != (start, end) or known.state != _state(told):
            known = msgspec.structs.replace(known, attempt=known.attempt + 1, tried=0, said="")
        return self.table.put(msgspec.structs.replace(known, state=_state(told), zone=told.zone, start=start, end=end))

    # --- into the agenda --------------------------------------------------------------------------------------------

    async def _in_the_agenda(self, source: Source, standing: Standing) -> Standing:
        """Bring the calendar to what the partner says. Raises AgendaError when it does not answer."""
        try:
            return await self._brought(source, standing)
        except (SlotGoneError, HoldExpiredError, ChangedError):
            return self.table.put(msgspec.structs.replace(standing, overlaps=True))
        except RefusedError as error:
            if not error.permanent:
                raise
            return self.table.put(msgspec.structs.replace(standing, overlaps=True))

    async def _brought(self, source: Source, standing: Standing) -> Standing:
        if not standing.appointment and standing.copy is None:
            visit = self.agent.memory.visit_at(standing.start, standing.end)
            if visit is not None:  # what a conversation booked has gone round and come back
                ours = {"is_ours": True, "appointment": visit.appointment, "conversation": visit.conversation}
                return self.table.put(msgspec.structs.replace(standing, **ours))
        if standing.is_ours:
            return await self._move_ours(standing)
        copies = self._copies()
        if source.write and copies is not None and copies.due(standing):
            return await copies.bring(standing)
        return standing

    async def _move_ours(self, standing: Standing) -> Standing:
        """Follow a partner that moved or called off what a conversation had booked."""
        visit, desk = self.agent.memory.visit(standing.appointment), self.agent.provider
        if visit is None or visit.state != "booked" or not visit.entry.reference or not isinstance(desk, Desk):
            return standing
        key = f"follow {standing.reference} {standing.attempt}"
        if standing.state == "cancelled":
            await desk.cancel(replace(visit.entry, version=""), by="practice", key=key)
            return standing
        start, end = standing.start.astimezone(UTC), standing.end.astimezone(UTC)
        if (visit.entry.start, visit.entry.end) != (start, end):
            slot = Slot(start=start, end=end, zone=standing.zone, reference=standing.reference)
            entry = await desk.follow_to(visit.entry, slot, holder=standing.reference, key=key)
            self.agent.memory.keep(replace(visit, entry=entry))
        return standing

    async def _again(self) -> None:
        """Try the copies again that could not be made: their time may be free now."""
        copies = self._copies()
        for source in self.sources:
            if source.write and copies is not None:
                for standing in self.table.standings():
                    if standing.source == source.name and copies.due(standing):
                        await self._in_the_agenda(source, standing)

    def _copies(self) -> Copies | None:
        desk = self.agent.provider
        return Copies(desk, self.table, self.agent.now) if isinstance(desk, Desk) else None

    def _answer_partner(self, source: Source) -> None:
        """Answer invitations that came by mail, when the calendar or the conversation has decided them."""
        if not source.write or not isinstance(source.provider, ImipProvider):
            return
        for standing in self.table.standings():
            word = self._decided(standing) if standing.source == source.name else None
            answered = f"{word} {standing.attempt}"
            if word is not None and standing.answered != answered:
                with suppress(RefusedError):  # it is forgotten there
                    source.provider.reply(standing.reference, word)
                self.table.put(msgspec.structs.replace(standing, answered=answered))

    def _decided(self, standing: Standing) -> Participation | None:
        if standing.state != "booked":
            return None
        if standing.overlaps or self._is_over(standing):
            return "DECLINED"
        return "ACCEPTED" if standing.copy or standing.is_ours else None

    # --- into its conversation --------------------------------------------------------------------------------------

    async def _in_its_conversation(self, standing: Standing, told: Arrival) -> Standing:
        if standing.overlaps and not standing.appointment:
            return standing  # it may be refused to the partner yet
        if not standing.conversation and told.kind in STANDS:
            standing = await self._whose(standing, told)
        if standing.conversation:
            return await self._cards.bring(standing, told)
        return standing

    async def _whose(self, standing: Standing, told: Arrival) -> Standing:
        if standing.asked:
            return standing
        found = owner(told, list(self.table.awaited(standing.source, told.person)), self.agent.now())
        if found.certainty == "certain":
            return self._belongs(standing, told, found.references[0])
        await self._ask_whose(standing, list(found.references))
        return self.table.put(msgspec.structs.replace(standing, asked=True))

    def _belongs(self, standing: Standing, told: Arrival | None, conversation: str) -> Standing:
        if told is not None and told.person:
            self.table.know(standing.source, told.person, conversation)
        return self.table.put(msgspec.structs.replace(standing, conversation=conversation))

    async def _ask_whose(self, standing: Standing, candidates: list[str]) -> None:
        if len(self._lines) >= LISTED:
            self._unlisted += 1
            return
        named = await self.practice.named(candidates) if candidates else []
        listed = [each.id for each in named]
        question = Question(kind="whose", source=standing.source, reference=standing.reference, candidates=listed)
        self._lines.append(words.received(standing, self.table.ask(question), [each.name for each in named]))

    # --- before the practice ----------------------------------------------------------------------------------------

    def _compare(self) -> None:
        """Tell the practice, once, what a partner cannot know by itself."""
        for standing in self.table.standings():
            if standing.state == "booked" and standing.end > self.agent.now():
                key, line = self._differs(standing)
                if key != standing.said:
                    self._lines += [line] if line else []
                    self.table.put(msgspec.structs.replace(standing, said=key))

    def _differs(self, standing: Standing) -> tuple[str, str]:
        if standing.overlaps:
            return "overlaps", words.overlapping(standing)
        visit = self.agent.memory.visit(standing.appointment) if standing.appointment else None
        if visit is None:
            return "", ""
        if visit.state == "over":
            return "off", words.called_off(standing, 0 if standing.is_ours else self._whose_else(standing))
        now = (visit.entry.start, visit.entry.end)
        if now != (standing.start.astimezone(UTC), standing.end.astimezone(UTC)):
            at = words.when(*now, standing.zone)
            return f"at {at}", words.elsewhere(standing, at)
        return "", ""

    def _whose_else(self, standing: Standing) -> int:
        """Give a number to a card that its patient called off: perhaps it is another one's."""
        return self.table.ask(Question(kind="whose", source=standing.source, reference=standing.reference))

    async def _tell(self) -> None:
        if self._unlisted:
            self._lines.append(words.further(self._unlisted))
        await self.practice.tell(self._lines)
        self._lines, self._unlisted = [], 0

    def _is_over(self, standing: Standing) -> bool:
        visit = self.agent.memory.visit(standing.appointment)
        return visit is not None and visit.state == "over"

    # --- from the conversations -------------------------------------------------------------------------------------

    async def notice(self, looked: Looked) -> None:
        """Take from a conversation what concerns partners: links that were given, answers, what became of cards.

        Raises as ``Client.look``.
        """
        for page in self.links:
            await page.notice(looked)
        with suppress(AgendaError):
            for each in self._inviting:
                await each.notice(looked)
        with suppress(AgendaError):
            await self._answers(looked)
        await self._tell()

    async def _answers(self, looked: Looked) -> None:
        answers = await self.practice.answers(looked)
        for answer in answers:
            question = self.table.question(answer.number)
            if question is None:
                continue
            taken = self._answer_whose if question.kind == "whose" else self._answer_wish
            try:
                await taken(answer, question)
            except errors.RefusedError:  # a conversation that the practice has left meanwhile
                self._lines.append(words.not_understood(answer.number))
        if answers:
            self.practice.taken(looked)

    async def _answer_whose(self, answer: Answer, question: Question) -> None:
        standing = self.table.get(question.source, question.reference)
        if standing is None or answer.word.casefold() in NO or not self._may_be_given(standing):
            return
        place = int(answer.word) if answer.word.isdecimal() else 0
        if 0 < place <= len(question.candidates):
            named = await self.practice.named([question.candidates[place - 1]])
            one = named[0] if named else None
        else:
            one = await self.practice.find(answer.word)
        source = next((each for each in self.sources if each.name == question.source), None)
        told = source.told(question.reference) if source is not None else None
        if one is None or told is None or source is None:
            self._lines.append(words.not_understood(answer.number))
            return
        standing = await self._in_the_agenda(source, self._taken_back(standing))
        await self._cards.bring(self._belongs(standing, told, one.id), told)
        self._lines.append(words.noted(answer.number, one.name))

    def _may_be_given(self, standing: Standing) -> bool:
        """What nobody has, and what a patient called off: she may have meant that it is not hers."""
        return not standing.conversation or (self._is_over(standing) and not standing.is_ours)

    def _taken_back(self, standing: Standing) -> Standing:
        """Take it from the conversation in which it was called off, with the entry that went with it."""
        if not standing.conversation:
            return standing
        self.table.mistake(standing.source, standing.conversation)
        fresh = {"appointment": "", "conversation": "", "copy": None, "tried": 0, "said": ""}
        return self.table.put(msgspec.structs.replace(standing, **fresh, attempt=standing.attempt + 1))

    async def _answer_wish(self, answer: Answer, question: Question) -> None:
        for each in self._inviting:
            wish = each.wish_of(question.reference)
            if wish is None or each.source.name != question.source:
                continue
            if answer.word.casefold() in NO:
                each.provider.decline(wish)
            elif answer.word.casefold() in YES:
                self._lines.append(words.granted(done=await each.grant(wish)))


def _state(told: Arrival) -> State:
    return "booked" if told.kind in STANDS else "cancelled"
