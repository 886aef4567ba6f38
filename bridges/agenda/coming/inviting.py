"""Appointments of conversations as invitations by mail, and what comes back. Source: docs/spec/agenda-partners.md 12.5.

Only conversations whose patient agreed to mail have an address in the settings. The conversation leads: the mail
follows what its log says, and what is answered by mail is said there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from bridges.agenda.agent import Agent, Looked
from bridges.agenda.coming import words
from bridges.agenda.coming.practice import Practice
from bridges.agenda.coming.source import Source
from bridges.agenda.coming.table import Invited, Question, Table
from bridges.agenda.desk import Desk
from bridges.agenda.imip.adapter import ImipProvider
from bridges.agenda.imip.ledger import Wish
from bridges.agenda.provider import Change, ChangedError, Hold, HoldExpiredError, Slot, SlotGoneError
from bridges.kit import appointments_log
from bridges.kit.appointments_state import Appointment as Agreed
from bridges.kit.wire import from_text, to_text

NAME: Final = 200  # bytes of the name of a slot


@dataclass(frozen=True, slots=True)
class Inviting:
    """Invites for one source of kind ``imip``."""

    agent: Agent
    table: Table
    practice: Practice
    source: Source
    provider: ImipProvider

    async def notice(self, looked: Looked) -> None:
        """Bring the invitations of a conversation to what its log says."""
        conversation = to_text(looked.id)
        if not self.provider.invites(conversation):
            return
        for agreed in looked.book.appointments.values():
            if self.table.of_appointment(agreed.id) is None:  # whose mail a partner sends, we do not
                await self._bring(agreed, conversation)

    async def _bring(self, agreed: Agreed, conversation: str) -> None:
        hold = self._hold(agreed, conversation)
        if hold is None:
            return
        known = self.provider.invitation(hold)
        if agreed.end is not None and agreed.end.state == "cancelled":
            if known is not None and known.state != "cancelled":
                await self.provider.cancel(known, by="practice", key=agreed.end.id)
        elif agreed.booked is not None and hold.slot.start > self.agent.now():
            if known is None:
                made = await self.provider.book(hold, key=agreed.id)
                invited = Invited(source=self.source.name, conversation=conversation, appointment=agreed.id)
                self.table.invite(made.reference, invited)
            elif known.state != "cancelled" and (known.start, known.end) != (hold.slot.start, hold.slot.end):
                await self.provider.reschedule(known, hold, key=agreed.booked_by or agreed.id)

    def _hold(self, agreed: Agreed, conversation: str) -> Hold | None:
        """Name an invitation after the appointment; its slot is where that stands, or stood."""
        if agreed.booked is None:
            return None
        start, end = (datetime.fromtimestamp(agreed.booked[name] // 1_000, UTC) for name in ("start", "end"))
        slot = Slot(start=start, end=end, zone=self.agent.zone, reference=agreed.id)
        return Hold(reference=agreed.id, slot=slot, holder=conversation, until=end)

    # --- answers ----------------------------------------------------------------------------------------------------

    async def take(self, change: Change) -> bool:
        """Say in the conversation that an invitation was declined; False when the change is about none of ours."""
        invited = self.table.invited(change.reference)
        if invited is None:
            return False
        if change.kind != "cancelled":
            return True
        looked = await self.agent.look(from_text(invited.conversation))
        agreed = looked.book.appointments.get(invited.appointment)
        if agreed is None or agreed.end is not None or agreed.booked is None:
            return True
        before = timedelta(minutes=agreed.about["cancel_before"]) if agreed.about else timedelta()
        if self.agent.now() > datetime.fromtimestamp(agreed.booked["start"] // 1_000, UTC) - before:
            await self.practice.say_in(looked, words.declined_late())
            return True
        await self.agent.writing.cancel(agreed, by="patient", key=f"declined {change.reference}")
        fields = {"note": words.declined(), "source": "agenda"}
        await appointments_log.say(
            self.agent.client, looked.id, "cancel", agreed.id, fields, key=f"declined {change.reference}"
        )
        return True

    async def wishes(self) -> list[str]:
        """Tell the conversations of other times that were asked for by mail; gives what to ask the practice."""
        lines = []
        for wish in self.provider.wishes():
            token = self.provider.token(wish.uid)
            invited, stamp = self.table.invited(token), int(wish.stamp.timestamp())
            if invited is None or invited.wished == stamp:
                continue
            at = words.when(wish.start, wish.end, self.agent.zone)
            looked = await self.agent.look(from_text(invited.conversation))
            await self.practice.say_in(looked, words.other_wish(at))
            number = self.table.ask(Question(kind="wish", source=self.source.name, reference=wish.uid))
            lines.append(words.wished(number, at))
            self.table.invite(token, msgspec.structs.replace(invited, wished=stamp))
        return lines

    def wish_of(self, uid: str) -> Wish | None:
        """Find the wish about an invitation that nobody has answered."""
        return next((each for each in self.provider.wishes() if each.uid == uid), None)

    async def grant(self, wish: Wish) -> bool:
        """Move an appointment to where the mail asks for; False when that time is taken.

        Raises AgendaError when the agenda does not answer: a repeat is safe.
        """
        invited = self.table.invited(self.provider.token(wish.uid))
        visit = self.agent.memory.visit(invited.appointment) if invited is not None else None
        desk = self.agent.provider
        if invited is None or visit is None or not visit.entry.reference or not isinstance(desk, Desk):
            return False
        key = f"wish {wish.uid} {wish.stamp:%Y%m%dT%H%M%S}"
        slot = Slot(start=wish.start, end=wish.end, zone=self.agent.zone, reference="wish")
        try:
            entry = await desk.follow_to(visit.entry, slot, holder=f"wish {wish.uid}", key=key)
        except (SlotGoneError, HoldExpiredError, ChangedError):
            return False
        self.agent.memory.keep(replace(visit, entry=entry))
        name = entry.reference if len(entry.reference.encode()) <= NAME else "moved"
        plain = {"start": _milliseconds(entry.start), "end": _milliseconds(entry.end), "ref": name}
        fields = {"slot": plain, "note": "", "source": "agenda"}
        await appointments_log.say(
            self.agent.client, from_text(invited.conversation), "move", invited.appointment, fields, key=key
        )
        return True


def inviting(agent: Agent, table: Table, practice: Practice, sources: Sequence[Source]) -> list[Inviting]:
    """Give one for each source that can write mail."""
    return [
        Inviting(agent, table, practice, each, each.provider)
        for each in sources
        if isinstance(each.provider, ImipProvider)
    ]


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000
