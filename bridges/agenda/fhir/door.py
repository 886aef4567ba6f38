"""What a partner puts into the inbox as an Appointment, and reads back. Source: docs/spec/agenda-partners.md 5.3."""

import re
from dataclasses import dataclass
from datetime import datetime

from bridges.agenda.fhir.appointments import KINDS, Told, Writing, compose, understand
from bridges.agenda.fhir.reading import Resource
from bridges.agenda.fhir.search import Updates
from bridges.agenda.fhir.terms import CORE_1
from bridges.agenda.push.arrival import Arrival, MalformedError
from bridges.agenda.push.inbox import STATES as STATE_OF
from bridges.agenda.push.inbox import Inbox, Known, StaleVersionError


class RefusalError(Exception):
    """A request is understood and not done. ``code`` is stable, ``where`` a path."""

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.where = where


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An appointment that is now in the inbox."""

    token: str
    version: int
    created: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """What one partner may do; it sees its own appointments only."""

    inbox: Inbox
    source: str
    professionals: set[str]
    zone: str
    now: datetime

    def create(self, raw: bytes) -> Kept:
        """Take a new appointment; the same one again is no other. Raises RefusalError, FhirError."""
        told = self._understand(raw)
        known = self.inbox.get(self.inbox.token(self.source, _name(told)))
        if known is None:
            return self._take(told, expected=0)
        arrival = known.arrival
        if (STATE_OF[arrival.kind], arrival.start, arrival.end) != (told.state, told.start, told.end):
            raise RefusalError("identifier_taken", "Appointment.identifier")
        return Kept(token=known.token, version=known.version, created=False)

    def update(self, raw: bytes, *, identifier: str, if_match: str) -> Kept:
        """Take what an appointment became; an unknown one is created. Raises RefusalError, FhirError."""
        told = self._understand(raw)
        if identifier != _name(told):
            raise RefusalError("identifier_differs", "Appointment.identifier")
        return self._take(told, expected=_version(if_match))

    def read(self, token: str) -> Resource:
        """Give an appointment as it is known; raises RefusalError (``not_found``)."""
        known = self.inbox.get(token)
        if known is None or known.arrival.source != self.source:
            raise RefusalError("not_found")
        return self._write(known)

    def find(self, identifier: str) -> Resource | None:
        """Give the appointment of an identifier, ``system|value``."""
        known = self.inbox.get(self.inbox.token(self.source, identifier))
        return self._write(known) if known else None

    def updated(self, question: Updates) -> list[Resource]:
        """Give a partner's own appointments that changed, the oldest change first."""
        resources = []
        for known, at in self.inbox.updated(self.source, question.since):
            if not question.system or known.arrival.reference.startswith(f"{question.system}|"):
                resource = self._write(known)
                resource["meta"]["lastUpdated"] = f"{at:%Y-%m-%dT%H:%M:%S.000Z}"
                resources.append(resource)
        return resources

    def _understand(self, raw: bytes) -> Told:
        told = understand(raw)
        if told.practitioner not in self.professionals:
            raise RefusalError("unknown_practitioner", "Appointment.participant.actor")
        if told.start is None or told.end is None:
            raise RefusalError("times_missing", "Appointment.start")
        if told.state not in KINDS:
            raise RefusalError("status", "Appointment.status")  # a wish is a message, not an entry
        return told

    def _take(self, told: Told, *, expected: int | None) -> Kept:
        try:
            arrival = Arrival(
                source=self.source,
                reference=_name(told),
                kind=KINDS[told.state],
                start=told.start,
                end=told.end,
                zone=self.zone,
                mode=told.mode,
                practitioner=told.practitioner,
                operator=told.operator,
            )
            taken = self.inbox.take(arrival, now=self.now, expected=expected)
        except MalformedError as error:
            raise RefusalError(error.code, error.where) from None
        except StaleVersionError:
            raise RefusalError("stale_version", "If-Match") from None
        known = taken.known
        return Kept(token=known.token, version=known.version, created=taken.outcome == "new" and known.version == 1)

    def _write(self, known: Known) -> Resource:
        arrival = known.arrival
        system, _, value = arrival.reference.rpartition("|")
        told = Told(
            system=system,
            value=value,
            state=STATE_OF[arrival.kind],
            start=arrival.start,
            end=arrival.end,
            practitioner=arrival.practitioner,
            operator=arrival.operator,
            mode=arrival.mode,
            version=str(known.version),
        )
        writing = Writing(system=system, practitioner=arrival.practitioner, operator=arrival.operator, core=CORE_1)
        resource = compose(told, writing, zone=arrival.zone)
        resource["id"] = known.token
        resource["meta"]["versionId"] = str(known.version)
        return resource


def _name(told: Told) -> str:
    return f"{told.system}|{told.value}"


def _version(if_match: str) -> int | None:
    """Read ``W/"3"``; raises RefusalError for what is no version of ours."""
    if not if_match or if_match == "*":
        return None
    found = re.fullmatch(r'(?:W/)?"(\d{1,9})"', if_match)
    if found is None:
        raise RefusalError("stale_version", "If-Match")
    return int(found[1])
