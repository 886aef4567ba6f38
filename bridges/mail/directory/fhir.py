"""Answers of the Annuaire Santé (FHIR R4) as entries. Pure; lenient in form, strict in what counts as a mailbox.

Source: docs/spec/mail.md 22. Sizes are judged before anything else; entries are told apart by ``resourceType``, never
by their place; what an answer does not say is not guessed.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from bridges.mail.address import AddressError, read_address
from bridges.mail.directory.entries import Entry, cut, kind_of, rpps

PAGE: Final = 4 * 1024 * 1024  # bytes of one page
ENTRIES: Final = 1000  # of one page: 50 matches and what is included with them
DEPTH: Final = 40
TELECOMS: Final = 100  # of one resource
IDNPS: Final = "1.2.250.1.71.4.2.1"
IDNST: Final = "1.2.250.1.71.4.2.2"
_TRUE: Final = frozenset({"true", "1"})

Resource = dict[str, Any]


class AnswerError(ValueError):
    """Not an answer of a directory; the text is one word."""


@dataclass(slots=True)
class Page:
    """One page of a search."""

    entries: list[Entry] = field(default_factory=list)
    red: set[str] = field(default_factory=set)  # addresses that their holders keep out of the directory
    following: str = ""  # address of the next page, as it was written


def read_page(octets: bytes, now: datetime) -> Page:
    """Read a Bundle.

    Args:
        octets: at most ``PAGE``.
        now: aware; a mailbox whose period has ended by then is not active.

    Raises:
        AnswerError: ``too_large``, ``not_json``, ``too_deep``, ``not_a_bundle``, ``too_many_entries``.

    """
    bundle = _bundle(octets)
    page = Page(following=_following(bundle))
    found = _Index(bundle)
    for resource in found.all("Practitioner"):
        _add(page, resource, _person(resource), now)
    for role in found.all("PractitionerRole"):
        person = found.follow(role.get("practitioner"))
        place = found.follow(role.get("organization"))
        _add(page, role, _role(role, person, place), now)
    for resource in found.all("Organization"):
        _add(page, resource, _structure(resource), now)
    page.entries = [each for each in page.entries if each.address not in page.red]
    return page


def _bundle(octets: bytes) -> Resource:
    if len(octets) > PAGE:
        raise AnswerError("too_large")
    try:
        found = msgspec.json.decode(octets)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise AnswerError("not_json") from None
    if not isinstance(found, dict) or found.get("resourceType") != "Bundle":
        raise AnswerError("not_a_bundle")
    if _is_too_deep(found):
        raise AnswerError("too_deep")
    if len(_list(found.get("entry"))) > ENTRIES:
        raise AnswerError("too_many_entries")
    return found


def _is_too_deep(value: object) -> bool:
    """Count levels without recursion."""
    level: list[object] = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for each in level
            for inner in (each.values() if isinstance(each, dict) else each if isinstance(each, list) else ())
        ]
        if not level:
            return False
    return True


def _following(bundle: Resource) -> str:
    links = (each for each in _dicts(bundle.get("link")) if each.get("relation") == "next")
    return next((url for each in links if isinstance(url := each.get("url"), str)), "")


class _Index:
    """The resources of a page by kind, and by how others refer to them."""

    def __init__(self, bundle: Resource) -> None:
        self._kinds: dict[str, list[Resource]] = {}
        self._names: dict[str, Resource] = {}
        for entry in _dicts(bundle.get("entry")):
            resource = entry.get("resource")
            if not isinstance(resource, dict) or not isinstance(kind := resource.get("resourceType"), str):
                continue
            self._kinds.setdefault(kind, []).append(resource)
            for name in (f"{kind}/{resource.get('id')}", entry.get("fullUrl")):
                if isinstance(name, str):
                    self._names.setdefault(name, resource)

    def all(self, kind: str) -> list[Resource]:
        return self._kinds.get(kind, [])

    def follow(self, reference: object) -> Resource:
        target = reference.get("reference") if isinstance(reference, dict) else None
        return self._names.get(target, {}) if isinstance(target, str) else {}


# --- who has a mailbox ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Owner:
    owner: str
    name: str
    active: bool
    profession: str = ""
    place: str = ""


def _person(resource: Resource) -> _Owner:
    return _Owner(
        owner=_rpps(resource),
        name=_human(resource.get("name")),
        active=_active(resource),
        profession=_profession(resource),
    )


def _role(role: Resource, person: Resource, place: Resource) -> _Owner:
    """An activity counts while it and its person do; its own name stands in an extension where there is one."""
    own = next((each.get("valueHumanName") for each in _extensions(role, "practitionerrole-name")), None)
    known = _person(person)
    return _Owner(
        owner=known.owner or _rpps(role.get("practitioner")),
        name=_human([own]) or known.name,
        active=_active(role) and known.active,
        profession=known.profession or _profession(role),
        place=cut(place.get("name") or ""),
    )


def _structure(resource: Resource) -> _Owner:
    name = cut(resource.get("name") or "")
    return _Owner(owner=_structure_id(resource), name=name, active=_active(resource), place=name)


def _active(resource: Resource) -> bool:
    """Only an outspoken ``false`` is one: answers of chosen elements leave the flag out."""
    return resource.get("active") is not False


def _rpps(resource: object) -> str:
    """Give the RPPS number; none where two identifiers disagree. ADELI numbers are none any more."""
    found = {rpps(value) for system, value in _identifiers(resource) if "rpps" in system or IDNPS in system}
    found.discard("")
    return found.pop() if len(found) == 1 else ""


def _structure_id(resource: Resource) -> str:
    listed = list(_identifiers(resource))
    wanted = ("finess", IDNST, "siret", "siren", "")
    return next((value[:40] for part in wanted for system, value in listed if part in system), "")


def _identifiers(resource: object) -> Iterator[tuple[str, str]]:
    """Give (system, value); of a reference, its logical one."""
    found = resource.get("identifier") if isinstance(resource, dict) else None
    for each in _dicts(found if isinstance(found, list) else [found]):
        if isinstance(value := each.get("value"), str):
            yield str(each.get("system", "")).lower(), value.strip()


def _human(names: object) -> str:
    for name in _dicts(names):
        given = [each for each in _list(name.get("given")) if isinstance(each, str)]
        family = name.get("family")
        words = [*given[:1], family.upper() if isinstance(family, str) else ""]
        if shown := cut(" ".join(filter(None, words)) or name.get("text") or ""):
            return shown
    return ""


def _profession(resource: Resource) -> str:
    """Give the code of TRE_G15 in the qualifications or in the role."""
    concepts = [each.get("code") for each in _dicts(resource.get("qualification"))]
    for concept in _dicts([*concepts, *_list(resource.get("code"))]):
        for coding in _dicts(concept.get("coding")):
            if "g15" in str(coding.get("system", "")).lower() and isinstance(code := coding.get("code"), str):
                return cut(code)[:20]
    return ""


# --- mailboxes --------------------------------------------------------------------------------------------------------


def _add(page: Page, resource: Resource, who: _Owner, now: datetime) -> None:
    for telecom in _dicts(_list(resource.get("telecom"))[:TELECOMS]):
        metadata = next(_extensions(telecom, "mailbox-mss-metadata"), None)
        if telecom.get("system", "email") != "email" or (metadata is None and not _is_mssante(telecom)):
            continue  # an ordinary address of contact
        try:
            address = read_address(str(telecom.get("value", "")).strip()).identity
        except AddressError:
            continue
        if metadata is not None and _says(metadata, "listerouge"):
            page.red.add(address)
        page.entries.append(
            Entry(
                address=address,
                kind=_kind(metadata or {}),
                owner=who.owner,
                name=who.name,
                place=who.place,
                profession=who.profession,
                active=who.active and not _is_over(telecom, now),
            )
        )


def _is_mssante(telecom: Resource) -> bool:
    marks = _extensions(telecom, "email-type")
    return any(code == "MSSANTE" for each in marks for code in _codes(each))


def _kind(metadata: Resource) -> Any:
    return next(
        (kind for each in _extensions(metadata, "type") for code in _codes(each) if (kind := kind_of(code))), ""
    )


def _says(metadata: Resource, name: str) -> bool:
    """Whether a flag is set; one that is written in an unknown way counts as set: who asked to be hidden stays so."""
    for each in _extensions(metadata, name):
        values = [value for key, value in each.items() if key.startswith("value")]
        if not values or any(value is not False and str(value).lower() not in {"false", "0"} for value in values):
            return True
    return False


def _is_over(telecom: Resource, now: datetime) -> bool:
    period = telecom.get("period")
    end = period.get("end") if isinstance(period, dict) else None
    if telecom.get("use") == "old":
        return True
    try:
        moment = datetime.fromisoformat(str(end)) if end else now
    except ValueError:
        return False
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) < now


def _extensions(value: object, name: str) -> Iterator[Resource]:
    """Give the extensions whose URL ends with a name: its base and its prefix changed between editions of the guide."""
    for each in _dicts(value.get("extension") if isinstance(value, dict) else None):
        if str(each.get("url", "")).lower().endswith(name):
            yield each


def _codes(extension: Resource) -> Iterator[str]:
    """Give the codes in any of the ways in which a code is written."""
    concept = extension.get("valueCodeableConcept")
    codings = _dicts(concept.get("coding")) if isinstance(concept, dict) else iter(())
    for coding in (*codings, extension.get("valueCoding")):
        if isinstance(coding, dict) and isinstance(code := coding.get("code"), str):
            yield code
    for name in ("valueCode", "valueString"):
        if isinstance(code := extension.get(name), str):
            yield code


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _dicts(value: object) -> Iterator[Resource]:
    return (each for each in _list(value) if isinstance(each, dict))
