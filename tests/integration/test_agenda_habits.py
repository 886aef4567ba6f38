"""A real Radicale behind proxies with the bad habits of other servers: one winner, nothing lost, a clear state."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from bridges.agenda.adapters import open_agenda
from bridges.agenda.caldav import adapter
from bridges.agenda.calendar import writing
from bridges.agenda.checks import CHECKS
from bridges.agenda.config import load
from bridges.agenda.conformance import Agenda, examine
from bridges.agenda.desk import Desk
from bridges.agenda.provider import (
    AgendaError,
    Appointment,
    ChangedError,
    Slot,
    SlotGoneError,
    UnknownOutcomeError,
    UnreachableError,
    Window,
)
from tests.fakes import agendas
from tests.fakes.agendas_proxy import Habit, Proxy

pytestmark = agendas.needs_peers
DAY = Window(start=agendas.SUMMER, end=agendas.SUMMER + timedelta(days=1))
HABITS: list[Habit] = ["honest", "unconditional", "done_then_500", "other_names", "slow", "false_tags"]
PEOPLE = 50
T = TypeVar("T")


@pytest.fixture(scope="module")
def radicale() -> Iterator[agendas.Radicale]:
    service = agendas.running(agendas.Radicale)
    yield service  # type: ignore[misc]  # the kind that was asked for
    service.remove()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch, radicale: agendas.Radicale) -> None:
    monkeypatch.setattr(adapter, "PAUSE", 0.01)
    for href in hrefs(radicale):
        radicale.ask("DELETE", href)


def hrefs(server: agendas.Radicale) -> list[str]:
    _, body = server.ask("PROPFIND", server.calendar, headers={"Depth": "1"})
    return re.findall(r"<(?:\w+:)?href>([^<]+\.ics)</", body.decode())


@asynccontextmanager
async def behind(server: agendas.Radicale, folder: Path, habit: Habit) -> AsyncIterator[tuple[Desk, Proxy]]:
    folder.mkdir(exist_ok=True)
    async with Proxy(server.root, habit) as proxy:
        url = proxy.root + server.calendar
        async with open_agenda(load(agendas.settings(folder, url))) as agenda:
            assert isinstance(agenda, Desk)
            yield agenda, proxy


async def surely(agenda: Desk, person: str, place: int = 0) -> Appointment:
    """Book as the automate does: what is unknown is repeated with its key."""
    slot = (await agenda.find(DAY))[place]
    hold = await agenda.hold(slot, holder=person, until=slot.start, key=person)
    for _ in range(4):
        try:
            return await agenda.book(hold, key=person)
        except UnknownOutcomeError:
            continue
    return await agenda.book(hold, key=person)


async def surely_moved(agenda: Desk, made: Appointment, to: Slot) -> Appointment:
    """Move as the automate does: over what the agenda says that it is now."""
    for number in range(4):
        hold = await agenda.hold(to, holder="jean", until=to.start, key=f"move {number}")
        for _ in range(3):
            try:
                return await agenda.reschedule(made, hold, key=f"move {number}")
            except UnknownOutcomeError:
                continue
            except ChangedError as changed:
                made = changed.current or made
                break
    pytest.fail("it was never moved")


@pytest.mark.parametrize("habit", HABITS)
async def test_of_fifty_people_one_gets_the_slot(radicale: agendas.Radicale, tmp_path: Path, habit: Habit) -> None:
    async with behind(radicale, tmp_path, habit) as (agenda, _):
        slot = (await agenda.find(DAY))[0]

        async def want(person: str) -> Appointment | None:
            try:
                hold = await agenda.hold(slot, holder=person, until=slot.start, key=person)
                return await agenda.book(hold, key=person)
            except SlotGoneError:
                return None

        ended = await asyncio.gather(*(want(str(person)) for person in range(PEOPLE)))
        [made] = [each for each in ended if each is not None]
        assert len(hrefs(radicale)) == 1
        assert slot not in await agenda.find(DAY)
        assert agenda.health == "ready"
        await agenda.cancel(made, by="patient", key="c")
        assert hrefs(radicale) == []
        assert slot in await agenda.find(DAY)


@pytest.mark.parametrize("habit", HABITS)
async def test_two_bridges_never_both_win(radicale: agendas.Radicale, tmp_path: Path, habit: Habit) -> None:
    async with (
        behind(radicale, tmp_path / "one", habit) as (one, _),
        behind(radicale, tmp_path / "two", habit) as (two, _),
    ):
        slot = (await one.find(DAY))[0]

        async def want(agenda: Desk, person: str) -> Appointment | None:
            try:
                hold = await agenda.hold(slot, holder=person, until=slot.start, key=person)
                return await agenda.book(hold, key=person)
            except AgendaError:
                return None

        ended = await asyncio.gather(want(one, "a"), want(two, "b"))
        assert len([each for each in ended if each is not None]) <= 1
        assert len(hrefs(radicale)) == len([each for each in ended if each is not None])


async def persistently(ask: Callable[[], Awaitable[T]]) -> T:
    """Ask again while the server is away: a third of the requests are refused."""
    for _ in range(60):
        try:
            return await ask()
        except (UnreachableError, UnknownOutcomeError):
            continue
    pytest.fail("it never answered")


async def test_a_server_that_comes_and_goes_has_what_was_said_to_be_booked(
    radicale: agendas.Radicale, tmp_path: Path
) -> None:
    async with behind(radicale, tmp_path, "flapping") as (agenda, proxy):
        booked = set[Slot]()
        for person in map(str, range(5)):
            slot = (await persistently(lambda: agenda.find(DAY)))[0]
            hold = await persistently(partial(agenda.hold, slot, holder=person, until=slot.start, key=person))
            await persistently(partial(agenda.book, hold, key=person))
            booked.add(slot)
        assert proxy.refused > 5
        proxy.habit = "honest"
        assert len(hrefs(radicale)) == len(booked) == 5
        assert not booked & set(await agenda.find(DAY))
        assert agenda.health == "ready"


@pytest.mark.parametrize("habit", HABITS)
async def test_the_conformance_suite(radicale: agendas.Radicale, tmp_path: Path, habit: Habit) -> None:
    async with behind(radicale, tmp_path, habit) as (agenda, _):
        report = await examine(Agenda(provider=agenda, window=DAY, now=lambda: datetime.now(UTC)), CHECKS)
    assert [each for each in report.details if each.outcome == "failed"] == []
    assert hrefs(radicale) == []


@pytest.mark.parametrize("habit", HABITS)
async def test_an_appointment_is_moved_and_called_off(radicale: agendas.Radicale, tmp_path: Path, habit: Habit) -> None:
    async with behind(radicale, tmp_path, habit) as (agenda, _):
        cursor = (await agenda.changes()).cursor
        made = await surely(agenda, "jean")
        other = (await agenda.find(DAY))[5]
        moved = await surely_moved(agenda, made, other)
        assert len(hrefs(radicale)) == 1
        _, body = radicale.ask("GET", hrefs(radicale)[0])
        assert f"DTSTART:{other.start:%Y%m%dT%H%M%SZ}" in body.decode()
        assert [each.kind for each in (await agenda.changes(cursor)).changes if each.kind != "seen"] == []
        await agenda.cancel(moved, by="patient", key="c")
        assert hrefs(radicale) == []


async def test_a_foreign_overwrite_is_found_when_reading_back(radicale: agendas.Radicale, tmp_path: Path) -> None:
    """The server passes over If-Match, and another program writes its old copy over our move: nobody is told a lie."""
    async with behind(radicale, tmp_path, "unconditional") as (agenda, proxy):
        made = await surely(agenda, "jean")
        _, old = radicale.ask("GET", made.reference)
        other = (await agenda.find(DAY))[5]
        hold = await agenda.hold(other, holder="jean", until=other.start, key="move")
        passed = proxy._ask

        async def over(request, path):
            answer = await passed(request, path)
            if request.method == "PUT":
                radicale.ask("PUT", made.reference, old, {"Content-Type": "text/calendar"})
            return answer

        proxy._ask = over  # type: ignore[method-assign]  # another program, at that very moment
        with pytest.raises(ChangedError) as changed:
            await agenda.reschedule(made, hold, key="move")
        proxy._ask = passed  # type: ignore[method-assign]
        assert changed.value.current is not None
        assert changed.value.current.start == made.start
        assert other in await agenda.find(DAY)
        assert agenda.appointments()[0].start == made.start


async def test_an_event_that_vanishes_after_the_answer_is_unknown_and_found_out(
    radicale: agendas.Radicale, tmp_path: Path
) -> None:
    async with behind(radicale, tmp_path, "unconditional") as (agenda, proxy):
        slot = (await agenda.find(DAY))[0]
        hold = await agenda.hold(slot, holder="jean", until=slot.start, key="k")
        passed = proxy._ask

        async def gone(request, path):
            answer = await passed(request, path)
            if request.method == "PUT":
                radicale.ask("DELETE", path)
            return answer

        proxy._ask = gone  # type: ignore[method-assign]
        with pytest.raises(UnknownOutcomeError):
            await agenda.book(hold, key="k")
        assert slot not in await agenda.find(DAY)  # kept until it is known
        assert agenda.health == "unreachable" or agenda.holds.pending()
        proxy._ask = passed  # type: ignore[method-assign]
        [(_, made)] = await agenda.settle()
        assert made is not None
        assert len(hrefs(radicale)) == 1


async def test_a_slot_that_an_event_takes_is_never_offered_whatever_the_tags_say(
    radicale: agendas.Radicale, tmp_path: Path
) -> None:
    async with behind(radicale, tmp_path, "false_tags") as (agenda, _):
        slot = (await agenda.find(DAY))[3]
        entry = writing.Entry(uid="x", start=slot.start, end=slot.end, stamp=slot.start, title="x")
        body = writing.write([entry])
        radicale.ask("PUT", f"{radicale.calendar}x.ics", body, {"Content-Type": "text/calendar"})
        assert slot not in await agenda.find(DAY)
        with pytest.raises(SlotGoneError):
            await agenda.hold(slot, holder="jean", until=slot.start, key="k")
