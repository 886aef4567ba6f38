"""The numbered requirements of SAS: our endpoint meets each, and the checker sees each one broken."""

import asyncio
import csv
import json
import ssl
import sys
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridges.agenda.fhir.checking import Subject, check
from bridges.agenda.outgoing import Origin
from tests.fakes.sas_site import END, MARCEL, START, THOMAS, serving

SAMPLES = Path(__file__).resolve().parents[2].parent / "shared/samples/sas-fhir"


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """What our own endpoint is told by the checker, once for all rows of the national list."""

    async def run():
        async with serving(tmp_path_factory.mktemp("sas")) as site:
            return {each.check: each for each in (await check(site.subject())).details}

    return asyncio.run(run())


def rows():
    path = SAMPLES / "sas_test_kit_requirements.csv"
    if not path.is_file():
        return [
            pytest.param(
                None, marks=pytest.mark.skip(reason="the national list of requirements is not on this machine")
            )
        ]
    with path.open(encoding="utf-8-sig", newline="") as stream:
        return [pytest.param(row, id=f"{row['Req Set']}-{row['ID']}") for row in csv.DictReader(stream)]


@pytest.mark.parametrize("row", rows())
def test_our_endpoint_meets_the_national_requirement(row, outcomes):
    found = outcomes[f"{row['Req Set']}-{row['ID']}"]
    unverifiable = row["Not Tested Reason"] == "Not Verifiable" and row["ID"] not in {"34", "35"}
    assert found.outcome == ("unsupported" if unverifiable else "passed"), found.detail


def test_every_national_requirement_has_a_check(outcomes):
    numbers = {int(name.rpartition("-")[2]) for name in outcomes}
    assert numbers == set(range(1, 50))


def _each(kind, change):
    def spoil(bundle):
        for entry in bundle.get("entry", []):
            if entry["resource"]["resourceType"] == kind:
                change(entry["resource"])

    return spoil


def _drop(*kinds):
    def spoil(bundle):
        bundle["entry"] = [each for each in bundle.get("entry", []) if each["resource"]["resourceType"] not in kinds]

    return spoil


def _location(change):
    return _each("PractitionerRole", lambda one: change(one["contained"][0]["address"]))


def _rename(bundle):
    """Other slots in every answer."""
    _each("Slot", lambda one: one.update(id=f"{one['id']}{len(bundle['entry'])}"))(bundle)


def _share_a_role(bundle):
    roles = [
        each["resource"]["id"] for each in bundle["entry"] if each["resource"]["resourceType"] == "PractitionerRole"
    ]
    _each("Schedule", lambda one: one["actor"].append({"reference": f"PractitionerRole/{roles[0]}"}))(bundle)


def _late(slot):
    slot.update(start="2026-12-09T09:00:00.000+01:00", end="2026-12-09T09:20:00.000+01:00")


SPOILT = {
    4: lambda bundle: bundle.update(unknown=1),
    5: _each("Slot", lambda one: one.update(start="2026-11-01T09:00:00.000+01:00")),
    6: _rename,
    7: _each("Slot", _late),
    10: _each("Slot", lambda one: one.update(status="busy")),
    11: _each("Slot", lambda one: one.update(end=one["start"])),
    12: _each("Slot", lambda one: one.update(schedule={"display": "x"})),
    13: lambda bundle: bundle.pop("total"),
    14: lambda bundle: bundle.update(type="collection"),
    15: _drop("Practitioner"),
    16: _each("Practitioner", lambda one: one.pop("identifier")),
    17: _each("Practitioner", lambda one: one["identifier"][0].update(value="10100050075")),
    19: _drop("PractitionerRole"),
    20: _each("PractitionerRole", lambda one: one["organization"]["identifier"].update(value="470004421")),
    21: _each("PractitionerRole", lambda one: one.pop("practitioner")),
    22: _each("PractitionerRole", lambda one: one.pop("contained")),
    23: _each("Slot", lambda one: one["meta"].pop("security")),
    24: _each("Slot", lambda one: one.update(serviceType=[{"text": "x"}])),
    25: _each("Slot", lambda one: one.pop("comment")),
    28: _drop("Schedule"),
    29: _each("Practitioner", lambda one: one["identifier"][0].update(value="899999999999")),
    34: _each("Practitioner", lambda one: "telecom" in one and one["telecom"][0].update(value="0553000000")),
    35: _each("Practitioner", lambda one: "telecom" in one and one["telecom"][0].update(system="email")),
    38: _location(lambda address: address.pop("line")),
    39: _location(lambda address: address.pop("city")),
    40: _location(lambda address: address.update(postalCode="4700")),
    41: _each("Slot", lambda one: one.update(specialty=[{"id": "x"}])),
    42: _share_a_role,
    43: _each("PractitionerRole", lambda one: one.update(practitioner={"reference": "Practitioner/nobody"})),
    44: _each("Practitioner", lambda one: one["identifier"][0].update(value=THOMAS)),
    45: _each("Slot", lambda one: one.update(start=one["start"].replace(".000", ""))),
    46: _each("Slot", lambda one: one["meta"]["security"][0].update(code="ALL")),
    49: _each("Slot", lambda one: one.pop("appointmentType")),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """The true answers of our endpoint, by question, for a server that spoils them."""

    async def run():
        async with serving(tmp_path_factory.mktemp("sas")) as site:
            found = {}
            for end in ("2026-12-03", "2026-12-02T08:00:00"):
                path = f"/Slot?_include=Slot:schedule&_include:iterate=Schedule:actor&start=ge2026-12-01&start=le{end}"
                found[end] = (await site.ask("GET", path))[2]
            return found

    return asyncio.run(run())


async def judged(spoil, answers):
    full, narrow = answers

    async def search(request):
        starts = request.query.getall("start")
        if "800000000000" in str(request.query) or starts[0].startswith("ge2001"):
            return web.json_response({"resourceType": "Bundle", "type": "searchset", "total": 0})
        is_narrow = starts[1].startswith("le2026-12-02")
        bundle = json.loads(json.dumps(answers[narrow if is_narrow else full]))
        spoil(bundle)
        return web.json_response(bundle)

    app = web.Application()
    app.router.add_get("/fhir/Slot", search)
    async with TestServer(app) as server:
        origin = Origin(base=str(server.make_url("/fhir")), inside=True, plain=True)
        report = await check(Subject(origin=origin, start=START, end=END, professionals=[THOMAS, MARCEL]))
    return {int(each.check.rpartition("-")[2]): each.outcome for each in report.details}


async def test_an_honest_endpoint_without_tls_fails_for_that_alone(answers):
    outcomes = await judged(lambda bundle: None, answers)
    assert {number for number, outcome in outcomes.items() if outcome == "failed"} == {1, 2, 3}


@pytest.mark.parametrize("number", SPOILT)
async def test_a_broken_requirement_is_seen(number, answers):
    assert (await judged(SPOILT[number], answers))[number] == "failed"


async def test_an_endpoint_that_wants_names_is_asked_for_those_of_the_guide():
    asked = []

    async def search(request):
        named = request.query.get("schedule.actor:Practitioner.identifier")
        asked.append(named)
        empty = {"resourceType": "Bundle", "type": "searchset", "total": 0}
        return web.json_response(empty if named else {"resourceType": "OperationOutcome"}, status=200 if named else 400)

    app = web.Application()
    app.router.add_get("/Slot", search)
    async with TestServer(app) as server:
        origin = Origin(base=str(server.make_url("")), inside=True, plain=True)
        report = await check(Subject(origin=origin, start=START, end=END))
    assert asked[0] is None
    assert THOMAS in asked[1]
    assert report.details[3].outcome == "passed"


async def test_the_search_for_nothing_is_empty(answers):
    async def always(request):
        return web.json_response(next(iter(answers.values())))

    app = web.Application()
    app.router.add_get("/Slot", always)
    async with TestServer(app) as server:
        origin = Origin(base=str(server.make_url("")), inside=True, plain=True)
        report = await check(Subject(origin=origin, start=START, end=END))
    failed = {each.check for each in report.details if each.outcome == "failed"}
    assert {"agg-psindiv-6", "agg-psindiv-8", "agg-psindiv-29"} <= failed


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b"<html>",
        b'{"resourceType":"Bundle","type":"searchset","entry":[{}]}',
        b'{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Slot","id":"1"}}]}',
    ],
)
async def test_no_answer_ends_the_checker(body):
    async def say(request):
        return web.Response(body=body)

    app = web.Application()
    app.router.add_get("/Slot", say)
    async with TestServer(app) as server:
        origin = Origin(base=str(server.make_url("")), inside=True, plain=True)
        report = await check(Subject(origin=origin, start=START, end=END))
    assert len(report.details) == 49
    assert report.count("failed")


@pytest.mark.parametrize(("gate", "failed"), [(lambda _: "sas", {2, 3}), (None, set())])
async def test_a_server_that_does_not_look_at_the_certificate_is_seen(gate, failed, tmp_path):
    async with serving(tmp_path, gate=gate) as site:
        report = await check(site.subject())
    assert {int(each.check.rpartition("-")[2]) for each in report.details if each.outcome == "failed"} == failed


async def test_a_server_that_asks_for_no_certificate_is_seen(tmp_path):
    async with serving(tmp_path, gate=lambda _: "sas", verify=ssl.CERT_NONE) as site:
        report = await check(site.subject(other_name=None, other_unit=None))
    assert [each.check for each in report.details if each.outcome == "failed"] == ["agg-psindiv-1"]


@pytest.mark.parametrize(("tls", "code"), [(True, 0), (False, 3)])
async def test_the_command_gives_one_answer_and_its_code(tls, code, tmp_path):
    async with serving(tmp_path) as site:
        certificate, key = site.ca.issue("sas.example", unit="SAS")
        both = tmp_path / "both.pem"
        both.write_bytes(certificate.read_bytes() + key.read_bytes())
        others = [
            name
            for option, cn, ou in (("--other-name", "x", "SAS"), ("--other-unit", "sas.example", "x"))
            for name in (option, _pem(site.ca, cn, ou))
        ]
        options = ["--ca", site.ca.certificate, *(["--cert", both, *others] if tls else [])]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bridges", "agenda", "sas-check", site.base, "--json"),
            *("--rpps", THOMAS, "--rpps", MARCEL[1:], "--from", "2026-12-01T07:00Z", "--to", "2026-12-03T07:00Z"),
            *map(str, options),
            stdout=asyncio.subprocess.PIPE,
        )
        told = json.loads((await process.communicate())[0])
    assert process.returncode == code
    assert told["passed"] + told["failed"] + told["unsupported"] == len(told["details"]) == 49
    assert bool(told["failed"]) == bool(code)


def _pem(ca, name, unit):
    certificate, key = ca.issue(name, unit=unit)
    path = certificate.with_suffix(".both")
    path.write_bytes(certificate.read_bytes() + key.read_bytes())
    return path


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/fhir", "https://127.0.0.1:9/fhir"])
async def test_the_command_survives_an_endpoint_that_is_not_there(url):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bridges", "agenda", "sas-check", url, "--json"), stdout=asyncio.subprocess.PIPE
    )
    told = json.loads((await process.communicate())[0])
    assert (process.returncode, told["passed"]) == (3, 0)
    assert "unreachable" in told["details"][3]["detail"]


async def test_an_endpoint_that_does_not_answer_is_waited_for_once():
    calls = []

    async def fail(request):
        calls.append(request.path)
        raise web.HTTPBadGateway

    app = web.Application()
    app.router.add_get("/fhir/Slot", fail)
    async with TestServer(app) as server:
        origin = Origin(base=str(server.make_url("/fhir")), inside=True, plain=True)
        report = await check(Subject(origin=origin, start=START, end=END))
    assert report.count("passed") == 0
    assert len(calls) == 1
