"""Following a partner that speaks FHIR: what it changes, cancels and deletes is heard, by whichever way it offers."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridges.agenda.desk import Desk
from bridges.agenda.fhir import following
from bridges.agenda.fhir.appointments import Writing
from bridges.agenda.fhir.client import Agenda, FhirProvider
from bridges.agenda.fhir.practice import Professional
from bridges.agenda.fhir.terms import CORES
from bridges.agenda.holds import Holds
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import Ability, Hold, Slot, UnreachableError, UnsupportedError
from tests.fakes.fhir_peer import fhir_peer, needs_fhir_peer
from tests.fakes.fixed_agenda import FixedAgenda
from tests.fakes.sas_site import END, START, THOMAS, place, serving


def slot(number=0):
    start = START + timedelta(hours=1, minutes=30 * number)
    return Slot(start=start, end=start + timedelta(minutes=20), zone="Europe/Paris", reference=f"s{number}")


def hold(name, number=0):
    return Hold(reference=name, slot=slot(number), holder="p", until=END)


class Clock:
    """Goes on only when it is told to."""

    def __init__(self):
        self.at = datetime(2026, 11, 22, 9, tzinfo=UTC)

    def __call__(self):
        return self.at

    def later(self):
        """So much later that each appointment is looked at."""
        self.at += following.CHECK


def provider(outgoing, clock, core="1.1", system="https://pli.example/a"):
    writing = Writing(system=system, practitioner=THOMAS, core=CORES[core])
    return FhirProvider(outgoing, Agenda(writing=writing, zone="Europe/Paris"), clock)


def said(changes):
    return [(each.kind, each.reference, each.appointment and each.appointment.start) for each in changes.changes]


# --- our own endpoint -------------------------------------------------------------------------------------------------


@asynccontextmanager
async def ours(folder, clock, core="1.1"):
    agenda = FixedAgenda(*(slot(number).start for number in range(30)))
    person = Professional(identifier=THOMAS, family="T", given="S", places=[place("agen", agenda)])
    async with serving(folder, [person], own_base=True) as site:
        tls = site.ca.client_context("gap.example", unit="GAP")
        async with Outgoing(Origin(base=site.base, inside=True), tls=tls) as outgoing:
            yield provider(outgoing, clock, core), provider(outgoing, clock, core), site


@pytest.mark.parametrize("core", CORES)
async def test_what_another_program_of_the_partner_does_is_heard(tmp_path, core):
    clock = Clock()
    async with ours(tmp_path, clock, core) as (one, other, _):
        assert Ability.CHANGES in one.capabilities().abilities
        cursor = (await one.changes()).cursor
        made = await one.book(hold("h1"), key="k")
        told = await one.changes(cursor)
        assert said(told) == [("seen", "h1", slot().start)]
        assert said(await one.changes(told.cursor)) == []
        moved = await other.reschedule(made, hold("h2", 3), key="k2")
        told = await one.changes(told.cursor)
        assert said(told) == [("seen", "h1", slot(3).start)]
        await other.cancel(moved, by="practice", key="k3")
        told = await one.changes(told.cursor)
        assert [each.kind for each in told.changes] == ["cancelled"]
        assert said(await one.changes(told.cursor)) == []


async def test_behind_a_desk_a_move_of_the_partner_is_told_until_it_is_acknowledged(tmp_path):
    clock = Clock()
    async with ours(tmp_path, clock) as (one, other, _):
        desk = Desk(one, Holds(tmp_path / "h.db", "a", clock), clock)
        cursor = (await desk.changes()).cursor
        (offered,) = await desk.find(slot(1).window)
        kept = await desk.hold(offered, holder="jean", until=END, key="k")
        made = await desk.book(kept, key="k")
        told = await desk.changes(cursor)
        assert said(told) == []  # what we did is no news
        await other.reschedule(made, hold("h2", 4), key="k2")
        again = await desk.changes(told.cursor)
        assert said(again) == [("moved", made.reference, slot(4).start)] == said(await desk.changes(told.cursor))
        desk.acknowledge(again.changes[0])
        assert desk.appointments()[0].start == slot(4).start
        assert said(await desk.changes(again.cursor)) == []
        desk.holds.close()


async def test_many_are_read_page_by_page_and_those_of_others_are_not_ours(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(following, "COUNT", 2)
    async with ours(tmp_path, clock) as (one, _, site):
        for number in range(7):
            await one.book(hold(f"h{number}", number), key=f"k{number}")
        stranger = provider(one._outgoing, clock, system="https://other.example")
        await stranger.book(hold("x", 20), key="x")
        told = await provider(one._outgoing, clock).changes()
        assert [each.reference for each in told.changes] == [f"h{number}" for number in range(7)]
        status, _, bundle = await site.ask(
            "GET", "/Appointment?_lastUpdated=ge2026-01-01", name="gap.example", unit="GAP"
        )
        assert (status, bundle["issue"][0]["diagnostics"]) == (400, "bad_parameter")
        status, _, bundle = await site.ask(
            "GET", "/Appointment?_lastUpdated=ge2026-01-01T00:00:00Z&_sort=start", name="gap.example", unit="GAP"
        )
        assert (status, bundle["issue"][0]["diagnostics"]) == (400, "unknown_parameter")
        status, _, bundle = await site.ask("GET", "/Appointment?_lastUpdated=ge2026-01-01T00:00:00Z")
        assert (status, bundle["total"]) == (200, 0)  # another partner's


async def test_a_partner_that_does_not_read_is_not_followed(tmp_path):
    async with ours(tmp_path, Clock()) as (one, _, _):
        agenda = Agenda(writing=Writing(system="u", practitioner=THOMAS), zone="Europe/Paris", reads=False)
        silent = FhirProvider(one._outgoing, agenda)
        assert Ability.CHANGES not in silent.capabilities().abilities
        with pytest.raises(UnsupportedError):
            await silent.changes()


# --- an independent server --------------------------------------------------------------------------------------------


@needs_fhir_peer
@pytest.mark.parametrize("core", CORES)
async def test_medplum_moves_cancels_and_deletes(core):
    clock = Clock()
    with fhir_peer() as base:
        async with Outgoing(Origin(base=base, inside=True, plain=True)) as outgoing:
            one, other = provider(outgoing, clock, core), provider(outgoing, clock, core)
            cursor = (await one.changes()).cursor
            made = await one.book(hold("h1"), key="k")
            second = await one.book(hold("h2", 5), key="k2")
            told = await one.changes(cursor)
            assert {each.reference for each in told.changes} == {"h1", "h2"}
            await other.reschedule(made, hold("h3", 3), key="k3")
            await other.cancel(second, by="practice", key="k4")
            told = await one.changes(told.cursor)
            assert {(each.kind, each.reference) for each in told.changes} == {("seen", "h1"), ("cancelled", "h2")}
            await delete(base, "h1")
            clock.later()
            told = await one.changes(told.cursor)
            assert said(told) == [("cancelled", "h1", None)]
            clock.later()
            assert said(await one.changes(told.cursor)) == []


async def delete(base, value):
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{base}/Appointment?identifier=https://pli.example/a|{value}") as answer:
            ((key,),) = [[each["resource"]["id"] for each in (await answer.json())["entry"]]]
        async with session.delete(f"{base}/Appointment/{key}") as answer:
            assert answer.status in {200, 204}


# --- servers that offer another way, or say what is not so ------------------------------------------------------------


def resource(key, number, version, status="booked", at="2026-11-22T10:00:00Z"):
    when = slot(number)
    actor = {"identifier": {"system": "urn:oid:1.2.250.1.71.4.2.1", "value": THOMAS}}
    return {
        "resourceType": "Appointment",
        "id": key,
        "meta": {"versionId": version, "lastUpdated": at},
        "identifier": [{"system": "https://pli.example/a", "value": f"v-{key}"}],
        "status": status,
        "start": when.start.isoformat(),
        "end": when.end.isoformat(),
        "participant": [{"actor": actor, "status": "accepted"}],
    }


class Partner:
    """A server that answers what the test puts into it."""

    def __init__(self):
        self.entries, self.asked, self.answers, self.one = [], [], {}, {}

    async def serve(self, request):
        self.asked.append((request.path, dict(request.query)))
        path = request.path.removeprefix("/")
        if path in self.answers:
            told = self.answers[path]
            return web.json_response(told) if isinstance(told, dict) else web.Response(status=told)
        if path.startswith("Appointment/") and path != "Appointment/_history":
            found = self.one.get(path.removeprefix("Appointment/"))
            return web.json_response(found) if isinstance(found, dict) else web.Response(status=found or 404)
        return web.json_response({"resourceType": "Bundle", "type": "searchset", "entry": self.entries})


@asynccontextmanager
async def speaking(partner, clock):
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", partner.serve)
    async with (
        TestServer(app) as server,
        Outgoing(Origin(base=str(server.make_url("/")), inside=True, plain=True)) as outgoing,
    ):
        yield provider(outgoing, clock)


def history(*codes):
    interactions = [{"code": code} for code in codes]
    return {
        "resourceType": "CapabilityStatement",
        "rest": [{"resource": [{"type": "Appointment", "interaction": interactions}]}],
    }


async def test_a_history_tells_of_deletions_at_once():
    partner, clock = Partner(), Clock()
    partner.answers["metadata"] = history("read", "history-type")
    partner.entries = [{"resource": resource("a", 0, "1"), "request": {"method": "POST", "url": "Appointment"}}]
    async with speaking(partner, clock) as one:
        told = await one.changes()
        assert [each.reference for each in told.changes] == ["v-a"]
        partner.entries = [
            {"request": {"method": "DELETE", "url": "Appointment/a"}},
            {"resource": resource("a", 4, "2"), "request": {"method": "PUT", "url": "Appointment/a"}},
        ]
        told = await one.changes(told.cursor)
    assert said(told) == [("cancelled", "v-a", None)]
    assert {path for path, _ in partner.asked} == {"/metadata", "/Appointment/_history"}


async def test_a_search_that_is_deaf_loses_nothing():
    """It answers nothing, whatever is asked: each appointment that is known is looked at by itself."""
    partner, clock = Partner(), Clock()
    partner.entries = [{"resource": resource("a", 0, "1")}, {"resource": resource("b", 1, "1")}]
    partner.one = {"a": resource("a", 0, "1"), "b": resource("b", 1, "1")}
    async with speaking(partner, clock) as one:
        told = await one.changes()
        partner.entries, partner.one = [], {"a": resource("a", 6, "2"), "b": 410}
        assert said(await one.changes(told.cursor)) == []
        clock.later()
        told = await one.changes(told.cursor)
        assert set(said(told)) == {("seen", "v-a", slot(6).start), ("cancelled", "v-b", None)}
        partner.one = {"a": 500}
        clock.later()
        with pytest.raises(UnreachableError):
            await one.changes(told.cursor)


async def test_a_partner_that_knows_no_last_update_is_asked_for_everything():
    partner, clock = Partner(), Clock()

    async def serve(request):
        if "_lastUpdated" in request.query:
            return web.json_response({"resourceType": "OperationOutcome"}, status=400)
        return await Partner.serve(partner, request)

    partner.serve = serve
    partner.answers["metadata"] = 404
    partner.entries = [{"resource": resource("a", 0, "1")}]
    async with speaking(partner, clock) as one:
        told = await one.changes()
        assert [each.reference for each in told.changes] == ["v-a"]
        partner.entries = [{"resource": resource("a", 2, "2", status="cancelled")}]
        assert [each.kind for each in (await one.changes(told.cursor)).changes] == ["cancelled"]


@pytest.mark.parametrize("status", [400, 404, 501])
async def test_a_partner_that_lists_nothing_is_asked_about_what_we_booked(status):
    partner, clock = Partner(), Clock()
    partner.answers |= {"metadata": status, "Appointment": status}
    async with speaking(partner, clock) as one:
        told = await one.changes()
        assert said(told) == []
        one._wrote["a"] = "v-a"  # as a booking leaves it
        partner.one = {"a": resource("a", 2, "2", status="cancelled")}
        told = await one.changes(told.cursor)
        clock.later()
        assert [(each.kind, each.reference) for each in (await one.changes(told.cursor)).changes] == [
            ("cancelled", "v-a")
        ]
    assert len([path for path, _ in partner.asked if path == "/Appointment"]) == 4


@pytest.mark.parametrize(
    "cursor", ["x", "{}", '{"known":5}', '{"token": "data:,pli-unknown-token"}', '{"known":{"a":["v"]}}']
)
async def test_a_cursor_that_is_not_ours_begins_anew_and_calls_nothing_cancelled(cursor):
    partner = Partner()
    async with speaking(partner, Clock()) as one:
        told = await one.changes(cursor)
    assert (told.restarted, list(told.changes)) == (False, [])


async def test_a_list_that_never_ends_is_not_followed_for_ever():
    partner = Partner()
    number = iter(range(10_000))

    async def serve(request):
        link = [{"relation": "next", "url": str(request.url.with_query(page=next(number)))}]
        return web.json_response({"resourceType": "Bundle", "type": "searchset", "link": link})

    partner.serve = serve
    async with speaking(partner, Clock()) as one:
        with pytest.raises(UnreachableError, match="too_many_pages"):
            await one.changes()
