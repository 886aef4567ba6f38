"""Feeds: calendars that others publish, and the one that we do."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reading import Query, read
from bridges.agenda.calendar.sandbox import Sandbox
from bridges.agenda.calendar.writing import Entry, write
from bridges.agenda.config import load
from bridges.agenda.ics.feed import FRESH, Feed, Subscribed
from bridges.agenda.ics.publishing import feed, published, write_file
from bridges.agenda.openings import DAYS, Opening
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import Ability, Appointment, UnreachableError, UnsupportedError, Window
from bridges.kit.errors import UsageError
from tests.fakes import agendas
from tools.services import free_port

START = datetime(2026, 7, 1, 7, tzinfo=UTC)
DAY = Window(start=datetime(2026, 7, 1, tzinfo=UTC), end=datetime(2026, 7, 2, tzinfo=UTC))
SECRET = "0123456789abcdefghijABCDEFGHIJ"


def entry(start=START, **more) -> Entry:
    return Entry(uid="u", start=start, end=start + timedelta(minutes=30), stamp=START, **more)


class Site:
    """A place that publishes one calendar."""

    def __init__(self) -> None:
        self.body, self.status, self.tag, self.asked = write([entry()]), 200, '"1"', []

    async def serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("If-None-Match", ""))
        if self.tag and request.headers.get("If-None-Match") == self.tag:
            return web.Response(status=304)
        headers = {"ETag": self.tag} if self.tag else {}
        return web.Response(body=self.body, status=self.status, headers=headers, content_type="text/calendar")


@pytest.fixture
async def site():
    made = Site()
    application = web.Application()
    application.router.add_get("/private.ics", made.serve)
    async with TestServer(application) as server:
        made.base = str(server.make_url("")).rstrip("/")
        yield made


@pytest.fixture
async def agenda(site):
    at = [START - timedelta(days=1)]
    async with Outgoing(Origin(base=site.base, inside=True, plain=True), most=limits.RAW) as out, Sandbox() as sandbox:
        made = Subscribed(
            feeds=[Feed(out, "/private.ics?token=a%20b", sandbox, "Europe/Paris", lambda: at[0])],
            zone="Europe/Paris",
            openings=[Opening(days=list(DAYS), start=time(9), end=time(10, 30), minutes=30)],
        )
        made.later = lambda: at.append(at.pop() + FRESH)
        yield made


def hours(slots) -> list[str]:
    return [f"{slot.start:%H:%M}" for slot in slots]


async def test_what_others_publish_takes_time_and_is_asked_for_by_its_tag(site, agenda):
    assert hours(await agenda.find(DAY)) == ["07:30", "08:00"]
    assert hours(await agenda.find(DAY)) == ["07:30", "08:00"]
    assert site.asked == [""]
    agenda.later()
    assert hours(await agenda.find(DAY)) == ["07:30", "08:00"]
    assert site.asked == ["", '"1"']
    agenda.later()
    site.body, site.tag = write([entry(START + timedelta(minutes=30))]), '"2"'
    assert hours(await agenda.find(DAY)) == ["07:00", "08:00"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>log in</html>",
        write([entry()])[:-30],
        b"x" * (limits.RAW + 1),
        b"BEGIN:VCALENDAR\r\n" * 50,
    ],
    ids=["empty", "page", "cut", "large", "deep"],
)
async def test_a_feed_that_is_none_offers_no_slot_and_is_asked_again(site, agenda, body):
    good, site.body = site.body, body
    with pytest.raises(UnreachableError):
        await agenda.find(DAY)
    site.body = good
    assert hours(await agenda.find(DAY)) == ["07:30", "08:00"]


@pytest.mark.parametrize("status", [404, 410, 500, 302, 304])
async def test_a_feed_that_is_gone_offers_no_slot(site, agenda, status):
    site.status, site.tag = status, ""
    with pytest.raises(UnreachableError):
        await agenda.find(DAY)


async def test_a_feed_that_was_there_once_is_not_trusted_for_ever(site, agenda):
    await agenda.find(DAY)
    agenda.later()
    site.status, site.tag = 404, '"9"'
    with pytest.raises(UnreachableError):
        await agenda.find(DAY)


async def test_a_feed_is_only_read(agenda):
    assert agenda.capabilities().abilities == {Ability.FIND}
    slot = (await agenda.find(DAY))[0]
    with pytest.raises(UnsupportedError):
        await agenda.hold(slot, holder="jean", until=slot.start, key="k")
    with pytest.raises(UnsupportedError):
        await agenda.link()


async def test_our_feed_is_at_a_secret_address_only_and_says_nothing_of_anybody():
    async with TestClient(TestServer(feed(SECRET, lambda: [entry()], name="Cabinet"))) as client:
        answer = await client.get(f"/{SECRET}.ics")
        body = await answer.read()
        assert (answer.status, answer.content_type) == (200, "text/calendar")
        assert b"SUMMARY:RDV\r\n" in body
        told = read(body, Query(start=DAY.start, end=DAY.end, zone="Europe/Paris"))
        assert told.busy == [(START, START + timedelta(minutes=30))]
        again = await client.get(f"/{SECRET}.ics", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304
        for path in ("/", f"/{SECRET[:-1]}.ics", f"/{SECRET}x.ics", "/é.ics", f"/{SECRET}"):
            assert (await client.get(path)).status == 404, path


async def test_what_is_booked_is_published_as_the_settings_say(tmp_path):
    (tmp_path / "feed-secret").write_text(SECRET)
    (tmp_path / "feed-secret").chmod(0o600)
    path = agendas.settings(tmp_path, "https://calendar.example.org/")
    port = free_port()
    path.write_text(
        path.read_text().replace("plain = true", "")
        + f'\n[publish]\nfile = "rdv.ics"\nlisten = "127.0.0.1:{port}"\nsecret_file = "feed-secret"\n'
    )
    booked = [Appointment(reference="/cal/Durand.ics", version="1", start=START, end=DAY.end, zone="Europe/Paris")]
    async with published(load(path), lambda: booked) as refresh, ClientSession() as client:
        first = (tmp_path / "rdv.ics").read_bytes()
        booked.append(replace(booked[0], reference="other", start=START + timedelta(minutes=1)))
        refresh()
        second = (tmp_path / "rdv.ics").read_bytes()
        assert [first.count(b"BEGIN:VEVENT"), second.count(b"BEGIN:VEVENT")] == [1, 2]
        assert b"Durand" not in second
        async with client.get(f"http://127.0.0.1:{port}/{SECRET}.ics") as answer:
            assert await answer.read() == second
        async with client.get(f"http://127.0.0.1:{port}/{SECRET[::-1]}.ics") as answer:
            assert answer.status == 404


@pytest.mark.parametrize(
    "wrong", ['listen = "127.0.0.1:1"', 'secret_file = "s"', 'listen = "x"\nsecret_file = "s"', ""]
)
def test_half_a_publication_is_refused(tmp_path, wrong):
    path = agendas.settings(tmp_path, "https://calendar.example.org/")
    path.write_text(f"{path.read_text()}\n[publish]\n{wrong}\n")
    with pytest.raises(UsageError):
        load(path)


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError):
        feed("guess", list)


def test_a_file_is_written_whole_for_its_owner(tmp_path):
    path = tmp_path / "cabinet.ics"
    write_file(path, [entry()])
    write_file(path, [entry(), entry(START + timedelta(hours=1))])
    assert path.read_bytes().count(b"BEGIN:VEVENT") == 2
    assert path.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.iterdir()] == ["cabinet.ics"]
