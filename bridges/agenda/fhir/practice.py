"""What a practice publishes: who works where, at which hours, and the FHIR resources that say so.

Source: docs/spec/agenda-partners.md 5.2.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bridges.agenda.fhir import identifiers
from bridges.agenda.fhir.appointments import written
from bridges.agenda.fhir.reading import Resource
from bridges.agenda.fhir.terms import (
    ACTS,
    AUDIENCES,
    CODE_OF,
    CORE_1,
    PERSONS,
    SAS,
    SPECIALTIES,
    STRUCTURES,
    VISITS,
    Audience,
)
from bridges.agenda.provider import Provider, Slot

TYPES = CORE_1.identifier_types


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One place where one professional works: one agenda. Raises ValueError for a number without its prefix."""

    key: str  # short and stable: part of the ids
    structure: str  # prefixed: 1 FINESS, 3 SIRET, 4 RPPS and rank
    lines: Sequence[str]
    city: str
    postal_code: str
    zone: str
    booking: str  # address of the page where this agenda is booked
    agenda: Provider
    audiences: Sequence[Audience] = ("PUBLIC",)
    specialties: Sequence[str] = ()  # of TRE_R38
    walk_in: bool = False

    def __post_init__(self) -> None:
        if not identifiers.is_structure(self.structure):
            raise ValueError("structure: a prefixed national identifier")
        if not self.booking.startswith("https://"):
            raise ValueError("booking: an address that begins with https://")
        if len(self.postal_code) != 5 or not self.postal_code.isdecimal():
            raise ValueError("postal_code: five digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Professional:
    """Somebody whose slots are published."""

    identifier: str  # prefixed: 8 and the RPPS
    family: str
    given: str
    places: Sequence[Place]
    phone: str = ""  # +33…

    @property
    def id(self) -> str:
        """The id of the resource."""
        return f"p-{self.identifier}"


@dataclass(frozen=True, slots=True)
class Offer:
    """A free slot, where and with whom."""

    professional: Professional
    place: Place
    slot: Slot


def resources_of(offers: Iterable[Offer], *, schedules: bool, actors: bool) -> Sequence[Resource]:
    """Give the resources of a searchset: each slot, then what it refers to, each of them once.

    Args:
        offers: in the order in which they are shown.
        schedules: whether ``_include=Slot:schedule`` was asked.
        actors: whether ``_include:iterate=Schedule:actor`` was.

    """
    found: dict[str, Resource] = {}
    for offer in offers:
        listed = [slot_of(offer)]
        if schedules:
            listed.append(_schedule(offer))
        if schedules and actors:
            listed += [_practitioner(offer.professional), _role(offer)]
        for each in listed:
            found.setdefault(f"{each['resourceType']}/{each['id']}", each)
    return list(found.values())


def slot_of(offer: Offer) -> Resource:
    """Write a slot. It holds no patient, no motive but the category that the practice publishes."""
    slot, place = offer.slot, offer.place
    services: list[Resource] = [{"coding": [{"system": ACTS, "code": CODE_OF[slot.mode]}]}]
    if slot.motive:
        services.append({"text": slot.motive})
    visit = "WALKIN" if place.walk_in else "ROUTINE"
    return {
        "resourceType": "Slot",
        "id": _id("slot", offer.professional.identifier, place.key, slot.reference, slot.start.isoformat()),
        "meta": {
            "profile": [SAS + "FrSlotAgregateur"],
            "security": [{"system": AUDIENCES, "code": each} for each in place.audiences],
        },
        "serviceType": services,
        **({"specialty": [_specialty(each) for each in place.specialties]} if place.specialties else {}),
        "appointmentType": {"coding": [{"system": VISITS, "code": visit}]},
        "schedule": {"reference": f"Schedule/{_schedule_id(offer)}"},
        "status": "free",
        "start": written(slot.start, place.zone),
        "end": written(slot.end, place.zone),
        "comment": place.booking,
    }


def _specialty(code: str) -> Resource:
    return {"coding": [{"system": SPECIALTIES, "code": code}]}


def _schedule(offer: Offer) -> Resource:
    return {
        "resourceType": "Schedule",
        "id": _schedule_id(offer),
        "meta": {"profile": [SAS + "FrScheduleAgregateur"]},
        "actor": [
            {"reference": f"Practitioner/{offer.professional.id}"},
            {"reference": f"PractitionerRole/{_role_id(offer)}"},
        ],
    }


def _practitioner(one: Professional) -> Resource:
    telecom = {"telecom": [{"system": "phone", "value": one.phone}]} if one.phone else {}
    return {
        "resourceType": "Practitioner",
        "id": one.id,
        "meta": {"profile": [SAS + "FrPractitionerAgregateur"]},
        "identifier": [{"type": _type("IDNPS"), "system": PERSONS, "value": one.identifier}],
        "name": [{"family": one.family, "given": [one.given]}],
        **telecom,
    }


def _role(offer: Offer) -> Resource:
    place = offer.place
    address = {"line": list(place.lines), "city": place.city, "postalCode": place.postal_code}
    return {
        "resourceType": "PractitionerRole",
        "id": _role_id(offer),
        "meta": {"profile": [SAS + "FrPractitionerRoleExerciceAgregateur"]},
        "contained": [
            {
                "resourceType": "Location",
                "id": "place",
                "meta": {"profile": [SAS + "FrLocationAgregateur"]},
                "address": address,
            }
        ],
        "practitioner": {"reference": f"Practitioner/{offer.professional.id}"},
        "organization": {"identifier": {"type": _type("IDNST"), "system": STRUCTURES, "value": place.structure}},
        "location": [{"reference": "#place"}],
    }


def _type(code: str) -> Resource:
    return {"coding": [{"system": TYPES, "code": code}]}


def _schedule_id(offer: Offer) -> str:
    return _id("schedule", offer.professional.identifier, offer.place.key)


def _role_id(offer: Offer) -> str:
    return _id("role", offer.professional.identifier, offer.place.key)


def _id(kind: str, *parts: str) -> str:
    """Make an id of FHIR, at most 64 of ``[A-Za-z0-9.-]``: the same for the same thing."""
    return f"{kind}-{hashlib.sha256(chr(0).join(parts).encode()).hexdigest()[:40]}"
