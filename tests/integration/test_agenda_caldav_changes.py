"""What the practice does in its own program, other calendars of the same person, and whom the bridge speaks to."""

import asyncio
import ssl
from datetime import timedelta

import pytest

from bridges.agenda.adapters import open_agenda
from bridges.agenda.caldav import adapter
from bridges.agenda.caldav.collection import Collection, discover
from bridges.agenda.config import load
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import (
    RefusedError,
    UnknownOutcomeError,
    UnreachableError,
    Window,
)
from tests.fakes import agendas
from tests.fakes.agendas_desk import DAY, event, held, hours, opened
from tests.fakes.agendas_lying import PATH, LyingServer
from tests.fakes.certificates import authority


@pytest.fixture
async def server(monkeypatch):
    monkeypatch.setattr(adapter, "PAUSE", 0.01)
    async with LyingServer() as started:
        yield started


@pytest.fixture
async def desk(request, server, tmp_path):
    """Patient with a busy machine, but where the server is told never to answer."""
    told = getattr(request.node, "callspec", None)
    hangs = "hang" in str(told.params.get("what", "")) if told else False
    async with opened(server, tmp_path, deadline=1.5 if hangs else 30) as made:
        yield made


@pytest.mark.parametrize("sync", [True, False])
async def test_what_the_practice_does_in_its_own_program_is_told_until_it_is_acknowledged(server, desk, sync):
    server.sync = sync
    cursor = (await desk.changes()).cursor
    made = await desk.book(await held(desk), key="k")
    other = await desk.book(await held(desk, 1, "anne"), key="k2")
    told = await desk.changes(cursor)
    assert list(told.changes) == []
    server.put(made.reference.removeprefix(PATH), event("x", "08:00", "08:30"))
    server.remove(other.reference.removeprefix(PATH))
    for _ in range(2):  # a crash before it was acknowledged loses nothing
        news = await desk.changes(told.cursor)
        kinds = {change.reference: change.kind for change in news.changes}
        assert kinds == {made.reference: "moved", other.reference: "cancelled"}
    for change in news.changes:
        desk.acknowledge(change)
    assert list((await desk.changes(told.cursor)).changes) == []
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:30"]


async def test_what_the_practice_puts_over_another_stays_known(server, desk):
    made, other = await desk.book(await held(desk), key="k"), await desk.book(await held(desk, 1, "anne"), key="k2")
    cursor = (await desk.changes()).cursor
    name = made.reference.removeprefix(PATH)
    server.put(name, event(name, f"{other.start:%H:%M}", f"{other.end:%H:%M}"))
    (told,) = (await desk.changes(cursor)).changes
    desk.acknowledge(told)
    assert told.kind == "moved"
    assert len(desk.appointments()) == 2
    assert list((await desk.changes(cursor)).changes) == []
    server.remove(name)
    assert [change.kind for change in (await desk.changes(cursor)).changes] == ["cancelled"]
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:30"]


async def test_what_was_deleted_while_the_cursor_was_lost_is_told_all_the_same(server, desk):
    made = await desk.book(await held(desk), key="k")
    server.remove(made.reference.removeprefix(PATH))
    for cursor in ("", '{"token": "nonsense"}', "not json"):
        told = await desk.changes(cursor)
        assert told.restarted
        assert [(change.reference, change.kind) for change in told.changes] == [(made.reference, "cancelled")]


@pytest.mark.parametrize("sync", [True, False])
async def test_what_is_far_ahead_or_cannot_be_read_is_not_called_cancelled_when_the_cursor_was_lost(
    server, desk, sync, monkeypatch
):
    server.sync = sync
    far = await desk.book(await held(desk), key="k")
    unread = await desk.book(await held(desk, 1, "anne"), key="k2")
    gone = await desk.book(await held(desk, 1, "paul"), key="k3")
    server.put(unread.reference.removeprefix(PATH), b"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nEND:VCALENDAR\r\n")
    server.remove(gone.reference.removeprefix(PATH))
    monkeypatch.setattr(adapter, "AHEAD", timedelta(minutes=1))
    told = await desk.changes("not json")
    assert told.restarted
    kinds = {change.reference: change.kind for change in told.changes}
    assert kinds == {gone.reference: "cancelled", unread.reference: "unclear"}
    assert server.items[far.reference]


async def test_an_event_marked_cancelled_is_a_cancellation(server, desk):
    cursor = (await desk.changes()).cursor
    made = await desk.book(await held(desk), key="k")
    name = made.reference.removeprefix(PATH)
    server.put(name, event(name, "07:00", "07:30").replace(b"CONFIRMED", b"CANCELLED"))
    told = await desk.changes(cursor)
    assert [change.kind for change in told.changes] == ["cancelled"]


@pytest.mark.parametrize(
    ("lines", "kinds"),
    [
        ("DTSTART:20260701T070000Z\r\nDTEND:20260701T073000Z\r\nRRULE:FREQ=WEEKLY", ["unclear"]),
        ("DTSTART;VALUE=DATE:20260701\r\nDTEND;VALUE=DATE:20260702", ["unclear"]),
        ("DTSTART;TZID=Mars/Olympus:20260701T070000\r\nDURATION:PT30M", ["unclear"]),
        ("DTSTART:20260701T070000Z", ["unclear"]),
        ("DTSTART;VALUE=DATE:20260701\r\nSTATUS:CANCELLED", ["cancelled"]),
        ("DTSTART:20260701T060000Z\r\nDTEND:20260703T073000Z", ["moved"]),
    ],
)
async def test_an_entry_that_is_no_single_time_any_more_is_told_as_such(server, desk, lines, kinds):
    made = await desk.book(await held(desk), key="k")
    cursor = (await desk.changes()).cursor
    name = made.reference.removeprefix(PATH)
    text = f"BEGIN:VCALENDAR\r\nBEGIN:VEVENT\r\nUID:{name}\r\n{lines}\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
    server.put(name, text.encode())
    server.put("other.ics", text.replace(name, "other").encode())  # of somebody else: it concerns no conversation
    told = await desk.changes(cursor)
    assert [change.kind for change in told.changes if change.reference == made.reference] == kinds
    assert all(change.kind != "unclear" for change in told.changes if change.reference != made.reference)
    for change in told.changes:
        desk.acknowledge(change)
    # Whatever it is, its time is given to nobody until it is gone.
    assert (hours(await desk.find(DAY))[:1] == ["07:00"]) is (kinds == ["cancelled"])


async def test_another_calendar_of_the_same_person_takes_time_too(server, tmp_path):
    server.put("other", event("other", "07:00", "07:20"))
    other = server.items.pop(f"{PATH}other")
    server.items["/else/other.ics"] = other
    path = agendas.settings(
        tmp_path, server.url, provider=f'also_busy = ["{server.url.removesuffix(PATH)}/else/other.ics"]'
    )
    async with open_agenda(load(path)) as agenda:
        day = Window(start=agendas.SUMMER, end=agendas.SUMMER + timedelta(days=1))
        assert len(await agenda.find(day)) == 20
        server.items["/else/other.ics"] = (other[0], other[1].replace(b"20260701", f"{agendas.SUMMER:%Y%m%d}".encode()))
        agenda.provider.feeds[0]._asked_at = None
        agenda.provider.feeds[0]._etag = ""
        assert len(await agenda.find(day)) == 19
        del server.items["/else/other.ics"]
        agenda.provider.feeds[0]._asked_at = None
        with pytest.raises(UnreachableError):
            await agenda.find(day)
    assert not any("Authorization" in headers for path, headers in server.heard if path.startswith("/else/"))


async def test_a_calendar_is_found_from_its_address(server):
    async with Outgoing(Origin(base=server.url.removesuffix(PATH), inside=True, plain=True)) as out:
        assert await discover(out, PATH, "") == PATH


async def test_addresses_of_the_inside_are_refused_unless_they_are_configured(server):
    with pytest.raises(ValueError):
        Origin(base=server.url.removesuffix(PATH))
    async with Outgoing(Origin(base="https://127.0.0.1:1")) as out:
        with pytest.raises(RefusedError):
            await discover(out, PATH, "")
    async with Outgoing(Origin(base="https://localhost:1")) as out:
        with pytest.raises((RefusedError, UnreachableError)):
            await discover(out, PATH, "")
    assert server.asked == []


async def test_an_agenda_that_is_away_at_the_start_is_found_when_it_is_back(server, desk):
    desk.provider.collection = Collection(desk.provider.collection.out, PATH)
    server.plan("PROPFIND", "500", "html")
    for _ in range(2):
        with pytest.raises(UnreachableError):
            await desk.find(DAY)
    assert desk.health == "unreachable"
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:00", "08:30"]
    assert desk.health == "ready"


async def test_nothing_is_said_to_a_server_whose_certificate_nobody_signed(tmp_path):
    ours, theirs = authority(tmp_path / "ours"), authority(tmp_path / "theirs")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*theirs.issue("server", host="127.0.0.1"))
    heard = []

    async def serve(reader, writer):
        heard.append(await reader.read(4))
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context) as listening:
        origin = Origin(base=f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}", inside=True)
        for trusted, error in ((ours, UnreachableError), (theirs, UnknownOutcomeError)):
            trust = ssl.create_default_context(cafile=trusted.certificate)
            async with Outgoing(origin, headers={"Authorization": "Basic secret"}, tls=trust) as out:
                with pytest.raises(error):
                    await out.ask("PUT", PATH, body=b"x")
            assert [word for word in heard if word] == (
                [] if trusted is ours else [b"PUT "] * len([w for w in heard if w])
            )
    assert b"PUT " in heard
