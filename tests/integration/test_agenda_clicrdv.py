"""ClicRDV as its documentation has it: a contract held against a server of ours that follows it."""

import asyncio
import json
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridges.agenda.checks import CHECKS
from bridges.agenda.clicrdv.adapter import ClicRdvProvider, Habits
from bridges.agenda.clicrdv.api import Account, Api
from bridges.agenda.conformance import Agenda, examine
from bridges.agenda.desk import Desk
from bridges.agenda.holds import Holds
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import (
    ChangedError,
    CredentialsRevokedError,
    Details,
    Hold,
    SlotGoneError,
    UnknownOutcomeError,
    UnreachableError,
    Window,
)
from tests.fakes.clicrdv import KEY, PASSWORD, USER, ClicRdv

START = datetime(2026, 12, 1, 7, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(days=3))


@asynccontextmanager
async def speaking(clicrdv, **more):
    account = {
        "group": 4,
        "calendar": 15,
        "intervention": 21,
        "user": USER,
        "password": PASSWORD,
        "apikey": KEY,
        "zone": "Europe/Paris",
    }
    async with TestServer(clicrdv.app) as server:
        origin = Origin(base=str(server.make_url("")), inside=True, plain=True)
        async with Outgoing(origin) as outgoing:
            yield ClicRdvProvider(
                Api(outgoing, Account(**{**account, **more})),
                Habits(minutes=20, page="https://www.clicrdv.com/cabinet"),
            )


async def kept(provider, number=0, name="h"):
    slot = (await provider.find(WINDOW))[number]
    return Hold(reference=name, slot=slot, holder="p", until=START)


async def test_the_conformance_suite(tmp_path):
    async with speaking(ClicRdv()) as provider:
        before = lambda: START - timedelta(days=3)  # noqa: E731
        holds = Holds(tmp_path / "holds.db", "thomas", before, most=30)
        report = await examine(Agenda(provider=Desk(provider, holds, before), window=WINDOW, now=before), CHECKS)
        holds.close()
    assert [each for each in report.details if each.outcome == "failed"] == []
    assert report.count("passed") >= 12


async def test_what_is_written_is_neutral():
    clicrdv = ClicRdv()
    async with speaking(clicrdv) as provider:
        await provider.book(await kept(provider), key="k", details=Details(title="DUPONT Anne", description="suivi"))
    (event,) = clicrdv.events.values()
    assert (event["text"], event["fiche_id"], event["intervention_id"]) == ("RDV", 0, 0)
    assert (event["start"], event["end"]) == ("2026-12-01 09:00:00", "2026-12-01 09:20:00")
    assert "DUPONT" not in json.dumps(event)


async def test_booking_moving_and_cancelling():
    clicrdv = ClicRdv()
    async with speaking(clicrdv, fiche=77) as provider:
        made = await provider.book(await kept(provider), key="k")
        assert (await provider.book(await kept(provider, 3), key="k")).reference == made.reference
        moved = await provider.reschedule(made, await kept(provider, 5, "h2"), key="k2")
        assert (moved.reference, moved.start - made.start) == (made.reference, timedelta(hours=2))
        gone = await provider.cancel(moved, by="patient", key="k3")
        assert gone.state == "cancelled"
        assert (await provider.cancel(moved, by="patient", key="k3")).state == "cancelled"
    (event,) = clicrdv.events.values()
    assert (event["deleted"], event["fiche_id"], event["intervention_id"]) == (True, 77, 21)


async def test_what_the_practice_does_at_its_screen_is_told():
    clicrdv = ClicRdv()
    clicrdv.add("2026-12-01 09:00:00", "2026-12-01 09:20:00")
    clicrdv.add("2026-12-01 08:00:00", "2026-12-01 12:00:00", type="VfreebusyEvent")
    async with speaking(clicrdv) as provider:
        first = await provider.changes()
        assert [each.kind for each in first.changes] == ["seen"]
        assert (await provider.changes(first.cursor)).changes == []
        event = clicrdv.add("2026-12-01 10:00:00", "2026-12-01 10:20:00")
        clicrdv.events[100].update(start="2026-12-01 11:00:00", end="2026-12-01 11:20:00", updated_at=clicrdv.tick())
        clicrdv.events[event["id"]].update(updated_at=clicrdv.clock.strftime("%Y-%m-%d %H:%M:%S"))  # in the same second
        second = await provider.changes(first.cursor)
        assert sorted((each.kind, each.reference) for each in second.changes) == [("moved", "100"), ("moved", "102")]
        clicrdv.events[100].update(deleted=True, updated_at=clicrdv.tick())
        third = await provider.changes(second.cursor)
    assert [(each.kind, each.reference) for each in third.changes] == [("cancelled", "100")]


async def test_many_events_come_in_pages():
    clicrdv = ClicRdv()
    for number in range(250):
        clicrdv.add(f"2026-12-{number % 28 + 1:02} 09:00:00", f"2026-12-{number % 28 + 1:02} 09:20:00")
    async with speaking(clicrdv) as provider:
        assert len((await provider.changes()).changes) == 250


async def test_two_bridges_want_one_slot():
    clicrdv = ClicRdv()

    async def book(provider, hold):
        try:
            return await provider.book(hold, key=hold.reference)
        except SlotGoneError:
            return None

    async with speaking(clicrdv) as provider:
        holds = [await kept(provider, 0, f"h{number}") for number in range(10)]
        made = [each for each in await asyncio.gather(*(book(provider, hold) for hold in holds)) if each]
    assert len(made) == 1
    assert [each["id"] for each in clicrdv.events.values() if not each["deleted"]] == [int(made[0].reference)]


async def test_a_write_without_an_answer_is_found_again():
    clicrdv = ClicRdv()

    async def cut(request):
        if request.method == "POST":
            await clicrdv._create(request)
            request.transport.close()
            return web.Response()
        return None

    async with speaking(clicrdv) as provider:
        clicrdv.fault = cut
        made = await provider.book(await kept(provider), key="k")
    assert [str(each) for each in clicrdv.events] == [made.reference]


async def test_a_write_that_is_lost_on_its_way_is_unknown_then_made_once():
    clicrdv = ClicRdv()

    async def lose(request):
        return web.Response(status=500) if request.method == "POST" else None

    async with speaking(clicrdv) as provider:
        hold = await kept(provider)
        clicrdv.fault = lose
        with pytest.raises(UnknownOutcomeError):
            await provider.book(hold, key="k")
        clicrdv.fault = None
        await provider.book(hold, key="k")
    assert len(clicrdv.events) == 1


async def test_what_the_practice_moved_is_not_overwritten():
    clicrdv = ClicRdv()
    async with speaking(clicrdv) as provider:
        made = await provider.book(await kept(provider), key="k")
        clicrdv.events[100].update(start="2026-12-01 11:00:00", end="2026-12-01 11:20:00", updated_at=clicrdv.tick())
        with pytest.raises(ChangedError) as caught:
            await provider.cancel(made, by="patient", key="k2")
        clicrdv.events[100].update(deleted=True)
        with pytest.raises(ChangedError):
            await provider.reschedule(made, await kept(provider, 4, "h2"), key="k3")
    assert caught.value.current.start == datetime(2026, 12, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("wrong", [{"password": "old"}, {"apikey": "old"}])
async def test_credentials_that_were_revoked_are_said(wrong):
    async with speaking(ClicRdv(), **wrong) as provider:
        with pytest.raises(CredentialsRevokedError):
            await provider.find(WINDOW)


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"<html>", b'{"availabletimeslots":5}', b'{"availabletimeslots":[{"start":5}]}', b"\xff"]
)
async def test_another_answer_is_no_agenda(body):
    clicrdv = ClicRdv()

    async def say(request):
        return web.Response(body=body)

    clicrdv.fault = say
    async with speaking(clicrdv) as provider:
        with pytest.raises(UnreachableError):
            await provider.find(WINDOW)


async def test_the_hour_that_does_not_exist_is_not_offered():
    clicrdv = ClicRdv()

    async def say(request):
        return web.json_response(
            {"availabletimeslots": [{"start": "2026-03-29 02:30:00"}, {"start": "2026-03-29 03:30:00"}]}
        )

    clicrdv.fault = say
    night = datetime(2026, 3, 29, tzinfo=UTC)
    async with speaking(clicrdv) as provider:
        found = await provider.find(Window(start=night, end=night + timedelta(hours=6)))
    assert [slot.start for slot in found] == [datetime(2026, 3, 29, 1, 30, tzinfo=UTC)]


def test_secrets_do_not_print():
    account = Account(
        group=4, calendar=15, intervention=21, user=USER, password=PASSWORD, apikey=KEY, zone="Europe/Paris"
    )
    assert PASSWORD not in repr(account)
    assert KEY not in repr(account)
