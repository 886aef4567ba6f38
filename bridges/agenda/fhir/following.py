"""What became of our appointments at a partner that speaks FHIR. Source: docs/spec/agenda-partners.md 5.6.

The history of the resource type is read where the partner offers it, else a search by when a resource was last
changed, else everything. None of these is believed to be whole: what we know of is looked at one by one from time to
time, since a deleted resource is found by no search, and some servers pass over a parameter in silence.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import msgspec

from bridges.agenda.fhir.appointments import Told, describe
from bridges.agenda.fhir.reading import FhirError, Resource, instant, read
from bridges.agenda.fhir.terms import JSON
from bridges.agenda.outgoing import Outgoing, Query, Reply
from bridges.agenda.provider import RefusedError, UnreachableError

COUNT: Final = 100  # resources of a page
PAGES: Final = 20  # of one look
KNOWN: Final = 2000  # appointments that are remembered in a cursor
OVERLAP: Final = timedelta(minutes=2)  # a change may become visible later than it is dated
CHECK: Final = timedelta(minutes=10)  # between looks at each appointment that is known
BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
NOT_OFFERED: Final = frozenset({400, 404, 405, 422})
GONE: Final = frozenset({404, 410})

Way = Literal["history", "updated", "all", "known"]  # the last: one by one, those that are known


class Cursor(msgspec.Struct, kw_only=True):
    """How far a partner was followed. ``known`` holds value, version and whether it stands, by id of the resource."""

    way: Way | None = None
    since: datetime = BEGINNING  # by the partner's clock
    checked: datetime = BEGINNING  # by ours
    known: dict[str, tuple[str, str, bool]] = {}


@dataclass(frozen=True, slots=True)
class Seen:
    """An appointment as the partner has it now; ``told`` is None when it is deleted."""

    value: str
    told: Told | None


@dataclass(frozen=True, slots=True)
class Follower:
    """Follows the appointments of one identifier system."""

    outgoing: Outgoing
    system: str

    async def follow(self, cursor: Cursor, now: datetime, wrote: Mapping[str, str]) -> list[Seen]:
        """Give what changed, and bring the cursor on.

        Args:
            cursor: changed in place.
            now: aware.
            wrote: what we have written since, its value by the id of the resource.

        Raises as ``Outgoing.ask``.

        """
        due = now - cursor.checked >= CHECK
        if due and cursor.way == "known":
            cursor.way = None  # the partner may list them by now
        cursor.known |= {key: (value, "", True) for key, value in wrote.items() if key not in cursor.known}
        seen: dict[str, Seen] = {}
        for resource, deleted in await self._news(cursor):
            self._take(resource, cursor, seen, deleted=deleted)
        if due:
            await self._check(cursor, seen)
            cursor.checked = now
        for key in list(cursor.known)[: max(0, len(cursor.known) - KNOWN)]:
            del cursor.known[key]
        return list(seen.values())

    # --- news -------------------------------------------------------------------------------------------------------

    async def _news(self, cursor: Cursor) -> list[tuple[Resource, bool]]:
        ways: list[Way] = [cursor.way] if cursor.way else await self._ways()
        for way in ways:
            found = await self._ask(way, cursor) if way != "known" else []
            if found is not None:
                cursor.way = way
                return found
        cursor.way = None  # the partner has changed its mind: the next look finds out
        return []

    async def _ways(self) -> list[Way]:
        try:
            reply = await self.outgoing.ask("GET", "metadata", headers={"Accept": JSON})
        except (RefusedError, UnreachableError):
            return ["updated", "all", "known"]
        offered = reply.status == 200 and _offers_history(reply.body)
        return [*(["history"] if offered else []), "updated", "all", "known"]  # type: ignore[list-item]

    async def _ask(self, way: Way, cursor: Cursor) -> list[tuple[Resource, bool]] | None:
        """Give resources with whether they were deleted; None for a way that is not offered."""
        since = (cursor.since - OVERLAP).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        identifier = ("identifier", f"{self.system}|")
        asked: dict[str, tuple[str, Query]] = {
            "history": ("Appointment/_history", (("_since", since), ("_count", str(COUNT)))),
            "updated": (
                "Appointment",
                (identifier, ("_lastUpdated", f"ge{since}"), ("_sort", "_lastUpdated"), ("_count", str(COUNT))),
            ),
            "all": ("Appointment", (identifier, ("_count", str(COUNT)))),
        }
        path, query = asked[way]
        try:
            reply = await self.outgoing.ask("GET", path, query=query, headers={"Accept": JSON})
        except UnreachableError as error:
            if str(error) != "501":  # "not implemented" is an answer
                raise
            return None
        if reply.status in NOT_OFFERED:
            return None
        found = [each async for bundle in self._pages(reply) for each in _entries(bundle)]
        latest = [_updated(resource) for resource, _ in found]
        cursor.since = max([cursor.since, *latest])
        return found

    async def _pages(self, reply: Reply) -> AsyncIterator[Resource]:
        visited: set[str] = set()
        for _ in range(PAGES):
            bundle = _bundle(reply)
            yield bundle
            following = [str(each.get("url")) for each in bundle.get("link") or () if each.get("relation") == "next"]
            if not following or following[0] in visited:
                return
            visited.add(following[0])
            reply = await self.outgoing.visit(following[0])
        raise UnreachableError("too_many_pages")  # what lies behind them cannot be known to be unchanged

    # --- one appointment --------------------------------------------------------------------------------------------

    def _take(self, resource: Resource, cursor: Cursor, seen: dict[str, Seen], *, deleted: bool) -> None:
        key = str(resource.get("id", ""))
        known = cursor.known.get(key)
        if deleted:
            if known is not None:
                del cursor.known[key]
                seen[key] = Seen(known[0], None)
            return
        told = _told(resource)
        if told is None or told.system != self.system:
            return
        if known is None or known[1] != told.version or not told.version:
            seen[key] = Seen(told.value, told)
        cursor.known.pop(key, None)  # the newest is the last to be forgotten
        cursor.known[key] = (told.value, told.version, told.state == "booked")

    async def _check(self, cursor: Cursor, seen: dict[str, Seen]) -> None:
        """Look at each appointment that is known and was not mentioned: it may be deleted, or the search be deaf."""
        for key in [key for key, (_, _, stands) in cursor.known.items() if stands and key not in seen]:
            reply = await self.outgoing.ask("GET", f"Appointment/{key}", headers={"Accept": JSON})
            if reply.status in GONE:
                self._take({"id": key}, cursor, seen, deleted=True)
            elif reply.status == 200:
                self._take(_appointment(reply), cursor, seen, deleted=False)


def _bundle(reply: Reply) -> Resource:
    if reply.status != 200:
        raise RefusedError(str(reply.status))
    try:
        return read(reply.body, "Bundle")
    except FhirError as error:
        raise UnreachableError(f"bad_answer {error}") from None


def _appointment(reply: Reply) -> Resource:
    try:
        return read(reply.body, "Appointment")
    except FhirError as error:
        raise UnreachableError(f"bad_answer {error}") from None


def _entries(bundle: Resource) -> list[tuple[Resource, bool]]:
    """Give the appointments of a bundle; of a history the newest word about each comes first."""
    found: dict[str, tuple[Resource, bool]] = {}
    for entry in bundle.get("entry") or ():
        request, resource = entry.get("request") or {}, entry.get("resource")
        if request.get("method") == "DELETE":
            key = str(request.get("url", "")).split("/_history")[0].rpartition("/")[2]
            found.setdefault(key, ({"id": key}, True))
        elif isinstance(resource, dict) and resource.get("resourceType") == "Appointment":
            found.setdefault(str(resource.get("id", "")), (resource, False))
    return list(found.values())


def _updated(resource: Resource) -> datetime:
    try:
        return instant((resource.get("meta") or {}).get("lastUpdated"), "meta.lastUpdated")
    except FhirError:
        return BEGINNING


def _told(resource: Resource) -> Told | None:
    """Read an appointment; None for one that is nobody's, or that we could not have written."""
    try:
        return describe(resource)
    except FhirError:
        return None


def _offers_history(body: bytes) -> bool:
    try:
        told: Any = msgspec.json.decode(body)
        listed = [each for rest in told.get("rest") or () for each in rest.get("resource") or ()]
        return any(
            each.get("type") == "Appointment"
            and any(one.get("code") == "history-type" for one in each.get("interaction") or ())
            for each in listed
        )
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, AttributeError, TypeError):
        return False


def read_cursor(text: str) -> Cursor:
    """Read a cursor; one that is not ours begins anew."""
    try:
        return msgspec.json.decode(text, type=Cursor) if text else Cursor()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Cursor()


def written_cursor(cursor: Cursor) -> str:
    """Write a cursor."""
    return msgspec.json.encode(cursor).decode()
