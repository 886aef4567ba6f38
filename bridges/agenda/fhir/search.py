"""The question of SAS: free slots of these people between two instants. Source: docs/spec/agenda-partners.md 5.2."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bridges.agenda.fhir.reading import FhirError
from bridges.agenda.fhir.terms import PERSONS
from bridges.agenda.provider import LONGEST_WINDOW
from bridges.agenda.push.arrival import EARLIEST

ACTOR: Final = "schedule.actor:Practitioner.identifier"
INCLUDES: Final = frozenset({("_include", "Slot:schedule"), ("_include:iterate", "Schedule:actor")})
KNOWN: Final = frozenset({"_include", "_include:iterate", "status", "start", ACTOR, "_count", "_format", "_page"})
UPDATES: Final = frozenset({"identifier", "_lastUpdated", "_sort", "_count", "_format", "_page"})
APPOINTMENTS: Final = 200  # in one answer
PROFESSIONALS: Final = 25  # in one question
PAGE: Final = 1000  # slots in one answer
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A search that was understood. ``end`` is excluded."""

    start: datetime  # UTC
    end: datetime
    professionals: Sequence[str] | None  # prefixed identifiers; None asks for all
    free: bool  # whether free slots are asked at all
    schedules: bool
    actors: bool
    count: int = PAGE
    page: int = 0


def understand(query: Iterable[tuple[str, str]], *, zone: str, lenient: bool = False) -> Question:
    """Read the parameters of ``GET Slot``.

    Args:
        query: names and values, decoded.
        zone: of times that carry no offset, as in the guide's own example.
        lenient: whether unknown parameters are passed over (``Prefer: handling=lenient``).

    Raises:
        FhirError: ``unknown_parameter`` or ``bad_parameter``, with its name.

    """
    pairs = list(query)
    for name, value in pairs:
        unknown = name not in KNOWN or (name.startswith("_include") and (name, value) not in INCLUDES)
        if unknown and not lenient:
            raise FhirError("unknown_parameter", name[:60] if re.fullmatch(r"[\w:.-]+", name) else "")
    start, end = _window([value for name, value in pairs if name == "start"], zone)
    statuses = {each for name, value in pairs if name == "status" for each in value.split(",")}
    return Question(
        start=start,
        end=end,
        professionals=_professionals([value for name, value in pairs if name == ACTOR]),
        free=not statuses or "free" in statuses,
        schedules=("_include", "Slot:schedule") in pairs,
        actors=("_include:iterate", "Schedule:actor") in pairs,
        count=_number(pairs, "_count", PAGE),
        page=_number(pairs, "_page", 10_000, otherwise=0),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Updates:
    """A search of appointments by when they changed."""

    system: str  # of their identifiers, empty for any
    since: datetime  # UTC
    count: int
    page: int


def understand_updates(query: Iterable[tuple[str, str]]) -> Updates:
    """Read the parameters of ``GET Appointment`` for what changed; raises FhirError as ``understand``."""
    pairs = list(query)
    for name, value in pairs:
        if name not in UPDATES or (name == "_sort" and value != "_lastUpdated"):
            raise FhirError("unknown_parameter", name[:60] if re.fullmatch(r"[\w:.-]+", name) else "")
    sinces = [value for name, value in pairs if name == "_lastUpdated"]
    systems = [value for name, value in pairs if name == "identifier"]
    if len(sinces) > 1 or len(systems) > 1 or not all(value.endswith("|") for value in systems):
        raise FhirError("bad_parameter", "_lastUpdated" if len(sinces) > 1 else "identifier")
    return Updates(
        system=systems[0][:-1] if systems else "",
        since=_since(sinces[0]) if sinces else EARLIEST,
        count=_number(pairs, "_count", APPOINTMENTS),
        page=_number(pairs, "_page", 10_000, otherwise=0),
    )


def _since(value: str) -> datetime:
    """Read ``ge`` and ``gt``; an instant has its offset."""
    try:
        moment = datetime.fromisoformat(value[2:].replace(" ", "+"))
    except ValueError:
        raise FhirError("bad_parameter", "_lastUpdated") from None
    if value[:2] not in {"ge", "gt"} or moment.tzinfo is None:
        raise FhirError("bad_parameter", "_lastUpdated")
    return max(moment.astimezone(UTC), EARLIEST)


def _window(values: Sequence[str], zone: str) -> tuple[datetime, datetime]:
    starts, ends = [], []
    for value in values:
        prefix, text = value[:2], value[2:]
        first, last = _bounds(text, zone)
        if prefix == "ge":
            starts.append(first)
        elif prefix == "gt":
            starts.append(last)
        elif prefix == "le":
            ends.append(last)
        elif prefix == "lt":
            ends.append(first)
        else:
            raise FhirError("bad_parameter", "start")
    if not starts or not ends:
        raise FhirError("bad_parameter", "start")  # a search without bounds is no search
    start, end = max(starts), min(ends)
    if end - start > LONGEST_WINDOW:
        raise FhirError("too_long", "start")
    return start, max(end, start)


def _bounds(text: str, zone: str) -> tuple[datetime, datetime]:
    """Give the first instant of a date or time, and the first after it."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            day = date.fromisoformat(text)
            return _at(day, zone), _at(day + timedelta(days=1), zone)
        moment = datetime.fromisoformat(text.replace(" ", "+"))  # a plus that nobody quoted
        aware = moment if moment.tzinfo else moment.replace(tzinfo=ZoneInfo(zone))
        return aware.astimezone(UTC), aware.astimezone(UTC) + _TICK
    except (ValueError, OverflowError):
        raise FhirError("bad_parameter", "start") from None


def _at(day: date, zone: str) -> datetime:
    return datetime.combine(day, time(), ZoneInfo(zone)).astimezone(UTC)


def _professionals(values: Sequence[str]) -> Sequence[str] | None:
    if not values:
        return None
    named = [each.strip() for value in values for each in value.split(",")]
    if len(named) > PROFESSIONALS:
        raise FhirError("too_many", ACTOR)
    found = []
    for each in named:
        system, bar, identifier = each.rpartition("|")
        if bar and system != PERSONS:
            continue  # nobody here has an identifier of that system
        found.append(identifier)
    return found


def _number(pairs: Iterable[tuple[str, str]], name: str, most: int, otherwise: int | None = None) -> int:
    values = [value for each, value in pairs if each == name]
    if not values:
        return most if otherwise is None else otherwise
    if not values[-1].isascii() or not values[-1].isdecimal() or len(values[-1]) > 6:
        raise FhirError("bad_parameter", name)
    return min(int(values[-1]), most)
