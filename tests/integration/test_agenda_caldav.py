"""The CalDAV adapter behind its desk, when servers answer late, wrongly or not at all."""

import pytest

from bridges.agenda.caldav import adapter
from bridges.agenda.provider import (
    ChangedError,
    CredentialsRevokedError,
    Details,
    HoldExpiredError,
    RefusedError,
    SlotGoneError,
    UnknownOutcomeError,
    UnreachableError,
)
from tests.fakes.agendas_desk import DAY, event, held, hours, opened
from tests.fakes.agendas_lying import PATH, LyingServer


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
    await desk.settle()  # free times are looked at again, though nobody asks
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
    assert desk.health == ("misled" if what in {"away", "inside"} else "unreachable")
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
