"""Slot searches of SAS over TLS on both sides."""

import pytest

from tests.fakes.sas_site import MARCEL, THOMAS, serving


@pytest.fixture
async def site(tmp_path):
    async with serving(tmp_path) as site:
        yield site


async def test_a_slot_search_as_the_guide_writes_it(site):
    path = (
        "/Slot?_include=Slot:schedule&_include:iterate=Schedule:actor&start=ge2026-12-01T10:00:00&start=le2026-12-02T10:00:00"
        f"&schedule.actor:Practitioner.identifier=urn:oid:1.2.250.1.71.4.2.1|{THOMAS}, urn:oid:1.2.250.1.71.4.2.1|{MARCEL}&status=free"
    )
    status, headers, bundle = await site.ask("GET", path, Accept="application/json+fhir")
    assert (status, headers["Content-Type"]) == (200, "application/json+fhir; charset=utf-8")
    slots = [each["resource"] for each in bundle["entry"] if each["resource"]["resourceType"] == "Slot"]
    assert [slot["start"] for slot in slots] == [
        "2026-12-01T10:00:00.000+01:00",
        "2026-12-01T11:00:00.000+01:00",
        "2026-12-01T12:00:00.000+01:00",
        "2026-12-02T10:00:00.000+01:00",
    ]
    assert bundle["total"] == 4


@pytest.mark.parametrize(
    ("query", "total"),
    [
        (f"schedule.actor:Practitioner.identifier=urn:oid:1.2.250.1.71.4.2.1|{MARCEL}", 1),
        ("schedule.actor:Practitioner.identifier=urn:oid:9|810100050075", 0),
        ("schedule.actor:Practitioner.identifier=899999999999", 0),
        ("status=busy", 0),
        ("", 6),
    ],
)
async def test_what_a_search_finds(site, query, total):
    status, _, bundle = await site.ask("GET", f"/Slot?start=ge2026-12-01&start=le2026-12-03&{query}")
    assert (status, bundle["total"], len(bundle.get("entry", []))) == (200, total, total)


async def test_pages_follow_each_other(site):
    seen, path = [], "/Slot?start=ge2026-12-01&start=le2026-12-03&_count=4"
    while path:
        _, _, bundle = await site.ask("GET", path)
        seen += [each["resource"]["id"] for each in bundle["entry"]]
        following = [each["url"] for each in bundle["link"] if each["relation"] == "next"]
        path = following[0].removeprefix("https://rdv.example/fhir") if following else ""
    assert len(seen) == len(set(seen)) == 6


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/Slot", 400, "bad_parameter"),
        ("/Slot?start=ge2026-12-01&start=le2026-12-03&patient=1", 400, "unknown_parameter"),
        ("/Slot?start=ge2026-12-01&start=le2027-12-03", 400, "too_long"),
        ("/Patient", 404, "not_found"),
        ("/Appointment/unknown", 404, "not_found"),
        ("/Appointment", 400, "bad_parameter"),
    ],
)
async def test_a_refusal_is_an_operation_outcome(site, path, status, said):
    answer = await site.ask("GET", path)
    assert (answer[0], answer[2]["resourceType"], answer[2]["issue"][0]["diagnostics"]) == (
        status,
        "OperationOutcome",
        said,
    )


async def test_an_agenda_that_does_not_answer_is_not_an_empty_one(site):
    site.professionals[0].places[0].agenda.broken = True
    status, headers, outcome = await site.ask("GET", "/Slot?start=ge2026-12-01&start=le2026-12-03")
    assert (status, outcome["issue"][0]["code"], headers["Retry-After"]) == (503, "transient", "60")


@pytest.mark.parametrize(("name", "unit"), [("sas.example", "OTHER"), ("other.example", "SAS"), ("sas.example", "")])
async def test_another_certificate_of_the_authority_is_a_stranger(site, name, unit):
    status, _, outcome = await site.ask("GET", "/metadata", name=name, unit=unit)
    assert (status, outcome["issue"][0]["code"]) == (403, "forbidden")
