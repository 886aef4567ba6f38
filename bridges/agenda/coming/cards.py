"""Partners' appointments as cards in conversations. Source: docs/spec/agenda-partners.md 12.3.

A card says that it is booked: nobody is asked what stands already, and its reminders leave. Whatever was cut is found
in the log, so that nothing is said twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from bridges.agenda.agent import Agent, Looked
from bridges.agenda.agent_memory import Visit
from bridges.agenda.coming import words
from bridges.agenda.coming.copies import entry_of
from bridges.agenda.coming.table import Standing, Table
from bridges.agenda.provider import Appointment
from bridges.agenda.push.arrival import Arrival
from bridges.kit import appointments_log
from bridges.kit.appointments_state import OK
from bridges.kit.appointments_state import Appointment as Agreed
from bridges.kit.wire import from_text, to_text

LINK: Final = 500  # characters of a link that a card can carry


@dataclass(frozen=True, slots=True)
class Cards:
    """Says what a partner told in the conversation that it belongs to."""

    agent: Agent
    table: Table

    async def bring(self, standing: Standing, told: Arrival) -> Standing:
        """Bring a conversation to what the partner says.

        Raises:
            RefusedError, UnreachableError, ProtocolError: of the conversation.

        """
        looked = await self.agent.look(from_text(standing.conversation))
        agreed = looked.book.appointments.get(standing.appointment)
        if told.kind not in {"booked", "moved"}:
            await self._end(looked, standing, agreed, told)
            return standing
        if agreed is None:
            return await self._begin(looked, standing, told)
        if agreed.end is None:
            await self._at_its_time(looked, standing, agreed, told)
        return standing

    async def _begin(self, looked: Looked, standing: Standing, told: Arrival) -> Standing:
        card = _earlier(looked, standing)
        if card is None:
            typed = self._typed(looked, standing)
            about = typed.about if typed and typed.about else {}
            said = await self._say(
                looked, "booked", typed.id if typed else None, {**_fields(standing, told), **about}, standing
            )
            card = typed.id if typed else said
        standing = self.table.put(msgspec.structs.replace(standing, appointment=card))
        self._remember(standing)
        return standing

    async def _at_its_time(self, looked: Looked, standing: Standing, agreed: Agreed, told: Arrival) -> None:
        start, end = _milliseconds(standing.start), _milliseconds(standing.end)
        if agreed.booked is None:
            await self._say(looked, "booked", agreed.id, _fields(standing, told), standing)
        elif (agreed.booked["start"], agreed.booked["end"]) != (start, end):
            slot = {"start": start, "end": end, "ref": reference_of(standing)}
            await self._say(looked, "move", agreed.id, {"slot": slot, "note": "", "source": "agenda"}, standing)
        self._remember(standing)

    def _typed(self, looked: Looked, standing: Standing) -> Agreed | None:
        """Find what a person noted at that very time: agreed on by telephone, typed here and in that program."""
        times = (_milliseconds(standing.start), _milliseconds(standing.end))
        for agreed in looked.book.appointments.values():
            booked = agreed.booked
            there = booked is not None and (booked["start"], booked["end"]) == times
            if there and agreed.end is None and self.table.of_appointment(agreed.id) is None:
                return agreed
        return None

    async def _end(self, looked: Looked, standing: Standing, agreed: Agreed | None, told: Arrival) -> None:
        if agreed is None or agreed.end is not None:
            return
        if told.kind == "cancelled":
            await self._say(looked, "cancel", agreed.id, {"note": "", "source": "agenda"}, standing)
        elif told.kind == "noshow" and agreed.booked is not None and standing.start <= self.agent.now():
            await self._say(looked, "no_show", agreed.id, {}, standing)
        if told.kind == "cancelled" and (visit := self.agent.memory.visit(agreed.id)) is not None:
            self.agent.memory.keep(replace(visit, state="over"))

    def _remember(self, standing: Standing) -> None:
        """Keep which entry of the agenda a card is about: what is chosen there stands already."""
        known = self.agent.memory.visit(standing.appointment)
        entry = known.entry if known and standing.is_ours else entry_of(standing) or unwritten(standing)
        self.agent.memory.keep(
            Visit(
                appointment=standing.appointment,
                conversation=standing.conversation,
                key=known.key if known else "",
                state="booked",
                entry=entry,
            )
        )

    async def _say(
        self, looked: Looked, act: str, card: str | None, fields: Mapping[str, Any], standing: Standing
    ) -> str:
        key = f"told {standing.reference} {standing.attempt}"
        accepted = await appointments_log.say(self.agent.client, looked.id, act, card, fields, key=key)
        return to_text(accepted.id)


def unwritten(standing: Standing) -> Appointment:
    """Give the entry of an appointment that stands at the partner's only."""
    start, end = standing.start.astimezone(UTC), standing.end.astimezone(UTC)
    return Appointment(reference="", version="", start=start, end=end, zone=standing.zone)


def _earlier(looked: Looked, standing: Standing) -> str | None:
    """Find the card that was said before a crash, and not kept."""
    found = [
        str(each.said.payload["appointment"] or each.said.id)
        for each in looked.acts
        if each.said.practice
        and looked.book.verdicts[each.said.id] == OK
        and each.said.payload["act"] == "booked"
        and each.said.payload["slot"]["ref"] == reference_of(standing)
    ]
    ended = {each.id for each in looked.book.appointments.values() if each.end is not None}
    return next((each for each in reversed(found) if each not in ended), None)


def reference_of(standing: Standing) -> str:
    """Give the name of a slot that stands already: an opaque one, that no agenda finds."""
    return f"told:{standing.reference}"


def _fields(standing: Standing, told: Arrival) -> dict[str, Any]:
    start, end = _milliseconds(standing.start), _milliseconds(standing.end)
    link = told.link if len(told.link) <= LINK and told.link.isascii() and told.link.isprintable() else ""
    return {
        "slot": {"start": start, "end": end, "ref": reference_of(standing)},
        "source": "agenda",
        "bring": [],
        "cancel_before": 0,
        "concerned": None,
        "link": link if " " not in link else "",
        "mode": str(told.mode),
        "note": words.note(standing.source),
        "place": "",
        "what": "",
        "zone": standing.zone,
    }


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000
