"""FHIR as it comes in: national examples are understood, everything else has a reason."""

import contextlib
import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.agenda.fhir import identifiers
from bridges.agenda.fhir.appointments import Told, Writing, compose, describe, understand
from bridges.agenda.fhir.gate import Caller, CertificateGate
from bridges.agenda.fhir.reading import FhirError, index, read
from bridges.agenda.fhir.search import understand as understand_search
from bridges.agenda.fhir.terms import CORE_1, CORE_2
from bridges.agenda.provider import Mode

ROOT = Path(__file__).resolve().parents[4].parent / "shared"
SAMPLES, CORPUS = ROOT / "samples/sas-fhir", ROOT / "corpora/generated/fhir"
NEEDED = pytest.mark.skipif(not SAMPLES.is_dir(), reason="the examples of the ANS are not on this machine")
START, END = datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 8, 20, tzinfo=UTC)
APPOINTMENT = {
    "resourceType": "Appointment",
    "identifier": [{"system": "urn:oid:1.2.3", "value": "a"}],
    "status": "booked",
    "start": "2026-12-01T09:00:00+01:00",
    "end": "2026-12-01T09:20:00+01:00",
    "participant": [
        {
            "status": "accepted",
            "actor": {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "810100050075"}},
        }
    ],
}


@NEEDED
def test_the_national_appointments_are_understood():
    for name, state in (("Appointment-1.json", "booked"), ("Appointment-2.json", "cancelled")):
        told = understand((SAMPLES / name).read_bytes())
        assert (told.state, told.practitioner) == (state, "810100050075")
        assert told.start == datetime(2022, 9, 4, 13, tzinfo=UTC)
        assert told.operator == "urn:oid:1.2.250.1.71.4.2.1|3456780581/11242343"


@NEEDED
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("Bundle-ExampleBundlePSIndiv.json", {"Slot": 4, "Schedule": 3, "Practitioner": 2, "PractitionerRole": 3}),
        ("Bundle-ExampleBundleCPTS.json", {"Slot": 1, "Schedule": 1, "Practitioner": 1}),
        ("Bundle-ExampleBundleAgregateurSOS.json", {"Slot": 4, "Schedule": 3, "Location": 3}),
    ],
)
def test_the_national_bundles_are_sorted_by_kind(name, counts):
    found = index(read((SAMPLES / name).read_bytes(), "Bundle"))
    assert {kind: len(found.all(kind)) for kind in counts} == counts
    assert all(found.follow(slot["schedule"]) for slot in found.all("Slot"))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the generated corpus is not on this machine")
@pytest.mark.parametrize("name", ["lone-surrogate.json", "proto.json"])
@pytest.mark.parametrize("kind", ["Bundle", "Appointment"])
def test_hostile_files_have_a_reason(name, kind):
    with pytest.raises(FhirError):
        read((CORPUS / name).read_bytes(), kind)


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "not_json"),
        (b"\xff", "not_json"),
        (b"[]", "wrong_resource"),
        (b'{"resourceType":"Patient"}', "wrong_resource"),
        (b'{"resourceType":["Appointment"]}', "wrong_resource"),
        (json.dumps({**APPOINTMENT, "unknown": 1}).encode(), "structure"),
        (json.dumps({**APPOINTMENT, "start": "tomorrow"}).encode(), "structure"),
        (json.dumps({**APPOINTMENT, "identifier": {}}).encode(), "structure"),
        (json.dumps({**APPOINTMENT, "status": "eaten"}).encode(), "status"),
        (json.dumps({**APPOINTMENT, "identifier": []}).encode(), "identifier"),
        (json.dumps({**APPOINTMENT, "identifier": APPOINTMENT["identifier"] * 2}).encode(), "identifier"),
        (json.dumps({**APPOINTMENT, "comment": "x" * 70_000}).encode(), "too_large"),
        (
            b'{"resourceType":"Appointment","extension":' + b'[{"extension":' * 60 + b"[]" + b"}]" * 60 + b"}",
            "too_deep",
        ),
        (b'{"resourceType":"Appointment","x":' + b"[" * 30_000, "not_json"),
    ],
)
def test_what_is_no_appointment_has_a_reason(raw, code):
    with pytest.raises(FhirError) as caught:
        understand(raw)
    assert caught.value.code == code


def test_a_bundle_is_bounded():
    told = {"resourceType": "Bundle", "type": "searchset", "entry": [{}] * 3001}
    for raw, code in ((json.dumps(told).encode(), "too_many_entries"), (b" " * (4 * 1024 * 1024 + 1), "too_large")):
        with pytest.raises(FhirError) as caught:
            read(raw, "Bundle")
        assert caught.value.code == code


def test_a_refusal_repeats_no_value():
    with pytest.raises(FhirError) as caught:
        understand(json.dumps({**APPOINTMENT, "start": "DUPONT Anne"}).encode())
    assert "DUPONT" not in str(caught.value)
    assert caught.value.where == "Appointment.start"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    )
)
def test_no_json_ends_the_reader(value):
    for raw in (
        json.dumps(value),
        json.dumps({**APPOINTMENT, "participant": value}),
        json.dumps({**APPOINTMENT, "extension": value}),
    ):
        with contextlib.suppress(FhirError):
            understand(raw.encode())


@pytest.mark.parametrize(
    "operator",
    [
        {"extension": [{"url": CORE_1.operator, "valueReference": {"identifier": {"system": "s", "value": "v"}}}]},
        {"extension": [{"url": CORE_2.operator, "valueReference": {"identifier": {"system": "s", "value": "v"}}}]},
        {
            "participant": [
                {
                    "type": [
                        {
                            "coding": [
                                {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "ENT"}
                            ]
                        }
                    ],
                    "actor": {"identifier": {"system": "s", "value": "v"}},
                    "status": "accepted",
                },
                *APPOINTMENT["participant"],
            ]
        },
    ],
    ids=["FR Core 1.1", "FR Core 2", "newer draft"],
)
def test_who_booked_is_found_in_every_version(operator):
    told = describe({**APPOINTMENT, **operator})
    assert (told.operator, told.practitioner) == ("s|v", "810100050075")


@pytest.mark.parametrize("core", [CORE_1, CORE_2])
@pytest.mark.parametrize("state", ["proposed", "booked", "cancelled", "noshow", "fulfilled"])
def test_what_is_written_is_read_as_it_was_meant(core, state):
    told = Told(
        system="urn:oid:1.2.3",
        value="a",
        state=state,
        start=START,
        end=END,
        practitioner="810100050075",
        operator="",
        mode=Mode.PRACTICE,
        version="",
    )
    writing = Writing(system="urn:oid:1.2.3", practitioner="810100050075", core=core)
    resource = compose(told, writing, zone="America/Cayenne")
    assert resource["start"] == "2026-12-01T05:00:00.000-03:00"
    again = understand(json.dumps(resource).encode())
    assert (again.state, again.start, again.end, again.practitioner) == (state, START, END, "810100050075")


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("10100050075", "810100050075"),
        ("810100050075", "810100050075"),
        ("131234567", "0131234567"),
        ("2A1234567", "02A1234567"),
        ("1 01000 50075", "810100050075"),
    ],
)
def test_national_identifiers_get_their_prefix(given, found):
    assert identifiers.person(given) == found


@pytest.mark.parametrize("wrong", ["", "8", "7101000500755", "8101000500X5", "8" * 13])
def test_what_is_no_national_identifier(wrong):
    with pytest.raises(ValueError):
        identifiers.person(wrong)


def test_structures_and_phones():
    assert identifiers.structure("finess", "470004421") == "1470004421"
    assert identifiers.structure("finess", "1470004421") == "1470004421"
    assert identifiers.structure("siret", "12345678901234") == "312345678901234"
    assert identifiers.phone("05 53 00 00 00") == "+33553000000"
    assert identifiers.phone("0033553000000") == "+33553000000"
    for wrong in (lambda: identifiers.structure("siret", "1"), lambda: identifiers.phone("15")):
        with pytest.raises(ValueError):
            wrong()


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ([], "bad_parameter"),
        ([("start", "ge2026-12-01")], "bad_parameter"),
        ([("start", "ge2026-12-01"), ("start", "sa2026-12-02")], "bad_parameter"),
        ([("start", "ge2026-12-01"), ("start", "leyesterday")], "bad_parameter"),
        ([("start", "ge2026-01-01"), ("start", "le2026-12-02")], "too_long"),
        ([("start", "ge0001-01-01T00:00:00+14:00"), ("start", "le0001-01-01")], "bad_parameter"),
        ([("start", "ge2026-12-01"), ("start", "le2026-12-02"), ("_include", "Slot:patient")], "unknown_parameter"),
        ([("start", "ge2026-12-01"), ("start", "le2026-12-02"), ("patient", "x")], "unknown_parameter"),
        ([("start", "ge2026-12-01"), ("start", "le2026-12-02"), ("_count", "-1")], "bad_parameter"),
        (
            [
                ("start", "ge2026-12-01"),
                ("start", "le2026-12-02"),
                ("schedule.actor:Practitioner.identifier", ",".join("8" * 26)),
            ],
            "too_many",
        ),
    ],
)
def test_a_search_that_is_not_understood_is_refused(query, code):
    with pytest.raises(FhirError) as caught:
        understand_search(query, zone="Europe/Paris")
    assert caught.value.code == code


def test_the_bounds_of_a_search():
    def bounds(first, last):
        found = understand_search([("start", first), ("start", last)], zone="Europe/Paris")
        return found.start, found.end

    assert bounds("ge2026-12-01", "le2026-12-01") == (
        datetime(2026, 11, 30, 23, tzinfo=UTC),
        datetime(2026, 12, 1, 23, tzinfo=UTC),
    )
    start, end = bounds("ge2026-12-01T09:00:00", "le2026-12-01T09:00:00.000 01:00")
    assert start == START < end  # the last instant is included
    assert bounds("gt2026-12-01", "lt2026-12-03")[0] == datetime(2026, 12, 1, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    ("pairs", "known"),
    [
        ([("commonName", "a"), ("organizationalUnitName", "b")], True),
        ([("commonName", "a"), ("commonName", "a"), ("organizationalUnitName", "b")], False),
        ([("commonName", "a"), ("organizationalUnitName", "b"), ("organizationalUnitName", "c")], False),
        ([("commonName", "a")], False),
        ([], False),
    ],
)
def test_a_certificate_names_one_caller(pairs, known):
    connection = SimpleNamespace(getpeercert=lambda: {"subject": tuple((pair,) for pair in pairs)})
    request = SimpleNamespace(transport=SimpleNamespace(get_extra_info=lambda _: connection))
    gate = CertificateGate({"sas": Caller(common_name="a", unit="b")})
    assert gate.admit(request) == ("sas" if known else None)


def test_nobody_is_admitted_without_tls():
    gate = CertificateGate({"sas": Caller(common_name="a", unit="b")})
    for transport in (None, SimpleNamespace(get_extra_info=lambda _: None)):
        assert gate.admit(SimpleNamespace(transport=transport)) is None
