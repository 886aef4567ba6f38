"""FHIR R4 as it comes in: bounded, of the right structure, then plain values. Source: docs/spec/agenda-partners.md 5.

``fhir.resources.R4B`` judges structure and types. What is used afterwards is the JSON as it was sent: the library's
objects would lose how a time was written.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any, Final

import msgspec

BUNDLE: Final = 4 * 1024 * 1024  # bytes
APPOINTMENT: Final = 64 * 1024  # bytes
ENTRIES: Final = 3000  # of one bundle: a thousand slots and what they refer to
DEPTH: Final = 40  # objects inside objects
MODULES: Final[Mapping[str, str]] = {"Bundle": "bundle", "Appointment": "appointment"}

Resource = dict[str, Any]


class FhirError(ValueError):
    """This is not the resource that was asked for. ``where`` is a path, and holds no value."""

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(f"{code}: {where}" if where else code)
        self.code = code
        self.where = where


def read(raw: bytes, kind: str) -> Resource:
    """Read a Bundle or an Appointment; raises FhirError."""
    if len(raw) > (BUNDLE if kind == "Bundle" else APPOINTMENT):
        raise FhirError("too_large")
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise FhirError("not_json") from None
    if not isinstance(found, dict) or found.get("resourceType") != kind:
        raise FhirError("wrong_resource", "resourceType")
    if _depth(found) > DEPTH:
        raise FhirError("too_deep")
    if kind == "Bundle" and len(found.get("entry") or ()) > ENTRIES:
        raise FhirError("too_many_entries", "Bundle.entry")
    _judge(found, kind)
    return found


def _judge(found: Resource, kind: str) -> None:
    try:
        _model(kind).model_validate(found)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise FhirError("structure", _place(kind, error)) from None


@cache
def _model(kind: str) -> Any:
    """Load the library when the first resource comes: it takes longer than all else that a command loads."""
    return getattr(import_module(f"fhir.resources.R4B.{MODULES[kind]}"), kind)


def _place(kind: str, error: Exception) -> str:
    """Say where the library stopped, without what it saw."""
    errors = getattr(error, "errors", None)
    first = errors()[0]["loc"] if callable(errors) and errors() else ()
    return ".".join([kind, *(str(each) for each in first if not isinstance(each, str) or each.isidentifier())])


def _depth(value: object) -> int:
    """Count the levels, without recursion; stops where it is too many."""
    level, depth = [value], 0
    while level and depth <= DEPTH:
        level = [each for one in level for each in _inside(one)]
        depth += 1
    return depth


def _inside(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


@dataclass(frozen=True, slots=True)
class Index:
    """The resources of a bundle, by their kind and by how others refer to them.

    Neither the order of the entries nor ``search.mode`` counts: the official example has no mode, and two slots share a
    practitioner.
    """

    kinds: dict[str, list[Resource]] = field(default_factory=dict)
    addresses: dict[str, Resource] = field(default_factory=dict)

    def all(self, kind: str) -> list[Resource]:
        """Give the resources of one kind."""
        return self.kinds.get(kind, [])

    def follow(self, reference: object) -> Resource | None:
        """Give the resource that a Reference names, None when it is not here."""
        target = reference.get("reference") if isinstance(reference, dict) else None
        return self.addresses.get(target) if isinstance(target, str) else None


def index(bundle: Resource) -> Index:
    """Sort the entries of a bundle by their resourceType."""
    found = Index()
    for entry in bundle.get("entry") or ():
        resource = entry.get("resource")
        if not isinstance(resource, dict) or not isinstance(kind := resource.get("resourceType"), str):
            continue
        found.kinds.setdefault(kind, []).append(resource)
        for address in (f"{kind}/{resource.get('id')}", entry.get("fullUrl")):
            if isinstance(address, str):
                found.addresses.setdefault(address, resource)
    return found


def codings(value: object) -> Iterator[tuple[str, str]]:
    """Give the (system, code) pairs of a CodeableConcept, or of a list of them."""
    for concept in value if isinstance(value, list) else [value]:
        if isinstance(concept, dict):
            for each in concept.get("coding") or ():
                yield str(each.get("system", "")), str(each.get("code", ""))


def texts(value: object) -> Iterator[str]:
    """Give the texts of a list of CodeableConcepts."""
    for concept in value if isinstance(value, list) else [value]:
        if isinstance(concept, dict) and isinstance(text := concept.get("text"), str):
            yield text


def identifiers(resource: Resource | None, system: str) -> list[str]:
    """Give the values of the identifiers of one system."""
    found = (resource or {}).get("identifier")
    listed = found if isinstance(found, list) else [found]
    return [str(each["value"]) for each in listed if each and each.get("system") == system and "value" in each]


def instant(value: object, where: str) -> datetime:
    """Read an instant or a dateTime with its offset; raises FhirError."""
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise FhirError("time_broken", where) from None
    if moment.tzinfo is None:
        raise FhirError("time_without_zone", where)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise FhirError("time_broken", where) from None
