"""The numbered requirements of SAS for an agenda, each as a check. Source: docs/spec/agenda-partners.md 5.5.

A check looks at what an endpoint answered. It returns when the requirement is met, raises FailedError when it is not,
and NotSeenError when nothing in the answers could tell.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from bridges.agenda.conformance import FailedError, require
from bridges.agenda.fhir import identifiers as national
from bridges.agenda.fhir.reading import FhirError, Index, Resource, codings, identifiers, instant, texts
from bridges.agenda.fhir.terms import ACTS, AUDIENCES, MODE_OF, PERSONS, STRUCTURES, VISITS

TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000[+-]\d\d:\d\d")
SET: Final = "agg-psindiv"

Admission = Literal["refused", "admitted", "unknown"]


class NotSeenError(Exception):
    """Nothing that was seen tells whether the requirement is met. The text says what would."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One answer to a search. ``problem`` says why it is no searchset of the right structure."""

    status: int
    bundle: Resource = field(default_factory=dict)
    index: Index = field(default_factory=Index)
    problem: str = ""

    @property
    def slots(self) -> Sequence[Resource]:
        """The slots of the answer."""
        return self.index.all("Slot")


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What an endpoint answered to the questions of ``checking``."""

    start: datetime
    end: datetime
    asked: Sequence[str]  # prefixed identifiers; empty when everybody was asked for
    main: Found
    narrow: Found  # the first half of the window
    narrow_end: datetime
    nothing: Found  # a window of the past, in which nobody is free
    stranger: Found  # somebody whom no agenda knows
    without_certificate: Admission = "unknown"
    other_name: Admission = "unknown"  # a certificate of the authority with another CN
    other_unit: Admission = "unknown"  # … with another OU


Check = Callable[[Evidence], None]
CHECKS: Final[dict[int, Check]] = {}
UNSEEN: Final[dict[int, str]] = {
    33: "only the publisher knows the name in its software",
    36: "only the publisher knows whether there is a phone number",
    37: "only the publisher knows the address in its software",
    47: "only the publisher knows when nobody is free",
}
"""Requirements that the national kit marks as not verifiable either."""


def _meets(*numbers: int) -> Callable[[Check], Check]:
    def keep(check: Check) -> Check:
        CHECKS.update(dict.fromkeys(numbers, check))
        return check

    return keep


def _admission(seen: Admission, needed: str) -> None:
    if seen == "unknown":
        raise NotSeenError(needed)
    require(seen == "refused", "an answer was given")


@_meets(1)
def _asks_for_a_certificate(seen: Evidence) -> None:
    _admission(seen.without_certificate, "an address that begins with https://")


@_meets(2)
def _looks_at_the_name(seen: Evidence) -> None:
    _admission(seen.other_name, "--other-name: a certificate of the authority with another CN")


@_meets(3)
def _looks_at_the_unit(seen: Evidence) -> None:
    _admission(seen.other_unit, "--other-unit: a certificate of the authority with another OU")


@_meets(4)
def _searches(seen: Evidence) -> None:
    _require_answer(seen.main)


@_meets(13, 14)
def _answers_a_searchset(seen: Evidence) -> None:
    _searches(seen)
    require(seen.main.bundle.get("type") == "searchset", "Bundle.type")
    total = seen.main.bundle.get("total")
    require(isinstance(total, int) and total >= len(seen.main.slots), "Bundle.total")


@_meets(8)
def _answers_an_empty_bundle(seen: Evidence) -> None:
    found = seen.nothing
    _require_answer(found)
    require(not found.bundle.get("entry"), "slots outside of the window that was asked")
    require(found.bundle.get("total") == 0, "Bundle.total")


@_meets(5)
def _begins_after_start(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        require(_time(slot, "start") >= seen.start, f"{_name(slot)}.start")


@_meets(7)
def _begins_in_the_window(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        require(seen.start <= _time(slot, "start") <= seen.end, f"{_name(slot)}.start")


@_meets(6, 26)
def _filters(seen: Evidence) -> None:
    _require_answer(seen.narrow)
    inside = {slot["id"] for slot in _slots(seen.main) if _time(slot, "start") <= seen.narrow_end}
    require({slot.get("id") for slot in seen.narrow.slots} == inside, "other slots in a narrower window")


@_meets(10, 27)
def _is_free(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        require(slot.get("status") == "free", f"{_name(slot)}.status")


@_meets(29)
def _finds_by_professional(seen: Evidence) -> None:
    found = seen.stranger
    _require_answer(found)
    require(not found.slots, "slots of somebody whom nobody knows")
    for one in _all(seen.main, "Practitioner"):
        require(not seen.asked or set(identifiers(one, PERSONS)) & set(seen.asked), f"{_name(one)}: was not asked for")


@_meets(28)
def _includes_schedules(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        require(seen.main.index.follow(slot.get("schedule")), f"{_name(slot)}.schedule: not in the bundle")


@_meets(30)
def _includes_actors(seen: Evidence) -> None:
    for schedule in _all(seen.main, "Schedule"):
        kinds = {str(each.get("resourceType")) for each in _actors(seen.main, schedule)}
        require({"Practitioner", "PractitionerRole"} <= kinds, f"{_name(schedule)}.actor: not in the bundle")


@_meets(11)
def _has_times(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        require(_time(slot, "start") < _time(slot, "end"), f"{_name(slot)}.end")


@_meets(45)
def _writes_times_as_asked(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        for name in ("start", "end"):
            require(TIME.fullmatch(str(slot.get(name))), f"{_name(slot)}.{name}")


@_meets(12)
def _names_a_schedule(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        require((slot.get("schedule") or {}).get("reference"), f"{_name(slot)}.schedule.reference")


@_meets(23, 46)
def _says_for_whom(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        security = (slot.get("meta") or {}).get("security") or []
        codes = {each.get("code") for each in security if each.get("system") == AUDIENCES}
        require(codes and codes <= {"PUBLIC", "PRO", "SNP"}, f"{_name(slot)}.meta.security")


@_meets(24, 48)
def _says_how_one_is_seen(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        codes = {code for system, code in codings(slot.get("serviceType")) if system == ACTS}
        require(codes and codes <= set(MODE_OF), f"{_name(slot)}.serviceType")


@_meets(25)
def _says_where_to_book(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        require(re.match(r"https?://\S+$", str(slot.get("comment", ""))), f"{_name(slot)}.comment")


@_meets(41)
def _says_why(seen: Evidence) -> None:
    told = [slot for slot in _slots(seen.main) if slot.get("specialty")]
    if not told:
        raise NotSeenError("a slot with a specialty")
    for slot in told:
        require([*codings(slot["specialty"]), *texts(slot["specialty"])], f"{_name(slot)}.specialty")


@_meets(49)
def _says_whether_to_book(seen: Evidence) -> None:
    for slot in _slots(seen.main):
        codes = {code for system, code in codings(slot.get("appointmentType")) if system == VISITS}
        require(codes and codes <= {"ROUTINE", "WALKIN"}, f"{_name(slot)}.appointmentType")


@_meets(9)
def _slots_have_their_profile(seen: Evidence) -> None:
    checks = (_has_times, _names_a_schedule, _is_free, _says_for_whom, _says_how_one_is_seen)
    _searches(seen)
    for each in checks:
        each(seen)


@_meets(15)
def _names_a_professional(seen: Evidence) -> None:
    _slots(seen.main)
    require(seen.main.index.all("Practitioner"), "no Practitioner")


@_meets(16, 17, 18, 32)
def _numbers_professionals(seen: Evidence) -> None:
    for one in _all(seen.main, "Practitioner"):
        values = identifiers(one, PERSONS)
        require(values, f"{_name(one)}.identifier.system")
        require(all(national.RPPS.fullmatch(each) for each in values), f"{_name(one)}.identifier.value: 8 and the RPPS")


@_meets(34, 35)
def _writes_phone_numbers(seen: Evidence) -> None:
    told = [(one, each) for one in _all(seen.main, "Practitioner") for each in one.get("telecom") or ()]
    if not told:
        raise NotSeenError("a professional with a phone number")
    for one, each in told:
        require(each.get("system") == "phone", f"{_name(one)}.telecom.system")
        require(national.PHONE.fullmatch(str(each.get("value"))), f"{_name(one)}.telecom.value")


@_meets(19)
def _names_a_role(seen: Evidence) -> None:
    _slots(seen.main)
    require(seen.main.index.all("PractitionerRole"), "no PractitionerRole")


@_meets(20)
def _numbers_structures(seen: Evidence) -> None:
    for role in _all(seen.main, "PractitionerRole"):
        values = identifiers(role.get("organization"), STRUCTURES)
        require(
            values and all(national.is_structure(each) for each in values), f"{_name(role)}.organization.identifier"
        )


@_meets(21)
def _roles_name_their_professional(seen: Evidence) -> None:
    for role in _all(seen.main, "PractitionerRole"):
        require((role.get("practitioner") or {}).get("reference"), f"{_name(role)}.practitioner.reference")


@_meets(22)
def _roles_contain_their_place(seen: Evidence) -> None:
    for role in _all(seen.main, "PractitionerRole"):
        require(list(_places(role)), f"{_name(role)}.contained")


@_meets(31)
def _roles_have_their_profile(seen: Evidence) -> None:
    for each in (_numbers_structures, _roles_name_their_professional, _roles_contain_their_place):
        each(seen)


@_meets(38)
def _places_have_a_street(seen: Evidence) -> None:
    _address(seen, lambda address: bool(address.get("line")), "line")


@_meets(39)
def _places_have_a_city(seen: Evidence) -> None:
    _address(seen, lambda address: bool(address.get("city")), "city")


@_meets(40)
def _places_have_a_postal_code(seen: Evidence) -> None:
    _address(seen, lambda address: bool(re.fullmatch(r"[0-9]{5}", str(address.get("postalCode")))), "postalCode")


@_meets(42)
def _one_schedule_per_role(seen: Evidence) -> None:
    roles = [
        str(actor.get("id"))
        for schedule in _all(seen.main, "Schedule")
        for actor in _actors(seen.main, schedule)
        if actor.get("resourceType") == "PractitionerRole"
    ]
    if len(roles) < 2:
        raise NotSeenError("a professional who works at several places")
    require(len(roles) == len(set(roles)), "two schedules of one PractitionerRole")


@_meets(43)
def _references_fit(seen: Evidence) -> None:
    _includes_schedules(seen)
    _includes_actors(seen)
    for role in _all(seen.main, "PractitionerRole"):
        require(seen.main.index.follow(role.get("practitioner")), f"{_name(role)}.practitioner: not in the bundle")


@_meets(44)
def _everybody_once(seen: Evidence) -> None:
    values = [each for one in _all(seen.main, "Practitioner") for each in identifiers(one, PERSONS)]
    if len(values) < 2:
        raise NotSeenError("slots of two professionals (--rpps twice)")
    require(len(values) == len(set(values)), "one professional twice")


# --- what the checks look at --------------------------------------------------------------------------------------


def _require_answer(found: Found) -> None:
    require(found.status == 200 and not found.problem, found.problem or f"status {found.status}")


def _slots(found: Found) -> Sequence[Resource]:
    return _all(found, "Slot")


def _all(found: Found, kind: str) -> Sequence[Resource]:
    listed = found.index.all(kind)
    if not listed:
        raise NotSeenError(f"a {kind} in the answer")
    return listed


def _actors(found: Found, schedule: Resource) -> Sequence[Resource]:
    return [one for each in schedule.get("actor") or () if (one := found.index.follow(each))]


def _places(role: Resource) -> Iterator[Resource]:
    return (each for each in role.get("contained") or () if each.get("resourceType") == "Location")


def _address(seen: Evidence, is_good: Callable[[Resource], bool], element: str) -> None:
    for role in _all(seen.main, "PractitionerRole"):
        addresses = [each.get("address") or {} for each in _places(role)]
        require(addresses and all(map(is_good, addresses)), f"{_name(role)}.contained.address.{element}")


def _time(slot: Resource, name: str) -> datetime:
    try:
        return instant(slot.get(name), f"{_name(slot)}.{name}")
    except FhirError as error:
        raise FailedError(str(error)) from None


def _name(resource: Resource) -> str:
    return f"{resource.get('resourceType')}/{resource.get('id')}"[:80]
