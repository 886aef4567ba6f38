"""Fifty people, one slot, one winner: on each real server, again and again.

``AGENDA_RACES=100`` runs as many as a release asks for; the quick run does a few of them.
"""

import asyncio
import os
from datetime import timedelta

import pytest

from bridges.agenda.adapters import open_agenda
from bridges.agenda.config import load
from bridges.agenda.provider import AgendaError, SlotGoneError, Window
from tests.fakes import agendas
from tests.fakes.agendas import SUMMER

RACES = int(os.environ.get("AGENDA_RACES", "2"))
PEOPLE = 50
DAY = Window(start=SUMMER, end=SUMMER + timedelta(days=1))


@pytest.fixture(scope="module", params=agendas.SERVERS, ids=lambda kind: kind.__name__)
def server(request):
    started = agendas.running(request.param)
    yield started
    started.remove()


def entries(server) -> int:
    return server.ask("PROPFIND", server.calendar, headers={"Depth": "1"})[1].count(b".ics<")


async def test_of_fifty_people_one_gets_the_slot(server, tmp_path):
    async with open_agenda(load(agendas.settings(tmp_path, server.url, user=server.user))) as agenda:

        async def want(slot, person: str):
            try:
                hold = await agenda.hold(slot, holder=person, until=slot.start, key=person)
                return await agenda.book(hold, key=person)
            except SlotGoneError:
                return None

        for race in range(RACES):
            (slot, *_) = await agenda.find(DAY)
            ended = await asyncio.gather(*(want(slot, f"{race}-{person}") for person in range(PEOPLE)))
            winners = [each for each in ended if each is not None]
            assert len(winners) == 1, race
            assert entries(server) == 1, race
            assert slot not in await agenda.find(DAY)
            await agenda.cancel(winners[0], by="practice", key=f"{race}")
            assert entries(server) == 0, race


async def test_two_bridges_on_one_calendar_never_both_win(server, tmp_path):
    """They share no table; only what each reads back can stop them. That both give way is allowed, that both win is not."""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    configs = [load(agendas.settings(tmp_path / name, server.url, user=server.user)) for name in ("one", "two")]
    async with open_agenda(configs[0]) as one, open_agenda(configs[1]) as two:

        async def want(agenda, slot, person: str):
            try:
                hold = await agenda.hold(slot, holder=person, until=slot.start, key=person)
                return agenda, await agenda.book(hold, key=person)
            except AgendaError:
                return None

        for race in range(max(2, RACES // 10)):
            slot = (await one.find(DAY))[0]
            ended = await asyncio.gather(
                *(want(each, slot, f"{race}-{name}") for name, each in (("one", one), ("two", two)))
            )
            winners = [each for each in ended if each is not None]
            assert len(winners) <= 1
            assert entries(server) == len(winners)
            for agenda, made in winners:
                await agenda.cancel(made, by="practice", key=f"{race}")


async def test_the_doctor_moves_and_deletes_in_her_own_program_and_we_hear_of_it(server, tmp_path):
    async with open_agenda(load(agendas.settings(tmp_path, server.url, user=server.user))) as agenda:
        cursor = (await agenda.changes()).cursor
        (slot, other, *_) = await agenda.find(DAY)
        hold = await agenda.hold(slot, holder="jean", until=slot.start, key="h")
        made = await agenda.book(hold, key="h")
        seen = await agenda.changes(cursor)
        assert list(seen.changes) == []
        (entry,) = agendas.independent(server, "list")
        assert (entry["start"], entry["end"]) == (slot.start.isoformat(), slot.end.isoformat())
        assert entry["title"].startswith("RDV ")
        agendas.independent(server, "move", entry["uid"], other.start.isoformat(), other.end.isoformat())
        (told,) = (await agenda.changes(seen.cursor)).changes
        assert (told.kind, told.reference, told.appointment.start) == ("moved", made.reference, other.start)
        agenda.acknowledge(told)
        assert slot in await agenda.find(DAY)
        assert other not in await agenda.find(DAY)
        agendas.independent(server, "delete", entry["uid"])
        (told,) = (await agenda.changes(seen.cursor)).changes
        assert (told.kind, told.reference) == ("cancelled", made.reference)
        agenda.acknowledge(told)
        assert other in await agenda.find(DAY)


def last_sunday(month: int) -> str:
    """When the clocks change in March and in October."""
    last = SUMMER.replace(month=month, day=31)
    return f"{last - timedelta(days=last.isoweekday() % 7):%Y%m%d}"


async def test_summer_is_right_even_after_a_zone_that_servers_misread(server, tmp_path):
    """A VTIMEZONE by listed dates poisons the free-busy reports of one of these servers: we never ask for them."""
    listed = (
        "BEGIN:VTIMEZONE\r\nTZID:Europe/Paris\r\n"
        f"BEGIN:DAYLIGHT\r\nDTSTART:19700329T020000\r\nRDATE:{last_sunday(3)}T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nEND:DAYLIGHT\r\n"
        f"BEGIN:STANDARD\r\nDTSTART:19701025T030000\r\nRDATE:{last_sunday(10)}T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nEND:STANDARD\r\n"
        "END:VTIMEZONE\r\n"
    )
    times = f"DTSTART;TZID=Europe/Paris:{SUMMER:%Y%m%d}T080000\r\nDTEND;TZID=Europe/Paris:{SUMMER:%Y%m%d}T083000\r\n"
    event = f"BEGIN:VEVENT\r\nUID:poison\r\nDTSTAMP:20260101T000000Z\r\n{times}SUMMARY:x\r\nEND:VEVENT\r\n"
    body = f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n{listed}{event}END:VCALENDAR\r\n".encode()
    path = f"{server.calendar}poison.ics"
    assert server.ask("PUT", path, body, {"Content-Type": "text/calendar"})[0] in {200, 201, 204}
    async with open_agenda(load(agendas.settings(tmp_path, server.url, user=server.user))) as agenda:
        first = (await agenda.find(DAY))[0]
        assert first.start == SUMMER + timedelta(hours=6, minutes=30)
        assert first.end - first.start == timedelta(minutes=30)
    server.ask("DELETE", path)


async def test_a_calendar_is_found_from_the_root_of_the_server(server, tmp_path):
    root = f"{server.root}/caldav.php/" if "caldav.php" in server.calendar else f"{server.root}/"
    async with open_agenda(load(agendas.settings(tmp_path, root, user=server.user))) as agenda:
        assert await agenda.find(DAY)
