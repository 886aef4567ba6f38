"""A partner puts appointments through the FHIR door: POST, conditional PUT, and what it may not do."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bridges.agenda.push.adapter import PushProvider
from tests.fakes.sas_site import THOMAS, serving

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared/samples/sas-fhir"
IDENTIFIER = "urn:oid:1.2.3|a"
APPOINTMENT = {
    "resourceType": "Appointment",
    "identifier": [{"system": "urn:oid:1.2.3", "value": "a"}],
    "status": "booked",
    "start": "2026-12-01T09:00:00+01:00",
    "end": "2026-12-01T09:20:00+01:00",
    "description": "DUPONT Anne, suivi",
    "participant": [
        {"status": "accepted", "actor": {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": THOMAS}}},
        {"status": "accepted", "actor": {"display": "DUPONT Anne"}},
    ],
}
MOVED = {**APPOINTMENT, "start": "2026-12-01T10:00:00+01:00", "end": "2026-12-01T10:20:00+01:00"}
PUT = f"/Appointment?identifier={IDENTIFIER}"


@pytest.fixture
async def site(tmp_path):
    async with serving(tmp_path) as site:
        yield site


async def said(site):
    return [(each.kind, each.appointment.start) for each in (await PushProvider(site.inbox, "sas").changes()).changes]


async def test_an_appointment_is_created_once(site, tmp_path):
    answers = await asyncio.gather(*(site.ask("POST", "/Appointment", json_body=APPOINTMENT) for _ in range(8)))
    assert {status for status, _, _ in answers} == {201}
    assert len({headers["Location"] for _, headers, _ in answers}) == 1
    assert {headers["ETag"] for _, headers, _ in answers} == {'W/"1"'}
    assert len(await said(site)) == 1
    assert b"DUPONT" not in b"".join(one.read_bytes() for one in tmp_path.glob("inbox.sqlite3*"))


async def test_what_was_put_is_read_back(site):
    _, headers, _ = await site.ask("POST", "/Appointment", json_body=APPOINTMENT)
    path = headers["Location"].removeprefix("https://rdv.example/fhir")
    status, headers, found = await site.ask("GET", path)
    assert (status, headers["ETag"], found["start"]) == (200, 'W/"1"', "2026-12-01T09:00:00.000+01:00")
    assert "DUPONT" not in json.dumps(found)
    _, _, bundle = await site.ask("GET", PUT)
    assert [each["resource"]["id"] for each in bundle["entry"]] == [found["id"]]


@pytest.mark.parametrize("name", ["identifier", "Identifier"])
async def test_a_conditional_put_creates_then_updates(site, name):
    path = PUT.replace("identifier", name)
    cursor = (await PushProvider(site.inbox, "sas").changes()).cursor
    assert (await site.ask("PUT", path, json_body=APPOINTMENT))[0] == 201
    assert (await site.ask("PUT", path, json_body=APPOINTMENT))[0] == 200
    status, headers, _ = await site.ask("PUT", path, json_body=MOVED, **{"If-Match": 'W/"1"'})
    assert (status, headers["ETag"]) == (200, 'W/"2"')
    assert (await site.ask("PUT", path, json_body={**MOVED, "status": "cancelled"}))[0] == 200
    changes = (await PushProvider(site.inbox, "sas").changes(cursor)).changes
    assert [each.kind for each in changes] == ["booked", "moved", "cancelled"]


async def test_an_older_version_does_not_win(site):
    await site.ask("PUT", PUT, json_body=APPOINTMENT)
    await site.ask("PUT", PUT, json_body=MOVED)
    for version in ('W/"1"', '"7"', "nonsense"):
        status, _, outcome = await site.ask("PUT", PUT, json_body=APPOINTMENT, **{"If-Match": version})
        assert (status, outcome["issue"][0]["code"]) == (412, "conflict")
    assert await said(site) == [("seen", datetime(2026, 12, 1, 9, tzinfo=UTC))]


async def test_another_appointment_under_the_same_identifier_is_a_conflict(site):
    await site.ask("POST", "/Appointment", json_body=APPOINTMENT)
    status, _, outcome = await site.ask("POST", "/Appointment", json_body=MOVED)
    assert (status, outcome["issue"][0]["diagnostics"]) == (409, "identifier_taken")
    assert await said(site) == [("seen", datetime(2026, 12, 1, 8, tzinfo=UTC))]


async def test_partners_do_not_see_each_other(site):
    _, headers, _ = await site.ask("POST", "/Appointment", json_body=APPOINTMENT)
    path = headers["Location"].removeprefix("https://rdv.example/fhir")
    other = {"name": "gap.example", "unit": "GAP"}
    assert (await site.ask("GET", path, **other))[0] == 404
    assert (await site.ask("GET", PUT, **other))[2]["total"] == 0
    assert (await site.ask("PUT", PUT, json_body=MOVED, **other))[0] == 201
    assert await said(site) == [("seen", datetime(2026, 12, 1, 8, tzinfo=UTC))]


@pytest.mark.parametrize(
    ("change", "status", "diagnostics"),
    [
        ({"identifier": []}, 400, "identifier"),
        ({"status": "eaten"}, 422, "status"),
        ({"status": "proposed"}, 422, "status"),
        ({"start": "2026-12-01T09:00:00"}, 400, "structure"),
        ({"end": "2026-12-01T08:00:00+01:00"}, 400, "times_wrong"),
        ({"end": "2026-12-09T08:00:00+01:00"}, 400, "too_long"),
        ({"participant": []}, 422, "unknown_practitioner"),
        ({"unknown": 1}, 400, "structure"),
        ({"description": "x" * 70_000}, 413, "too_large"),
    ],
)
async def test_what_is_refused_is_told_to_both_sides(site, change, status, diagnostics):
    answer, _, outcome = await site.ask("POST", "/Appointment", json_body={**APPOINTMENT, **change})
    assert (answer, outcome["resourceType"], outcome["issue"][0]["diagnostics"]) == (
        status,
        "OperationOutcome",
        diagnostics,
    )
    assert [(each.source, each.reason) for each in site.inbox.troubles()] == [("sas", diagnostics)]
    assert await said(site) == []


@pytest.mark.parametrize("raw", [b"", b"\xff", b"[", b"null"])
async def test_what_is_no_json_is_refused(site, raw):
    assert (await site.ask("PUT", PUT, json_body=raw))[0] == 400


async def test_the_identifier_of_the_address_and_of_the_body_agree(site):
    status, _, outcome = await site.ask("PUT", "/Appointment?identifier=urn:oid:1.2.3|b", json_body=APPOINTMENT)
    assert (status, outcome["issue"][0]["diagnostics"]) == (400, "identifier_differs")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the examples of the ANS are not on this machine")
async def test_the_national_examples_go_through_the_door(site):
    booked, cancelled = (json.loads((SAMPLES / f"Appointment-{number}.json").read_bytes()) for number in (1, 2))
    if booked["status"] != "booked":
        booked, cancelled = cancelled, booked
    identifier = "|".join(booked["identifier"][0][each] for each in ("system", "value"))
    assert (await site.ask("POST", "/Appointment", json_body=booked))[0] == 201
    status, _, found = await site.ask("PUT", f"/Appointment?identifier={identifier}", json_body=cancelled)
    assert (status, found["status"], found["extension"]) == (200, "cancelled", booked["extension"])
