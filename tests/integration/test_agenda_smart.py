"""SMART Scheduling Links: what is published can be followed from the manifest, and holds nothing but free slots."""

import json
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from fhir.resources.R4B.location import Location
from fhir.resources.R4B.schedule import Schedule
from fhir.resources.R4B.slot import Slot as FhirSlot

from bridges.agenda.provider import UnreachableError, Window
from bridges.agenda.publish.smart import MANIFEST, Publication, Site
from tests.fakes.fixed_agenda import FixedAgenda

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
START = datetime(2026, 12, 1, 8, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(days=7))
KINDS = {"Location": Location, "Schedule": Schedule, "Slot": FhirSlot}


def site(key="agen", *starts, **more):
    told = {
        "name": "Cabinet",
        "phone": "+33553000000",
        "page": "https://rdv.example/agen",
        "lines": ["1 rue Mme DELMAS"],
        "city": "AGEN",
        "postal_code": "47000",
    }
    return Site(key=key, agenda=FixedAgenda(*starts, **more), **told)


async def test_a_client_follows_the_manifest(tmp_path):
    app = web.Application()
    app.router.add_static("/", tmp_path)
    async with TestServer(app) as server:
        base = str(server.make_url("")).rstrip("/")
        sites = [site("agen", START, START + timedelta(hours=1)), site("papeete", START, zone="Pacific/Tahiti")]
        assert await Publication(folder=tmp_path, base=base, sites=sites).write(WINDOW, NOW) == 3
        found = {}
        async with aiohttp.ClientSession() as session:
            manifest = json.loads(await (await session.get(f"{base}/{MANIFEST}")).read())
            for each in manifest["output"]:
                lines = (await (await session.get(each["url"])).read()).splitlines()
                found[each["type"]] = [json.loads(line) for line in lines]
    assert manifest["transactionTime"] == "2026-11-22T09:00:00+00:00"
    assert {kind: len(each) for kind, each in found.items()} == {"Location": 2, "Schedule": 2, "Slot": 3}
    for kind, resources in found.items():
        for each in resources:
            KINDS[kind].model_validate(each)  # an independent reader of R4
    ids = {f"{kind}/{each['id']}" for kind, resources in found.items() for each in resources}
    assert {each["schedule"]["reference"] for each in found["Slot"]} | {
        each["actor"][0]["reference"] for each in found["Schedule"]
    } <= ids
    assert {each["status"] for each in found["Slot"]} == {"free"}
    assert {each["start"] for each in found["Slot"]} == {
        "2026-12-01T09:00:00+01:00",
        "2026-12-01T10:00:00+01:00",
        "2026-11-30T22:00:00-10:00",
    }
    assert found["Slot"][0]["extension"][0]["valueUrl"] == "https://rdv.example/agen"


async def test_an_agenda_that_does_not_answer_leaves_what_is_published(tmp_path):
    one = site("agen", START)
    publication = Publication(folder=tmp_path, base="https://rdv.example", sites=[one])
    await publication.write(WINDOW, NOW)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    one.agenda.broken = True
    with pytest.raises(UnreachableError):
        await publication.write(WINDOW, NOW + timedelta(hours=1))
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


async def test_the_same_slots_are_the_same_files(tmp_path):
    publication = Publication(folder=tmp_path, base="https://rdv.example", sites=[site("agen", START)])
    await publication.write(WINDOW, NOW)
    before = (tmp_path / "slots.ndjson").read_bytes()
    await publication.write(WINDOW, NOW + timedelta(hours=1))
    assert (tmp_path / "slots.ndjson").read_bytes() == before
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("wrong", [{"key": "a b"}, {"key": ""}, {"page": "http://x.example"}])
def test_a_site_that_cannot_be_published(wrong):
    told = {
        "key": "a",
        "name": "x",
        "phone": "",
        "page": "https://x.example",
        "lines": [],
        "city": "",
        "postal_code": "",
        "agenda": None,
    }
    with pytest.raises(ValueError):
        Site(**{**told, **wrong})
