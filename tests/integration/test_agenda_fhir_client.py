"""The FHIR client against servers that are right, that pass over what they do not know, and that fail half-way."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridges.agenda.checks import CHECKS
from bridges.agenda.conformance import Agenda as Examined
from bridges.agenda.conformance import examine
from bridges.agenda.desk import Desk
from bridges.agenda.fhir.appointments import Writing
from bridges.agenda.fhir.client import Agenda, FhirProvider
from bridges.agenda.fhir.practice import Professional
from bridges.agenda.holds import Holds
from bridges.agenda.outgoing import ForbiddenError, Origin, Outgoing
from bridges.agenda.provider import (
    Appointment,
    ChangedError,
    Hold,
    Mode,
    RefusedError,
    Slot,
    SlotGoneError,
    UnknownOutcomeError,
    UnreachableError,
    Window,
)
from tests.fakes.fixed_agenda import FixedAgenda
from tests.fakes.sas_site import END, START, THOMAS, place, serving

AGENDA = Agenda(
    writing=Writing(system="urn:oid:1.2.3", practitioner=THOMAS), zone="Europe/Paris", booking="https://rdv.example/"
)
WINDOW = Window(start=START, end=END)
SLOT = Slot(
    start=START + timedelta(hours=1), end=START + timedelta(hours=1, minutes=20), zone="Europe/Paris", reference="s"
)
HOLD = Hold(reference="h1", slot=SLOT, holder="p", until=END)


class LivingAgenda(FixedAgenda):
    """Free but for what a partner has booked through the door of the endpoint."""

    inbox = None

    async def find(self, window, **more):
        taken = [
            each.appointment.start for each in self.inbox.changes("gap").changes if each.appointment.state == "booked"
        ]
        return [slot for slot in await super().find(window, **more) if slot.start not in taken]


@asynccontextmanager
async def partner(folder, **more):
    """A provider that speaks to our own endpoint as a partner would run it."""
    agenda = LivingAgenda(*(START + timedelta(minutes=20 * number) for number in range(40)))
    async with serving(
        folder, [Professional(identifier=THOMAS, family="T", given="S", places=[place("agen", agenda)])]
    ) as site:
        agenda.inbox = site.inbox
        tls = site.ca.client_context("gap.example", unit="GAP")
        async with Outgoing(Origin(base=site.base, inside=True), tls=tls) as outgoing:
            yield (
                FhirProvider(
                    outgoing, Agenda(**{**{name: getattr(AGENDA, name) for name in AGENDA.__slots__}, **more})
                ),
                site,
            )


async def test_the_conformance_suite(tmp_path):
    async with partner(tmp_path) as (provider, _):
        holds = Holds(tmp_path / "holds.db", "thomas", lambda: START - timedelta(days=3), most=30)
        desk = Desk(provider, holds, lambda: START - timedelta(days=3))
        report = await examine(Examined(provider=desk, window=WINDOW, now=lambda: START - timedelta(days=3)), CHECKS)
        holds.close()
    assert [each for each in report.details if each.outcome == "failed"] == []
    assert report.count("passed") >= 10


@pytest.mark.parametrize("reads", [True, False])
async def test_an_appointment_from_booking_to_cancellation(tmp_path, reads):
    async with partner(tmp_path, reads=reads) as (provider, site):
        slots = await provider.find(WINDOW)
        assert len(slots) == 40
        assert (slots[0].mode, slots[0].motive, slots[0].link) == (
            Mode.PRACTICE,
            "Consultation",
            "https://rdv.example/agen",
        )
        made = await provider.book(HOLD, key="k")
        assert (made.start, made.version, made.state) == (SLOT.start, "1", "booked")
        moved = await provider.reschedule(made, Hold(reference="h2", slot=slots[9], holder="p", until=END), key="k2")
        assert (moved.reference, moved.start, moved.version) == ("h1", slots[9].start, "2")
        with pytest.raises(ChangedError):
            await provider.cancel(made, by="patient", key="k3")
        gone = await provider.cancel(moved, by="patient", key="k3")
        assert gone.state == "cancelled"
        assert [each.appointment.state for each in site.inbox.changes("gap").changes] == ["cancelled"]
    assert (await provider.link(slots[0])).url == "https://rdv.example/agen"


# --- a server that says what a test wants -----------------------------------------------------------------------------


@asynccontextmanager
async def answering(**answers):
    """``answers``: by method and resource (``get_Slot``), a handler or a value."""

    async def answer(request):
        told = answers.get(f"{request.method.lower()}_{request.match_info['kind']}", web.Response(status=404))
        told = await told(request) if callable(told) else told
        return web.json_response(told) if isinstance(told, dict) else told

    app = web.Application()
    app.router.add_route("*", "/{kind}", answer)
    async with TestServer(app) as server:
        origin = Origin(base=str(server.make_url("")), inside=True, plain=True)
        async with Outgoing(origin) as outgoing:
            yield FhirProvider(outgoing, AGENDA)


def bundle(*, slot=None, person=THOMAS, structure="1470004421", include=True, **more):
    told = {
        "resourceType": "Slot",
        "id": "s1",
        "status": "free",
        "schedule": {"reference": "Schedule/1"},
        "start": "2026-12-01T09:00:00.000+01:00",
        "end": "2026-12-01T09:20:00.000+01:00",
        **(slot or {}),
    }
    schedule = {
        "resourceType": "Schedule",
        "id": "1",
        "actor": [{"reference": "Practitioner/1"}, {"reference": "PractitionerRole/1"}],
    }
    people = {
        "resourceType": "Practitioner",
        "id": "1",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": person}],
    }
    role = {
        "resourceType": "PractitionerRole",
        "id": "1",
        "organization": {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.2", "value": structure}},
    }
    kept = [told, schedule, people, role] if include else [told]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "entry": [{"resource": each} for each in reversed(kept)],
        **more,
    }


async def test_the_order_of_the_entries_does_not_matter():
    async with answering(get_Slot=bundle()) as provider:
        assert [slot.reference for slot in await provider.find(WINDOW)] == ["s1"]


@pytest.mark.parametrize(
    "told",
    [
        bundle(slot={"status": "busy"}),
        bundle(slot={"start": "2026-12-09T09:00:00.000+01:00", "end": "2026-12-09T09:20:00.000+01:00"}),
        bundle(slot={"end": "2026-12-01T08:00:00.000+01:00"}),
        bundle(slot={"schedule": {"reference": "Schedule/2"}}),
        bundle(slot={"appointmentType": {"coding": [{"code": "WALKIN"}]}}),
        bundle(person="810002673899"),
        bundle(person="10100050075"),
    ],
    ids=["busy", "another week", "backwards", "no schedule", "walk in", "somebody else", "no prefix"],
)
async def test_a_slot_that_nobody_can_book_is_not_offered(told):
    async with answering(get_Slot=told) as provider:
        assert await provider.find(WINDOW) == []


async def test_a_server_that_passes_over_includes_is_no_agenda():
    async with answering(get_Slot=bundle(include=False)) as provider:
        with pytest.raises(RefusedError, match="include_ignored"):
            await provider.find(WINDOW)


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (web.Response(body=b"<html>"), UnreachableError),
        (web.Response(body=b'{"resourceType":"OperationOutcome"}'), UnreachableError),
        (web.Response(status=400), RefusedError),
        (web.Response(status=500), UnreachableError),
        (bundle(link=[{"relation": "next", "url": "http://127.0.0.1:1/?page=1"}]), ForbiddenError),
        (bundle(link=[{"relation": "next", "url": "file:///etc/passwd"}]), ForbiddenError),
    ],
)
async def test_a_wrong_answer_is_a_state_and_no_slot(told, error):
    async with answering(get_Slot=told) as provider:
        with pytest.raises(error):
            await provider.find(WINDOW)


async def test_a_ring_of_pages_ends():
    asked = []

    async def page(request):
        asked.append(1)
        return web.json_response(bundle(link=[{"relation": "next", "url": str(request.url.with_query(page="1"))}]))

    async with answering(get_Slot=page) as provider:
        assert len(await provider.find(WINDOW)) == 1
    assert len(asked) == 2


async def test_a_write_without_an_answer_is_repeated_as_an_update():
    kept = {}

    async def post(request):
        kept["post"] = await request.json()
        request.transport.close()
        return web.Response()

    async def put(request):
        kept["put"] = await request.json()
        kept["query"] = request.query["identifier"]
        return web.json_response(kept["put"], headers={"ETag": 'W/"1"'})

    async with answering(post_Appointment=post, put_Appointment=put) as provider:
        made = await provider.book(HOLD, key="k")
    assert kept["post"] == kept["put"]
    assert kept["query"] == "urn:oid:1.2.3|h1"
    assert made.version == "1"
    assert not {"description", "comment", "patientInstruction", "reasonCode"} & kept["put"].keys()


async def test_two_writes_without_an_answer_are_unknown():
    async def cut(request):
        request.transport.close()
        return web.Response()

    async with answering(post_Appointment=cut, put_Appointment=cut) as provider:
        with pytest.raises(UnknownOutcomeError):
            await provider.book(HOLD, key="k")


@pytest.mark.parametrize(
    ("told", "error"),
    [
        (web.Response(status=409), SlotGoneError),
        (
            web.json_response({"resourceType": "OperationOutcome", "issue": [{"code": "conflict"}]}, status=422),
            SlotGoneError,
        ),
        (
            web.json_response({"resourceType": "OperationOutcome", "issue": [{"code": "invalid"}]}, status=422),
            RefusedError,
        ),
        (web.Response(status=422, body=b"\xff"), RefusedError),
        (web.Response(status=503), UnreachableError),
    ],
)
async def test_a_refused_booking_is_certain(told, error):
    async with answering(post_Appointment=told) as provider:
        with pytest.raises(error):
            await provider.book(HOLD, key="k")


async def test_what_the_practice_changed_is_shown_before_it_is_overwritten():
    now = {
        "resourceType": "Appointment",
        "meta": {"versionId": "5"},
        "identifier": [{"system": "urn:oid:1.2.3", "value": "h1"}],
        "status": "booked",
        "start": "2026-12-01T15:00:00+01:00",
        "end": "2026-12-01T15:20:00+01:00",
        "participant": [{"status": "accepted"}],
    }
    found = {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": now}]}
    ours = Appointment(reference="h1", version="4", start=SLOT.start, end=SLOT.end, zone="Europe/Paris")
    async with answering(get_Appointment=found) as provider:
        with pytest.raises(ChangedError) as caught:
            await provider.cancel(ours, by="patient", key="k")
    assert caught.value.current.start == datetime(2026, 12, 1, 14, tzinfo=UTC)
