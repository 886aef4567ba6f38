"""An agenda that speaks SAS or GAP, as a provider. Source: docs/spec/agenda-partners.md 5.6."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec
from typing_extensions import override
from yarl import URL

from bridges.agenda.fhir import identifiers as national
from bridges.agenda.fhir.appointments import Told, Writing, compose, describe
from bridges.agenda.fhir.checking import question
from bridges.agenda.fhir.following import Follower, Seen, read_cursor, written_cursor
from bridges.agenda.fhir.reading import FhirError, Index, Resource, codings, identifiers, index, instant, read, texts
from bridges.agenda.fhir.terms import ACTS, JSON, MODE_OF, PERSONS, STRUCTURES
from bridges.agenda.outgoing import Outgoing, Query, Reply
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
    State,
    UnknownOutcomeError,
    UnreachableError,
    Window,
)

PAGES: Final = 10  # of one search
CHANGES: Final[dict[State, Literal["seen", "cancelled", "fulfilled", "noshow"]]] = {
    "booked": "seen",
    "cancelled": "cancelled",
    "fulfilled": "fulfilled",
    "noshow": "noshow",
}
_LOCATION: Final = re.compile(r"Appointment/([A-Za-z0-9.-]{1,64})(?:/_history/|$)")
CONFLICTS: Final = frozenset({"conflict", "duplicate"})  # issue codes that say that the time is taken


@dataclass(frozen=True, slots=True, kw_only=True)
class Agenda:
    """Whose agenda it is, and how this partner wants to be spoken to. Raises ValueError."""

    writing: Writing
    zone: str  # of the place
    structure: str = ""  # prefixed; keeps the slots of one place of a professional who has several
    booking: str = ""  # page where a person books by hand
    origin: str = ""  # told to that page, as SAS does
    reads: bool = True  # whether the partner answers GET Appointment: GAP does, SAS need not

    def __post_init__(self) -> None:
        if national.person(self.writing.practitioner) != self.writing.practitioner:
            raise ValueError("practitioner: with the national prefix")
        if self.structure and not national.is_structure(self.structure):
            raise ValueError("structure: with the national prefix")


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


class FhirProvider(PartialProvider):
    """One professional's agenda at a partner. ``outgoing`` is open for as long as the provider is used."""

    def __init__(self, outgoing: Outgoing, agenda: Agenda, now: Callable[[], datetime] = _now) -> None:
        self._outgoing = outgoing
        self._agenda = agenda
        self._now = now
        self._wrote: dict[str, str] = {}  # value by id of the resource: what ``changes`` has not said yet

    @override
    def capabilities(self) -> Capabilities:
        abilities = {Ability.FIND, Ability.BOOK, Ability.RESCHEDULE, Ability.CANCEL}
        abilities |= ({Ability.LINK} if self._agenda.booking else set()) | (
            {Ability.CHANGES} if self._agenda.reads else set()
        )
        return Capabilities(
            adapter="fhir",
            abilities=frozenset(abilities),
            modes=frozenset(Mode),
        )

    @override
    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        if window.end - window.start > LONGEST_WINDOW:
            raise RefusedError("window_too_long")
        found = [slot async for page in self._pages(window) for slot in self._slots(page, window, mode)]
        kept = {slot.reference: slot for slot in found if not motive or slot.motive == motive}
        return sorted(kept.values(), key=lambda slot: slot.start)

    @override
    async def book(self, hold: Hold, *, key: str, details: Details | None = None) -> Appointment:
        told = self._told(hold.reference, hold.slot, hold.slot.mode)
        known = await self._known(hold.reference)
        if known is not None:
            return self._again(known, told)
        body = self._written(told)
        try:
            reply = await self._outgoing.ask("POST", "Appointment", headers={"Content-Type": JSON}, body=body)
        except UnknownOutcomeError:  # an update creates what is not there, and cannot make a second one
            reply = await self._put(told, version="")
        return self._kept(reply, told)

    @override
    async def reschedule(self, appointment: Appointment, hold: Hold, *, key: str) -> Appointment:
        told = self._told(appointment.reference, hold.slot, hold.slot.mode)
        known = await self._known(appointment.reference)
        if known is not None and (known.start, known.state) == (told.start, told.state):
            return self._appointment(known)
        self._require_unchanged(appointment, known)
        return self._kept(await self._put(told, version=appointment.version), told)

    @override
    async def cancel(self, appointment: Appointment, *, by: Party, key: str, reason: str = "") -> Appointment:
        known = await self._known(appointment.reference)
        told = self._told(appointment.reference, appointment, appointment.mode, cancelled=True)
        if known is not None and known.state == "cancelled":
            return self._appointment(known)
        self._require_unchanged(appointment, known)
        return self._kept(await self._put(told, version=appointment.version), told)

    @override
    async def link(self, slot: Slot | None = None) -> Link:
        address = (slot.link if slot else "") or self._agenda.booking
        if not address:
            return await super().link(slot)
        return Link(url=_with_origin(address, self._agenda.origin))

    @override
    async def changes(self, cursor: str = "") -> Changes:
        """Say what became of our appointments; a cursor that is not ours begins anew."""
        if not self._agenda.reads:
            return await super().changes(cursor)
        known, wrote = read_cursor(cursor), dict(self._wrote)
        follower = Follower(self._outgoing, self._agenda.writing.system)
        seen = await follower.follow(known, self._now(), wrote)
        told = [change for each in seen if (change := self._change(each)) is not None]
        for key in wrote:
            self._wrote.pop(key, None)
        return Changes(cursor=written_cursor(known), changes=told)

    def _change(self, seen: Seen) -> Change | None:
        told = seen.told
        if told is None:
            return Change(reference=seen.value, kind="cancelled", by="practice")
        whole = told.start is not None and told.end is not None and told.start < told.end
        appointment = self._appointment(told) if whole else None
        kind = CHANGES.get(told.state)
        if kind is None or (kind == "seen" and appointment is None):
            return None
        return Change(reference=seen.value, kind=kind, appointment=appointment, by="practice")

    # --- searching ------------------------------------------------------------------------------------------------

    async def _pages(self, window: Window) -> AsyncIterator[Index]:
        query = question(window.start, window.end, [self._agenda.writing.practitioner])
        reply = await self._outgoing.ask("GET", "Slot", query=query)
        seen: set[str] = set()
        for _ in range(PAGES):
            bundle = await _bundle(reply)
            yield index(bundle)
            following = [str(each.get("url")) for each in bundle.get("link") or () if each.get("relation") == "next"]
            if not following or following[0] in seen:
                return
            seen.add(following[0])
            reply = await self._outgoing.visit(following[0])

    def _slots(self, found: Index, window: Window, mode: Mode | None) -> Iterator[Slot]:
        offered = found.all("Slot")
        if offered and not found.all("Practitioner"):
            raise RefusedError("include_ignored")  # whose slots these are, nobody can tell
        for resource in offered:
            if self._is_ours(found, resource) and (slot := self._slot(resource, window, mode)) is not None:
                yield slot

    def _is_ours(self, found: Index, resource: Resource) -> bool:
        """Believe what came back, not what was asked: some servers pass over a parameter in silence."""
        schedule = found.follow(resource.get("schedule")) or {}
        actors = [one for each in schedule.get("actor") or () if (one := found.follow(each))]
        people = {value for one in actors for value in identifiers(one, PERSONS)}
        places = {value for one in actors for value in identifiers(one.get("organization"), STRUCTURES)}
        return self._agenda.writing.practitioner in people and (
            not self._agenda.structure or self._agenda.structure in places
        )

    def _slot(self, resource: Resource, window: Window, mode: Mode | None) -> Slot | None:
        modes = [
            MODE_OF[code] for system, code in codings(resource.get("serviceType")) if system == ACTS and code in MODE_OF
        ]
        modes = modes or [Mode.PRACTICE]
        visits = {code for _, code in codings(resource.get("appointmentType"))}
        try:
            start, end = (instant(resource.get(name), f"Slot.{name}") for name in ("start", "end"))
        except FhirError:
            return None
        free = resource.get("status") == "free" and "WALKIN" not in visits  # nobody books where one just comes
        if not free or not window.start <= start < window.end or start >= end or (mode and mode not in modes):
            return None
        comment = str(resource.get("comment", ""))
        return Slot(
            start=start,
            end=end,
            zone=self._agenda.zone,
            reference=str(resource.get("id", "")),
            mode=mode or modes[0],
            motive=next(texts(resource.get("serviceType")), "")[:200],
            link=comment if comment.startswith("https://") and len(comment) <= 2000 else "",
        )

    # --- appointments ---------------------------------------------------------------------------------------------

    async def _known(self, reference: str) -> Told | None:
        """Ask what the partner has under our identifier; None for nothing, and for one that does not say."""
        if not self._agenda.reads:
            return None
        query: Query = (("identifier", f"{self._agenda.writing.system}|{reference}"),)
        reply = await self._outgoing.ask("GET", "Appointment", query=query)
        if reply.status != 200:
            return None
        for resource in index(await _bundle(reply)).all("Appointment"):
            told = _described(resource)
            if (told.system, told.value) == (self._agenda.writing.system, reference):
                return told
        return None

    async def _put(self, told: Told, *, version: str) -> Reply:
        query: Query = (("identifier", f"{told.system}|{told.value}"),)
        headers = {"Content-Type": JSON, **({"If-Match": f'W/"{version}"'} if version else {})}
        return await self._outgoing.ask("PUT", "Appointment", query=query, headers=headers, body=self._written(told))

    def _kept(self, reply: Reply, told: Told) -> Appointment:
        if reply.status == 412:
            raise ChangedError("version")
        if reply.status == 409 or (reply.status == 422 and _issues(reply.body) & CONFLICTS):
            raise SlotGoneError(str(reply.status))
        if reply.status not in {200, 201, 204}:
            raise RefusedError(str(reply.status))
        version = reply.headers.get("ETag", "").removeprefix("W/").strip('"')
        if (key := _written_id(reply)) and told.state == "booked":
            self._wrote[key] = told.value
        return self._appointment(replace(told, version=version))

    def _require_unchanged(self, appointment: Appointment, known: Told | None) -> None:
        if known is not None and appointment.version and known.version != appointment.version:
            raise ChangedError("version", self._appointment(known))

    def _again(self, known: Told, told: Told) -> Appointment:
        if known.state != told.state or known.start != told.start:
            raise ChangedError("booked already", self._appointment(known))
        return self._appointment(known)

    def _told(self, reference: str, when: Slot | Appointment, mode: Mode, *, cancelled: bool = False) -> Told:
        return Told(
            system=self._agenda.writing.system,
            value=reference,
            state="cancelled" if cancelled else "booked",
            start=when.start,
            end=when.end,
            practitioner=self._agenda.writing.practitioner,
            operator="",
            mode=mode,
            version="",
        )

    def _written(self, told: Told) -> bytes:
        return msgspec.json.encode(compose(told, self._agenda.writing, zone=self._agenda.zone))

    def _appointment(self, told: Told) -> Appointment:
        if told.start is None or told.end is None or not told.start < told.end:
            raise RefusedError("times_missing")
        return Appointment(
            reference=told.value,
            version=told.version,
            start=told.start,
            end=told.end,
            zone=self._agenda.zone,
            state=told.state,
            mode=told.mode,
        )


def _written_id(reply: Reply) -> str:
    """Give the id that the partner gave to what we wrote, empty when it does not say."""
    found = _LOCATION.search(reply.headers.get("Location", "") or reply.headers.get("Content-Location", ""))
    return found[1] if found else ""


async def _bundle(reply: Reply) -> Resource:
    if reply.status != 200:
        raise RefusedError(str(reply.status))
    try:
        return await asyncio.to_thread(read, reply.body, "Bundle")  # a thousand slots take a second
    except FhirError as error:
        raise UnreachableError(f"bad_answer {error}") from None


def _described(resource: Resource) -> Told:
    try:
        return describe(resource)
    except FhirError as error:
        raise UnreachableError(f"bad_answer {error}") from None


def _issues(body: bytes) -> set[str]:
    """Give the codes of an OperationOutcome; none when it is not one."""
    try:
        outcome = msgspec.json.decode(body, type=_Outcome)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return set()
    return {each.code for each in outcome.issue}


class _Issue(msgspec.Struct):
    code: str = ""


class _Outcome(msgspec.Struct):
    issue: list[_Issue]


def _with_origin(address: str, origin: str) -> str:
    url = URL(address)
    return str(url.update_query(origin=origin)) if origin else str(url)
