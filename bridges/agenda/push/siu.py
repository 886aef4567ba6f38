"""HL7 v2 SIU: what a practice software says about an appointment. Source: docs/spec/agenda-partners.md 4.

Versions differ in where the time stands, so it is looked for in turn: TQ1, SCH-11, AIS, AIP, AIL. A connection gives
its messages one after another, so the last one holds, whatever the clock of the sender says in MSH-7.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bridges.agenda.provider import Mode
from bridges.agenda.push.arrival import ID, Arrival, Kind, MalformedError
from bridges.agenda.push.er7 import Message, Segment

EVENTS: Final[dict[str, Kind]] = {
    "S12": "booked",
    "S13": "moved",
    "S14": "booked",  # modified; the inbox sees whether it moved
    "S15": "cancelled",
    "S16": "cancelled",  # discontinued
    "S17": "cancelled",  # deleted
    "S26": "noshow",
}
STATUSES: Final[dict[str, Kind]] = {
    "CANCELLED": "cancelled",
    "DELETED": "cancelled",
    "DC": "cancelled",
    "NOSHOW": "noshow",
    "COMPLETE": "fulfilled",
}
MINUTES: Final = {"": 1, "MIN": 1, "M": 1, "MN": 1, "S": 1 / 60, "SEC": 1 / 60, "H": 60, "HR": 60}
NATIONAL: Final = frozenset({"INS", "INS-NIR", "INS-NIA", "INS-C", "NI", "NH", "SS"})
"""Kinds of patient identifiers that are never taken, not even as a digest (design: NIR and INS are no keys)."""
_TIME: Final = re.compile(r"(\d{4})(\d{2})(\d{2})(?:(\d{2})(\d{2})(?:(\d{2})(?:\.\d{1,4})?)?)?([+-]\d{4})?")


def read(message: Message, *, source: str, zone: str) -> Arrival:
    """Read one SIU; ``zone`` is the place's, where times carry no offset. Raises MalformedError."""
    kind = EVENTS.get(message.header.component(9, 2))
    if message.header.component(9, 1) != "SIU" or kind is None:
        raise MalformedError("not_for_us", "MSH-9")
    schedule = message.first("SCH")
    if schedule is None:
        raise MalformedError("segment_missing", "SCH")
    status = schedule.component(25).upper().replace(" ", "").replace("-", "")
    start, end = _times(message, schedule, zone)
    return Arrival(
        source=source,
        event=_id(message.header.component(10), "MSH-10"),
        reference=_reference(schedule),
        kind=STATUSES.get(status, kind),
        start=start,
        end=end,
        zone=zone,
        mode=Mode.PRACTICE,
        practitioner=_practitioner(message),
        person=_person(message),
    )


def _reference(schedule: Segment) -> str:
    """Take the filler's id, which the software that owns the agenda gives; else the placer's."""
    return _id(schedule.component(2) or schedule.component(1), "SCH-2")


def _id(text: str, where: str) -> str:
    if not text:
        raise MalformedError("id_missing", where)
    if len(text) > ID:
        raise MalformedError("id_length", where)
    return text


def _times(message: Message, schedule: Segment, zone: str) -> tuple[datetime | None, datetime | None]:
    for where, start, end, length in _candidates(message, schedule):
        if start:
            begun = moment(start, zone, where)
            return begun, moment(end, zone, where) if end else begun + _length(length, schedule, where)
    return None, None


def _candidates(message: Message, schedule: Segment) -> list[tuple[str, str, str, tuple[str, str]]]:
    """List where the times may stand: place, start, end, (duration, unit)."""
    nothing = ("", "")
    found = [("SCH-11", schedule.component(11, 4), schedule.component(11, 5), nothing)]
    if timing := message.first("TQ1"):
        duration = (timing.component(6, 1), timing.component(6, 2))
        found.insert(0, ("TQ1-7", timing.component(7), timing.component(8), duration))
    for name, first in (("AIS", 4), ("AIP", 6), ("AIL", 6)):
        if segment := message.first(name):
            duration = (segment.component(first + 3), segment.component(first + 4))
            found.append((f"{name}-{first}", segment.component(first), "", duration))
    return found


def _length(given: tuple[str, str], schedule: Segment, where: str) -> timedelta:
    number, unit = given if given[0] else (schedule.component(9), schedule.component(10))
    factor = MINUTES.get(unit.upper())
    if factor is None or not re.fullmatch(r"\d{1,5}(\.\d+)?", number):
        raise MalformedError("duration_missing", where)
    return timedelta(minutes=float(number) * factor)


def moment(text: str, zone: str, where: str) -> datetime:
    """Read a time of HL7 v2, of minutes at least; raises MalformedError.

    Without an offset it is the wall time of the place. One that the clock jumped over does not exist and is refused; of
    two, the first is meant.
    """
    found = _TIME.fullmatch(text)
    if found is None or found[4] is None:
        raise MalformedError("time_broken", where)
    try:
        naive = datetime(*(int(part or 0) for part in found.groups()[:6]))  # type: ignore[arg-type] # noqa: DTZ001
        if found[7]:
            return datetime.strptime(f"{naive:%Y%m%d%H%M%S}{found[7]}", "%Y%m%d%H%M%S%z").astimezone(UTC)
        return wall_to_utc(naive, zone, where)
    except (ValueError, OverflowError) as error:
        if isinstance(error, MalformedError):
            raise
        raise MalformedError("time_broken", where) from None


def wall_to_utc(naive: datetime, zone: str, where: str) -> datetime:
    """Give the instant of a wall time; raises MalformedError for one that the clock jumped over."""
    instant = naive.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    if instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) != naive:
        raise MalformedError("time_does_not_exist", where)
    return instant


def _practitioner(message: Message) -> str:
    segment = message.first("AIP")
    return segment.component(3)[:ID] if segment else ""


def _person(message: Message) -> str:
    """Take the software's own number of the patient, never a national one."""
    patient = message.first("PID")
    if patient is None:
        return ""
    for each in patient.repetitions(3):
        if patient.component(3, 5, each).upper() not in NATIONAL and (number := patient.component(3, 1, each)):
            return number[:ID]
    return ""
