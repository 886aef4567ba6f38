"""The desk in front of an agenda that keeps no holds itself: one time, one person. Source: docs/spec/agenda.md 5.

A desk is a provider like the one behind it, with holds. It is where double booking ends: a time is taken in our own
table, under its constraints, before anything is written into the agenda, and is given back only when it is certain
that nothing was.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, Literal, TypeVar

from bridges.agenda.holds import STANDS, Holds, Row
from bridges.agenda.openings import free
from bridges.agenda.outgoing import CERTIFICATE, FORBIDDEN
from bridges.agenda.provider import (
    Ability,
    AgendaError,
    Appointment,
    Capabilities,
    Change,
    ChangedError,
    Changes,
    CredentialsRevokedError,
    Details,
    Hold,
    Link,
    Mode,
    Party,
    Provider,
    RefusedError,
    Slot,
    SlotGoneError,
    UnknownOutcomeError,
    UnreachableError,
    Window,
)

Health = Literal["ready", "incomplete", "unreachable", "untrusted", "revoked", "refused", "misled"]
NOTICE: Final = timedelta(hours=2)  # between the choice of a patient and the slot
NOTING: Final = timedelta(minutes=5)  # to write what stands elsewhere
LOOK_AGAIN: Final = timedelta(minutes=1)  # between looks at free times that could not be told
_A_DAY: Final = timedelta(days=1)
KEPT: Final = timedelta(days=90)  # after its end a row is forgotten
_Answer = TypeVar("_Answer")


@dataclass(slots=True)
class Desk:
    """A provider with holds. Raises ValueError for one that holds itself."""

    provider: Provider
    holds: Holds
    now: Callable[[], datetime]
    notice: timedelta = NOTICE
    _health: Health = field(default="ready", init=False)  # of everything but free times
    _found: Health = field(default="ready", init=False)  # of free times: other calendars have a part in them
    _unread: int = field(default=0, init=False)
    _reach: timedelta = field(default=_A_DAY, init=False)  # how far free times were last asked for
    _looked: datetime | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        if self.provider.capabilities().holds_natively:
            raise ValueError("this agenda keeps holds itself")

    @property
    def health(self) -> Health:
        """How the agenda was when it was last asked; ``incomplete``: it answers, and something in it cannot be read."""
        if self._health != "ready":
            return self._health
        return "incomplete" if self._found == "ready" and self._unread else self._found

    def capabilities(self) -> Capabilities:
        """Say what the agenda can do; what can be booked can be held."""
        known = self.provider.capabilities()
        if known.can(Ability.BOOK) and known.can(Ability.FIND):
            return replace(known, abilities=known.abilities | {Ability.HOLD})
        return known

    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        """Give the free slots that nobody holds and that are not too near."""
        try:
            found = await self.provider.find(window, motive=motive, mode=mode)
        except AgendaError as error:
            self._found = _health_of(error) or self._found
            raise
        self._found = "ready"
        if window.end - window.start >= _A_DAY:  # what lies in one hour says nothing of the rest
            self._reach, self._unread = window.end - window.start, getattr(self.provider, "unread", 0)
        soonest = self.now() + self.notice
        ends = max((slot.end for slot in found), default=window.end)
        return free([slot for slot in found if slot.start >= soonest], self.holds.live(window.start, ends))

    async def hold(self, slot: Slot, *, holder: str, until: datetime, key: str) -> Hold:
        """Keep a slot that the agenda offers at this moment; the patient's word that it does counts for nothing."""
        known = self.holds.of_key(key)
        if known is None and slot not in await self.find(slot.window):
            raise SlotGoneError
        return self.holds.take(slot, holder=holder, until=until, key=key)

    async def release(self, hold: Hold) -> None:
        """Give a held slot back."""
        self.holds.release(hold)

    async def book(self, hold: Hold, *, key: str, details: Details | None = None) -> Appointment:
        """Write the appointment; its time stays kept for as long as the outcome is unknown."""
        row = self.holds.begin(hold)
        if row.state in STANDS:
            return _appointment(row)
        made = await self._settled(row.hold, self.provider.book(row.hold, key=key, details=details))
        self.holds.settle(row.hold, "booked", made.reference, made.version)
        return made

    async def reschedule(self, appointment: Appointment, hold: Hold, *, key: str) -> Appointment:
        """Move an appointment; its old time is free once it is certain that it has moved."""
        row = self.holds.begin(hold, moves=appointment.reference)
        if row.state in STANDS:
            return _appointment(row)
        old = self.holds.of_appointment(appointment.reference)
        made = await self._settled(row.hold, self.provider.reschedule(appointment, row.hold, key=key))
        self.holds.replace(old.hold.reference if old else "", row.hold, made.reference, made.version)
        return made

    async def note(self, slot: Slot, *, holder: str, key: str) -> Appointment:
        """Write what stands elsewhere already, whether or not the agenda offers that time; raises as ``book``."""
        hold = self.holds.take(slot, holder=holder, until=self.now() + NOTING, key=key)
        return await self.book(hold, key=key)

    async def follow_to(self, appointment: Appointment, slot: Slot, *, holder: str, key: str) -> Appointment:
        """Move an entry to where it stands elsewhere already; raises as ``reschedule``."""
        hold = self.holds.take(slot, holder=holder, until=self.now() + NOTING, key=key)
        return await self.reschedule(appointment, hold, key=key)

    async def cancel(self, appointment: Appointment, *, by: Party, key: str, reason: str = "") -> Appointment:
        """Cancel an appointment; its time is free once it is certain that it is gone."""
        gone = await self._ask(self.provider.cancel(appointment, by=by, key=key, reason=reason))
        if row := self.holds.of_appointment(appointment.reference):
            self.holds.settle(row.hold, "cancelled", gone.reference, gone.version)
        return gone

    async def changes(self, cursor: str = "") -> Changes:
        """Say what became of our appointments and what else is new; what we did ourselves is left out.

        A change is told again until ``acknowledge`` has had it.
        """
        told = await self._ask(self.provider.changes(cursor))
        kept = [each for each in map(self._compared, told.changes) if each is not None]
        if told.restarted:  # what is gone is not told then: it is what we know of and nobody mentions
            mentioned = {each.reference for each in told.changes} | set(told.present)
            missing = [row for row in self.holds.booked(self.now()) if row.appointment not in mentioned]
            kept += [Change(reference=row.appointment, kind="cancelled", by="practice") for row in missing]
        return replace(told, changes=kept)

    async def link(self, slot: Slot | None = None) -> Link:
        """Give the page where a person books by hand."""
        return await self._ask(self.provider.link(slot))

    def appointments(self) -> list[Appointment]:
        """Give what stands in the agenda from yesterday on, by our own table."""
        return [_appointment(row) for row in self.holds.booked(self.now() - timedelta(days=1))]

    def acknowledge(self, change: Change) -> None:
        """Take over a change after everybody who must know has been told."""
        row = self.holds.of_appointment(change.reference)
        if row is None or row.state not in STANDS:
            return
        if change.kind == "cancelled":
            self.holds.settle(row.hold, "cancelled", change.reference)
        elif change.appointment is not None:
            now = change.appointment
            self.holds.follow(row.hold.reference, now.start, now.end, now.version)

    async def settle(self) -> list[tuple[Hold, Appointment | None]]:
        """Find out about the bookings whose outcome is unknown; gives those that are known now, None for none made.

        A row that was left by a crash is one of them: its booking is done again with its key.
        """
        self.holds.forget(self.now() - KEPT)
        known: list[tuple[Hold, Appointment | None]] = []
        for row in self.holds.pending():
            try:
                known.append((row.hold, await self._again(row)))
            except (UnknownOutcomeError, UnreachableError, CredentialsRevokedError):
                continue
            except AgendaError:
                known.append((row.hold, None))
        await self._look_again()
        return known

    async def _look_again(self) -> None:
        """Look at free times that could not be told, or not wholly, also when nobody asks for them."""
        now = self.now()
        if (self._found == "ready" and not self._unread) or (self._looked and now - self._looked < LOOK_AGAIN):
            return
        self._looked = now
        with suppress(AgendaError):
            await self.find(Window(start=now, end=now + self._reach))

    async def _again(self, row: Row) -> Appointment:
        """Repeat what a pending row was about."""
        if not row.appointment:
            return await self.book(row.hold, key=row.key)
        old = self.holds.of_appointment(row.appointment)
        if old is None:
            raise ChangedError
        return await self.reschedule(_appointment(old), row.hold, key=row.key)

    async def _settled(self, hold: Hold, asked: Awaitable[Appointment]) -> Appointment:
        try:
            return await self._ask(asked)
        except (UnreachableError, CredentialsRevokedError):
            self.holds.settle(hold, "held")  # nothing was written: it is held until it would have ended anyway
            raise
        except UnknownOutcomeError:  # the row stays pending, so its time stays taken
            raise
        except RefusedError as error:
            self.holds.settle(hold, "released" if error.permanent else "held")
            raise
        except AgendaError:
            self.holds.settle(hold, "released")
            raise

    def _compared(self, change: Change) -> Change | None:
        row = self.holds.of_appointment(change.reference)
        if change.kind == "unclear":
            return change if row is not None and row.state in STANDS else None
        return change if row is None else self._of_ours(change, row)

    def _of_ours(self, change: Change, row: Row) -> Change | None:
        if row.state not in STANDS:
            return None
        if change.kind == "cancelled" or change.appointment is None:
            return replace(change, kind="cancelled")
        slot = row.hold.slot
        if (change.appointment.start, change.appointment.end) == (slot.start, slot.end):
            if change.kind in {"fulfilled", "noshow"}:
                return change
            self.acknowledge(change)  # the practice wrote something else into its entry: only the version is new
            return None
        return replace(change, kind="moved")

    async def _ask(self, asked: Awaitable[_Answer]) -> _Answer:
        try:
            answer = await asked
        except AgendaError as error:
            self._health = _health_of(error) or self._health
            raise
        self._health = "ready"
        return answer


def _health_of(error: AgendaError) -> Health | None:
    """What an error says of the agenda; None for nothing."""
    match error:
        case CredentialsRevokedError():
            return "revoked"
        case UnreachableError() | UnknownOutcomeError():
            return "untrusted" if error.detail == CERTIFICATE else "unreachable"
        case RefusedError():
            return "misled" if error.detail in FORBIDDEN else "refused"
        case _:
            return None


def _appointment(row: Row) -> Appointment:
    slot = row.hold.slot
    return Appointment(
        reference=row.appointment,
        version=row.version,
        start=slot.start,
        end=slot.end,
        zone=slot.zone,
        mode=slot.mode,
    )
