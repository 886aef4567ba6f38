"""A calendar at ClicRDV as a provider. Source: docs/spec/agenda-partners.md 9.

ClicRDV refuses no overlap, so it is treated as CalDAV is: the event carries a mark of its hold, and after writing the
time is read back; who came later takes the own event away.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from typing_extensions import override

from bridges.agenda.clicrdv.api import Api, Event
from bridges.agenda.partial import PartialProvider
from bridges.agenda.provider import (
    LONGEST_WINDOW,
    Ability,
    Appointment,
    Capabilities,
    Change,
    ChangedError,
    Changes,
    Details,
    Hold,
    Link,
    Mode,
    Party,
    RefusedError,
    Slot,
    SlotGoneError,
    UnknownOutcomeError,
    UnreachableError,
    Window,
)

NEUTRAL: Final = "RDV"
LONGEST_EVENT: Final = timedelta(hours=24)  # longer ones are found by their start only


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """What the practice chose."""

    minutes: int  # of the intervention
    page: str = ""  # where people book by hand
    with_details: bool = False


class ClicRdvProvider(PartialProvider):
    """One calendar and one intervention."""

    def __init__(self, api: Api, habits: Habits) -> None:
        self._api, self._habits = api, habits
        self._zone = api.account.zone

    @override
    def capabilities(self) -> Capabilities:
        abilities = {Ability.FIND, Ability.BOOK, Ability.RESCHEDULE, Ability.CANCEL, Ability.CHANGES}
        if self._habits.page:
            abilities.add(Ability.LINK)
        return Capabilities(adapter="clicrdv", abilities=frozenset(abilities))

    @override
    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        if window.end - window.start > LONGEST_WINDOW:
            raise RefusedError("window_too_long")
        if mode not in {None, Mode.PRACTICE} or motive:
            return []
        length = timedelta(minutes=self._habits.minutes)
        starts = sorted(set(await self._api.free(window.start, window.end)))
        return [
            Slot(start=start, end=start + length, zone=self._zone, reference=f"{start:%Y%m%dT%H%M%SZ}")
            for start in starts
            if window.start <= start < window.end
        ]

    @override
    async def book(self, hold: Hold, *, key: str, details: Details | None = None) -> Appointment:
        mark = _mark(hold.reference)
        if (known := await self._ours(mark, hold.slot.window)) is not None:
            return self._appointment(known)
        await self._require_free(hold.slot.window, than="")
        title = details.title if details and details.title and self._habits.with_details else NEUTRAL
        try:
            made = await self._api.create(hold.slot.start, hold.slot.end, text=title, mark=mark)
        except UnknownOutcomeError:
            made = await self._found_out(mark, hold.slot.window)
        await self._read_back(made, hold.slot.window)
        return self._appointment(made)

    @override
    async def reschedule(self, appointment: Appointment, hold: Hold, *, key: str) -> Appointment:
        known = await self._unchanged(appointment, until=hold.slot.start)
        if self._api.instant(known.start) != hold.slot.start:
            await self._require_free(hold.slot.window, than=appointment.reference)
            await self._api.move(appointment.reference, hold.slot.start, hold.slot.end)
        return await self._now(appointment.reference)

    @override
    async def cancel(self, appointment: Appointment, *, by: Party, key: str, reason: str = "") -> Appointment:
        known = await self._api.get(appointment.reference)
        if known is None or known.deleted:
            return _cancelled(appointment)
        await self._unchanged(appointment, until=None)
        await self._api.delete(appointment.reference)
        return _cancelled(appointment)

    @override
    async def changes(self, cursor: str = "") -> Changes:
        """Ask for what was updated at or after the last update seen: the last one comes again, and is known then."""
        since, _, told_before = cursor.partition("|")
        found = await self._api.events(*((("updated_at", ">=", since),) if since else ()))
        seen = set(told_before.split(",")) if since else set()
        news = [each for each in found if each.type != "VfreebusyEvent" and _version(each) not in seen]
        changes = [self._change(each, first=not since) for each in news if since or each.takes_time]
        last = max((each.updated_at for each in found), default=since)
        at_last = sorted({_version(each) for each in found if each.updated_at == last})
        return Changes(cursor=f"{last}|{','.join(at_last)}" if last else "", changes=changes)

    @override
    async def link(self, slot: Slot | None = None) -> Link:
        if not self._habits.page:
            return await super().link(slot)
        return Link(url=self._habits.page, label="ClicRDV")

    # --- one event ------------------------------------------------------------------------------------------------

    async def _around(self, window: Window) -> Sequence[Event]:
        first, last = self._api.wall(window.start - LONGEST_EVENT), self._api.wall(window.end)
        return await self._api.events(("start", ">=", first), ("start", "<=", last))

    async def _ours(self, mark: str, window: Window) -> Event | None:
        return next((each for each in await self._around(window) if each.comments == mark and not each.deleted), None)

    async def _require_free(self, window: Window, *, than: str) -> None:
        if any(self._overlaps(each, window) and str(each.id) != than for each in await self._around(window)):
            raise SlotGoneError

    async def _found_out(self, mark: str, window: Window) -> Event:
        try:
            known = await self._ours(mark, window)
        except UnreachableError:
            raise UnknownOutcomeError from None
        if known is None:
            raise UnknownOutcomeError  # it may still be on its way
        return known

    async def _read_back(self, made: Event, window: Window) -> None:
        """Take our event away when somebody was there before it: of two, the smaller number was first."""
        try:
            rivals = [each for each in await self._around(window) if self._overlaps(each, window) and each.id < made.id]
        except UnreachableError:
            raise UnknownOutcomeError from None
        if rivals:
            await self._api.delete(str(made.id))
            raise SlotGoneError

    def _overlaps(self, event: Event, window: Window) -> bool:
        start, end = self._api.instant(event.start), self._api.instant(event.end)
        return event.takes_time and start is not None and end is not None and window.overlaps(start, end)

    async def _unchanged(self, appointment: Appointment, *, until: datetime | None) -> Event:
        known = await self._api.get(appointment.reference)
        if known is None or known.deleted:
            raise ChangedError("gone")
        start = self._api.instant(known.start)
        if start not in {appointment.start, until}:
            raise ChangedError("moved", self._appointment(known))
        return known

    async def _now(self, reference: str) -> Appointment:
        try:
            known = await self._api.get(reference)
        except UnreachableError:
            raise UnknownOutcomeError from None
        if known is None:
            raise ChangedError("gone")
        return self._appointment(known)

    def _appointment(self, event: Event) -> Appointment:
        start, end = self._api.instant(event.start), self._api.instant(event.end)
        if start is None or end is None or not start < end:
            raise UnreachableError("bad_answer")
        return Appointment(
            reference=str(event.id),
            version=event.updated_at,
            start=start,
            end=end,
            zone=self._zone,
            state="cancelled" if event.deleted else "booked",
        )

    def _change(self, event: Event, *, first: bool) -> Change:
        try:
            appointment = self._appointment(event)
        except UnreachableError:
            appointment = None
        reference = str(event.id)
        if first:
            return Change(reference=reference, kind="seen", appointment=appointment)
        if event.deleted:
            return Change(reference=reference, kind="cancelled", appointment=appointment)
        kind: Literal["booked", "moved"] = "booked" if event.created_at == event.updated_at else "moved"
        return Change(reference=reference, kind=kind, appointment=appointment)


def _mark(reference: str) -> str:
    """Make the mark of an event from the name of its hold, which stays ours."""
    return "pli:" + hashlib.sha256(reference.encode()).hexdigest()[:32]


def _version(event: Event) -> str:
    return f"{event.id}.{int(event.deleted)}.{event.start}.{event.end}".replace(",", "").replace("|", "")


def _cancelled(appointment: Appointment) -> Appointment:
    return replace(appointment, state="cancelled")
