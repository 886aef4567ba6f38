"""The automate of a practice: it writes into the agenda what a conversation has agreed, and says what became of it.

Source: docs/spec/appointments.md 6. It decides from the verified log each time it looks, never from what it remembers
to have been about to do: so a step that was cut is simply taken again, under the same keys.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from bridges.agenda import agent_moves as moves
from bridges.agenda import reminders
from bridges.agenda.agent_memory import Memory, Visit
from bridges.agenda.agent_writing import NotYetError, Writing
from bridges.agenda.card_times import can_be_offered, fits, minutes_around
from bridges.agenda.coming.words import unclear
from bridges.agenda.provider import Ability, AgendaError, Change, Provider, Slot, Window
from bridges.kit import appointments_log
from bridges.kit.appointments import MAX_AVAILABLE, MAX_SLOTS
from bridges.kit.appointments_log import Placed
from bridges.kit.appointments_reminders import known
from bridges.kit.appointments_state import Appointment as Agreed
from bridges.kit.appointments_state import Book, derive
from bridges.kit.client import Client
from bridges.kit.errors import RefusedError
from bridges.kit.log import Log
from bridges.kit.messages import Draft
from bridges.kit.wire import from_text, to_text

OTHERS: Final = timedelta(days=14)  # in which other slots are looked for when one has gone
ANSWER: Final = timedelta(days=2)  # to choose among them
PATIENCE: Final = timedelta(minutes=10)  # with an agenda that does not answer, before the patient is told
WINDOW: Final = timedelta(days=14)  # of free slots that are told without being asked


@dataclass(slots=True)
class Looked:
    """A conversation as it was just read."""

    id: bytes
    acts: Sequence[Placed]
    book: Book
    log: Log

    def said_by(self, message: str) -> Placed | None:
        """Find an act."""
        return next((each for each in self.acts if each.said.id == message), None)


@dataclass(slots=True)
class Agent:
    """Works for one agenda. Use it while alone in the home of its device."""

    client: Client
    provider: Provider
    memory: Memory
    zone: str
    now: Callable[[], datetime]
    writing: Writing = field(init=False)

    def __post_init__(self) -> None:
        self.writing = Writing(self.provider, self.memory, self.now)

    async def look(self, conversation: bytes) -> Looked:
        """Read a conversation. Raises as ``Client.look``."""
        reading = await self.client.look(conversation)
        if reading.log.errors:  # written by a device of the practice that is newer than what this one knows?
            await self.client.device.catch_up_own()
            reading = await self.client.look(conversation)
        acts = appointments_log.acts_of(reading.log)
        return Looked(conversation, acts, derive(each.said for each in acts), reading.log)

    async def attend(self, conversation: bytes) -> Looked:
        """Do what a conversation asks for, and give what was read. What cannot be done now is done at the next look.

        Raises:
            RefusedError, UnreachableError, ProtocolError: of the conversation, never of the agenda.

        """
        looked = await self.look(conversation)
        for agreed in looked.book.appointments.values():
            if self._mine(looked, agreed):
                await self._settle(looked, agreed)
        await self._tell_free(looked)
        return looked

    def _mine(self, looked: Looked, agreed: Agreed) -> bool:
        """Whether it was proposed in the name of this practice, from this agenda or for it."""
        me = to_text(self.client.device.id)
        named = {each.said.author for each in looked.acts if _about(each, agreed.id) and each.said.practice}
        return me in named

    def _ours(self, looked: Looked, slot: Mapping[str, Any]) -> bool:
        """Whether this account proposed the slot, and from its agenda: one typed by hand has no name there."""
        proposed = [each.said for each in looked.acts if slot in each.said.payload.get("slots", ())]
        return bool(slot["ref"]) and bool(proposed) and proposed[-1].author == to_text(self.client.device.id)

    def _may_answer(self, looked: Looked, agreed: Agreed) -> bool:
        choice = agreed.chosen
        assert choice is not None, "asked for a choice"
        if moves.asked(choice):
            return choice.by == to_text(self.client.device.id)
        return self._ours(looked, choice.slot)

    async def _settle(self, looked: Looked, agreed: Agreed) -> None:
        try:
            if agreed.end is not None:
                await self._call_off(agreed)
            elif agreed.chosen is not None and self._may_answer(looked, agreed):
                await self._answer(looked, agreed)
            elif agreed.failure == "gone" and not moves.failed(looked.acts, agreed.id):
                await self._propose_others(looked, agreed)
            await self._remind(looked, agreed)
        except NotYetError:
            return  # the agenda does not answer: the next look does it again

    # --- a choice ---------------------------------------------------------------------------------------------------

    async def _answer(self, looked: Looked, agreed: Agreed) -> None:
        choice = agreed.chosen
        assert choice is not None, "asked for a choice"
        try:
            failed = await self.writing.book(agreed, to_text(looked.id), holder=self._holder(looked, agreed))
        except NotYetError as waiting:
            placed = looked.said_by(choice.id)
            since = self.now() - _moment(placed.said.at if placed else 0)
            if waiting.certain and since > PATIENCE:
                await self._say(
                    looked.id, "failed", agreed.id, {"answers": choice.id, "reason": "unreachable"}, choice.id
                )
            return
        if failed is None:
            await self._say(looked.id, "confirmed", agreed.id, {"answers": choice.id}, choice.id)
            return
        reason = moves.reason(looked.acts, choice, failed)
        await self._say(looked.id, "failed", agreed.id, {"answers": choice.id, "reason": reason}, choice.id)
        if failed == "gone" and not moves.asked(choice):
            await self._propose_others(looked, agreed)

    def _holder(self, looked: Looked, agreed: Agreed) -> str:
        """An opaque name of the person: the same in every conversation, another one for each person concerned."""
        patients = [each.said.author for each in looked.acts if each.said.role == "patient"]
        who = patients[0] if patients else to_text(looked.id)
        return self.client.device.likeness("holder", who, agreed.concerned or "").hex()

    async def _propose_others(self, looked: Looked, agreed: Agreed) -> None:
        """Offer what is free instead, once per failure: a proposal ends the failure."""
        if agreed.about is None or not self.provider.capabilities().can(Ability.FIND):
            return
        start = self.now()
        found = await self._find(start, start + OTHERS)
        slots = [_plain(slot) for slot in _spread(found)]
        if not slots:
            return
        expires = min(_milliseconds(start + ANSWER), slots[-1]["start"])
        last = [each.said.id for each in looked.acts if each.said.payload.get("act") in {"accept", "failed"}]
        fields = {**agreed.about, "slots": slots, "expires": expires}
        await self._say(looked.id, "propose", agreed.id, fields, f"others {last[-1] if last else ''}")

    # --- the end, and before it -------------------------------------------------------------------------------------

    async def _call_off(self, agreed: Agreed) -> None:
        end = agreed.end
        assert end is not None, "asked for an end"
        if end.state != "cancelled" or end.source == "agenda" or (end.late and not end.practice):
            return  # told after the deadline: the practice decides what becomes of the time
        await self.writing.cancel(agreed, by="practice" if end.practice else "patient", key=end.id)

    async def _remind(self, looked: Looked, agreed: Agreed) -> None:
        if agreed.end is not None or agreed.booked is None or agreed.about is None:
            return
        start = agreed.booked["start"]
        told = [each.said.payload for each in looked.acts if each.said.payload.get("act") == "reminder"]
        said = {each["lead"] for each in told if each["appointment"] == agreed.id and each["start"] == start}
        since = looked.said_by(agreed.booked_by or "")
        booked = _moment(since.said.at) if since else self.now()
        lead = reminders.due(
            _moment(start), _zone(agreed, self.zone), agreed.id, booked=booked, said=said, now=self.now()
        )
        if lead is not None:
            await self._say(looked.id, "reminder", agreed.id, {"start": start, "lead": lead}, f"{lead} {start}")

    # --- what the practice does in its own program ------------------------------------------------------------------

    async def follow(self) -> None:
        """Tell the conversations what became of their appointments in the agenda.

        Raises:
            UnreachableError, ProtocolError: of a conversation; the change is then told at the next look.

        """
        if not self.provider.capabilities().can(Ability.CHANGES):
            return
        try:
            changes = await self.provider.changes(self.memory.fact("cursor"))
        except AgendaError:
            return
        for change in changes.changes:
            with suppress(RefusedError):  # a conversation that the practice has left: nobody to tell
                await self._tell(change)
            self.writing.acknowledge(change)
        self.memory.learn("cursor", changes.cursor)

    async def _tell(self, change: Change) -> None:
        visit = self.memory.visit_of(change.reference)
        if visit is None or visit.state == "over":
            return
        looked = await self.look(from_text(visit.conversation))
        agreed = looked.book.appointments.get(visit.appointment)
        if agreed is None:
            return
        now = change.appointment
        if change.kind == "unclear" or (change.kind == "moved" and now is not None and not fits(now.start, now.end)):
            await self._tell_unclear(agreed, visit)
        elif change.kind == "cancelled":
            if agreed.end is None:
                await self._say(looked.id, "cancel", agreed.id, {"note": "", "source": "agenda"}, "gone")
            self.memory.keep(replace(visit, state="over"))
        elif change.kind == "moved" and change.appointment is not None:
            await self._tell_moved(looked, agreed, visit, change)
        elif change.kind == "noshow" and agreed.end is None:
            await self._say(looked.id, "no_show", agreed.id, {}, "no_show")

    async def _tell_moved(self, looked: Looked, agreed: Agreed, visit: Visit, change: Change) -> None:
        now = change.appointment
        assert now is not None, "a move says where to"
        start, end = map(_milliseconds, minutes_around(now.start, now.end))
        there = agreed.booked is not None and (agreed.booked["start"], agreed.booked["end"]) == (start, end)
        if agreed.end is None and not there:
            slot = {"start": start, "end": end, "ref": moves.named(now)}
            fields = {"slot": slot, "note": "", "source": "agenda"}
            await self._say(looked.id, "move", agreed.id, fields, f"{start} {end} {now.version}")
        self.memory.keep(replace(visit, entry=now))

    async def _tell_unclear(self, agreed: Agreed, visit: Visit) -> None:
        """Tell the practice alone that its entry is no time any more that a patient could be told."""
        own = self.memory.fact("conversation")
        if agreed.end is None and own:
            words = unclear(visit.entry.start, visit.entry.end, _zone(agreed, self.zone))
            await self.client.messages.send(from_text(own), Draft(words))

    # --- free slots, for the practice alone -------------------------------------------------------------------------

    async def _tell_free(self, looked: Looked) -> None:
        """Answer the newest question of the practice, in a conversation that only its own account is in."""
        asked = [each for each in looked.acts if _ok(looked, each) and each.said.payload["act"] == "find"]
        answered = looked.book.available
        if not asked or (answered and _seq(looked, answered.id) > asked[-1].seq):
            return
        question = asked[-1].said
        if question.author != to_text(self.client.device.id) or not await self._alone_there(looked.id):
            return
        start = max(_moment(question.payload["from"]), self.now())
        longest = self.provider.capabilities().longest_window
        end = min(_moment(question.payload["to"]), start + longest)
        if start < end:
            await self.publish(looked.id, start, end, key=question.id)

    async def publish(self, conversation: bytes, start: datetime, end: datetime, *, key: str) -> None:
        """Tell the practice what is free."""
        found = await self._find(start, end)
        slots = [_plain(slot) for slot in _apart(found)[:MAX_AVAILABLE]]
        window = {"from": _milliseconds(start), "to": _milliseconds(end)}
        await self._say(conversation, "availability", None, {"slots": slots, "zone": self.zone, **window}, key)

    async def _alone_there(self, conversation: bytes) -> bool:
        members = (await self.client.conversations.sync(conversation)).opened.chain.members
        return set(members) == {self.client.device.id}

    async def _find(self, start: datetime, end: datetime) -> Sequence[Slot]:
        try:
            found = await self.provider.find(Window(start=start, end=end))
        except AgendaError:
            return []
        return [slot for slot in found if can_be_offered(slot)]

    async def _say(
        self, conversation: bytes, act: str, appointment: str | None, fields: Mapping[str, Any], key: str
    ) -> None:
        name = f"{appointment or ''} {key}"
        await appointments_log.say(self.client, conversation, act, appointment, fields, key=name)


def _about(placed: Placed, appointment: str) -> bool:
    return placed.said.id == appointment or placed.said.payload.get("appointment") == appointment


def _ok(looked: Looked, placed: Placed) -> bool:
    return looked.book.verdicts[placed.said.id] == "ok"


def _seq(looked: Looked, message: str) -> int:
    placed = looked.said_by(message)
    return placed.seq if placed else 0


def _zone(agreed: Agreed, zone: str) -> str:
    """The zone of the place, if this machine knows it."""
    named = str(agreed.about["zone"]) if agreed.about else zone
    return named if known(named) else zone


def _apart(slots: Sequence[Slot]) -> list[Slot]:
    """Of slots that begin together the first: a list of slots ascends strictly."""
    first: dict[datetime, Slot] = {}
    for slot in sorted(slots, key=lambda slot: slot.start):
        first.setdefault(slot.start, slot)
    return list(first.values())


def _spread(slots: Sequence[Slot]) -> list[Slot]:
    """A few slots, the next ones and some of later days."""
    apart = _apart(slots)
    step = max(1, len(apart) // MAX_SLOTS)
    return apart[::step][:MAX_SLOTS]


def _plain(slot: Slot) -> dict[str, Any]:
    return {"start": _milliseconds(slot.start), "end": _milliseconds(slot.end), "ref": slot.reference}


def _milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1_000, UTC)
