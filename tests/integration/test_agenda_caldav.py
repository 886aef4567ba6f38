"""The CalDAV adapter behind its desk, when servers answer late, wrongly or not at all."""

import asyncio
import ssl
from datetime import UTC, datetime, time, timedelta

import pytest

from bridges.agenda.adapters import open_agenda
from bridges.agenda.caldav import adapter
from bridges.agenda.caldav.adapter import CalDav
from bridges.agenda.caldav.collection import Collection, discover
from bridges.agenda.calendar.sandbox import Sandbox
from bridges.agenda.calendar.writing import Entry, write
from bridges.agenda.config import load
from bridges.agenda.desk import Desk
from bridges.agenda.holds import Holds
from bridges.agenda.openings import DAYS, Opening
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import (
    ChangedError,
    CredentialsRevokedError,
    Details,
    HoldExpiredError,
    RefusedError,
    SlotGoneError,
    UnknownOutcomeError,
    UnreachableError,
    Window,
)
from tests.fakes import agendas
from tests.fakes.agendas_lying import PATH, LyingServer
from tests.fakes.certificates import authority

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
DAY = Window(start=datetime(2026, 7, 1, tzinfo=UTC), end=datetime(2026, 7, 2, tzinfo=UTC))


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


class opened:
    def __init__(self, server, folder, *, with_details=False, deadline=30):
        self.out = Outgoing(Origin(base=server.url.removesuffix(PATH), inside=True, plain=True), deadline=deadline)
        self.sandbox = Sandbox()
        self.folder, self.with_details, self.at = folder, with_details, NOW

    async def __aenter__(self) -> Desk:
        await self.out.__aenter__()
        provider = CalDav(
            collection=Collection(self.out, PATH),
            sandbox=self.sandbox,
            zone="Europe/Paris",
            openings=[Opening(days=list(DAYS), start=time(9), end=time(11), minutes=30)],
            now=lambda: self.at,
            with_details=self.with_details,
        )
        self.desk = Desk(provider, Holds(self.folder / "a.db", "one", lambda: self.at), lambda: self.at)
        return self.desk

    async def __aexit__(self, *error):
        self.desk.holds.close()
        await self.sandbox.__aexit__(*error)
        await self.out.__aexit__(*error)


async def held(desk, place=0, holder="jean", key=None):
    slot = (await desk.find(DAY))[place]
    return await desk.hold(slot, holder=holder, until=NOW + timedelta(minutes=15), key=key or f"{holder}{place}")


def event(name: str, start: str, end: str, more: str = "") -> bytes:
    at = [datetime.fromisoformat(f"2026-07-01T{each}").replace(tzinfo=UTC) for each in (start, end)]
    text = write([Entry(uid=name, start=at[0], end=at[1], stamp=NOW, title=name)]).decode()
    return text.replace("TRANSP:OPAQUE\r\n", f"TRANSP:OPAQUE\r\n{more}").encode()


def hours(slots) -> list[str]:
    return [f"{slot.start:%H:%M}" for slot in slots]


async def test_free_is_open_hours_less_what_is_in_the_calendar(server, desk):
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:00", "08:30"]
    server.put("a.ics", event("a", "07:40", "08:10"))
    assert hours(await desk.find(DAY)) == ["07:00", "08:30"]


async def test_what_is_written_says_nothing_of_anybody(server, desk):
    hold = await held(desk)
    made = await desk.book(hold, key="k", details=Details(title="Mme Durand", description="Suivi de grossesse"))
    body = server.items[made.reference][1].decode()
    assert "Durand" not in body
    assert "Suivi" not in body
    assert "jean" not in body
    assert "CLASS:CONFIDENTIAL" in body
    assert "DTSTART:20260701T070000Z" in body


async def test_details_are_written_where_the_practice_chose_so(server, tmp_path):
    async with opened(server, tmp_path, with_details=True) as desk:
        made = await desk.book(await held(desk), key="k", details=Details(title="Mme Durand; née, Martin\nx"))
    assert b"SUMMARY:Mme Durand\\; n\xc3\xa9e\\, Martin\\nx" in server.items[made.reference][1]


@pytest.mark.parametrize("what", ["500", "done+500", "done+503", "503", "cut", "lost", "hang", "done+hang"])
async def test_a_write_without_a_usable_answer_is_looked_up_and_done_once(server, desk, what):
    hold = await held(desk)
    server.plan("PUT", what)
    made = await desk.book(hold, key="k")
    assert list(server.items) == [made.reference]
    assert desk.holds.find(hold.reference).state == "booked"
    assert hours(await desk.find(DAY)) == ["07:30", "08:00", "08:30"]


@pytest.mark.parametrize("what", ["done+500", "cut"])
async def test_an_outcome_that_stays_unknown_keeps_the_time_and_is_found_out_later(server, desk, what):
    hold = await held(desk)
    server.always("PUT", what)
    server.always("GET", "500")
    with pytest.raises(UnknownOutcomeError):
        await desk.book(hold, key="k")
    assert desk.health == "unreachable"
    assert hours(await desk.find(DAY)) == ["07:30", "08:00", "08:30"]
    assert await desk.settle() == []
    server.calm()
    ((known, made),) = await desk.settle()
    assert known == hold
    assert list(server.items) == [made.reference]
    assert await desk.settle() == []


async def test_a_time_is_kept_for_its_holder_when_nothing_was_sent(server, tmp_path):
    async with opened(server, tmp_path) as desk:
        hold = await held(desk)
        await server._server.close()
        with pytest.raises(UnreachableError):
            await desk.book(hold, key="k")
        assert desk.holds.find(hold.reference).state == "held"


async def test_a_server_that_says_written_and_did_not_is_not_believed(server, desk):
    hold = await held(desk)
    server.plan("PUT", "lie")
    with pytest.raises(UnknownOutcomeError):
        await desk.book(hold, key="k")
    assert server.items == {}
    ((_, made),) = await desk.settle()
    assert made.reference in server.items


async def test_somebody_who_came_between_wins_and_nothing_of_ours_stays(server, desk):
    hold = await held(desk)
    server.put("theirs.ics", event("theirs", "07:10", "07:20"))
    with pytest.raises(SlotGoneError):
        await desk.book(hold, key="k")
    assert list(server.items) == [f"{PATH}theirs.ics"]
    with pytest.raises(HoldExpiredError):
        await desk.book(hold, key="k")


@pytest.mark.parametrize(
    ("more", "won"), [("STATUS:CANCELLED\r\n", True), ("TRANSP:TRANSPARENT\r\n", True), ("X-A:b\r\n", False)]
)
async def test_only_what_takes_time_is_in_the_way(server, desk, more, won):
    hold = await held(desk)
    theirs = event("theirs", "07:10", "07:20", more)
    server.put(
        "theirs.ics",
        theirs.replace(b"STATUS:CONFIRMED\r\n", b"") if "STATUS" in more else theirs.replace(b"TRANSP:OPAQUE\r\n", b""),
    )
    if won:
        assert await desk.book(hold, key="k")
    else:
        with pytest.raises(SlotGoneError):
            await desk.book(hold, key="k")


async def test_credentials_that_were_revoked_stop_everything_and_lose_nothing(server, desk):
    hold = await held(desk)
    for method in ("PUT", "REPORT", "GET"):
        server.always(method, "401")
    with pytest.raises(CredentialsRevokedError):
        await desk.book(hold, key="k")
    assert desk.health == "revoked"
    with pytest.raises(CredentialsRevokedError):
        await desk.find(DAY)
    assert desk.holds.find(hold.reference).state == "held"
    server.calm()
    assert await desk.book(hold, key="k")
    assert desk.health == "ready"


async def test_a_calendar_that_may_only_be_read_refuses_for_good(server, desk):
    hold = await held(desk)
    server.always("PUT", "403")
    with pytest.raises(RefusedError) as refused:
        await desk.book(hold, key="k")
    assert refused.value.permanent
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:00", "08:30"]


@pytest.mark.parametrize("what", ["500", "503", "lost", "html", "doctype", "huge", "hang", "away", "inside"])
async def test_no_slot_is_offered_while_the_calendar_cannot_be_read(server, desk, what):
    server.always("REPORT", what)
    with pytest.raises((UnreachableError, RefusedError)):
        await desk.find(DAY)
    assert desk.health in {"unreachable", "refused"}
    assert all(path == PATH for _, path in server.asked)


async def test_a_redirect_stays_at_the_origin(server, desk):
    server.plan("REPORT", "here")
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:00", "08:30"]


async def test_an_event_that_nobody_can_repeat_is_counted(server, desk):
    server.put("odd.ics", event("odd", "05:00", "05:10", "RRULE:FREQ=SECONDLY\r\n"))
    await desk.find(DAY)
    assert desk.provider.unread == 1
    assert desk.health == "incomplete"
    await desk.changes()
    assert desk.health == "incomplete"  # the practice is told once, not each time
    server.remove("odd.ics")
    await desk.find(DAY)
    assert desk.health == "ready"


async def test_a_move_leaves_what_the_practice_wrote_and_frees_the_old_time(server, desk):
    made = await desk.book(await held(desk), key="k")
    tag, body = server.items[made.reference]
    alarm = b"DESCRIPTION:apporter les radios\\, merci\r\nBEGIN:VALARM\r\nTRIGGER:-PT15M\r\nDURATION:PT5M\r\nEND:VALARM\r\nEND:VEVENT"
    server.items[made.reference] = (tag, body.replace(b"END:VEVENT", alarm))
    moved = await desk.reschedule(made, await held(desk, 2), key="m")
    after = server.items[moved.reference][1]
    assert b"apporter les radios" in after
    assert b"BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nDURATION:PT5M" in after
    assert (b"DTSTART:20260701T083000Z" in after, b"SEQUENCE:1" in after, after.count(b"DTSTART")) == (True, True, 1)
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:00"]


async def test_a_move_that_went_out_twice_on_the_way_is_one_move(server, desk):
    made = await desk.book(await held(desk), key="k")
    server.plan("PUT", "cut")
    assert (await desk.reschedule(made, await held(desk, 1), key="m")).reference == made.reference
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:30"]


@pytest.mark.parametrize("what", ["500", "done+500", "done+hang"])
async def test_a_move_without_an_answer_is_found_out_later(server, desk, what):
    made = await desk.book(await held(desk), key="k")
    other = await held(desk, 1)
    server.plan("PUT", what)
    with pytest.raises(UnknownOutcomeError):
        await desk.reschedule(made, other, key="m")
    assert hours(await desk.find(DAY)) == ["07:30", "08:30"]  # both times are kept while it is unknown
    ((_, now),) = await desk.settle()
    assert (now.reference, f"{now.start:%H:%M}") == (made.reference, f"{other.slot.start:%H:%M}")
    assert len(server.items) == 1
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:30"]


async def test_a_move_of_what_the_practice_changed_meanwhile_shows_what_it_is_now(server, desk):
    made = await desk.book(await held(desk), key="k")
    name = made.reference.removeprefix(PATH)
    server.put(name, event(name, "08:00", "08:20"))
    with pytest.raises(ChangedError) as changed:
        await desk.reschedule(made, await held(desk, 1, key="m"), key="m")
    assert f"{changed.value.current.start:%H:%M}" == "08:00"
    assert b"T080000Z" in server.items[made.reference][1]


@pytest.mark.parametrize("what", ["500", "done+500", "done+hang", "cut", "lost"])
async def test_a_cancellation_without_an_answer_is_looked_up(server, desk, what):
    made = await desk.book(await held(desk), key="k")
    server.plan("DELETE", what)
    assert (await desk.cancel(made, by="patient", key="c")).state == "cancelled"
    assert server.items == {}
    assert hours(await desk.find(DAY)) == ["07:00", "07:30", "08:00", "08:30"]


async def test_what_the_practice_moved_is_not_cancelled_behind_its_back(server, desk):
    made = await desk.book(await held(desk), key="k")
    name = made.reference.removeprefix(PATH)
    server.put(name, event(name, "08:00", "08:20"))
    with pytest.raises(ChangedError):
        await desk.cancel(made, by="patient", key="c")
    assert made.reference in server.items


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


async def test_an_event_marked_cancelled_is_a_cancellation(server, desk):
    cursor = (await desk.changes()).cursor
    made = await desk.book(await held(desk), key="k")
    name = made.reference.removeprefix(PATH)
    server.put(name, event(name, "07:00", "07:30").replace(b"CONFIRMED", b"CANCELLED"))
    told = await desk.changes(cursor)
    assert [change.kind for change in told.changes] == ["cancelled"]


async def test_another_calendar_of_the_same_person_takes_time_too(server, tmp_path):
    server.put("other", event("other", "07:00", "07:20"))
    other = server.items.pop(f"{PATH}other")
    server.items["/else/other.ics"] = other
    path = agendas.settings(
        tmp_path, server.url, provider=f'also_busy = ["{server.url.removesuffix(PATH)}/else/other.ics"]'
    )
    async with open_agenda(load(path)) as agenda:
        day = Window(start=DAY.start + timedelta(days=365), end=DAY.end + timedelta(days=365))
        assert len(await agenda.find(day)) == 20
        server.items["/else/other.ics"] = (other[0], other[1].replace(b"20260701", b"20270701"))
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
