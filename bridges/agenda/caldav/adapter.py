"""A practice's calendar on a CalDAV server as an agenda. Source: docs/spec/agenda.md 4.

Its free time is ours to compute: opening hours less the events that we read and repeat ourselves, never a report of the
server about when somebody is busy.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from typing_extensions import override

from bridges.agenda.caldav.collection import Collection, Item, LostTokenError
from bridges.agenda.calendar import writing
from bridges.agenda.calendar.reading import Entry as ReadEntry
from bridges.agenda.calendar.reading import Query, Reading
from bridges.agenda.calendar.sandbox import Sandbox
from bridges.agenda.ics.feed import Busy
from bridges.agenda.openings import Opening, free, slots
from bridges.agenda.partial import PartialProvider
from bridges.agenda.provider import (
    LONGEST_WINDOW,
    Ability,
    AgendaError,
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
    UnsupportedError,
    Window,
)

TRIES: Final = 3
PAUSE: Final = 0.3  # seconds before the second try, doubled for the third
AHEAD: Final = timedelta(days=400)  # how far changes are looked for when a token was lost
LARGEST: Final = 256 * 1024  # bytes of one event that we would edit


@dataclass(slots=True, kw_only=True)
class CalDav(PartialProvider):
    """The agenda behind one calendar collection."""

    collection: Collection
    sandbox: Sandbox
    zone: str
    openings: Sequence[Opening]
    now: Callable[[], datetime]
    with_details: bool = False  # whether names and motives may leave the encrypted world
    page: str = ""
    feeds: Sequence[Busy] = ()  # other calendars in which the same person can be busy
    unread: int = field(default=0, init=False)  # events of the last window that could not be read

    @override
    def capabilities(self) -> Capabilities:
        abilities = {Ability.FIND, Ability.BOOK, Ability.RESCHEDULE, Ability.CANCEL, Ability.CHANGES}
        return Capabilities(
            adapter="caldav",
            abilities=frozenset(abilities | ({Ability.LINK} if self.page else set())),
            refuses_duplicates=True,
            modes=frozenset(opening.mode for opening in self.openings),
        )

    @override
    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        if window.end - window.start > LONGEST_WINDOW:
            raise RefusedError("window")
        offered = slots([each for each in self.openings if each.offers(motive, mode)], self.zone, window)
        if not offered:
            return []
        await self.collection.ready()
        reach = Window(start=window.start, end=max(slot.end for slot in offered))
        reading = await self._read(await self.collection.between(reach), reach)
        self.unread = len(reading.skipped) + reading.unlisted
        offered = free(offered, reading.busy)
        for feed in self.feeds:
            reading = await feed.read(reach)
            self.unread += len(reading.skipped) + reading.unlisted
            offered = free(offered, reading.busy)
        return offered

    @override
    async def book(self, hold: Hold, *, key: str, details: Details | None = None) -> Appointment:
        await self.collection.ready()
        href = self.collection.href(f"{hold.reference}.ics")
        said = details if details and self.with_details else Details()
        entry = writing.Entry(
            uid=hold.reference,
            start=hold.slot.start,
            end=hold.slot.end,
            stamp=self.now(),
            title=said.title or f"{writing.NEUTRAL} {hold.reference[:6]}",
            description=said.description,
        )
        href = await self._create(href, writing.write([entry]), hold)
        return await self._stands(href, hold)

    @override
    async def reschedule(self, appointment: Appointment, hold: Hold, *, key: str) -> Appointment:
        await self.collection.ready()
        slot = hold.slot
        item = await self._item(appointment.reference)
        now = await self._appointment(item)
        if (now.start, now.end) == (slot.start, slot.end):
            return await self._stands(item.href, hold)  # this very call has succeeded before
        elsewhere = (now.start, now.end) != (appointment.start, appointment.end)
        if appointment.version and item.etag != appointment.version and elsewhere:
            raise ChangedError(current=now)  # what else the practice wrote into its event stays there
        try:
            body = writing.moved(item.body, start=slot.start, end=slot.end, stamp=self.now())
        except (ValueError, UnicodeError):
            raise ChangedError("not one event", current=now) from None
        await self._replace(item, body, slot)
        try:
            return await self._stands(item.href, hold, and_delete=False)
        except SlotGoneError:
            current = await self._item(item.href)
            back = writing.moved(current.body, start=now.start, end=now.end, stamp=self.now())
            await self._replace(current, back, now)
            raise

    @override
    async def cancel(self, appointment: Appointment, *, by: Party, key: str, reason: str = "") -> Appointment:
        item = await self.collection.get(appointment.reference)
        if item is not None:
            if appointment.version and item.etag and item.etag != appointment.version:
                current = await self._appointment(item)
                if (current.start, current.end) != (appointment.start, appointment.end):
                    raise ChangedError(current=current)
            await self._delete(item)
        return Appointment(
            reference=appointment.reference,
            version="",
            start=appointment.start,
            end=appointment.end,
            zone=appointment.zone,
            state="cancelled",
            mode=appointment.mode,
        )

    @override
    async def changes(self, cursor: str = "") -> Changes:
        await self.collection.ready()
        known = _cursor(cursor)
        try:
            if "etags" in known:
                return await self._listed(known["etags"])
            synced = await self.collection.changed(known.get("token", ""))
        except LostTokenError:
            return await self._restarted()
        if not known:
            return await self._restarted(synced.token)
        gone = [Change(reference=href, kind="cancelled", by="practice") for href in synced.gone]
        seen = await self._seen(await self.collection.many(sorted(synced.present)))
        return Changes(cursor=json.dumps({"token": synced.token}), changes=[*gone, *seen])

    @override
    async def link(self, slot: Slot | None = None) -> Link:
        if not self.page:
            raise UnsupportedError("link")
        return Link(url=self.page)

    # --- writing, when servers answer late, wrongly or not at all ---------------------------------------------------

    async def _create(self, href: str, body: bytes, hold: Hold) -> str:
        """Write a new event exactly once, and give its path: drawn at random, unless the server chose another one."""
        for pause in _pauses():
            await asyncio.sleep(pause)
            try:
                reply = await self.collection.put(href, body)
            except (UnknownOutcomeError, UnreachableError) as error:
                if found := await self._find(href, hold, error):
                    return found
                continue
            if reply.status in {200, 201, 204}:
                return href
            if reply.status in {409, 412} and (found := await self._find(href, hold, None)):
                return found
            raise RefusedError(str(reply.status))
        raise UnknownOutcomeError("no answer")

    async def _find(self, href: str, hold: Hold, error: AgendaError | None) -> str:
        """Look where a new event is: at its path, or where the server has put its UID; empty for nowhere."""
        if await self._is_there(href, error):
            return href
        try:
            items = await self.collection.between(hold.slot.window)
        except UnreachableError as again:
            raise UnknownOutcomeError(str(again)) from again
        return next((item.href for item in items if item.is_of(hold.reference)), "")

    async def _replace(self, item: Item, body: bytes, to: Slot | Appointment, *, blindly: bool = False) -> None:
        """Write over what was read; raises ChangedError when somebody else did so meanwhile."""
        try:
            reply = await self.collection.put(item.href, body, over=None if blindly else item.etag or None)
        except (UnknownOutcomeError, UnreachableError) as error:
            _require_sent(error)
            raise UnknownOutcomeError(str(error)) from error  # repeating looks what is there before it writes
        if reply.status == 412 and not blindly:
            current = await self._item(item.href)
            if current.says_the_same(item):  # nobody wrote it: the server does not know its own ETags
                await self._replace(item, body, to, blindly=True)
                return
            now = await self._appointment(current)
            if (now.start, now.end) != (to.start, to.end):  # else it was our own write, sent twice on the way
                raise ChangedError(current=now)
        elif reply.status not in {200, 201, 204}:
            raise RefusedError(str(reply.status))

    async def _delete(self, item: Item) -> None:
        for pause in _pauses():
            await asyncio.sleep(pause)
            try:
                reply = await self.collection.delete(item.href, etag=item.etag)
            except (UnknownOutcomeError, UnreachableError) as error:
                if not await self._is_there(item.href, error):
                    return
                continue
            if reply.status in {200, 202, 204, 404, 410}:
                return
            if reply.status == 412:
                current = await self._item(item.href)
                if not current.says_the_same(item):
                    raise ChangedError(current=await self._appointment(current))
                item = Item(item.href, "", item.body)  # nobody wrote it: the server does not know its own ETags
                continue
            raise RefusedError(str(reply.status))
        raise UnknownOutcomeError("no answer")

    async def _is_there(self, href: str, error: AgendaError | None) -> bool:
        """Look what became of a write; raises UnknownOutcomeError when that does not answer either."""
        if error is not None:
            _require_sent(error)
        try:
            return await self.collection.get(href) is not None
        except UnreachableError as again:
            raise UnknownOutcomeError(str(again)) from again

    async def _stands(self, href: str, hold: Hold, *, and_delete: bool = True) -> Appointment:
        """Read back: our event must be there, and nobody else at that time."""
        slot = hold.slot
        try:
            items = await self.collection.between(slot.window)
            mine = next((item for item in items if item.href == href), None)
            mine = mine or next((item for item in items if item.is_of(hold.reference)), None)
            mine = mine or await self.collection.get(href)
        except UnreachableError as error:
            raise UnknownOutcomeError(str(error)) from error
        if mine is None:
            raise UnknownOutcomeError("said to be written, and is not there")
        if not and_delete:
            now = await self._appointment(mine)
            if (now.start, now.end) != (slot.start, slot.end):  # somebody wrote over ours at that very moment
                raise ChangedError(current=now)
        others = [item for item in items if item.href != mine.href]
        reading = await self._read(others, slot.window)
        if reading.busy:
            # Whoever else is there may have been told already that the time is theirs: we give way, always.
            if and_delete:
                await self._delete(mine)
            raise SlotGoneError
        return Appointment(
            reference=mine.href, version=mine.etag, start=slot.start, end=slot.end, zone=slot.zone, mode=slot.mode
        )

    # --- reading ----------------------------------------------------------------------------------------------------

    async def _item(self, href: str) -> Item:
        item = await self.collection.get(href)
        if item is None or len(item.body) > LARGEST:
            raise ChangedError(current=None)
        return item

    async def _read(self, items: Sequence[Item], window: Window, *, entries: bool = False) -> Reading:
        if not items:
            return Reading()
        query = Query(start=window.start, end=window.end, zone=self.zone, entries=entries)
        answer = await self.sandbox.read(b"\r\n".join(item.body for item in items), query)
        if answer.reading.reason:
            raise UnreachableError(f"calendar {answer.reading.reason}")
        return answer.reading

    async def _appointment(self, item: Item) -> Appointment:
        """Say what an event is now; raises ChangedError for what is no single event any more."""
        found = await self._entry(item)
        if found is None:
            raise ChangedError("not one event")
        return self._as_appointment(item, found)

    async def _entry(self, item: Item) -> ReadEntry | None:
        moment = self.now()
        reading = await self._read([item], Window(start=moment, end=moment + timedelta(days=1)), entries=True)
        single = [entry for entry in reading.entries if not entry.recurs and entry.start < entry.end]
        return single[0] if len(reading.entries) == len(single) == 1 else None

    def _as_appointment(self, item: Item, entry: ReadEntry) -> Appointment:
        gone = entry.status == "CANCELLED"
        return Appointment(
            reference=item.href,
            version=item.etag,
            start=entry.start.astimezone(UTC),
            end=entry.end.astimezone(UTC),
            zone=self.zone,
            state="cancelled" if gone else "booked",
        )

    async def _seen(self, items: Sequence[Item]) -> list[Change]:
        seen = []
        for item in items:
            try:
                entry = await self._entry(item)
            except UnreachableError:  # one event that nobody can read: there is nothing to tell of it
                continue
            if entry is None or (entry.all_day and entry.status != "CANCELLED"):
                seen.append(Change(reference=item.href, kind="unclear", by="practice"))
            else:
                now = self._as_appointment(item, entry)
                if now.state == "cancelled":
                    seen.append(Change(reference=item.href, kind="cancelled", appointment=now, by="practice"))
                else:
                    seen.append(Change(reference=item.href, kind="seen", appointment=now, by="practice"))
        return seen

    async def _restarted(self, token: str = "") -> Changes:
        """Begin again: everything from today on, and a cursor from before it was read."""
        known: dict[str, Any] = {"token": token}
        if not token:
            try:
                known = {"token": (await self.collection.changed("")).token}
            except LostTokenError:
                known = {"etags": await self.collection.etags()}
        today = self.now() - timedelta(days=1)
        items = await self.collection.between(Window(start=today, end=today + AHEAD))
        seen, present = await self._seen(items), await self.collection.etags()
        return Changes(cursor=json.dumps(known), changes=seen, restarted=True, present=frozenset(present))

    async def _listed(self, before: dict[str, str]) -> Changes:
        now = await self.collection.etags()
        gone = [Change(reference=href, kind="cancelled", by="practice") for href in before if href not in now]
        fresh = sorted(href for href, etag in now.items() if before.get(href) != etag)
        seen = await self._seen(await self.collection.many(fresh))
        return Changes(cursor=json.dumps({"etags": now}), changes=[*gone, *seen])


def _pauses() -> list[float]:
    return [0.0, *(PAUSE * 2**number for number in range(TRIES - 1))]


def _require_sent(error: AgendaError) -> None:
    """Pass on what says for certain that nothing reached the server."""
    if isinstance(error, UnreachableError) and str(error) in {"connection", "certificate"}:
        raise error


def _cursor(text: str) -> dict[str, Any]:
    try:
        known = json.loads(text) if text else {}
    except ValueError:
        return {}
    return known if isinstance(known, dict) else {}
