"""The reader of free times asks what its agreement names, and takes a no for a no."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridges.agenda.links.adapter import LinkProvider
from bridges.agenda.links.availability import Agreement, Reader
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import Ability, RefusedError, UnreachableError, Window

START = datetime(2026, 12, 1, 8, tzinfo=UTC)
WINDOW = Window(start=START, end=START + timedelta(days=20))
QUERY = {"start_date": "{date}", "visit_motive_ids": "12", "limit": "7"}


@asynccontextmanager
async def reading(answer):
    app = web.Application()
    app.router.add_get("/availabilities.json", answer)
    async with TestServer(app) as server:
        agreement = Agreement(
            text="Contrat partenaire du 3 mars 2026", path="availabilities.json", query=QUERY, zone="Europe/Paris"
        )
        async with Outgoing(Origin(base=str(server.make_url("")), inside=True, plain=True)) as outgoing:
            yield LinkProvider("https://rdv.example/x", reader=Reader(outgoing, agreement))


async def test_free_times_of_several_weeks_are_read_without_doubles():
    asked = []

    async def answer(request):
        asked.append(dict(request.query))
        day = request.query["start_date"]
        always = "2026-12-05T09:00:00+01:00"
        return web.json_response({"availabilities": [{"slots": [f"{day}T12:00:00+01:00", always]}]})

    async with reading(answer) as provider:
        assert provider.capabilities().can(Ability.FIND)
        found = await provider.find(WINDOW)
    assert [each["start_date"] for each in asked] == ["2026-12-01", "2026-12-08", "2026-12-15"]
    assert {each["visit_motive_ids"] for each in asked} == {"12"}
    assert [f"{slot.start:%d %H:%M}" for slot in found] == ["01 11:00", "05 08:00", "08 11:00", "15 11:00"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(403, RefusedError), (401, RefusedError), (404, RefusedError), (429, UnreachableError), (500, UnreachableError)],
)
async def test_a_wall_is_a_refusal_and_is_asked_once(status, error):
    asked = []

    async def answer(request):
        asked.append(request.headers.get("Cookie"))
        return web.Response(status=status, headers={"Set-Cookie": "session=1"})

    async with reading(answer) as provider:
        with pytest.raises(error):
            await provider.find(WINDOW)
    assert asked == [None]
