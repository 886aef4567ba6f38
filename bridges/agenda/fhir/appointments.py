"""An Appointment of both versions of FR Core: all read, one written. Source: docs/spec/agenda-partners.md 5.3."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from bridges.agenda.fhir.reading import FhirError, Resource, codings, identifiers, instant, read
from bridges.agenda.fhir.terms import CORE_1, ENTERER, MODE_OF, OPERATORS, PARTICIPATIONS, PERSONS, Core
from bridges.agenda.provider import Mode, State
from bridges.agenda.push.arrival import Kind

STATES: Final[dict[str, State]] = {
    "proposed": "proposed",
    "pending": "proposed",
    "waitlist": "proposed",
    "booked": "booked",
    "arrived": "booked",
    "checked-in": "booked",
    "fulfilled": "fulfilled",
    "noshow": "noshow",
    "cancelled": "cancelled",
    "entered-in-error": "cancelled",
}
KINDS: Final[dict[State, Kind]] = {
    "booked": "booked",
    "fulfilled": "fulfilled",
    "noshow": "noshow",
    "cancelled": "cancelled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an Appointment says, of what we use."""

    system: str  # of its identifier
    value: str
    state: State
    start: datetime | None  # UTC
    end: datetime | None
    practitioner: str  # national identifier with its prefix, empty when nobody is named so
    operator: str  # "system|value", empty when nobody is named
    mode: Mode
    version: str  # meta.versionId


def understand(raw: bytes) -> Told:
    """Read an Appointment that somebody sent; raises FhirError."""
    return describe(read(raw, "Appointment"))


def describe(resource: Resource) -> Told:
    """Say what an Appointment of the right structure tells; raises FhirError."""
    listed = resource.get("identifier") or []
    if len(listed) != 1 or not listed[0].get("system") or not listed[0].get("value"):
        raise FhirError("identifier", "Appointment.identifier")
    state = STATES.get(resource.get("status", ""))
    if state is None:
        raise FhirError("status", "Appointment.status")
    start, end = (resource.get(name) for name in ("start", "end"))
    modes = [MODE_OF[code] for _, code in codings(resource.get("serviceType")) if code in MODE_OF]
    return Told(
        system=str(listed[0]["system"]),
        value=str(listed[0]["value"]),
        state=state,
        start=instant(start, "Appointment.start") if start else None,
        end=instant(end, "Appointment.end") if end else None,
        practitioner=_practitioner(resource),
        operator=_operator(resource),
        mode=modes[0] if modes else Mode.PRACTICE,
        version=str((resource.get("meta") or {}).get("versionId", "")),
    )


def _practitioner(resource: Resource) -> str:
    for each in resource.get("participant") or ():
        if not _enters(each) and (found := identifiers(each.get("actor"), PERSONS)):
            return found[0]
    return ""


def _operator(resource: Resource) -> str:
    named = [each.get("valueReference") for each in resource.get("extension") or () if each.get("url") in OPERATORS]
    named += [each.get("actor") for each in resource.get("participant") or () if _enters(each)]
    for reference in named:
        identifier = (reference or {}).get("identifier")
        if isinstance(identifier, dict) and identifier.get("value"):
            return f"{identifier.get('system', '')}|{identifier['value']}"
    return ""


def _enters(participant: Resource) -> bool:
    return (PARTICIPATIONS, ENTERER) in codings(participant.get("type"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What every Appointment that we write to one partner shares."""

    system: str  # an OID or address of this bridge: names its identifiers
    practitioner: str  # national identifier with its prefix
    operator: str = ""  # "system|value"; the practitioner when empty
    core: Core = CORE_1


def compose(told: Told, writing: Writing, *, zone: str) -> Resource:
    """Write an Appointment: times in the wall time of the place, no name, no motive."""
    system, _, value = (writing.operator or f"{PERSONS}|{writing.practitioner}").rpartition("|")
    resource: dict[str, Any] = {
        "resourceType": "Appointment",
        "meta": {"profile": [writing.core.profile]},
        "extension": [
            {
                "url": writing.core.operator,
                "valueReference": {"identifier": _identifier(system, value, writing.core)},
            }
        ],
        "identifier": [{"system": writing.system, "value": told.value}],
        "status": told.state,
        "participant": [
            {
                "actor": {"identifier": _identifier(PERSONS, writing.practitioner, writing.core)},
                "status": "needs-action" if told.state == "proposed" else "accepted",
            }
        ],
    }
    if told.start is not None and told.end is not None:
        resource |= {"start": written(told.start, zone), "end": written(told.end, zone)}
    return resource


def _identifier(system: str, value: str, core: Core) -> Resource:
    kind = "IDNPS" if system == PERSONS else "INTRN"
    return {"type": {"coding": [{"system": core.identifier_types, "code": kind}]}, "system": system, "value": value}


def written(moment: datetime, zone: str) -> str:
    """Write an instant as SAS asks: ``AAAA-MM-DDTHH:MM:SS.000+0X:00``, in the offset of the place."""
    return moment.astimezone(ZoneInfo(zone)).isoformat(timespec="milliseconds")
