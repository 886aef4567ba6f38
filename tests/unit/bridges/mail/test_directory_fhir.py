"""What counts as a mailbox in an answer of the Annuaire Santé."""

import json
from datetime import UTC, datetime

import pytest
from fhir.resources.R4B.bundle import Bundle
from hypothesis import given
from hypothesis import strategies as st

from bridges.mail.directory.entries import rpps
from bridges.mail.directory.fhir import ENTRIES, PAGE, AnswerError, read_page
from tests.fakes.annuaire import BASE, DUPONT, RPPS, bundle, mailbox, organization, practitioner, role

NOW = datetime(2026, 11, 29, tzinfo=UTC)
BOX = mailbox(DUPONT)


def read(*resources, **more):
    return read_page(json.dumps(bundle(*resources, **more)).encode(), NOW)


def only(*resources):
    (entry,) = read(*resources).entries
    return entry


def test_our_shapes_are_fhir_r4():
    made = bundle(practitioner("p1", RPPS, BOX), role("r1", "p1", "o1", BOX), organization("o1", "1", BOX))
    assert len(Bundle.model_validate(made).entry) == 3


def test_a_personal_mailbox_has_its_owner_and_profession():
    entry = only(practitioner("p1", RPPS, BOX))
    assert (entry.address, entry.kind, entry.owner) == (DUPONT, "PER", RPPS)
    assert (entry.name, entry.profession, entry.active) == ("Jean DUPONT", "10", True)


@pytest.mark.parametrize("name", ["as-ext-mailbox-mss-metadata", "as-mailbox-mss-metadata"])
@pytest.mark.parametrize("typed", [True, False])
def test_both_names_of_the_extension_count_with_and_without_the_type_of_mail(name, typed):
    assert only(practitioner("p1", RPPS, mailbox(DUPONT, "CAB", metadata=name, typed=typed))).kind == "CAB"


def test_entries_are_told_apart_by_kind_whatever_their_place():
    box = mailbox("service@chu.mssante.fr", "ORG")
    person, place = practitioner("p1", RPPS), organization("o1", "750712184", box)
    activity = role("r1", "p1", "o1", BOX)
    for order in ([person, place, activity], [activity, place, person]):
        found = {each.address: each for each in read(*order).entries}
        assert (found[DUPONT].owner, found[DUPONT].place) == (RPPS, "CHU du Nord")
        service = found["service@chu.mssante.fr"]
        assert (service.kind, service.owner, service.name) == ("ORG", "750712184", "CHU du Nord")


def test_an_ordinary_address_of_contact_is_no_mailbox():
    plain = {"system": "email", "value": "contact@chu.example"}
    phone = {**BOX, "system": "phone"}
    assert read(organization("o1", "1", plain, phone)).entries == []


@pytest.mark.parametrize("flag", [{"valueBoolean": True}, {"valueString": "oui"}, {}])
def test_who_is_on_the_red_list_is_never_shown_from_no_entry(flag):
    red = mailbox(DUPONT, red=None)
    red["extension"][-1]["extension"].append({"url": "listeRouge", **flag})
    page = read(practitioner("p1", RPPS, red), role("r1", "p1", "o1", BOX))
    assert (page.entries, page.red) == ([], {DUPONT})


def test_an_end_of_the_person_of_the_activity_or_of_the_mailbox_is_one():
    gone = practitioner("p1", RPPS, active=False)
    assert not only(role("r1", "p1", "o1", BOX), gone).active
    assert not only(role("r1", "p1", "o1", BOX, active=False), practitioner("p1", RPPS)).active
    assert not only(practitioner("p1", RPPS, {**BOX, "period": {"end": "2026-11-01"}})).active
    assert only(practitioner("p1", RPPS, {**BOX, "period": {"end": "2027-01-01"}})).active


def test_a_person_with_two_numbers_has_none():
    odd = practitioner("p1", RPPS, BOX)
    odd["identifier"][0]["value"] = "810009999999"
    assert only(odd).owner == ""


@pytest.mark.parametrize(
    ("text", "number"),
    [("10003456789", "10003456789"), ("810003456789", "10003456789"), ("0750012345", ""), ("9" * 12, ""), ("", "")],
)
def test_only_an_rpps_number_is_one(text, number):
    assert rpps(text) == number


def test_an_address_outside_of_our_grammar_is_left_out():
    assert read(practitioner("p1", RPPS, {**BOX, "value": "a@b.fr>\r\nBcc: x@y.fr"})).entries == []


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "not_json"),
        (b'{"resourceType": "Bundle", "entry": [', "not_json"),
        (b"[]", "not_a_bundle"),
        (b'{"resourceType": "OperationOutcome"}', "not_a_bundle"),
        (b" " * (PAGE + 1), "too_large"),
        (b'{"resourceType": "Bundle", "x": ' + b"[" * 60 + b"]" * 60 + b"}", "too_deep"),
        (json.dumps({"resourceType": "Bundle", "entry": [{}] * (ENTRIES + 1)}).encode(), "too_many_entries"),
    ],
)
def test_what_is_no_answer_is_refused_with_a_word(octets, why):
    with pytest.raises(AnswerError, match=why):
        read_page(octets, NOW)


KEYS = st.sampled_from(
    ["entry", "resource", "telecom", "extension", "url", "name", "family", "given", "identifier", "system", "value",
     "link", "relation", "qualification", "code", "coding", "period", "end", "active", "practitioner", "reference",
     "valueCodeableConcept", "valueCoding", "valueHumanName"]
)  # fmt: skip
WORDS = st.sampled_from(["email", "next", "PER", f"{BASE}/as-ext-mailbox-mss-metadata", "type", "listeRouge", DUPONT])
LEAVES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | WORDS
TREES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5))


@given(TREES, st.sampled_from(["Practitioner", "PractitionerRole", "Organization"]))
def test_no_answer_ends_us(tree, kind):
    resource = {**(tree if isinstance(tree, dict) else {"telecom": tree}), "resourceType": kind}
    whole = {"resourceType": "Bundle", "entry": [{"resource": resource}, tree], "link": tree}
    page = read_page(json.dumps(whole).encode(), NOW)
    assert all("@" in each.address for each in page.entries)
