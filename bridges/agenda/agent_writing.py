"""Writing into the agenda what was agreed, exactly once. Source: docs/spec/appointments.md 6, agenda.md 2 and 5.

What is about to be written is remembered first, under the id of the message that asked for it: whatever is cut is done
again with the same key, and an agenda behind this contract gives the outcome of the first.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from bridges.agenda.agent_memory import Memory, Visit
from bridges.agenda.desk import Desk
from bridges.agenda.provider import (
    AgendaError,
    Appointment,
    Change,
    ChangedError,
    Hold,
    HoldExpiredError,
    Party,
    Provider,
    RefusedError,
    Slot,
    SlotGoneError,
    TooManyHoldsError,
    UnknownOutcomeError,
    Window,
)
from bridges.kit.appointments_state import Appointment as Agreed
from bridges.kit.appointments_state import Choice

HELD: Final = timedelta(minutes=5)
Failure = Literal["gone", "refused"]


class NotYetError(Exception):
    """The agenda did not answer. ``certain``: nothing of ours is in it."""

    def __init__(self, *, certain: bool) -> None:
        super().__init__()
        self.certain = certain


@dataclass(slots=True)
class Writing:
    """Writes for one agenda."""

    provider: Provider
    memory: Memory
    now: Callable[[], datetime]

    async def book(self, agreed: Agreed, conversation: str, *, holder: str) -> Failure | None:
        """Book what was chosen, or move there; gives why it could not be, for certain. Raises NotYetError."""
        choice = agreed.chosen
        assert choice is not None, "asked for a choice"
        visit = self.memory.visit(agreed.id)
        if visit is not None and _stands(visit, choice):
            return None
        try:
            slot = await self._offered(_moment(choice.slot["start"]), _moment(choice.slot["end"]), visit, choice.id)
            visit = _begun(agreed, conversation, choice.id, slot, visit)
            self.memory.keep(visit)
            hold = await self.provider.hold(slot, holder=holder, until=self.now() + HELD, key=choice.id)
            made = await self._write(hold, visit, choice.id)
        except (SlotGoneError, HoldExpiredError):
            return self._failed(visit, "gone")
        except TooManyHoldsError:
            return self._failed(visit, "refused")
        except AgendaError as error:
            if isinstance(error, RefusedError) and error.permanent:
                return self._failed(visit, "refused")
            raise NotYetError(certain=not isinstance(error, UnknownOutcomeError)) from error
        self.memory.keep(replace(visit, state="booked", entry=made))
        return None

    async def cancel(self, agreed: Agreed, *, by: Party, key: str) -> None:
        """Take an appointment out of the agenda; what is not in it is left. Raises NotYetError."""
        visit = self.memory.visit(agreed.id)
        if visit is None or visit.state == "over":
            return
        if visit.state == "booked" and not visit.entry.reference:  # it stands at a partner's only
            self.memory.keep(replace(visit, state="over"))
            return
        try:
            entry = await self._entry(visit)
            if entry is not None:
                await self._cancel(entry, by=by, key=key)
        except AgendaError as error:
            if isinstance(error, RefusedError) and error.permanent:
                return  # the practice sees the cancellation in the conversation
            raise NotYetError(certain=not isinstance(error, UnknownOutcomeError)) from error
        self.memory.keep(replace(visit, state="over"))

    def acknowledge(self, change: Change) -> None:
        """Take over a change of the practice that its conversation has been told."""
        if isinstance(self.provider, Desk):
            self.provider.acknowledge(change)

    # --- one booking ------------------------------------------------------------------------------------------------

    async def _offered(self, start: datetime, end: datetime, visit: Visit | None, key: str) -> Slot:
        """Find the slot in the agenda as it is now. A booking that was cut may itself keep its time: its hold knows."""
        found = await self.provider.find(Window(start=start, end=end))
        slot = next((each for each in found if (each.start, each.end) == (start, end)), None)
        if slot is None and visit is not None and visit.key == key and visit.state == "booking":
            return Slot(start=start, end=end, zone=visit.entry.zone, reference="again")
        if slot is None:
            raise SlotGoneError
        return slot

    async def _write(self, hold: Hold, visit: Visit, key: str) -> Appointment:
        if not visit.entry.reference:
            return await self.provider.book(hold, key=key)
        try:
            return await self.provider.reschedule(visit.entry, hold, key=key)
        except ChangedError as changed:
            if changed.current is None:  # gone from the agenda: the new time is a new entry
                return await self.provider.book(hold, key=key)
            return await self.provider.reschedule(changed.current, hold, key=key)

    def _failed(self, visit: Visit | None, why: Failure) -> Failure:
        """Nothing was written; a move that failed leaves the entry where it was."""
        if visit is not None and visit.state == "booking":
            self.memory.keep(replace(visit, state="booked" if visit.entry.reference else "over", key=""))
        return why

    async def _entry(self, visit: Visit) -> Appointment | None:
        """The entry of a visit; of a booking that was cut, its outcome is found out by doing it again."""
        if visit.entry.reference:
            return visit.entry
        slot = Slot(start=visit.entry.start, end=visit.entry.end, zone=visit.entry.zone, reference="again")
        try:
            hold = await self.provider.hold(slot, holder="", until=self.now() + HELD, key=visit.key)
            return await self.provider.book(hold, key=visit.key)
        except (SlotGoneError, HoldExpiredError, TooManyHoldsError):
            return None

    async def _cancel(self, entry: Appointment, *, by: Party, key: str) -> None:
        try:
            await self.provider.cancel(entry, by=by, key=key)
        except ChangedError as changed:
            if changed.current is not None:
                await self.provider.cancel(changed.current, by=by, key=key)


def _stands(visit: Visit, choice: Choice) -> bool:
    """Whether a choice needs no writing: it was written before a crash, or a partner had noted that very time."""
    times = (_moment(choice.slot["start"]), _moment(choice.slot["end"]))
    return visit.state == "booked" and (visit.key == choice.id or (visit.entry.start, visit.entry.end) == times)


def _begun(agreed: Agreed, conversation: str, key: str, slot: Slot, before: Visit | None) -> Visit:
    """What is about to be written: a new entry, or the move of one that stands."""
    stands = before is not None and before.entry.reference and before.state != "over"
    entry = before.entry if before is not None and stands else _unwritten(slot)
    return Visit(appointment=agreed.id, conversation=conversation, key=key, state="booking", entry=entry)


def _unwritten(slot: Slot) -> Appointment:
    return Appointment(reference="", version="", start=slot.start, end=slot.end, zone=slot.zone, state="held")


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1_000, UTC)
