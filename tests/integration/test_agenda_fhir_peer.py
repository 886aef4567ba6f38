"""The FHIR client against an independent server: Medplum's router, in memory."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from bridges.agenda.fhir.appointments import Writing
from bridges.agenda.fhir.client import Agenda, FhirProvider
from bridges.agenda.fhir.practice import Offer, Place, Professional, resources_of
from bridges.agenda.fhir.terms import CORES
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import ChangedError, Hold, RefusedError, Slot, Window
from tests.fakes.fhir_peer import fhir_peer, needs_fhir_peer
from tests.fakes.fixed_agenda import FixedAgenda
from tests.fakes.sas_site import START, THOMAS

pytestmark = needs_fhir_peer
SLOT = Slot(start=START, end=START + timedelta(minutes=20), zone="Europe/Paris", reference="s")
LATER = Slot(start=START + timedelta(hours=1), end=START + timedelta(minutes=80), zone="Europe/Paris", reference="t")


@pytest.fixture(scope="module")
def base():
    with fhir_peer() as base:
        yield base


@asynccontextmanager
async def speaking(base, name, core="1.1"):
    agenda = Agenda(
        writing=Writing(system=f"https://pli.example/{name}", practitioner=THOMAS, core=CORES[core]),
        zone="Europe/Paris",
    )
    async with Outgoing(Origin(base=base, inside=True, plain=True)) as outgoing:
        yield FhirProvider(outgoing, agenda), outgoing


def hold(name, slot=SLOT):
    return Hold(reference=name, slot=slot, holder="p", until=START)


async def stored(base, name):
    """Everything the peer has under the identifiers of one test."""
    url = f"{base}/Appointment?identifier=https://pli.example/{name}|h1"
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return [each["resource"] for each in (await answer.json()).get("entry", [])]


async def put(base, resource):
    url = f"{base}/{resource['resourceType']}/{resource['id']}"
    async with aiohttp.ClientSession() as session, session.put(url, json=resource) as answer:
        return answer.status


async def found(provider):
    try:
        return await provider.find(Window(start=START, end=START + timedelta(days=1)))
    except RefusedError as error:
        return error.detail


@pytest.mark.parametrize("core", CORES)
async def test_booking_moving_and_cancelling(base, core):
    async with speaking(base, core, core) as (provider, _):
        made = await provider.book(hold("h1"), key="k")
        again = await provider.book(hold("h1"), key="k")
        assert again == made
        moved = await provider.reschedule(made, hold("h2", LATER), key="k2")
        assert moved.version != made.version
        with pytest.raises(ChangedError):
            await provider.cancel(made, by="patient", key="k3")
        gone = await provider.cancel(moved, by="patient", key="k3")
        assert (gone.state, gone.start) == ("cancelled", LATER.start)
        assert await provider.cancel(gone, by="patient", key="k3") == gone
        (kept,) = await stored(base, core)
    assert kept["status"] == "cancelled"
    assert datetime.fromisoformat(kept["start"]).astimezone(UTC) == LATER.start
    assert kept["extension"][0]["url"] == CORES[core].operator


async def test_what_the_practice_changed_at_the_partner_is_seen(base):
    async with speaking(base, "changed") as (provider, _):
        made = await provider.book(hold("h1"), key="k")
        (kept,) = await stored(base, "changed")
        kept["end"] = "2026-12-01T08:45:00.000+01:00"
        assert await put(base, kept) == 200
        with pytest.raises(ChangedError) as caught:
            await provider.reschedule(made, hold("h2", LATER), key="k2")
    assert caught.value.current.end == START + timedelta(minutes=45)


async def test_a_server_that_ignores_what_it_does_not_know_is_not_believed(base):
    """Medplum's router passes over _include, and answers the chained search with nothing."""
    place = Place(
        key="a",
        structure="1470004421",
        lines=["1 rue"],
        city="AGEN",
        postal_code="47000",
        zone="Europe/Paris",
        booking="https://rdv.example/",
        agenda=FixedAgenda(),
    )
    one = Professional(identifier=THOMAS, family="T", given="S", places=[place])
    resources = resources_of([Offer(one, place, SLOT)], schedules=True, actors=True)
    async with speaking(base, "slots") as (provider, outgoing):
        assert {await put(base, each) for each in resources} <= {200, 201}
        assert await found(provider) in ([], "include_ignored")
        reply = await outgoing.ask("GET", "Slot", query=(("status", "free"),))
    assert (
        b'"total":1' in reply.body or reply.body.count(b'"resourceType":"Slot"') == 1
    )  # it is there, and was written well
