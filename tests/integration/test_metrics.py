"""What Prometheus sees: counts that are true, a page the world cannot reach, and no id anywhere."""

from __future__ import annotations

import asyncio
import re
import socket
from types import SimpleNamespace

import aiohttp
import pytest

from server import metrics
from server.admin import scrape
from server.admin.terminal import CommandError
from server.domain.ids import b64
from server.jobs.work import Worker
from server.settings import Settings, SettingsError, read
from tests.fakes.peer import Refused
from tools.services import free_port

SAMPLE = re.compile(r"^(pli_[a-z_]+)(\{[^{}]*(?:\{\w+\}[^{}]*)*\})? (\+Inf|[0-9.e+-]+)$")


class Page:
    """The page, fetched and read."""

    def __init__(self, url):
        self.url = url

    async def samples(self):
        async with aiohttp.ClientSession() as http, http.get(self.url) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            self.text = await answer.text()
        found = {}
        for line in self.text.splitlines():
            if not line.startswith("#"):
                name, labels, value = SAMPLE.match(line).groups()
                found[name + (labels or "")] = float(value)
        return found


@pytest.fixture(autouse=True)
def rest(monkeypatch):
    """Let no job begin by itself: it writes too, and what is written is counted here."""

    async def work_for_ever(_):
        return None

    monkeypatch.setattr(Worker, "work_for_ever", work_for_ever)


@pytest.fixture
async def page(server):
    port = free_port()
    settings = Settings(data=server.data, metrics=("127.0.0.1", port))
    async with scrape.open_to(server.app, settings):
        yield Page(f"http://127.0.0.1:{port}/metrics")


async def becomes(page, name, value):
    """Wait until a sample has a value."""
    async with asyncio.timeout(30):
        while (await page.samples())[name] != value:
            await asyncio.sleep(0.02)


async def growth(page, doing):
    """Return how much each sample has grown while `doing` was done."""
    await becomes(page, "pli_writes_waiting", 0)
    before = await page.samples()
    await doing
    after = await page.samples()
    return {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}


async def test_requests_refusals_and_commits_are_counted(page, people):
    claire = await people("Claire")
    letter = await claire.invite()

    async def some():
        await claire.say(letter.conversation, "un")
        await claire.say(letter.conversation, "deux")
        with pytest.raises(Refused):
            await claire.ask("GET", f"/v1/conversations/{b64(b'x' * 32)}")

    grown = await growth(page, some())
    route = "/v1/conversations/{conversation}"
    assert grown[f'pli_requests_total{{method="POST",route="{route}/envelopes",status="201"}}'] == 2
    assert grown[f'pli_requests_total{{method="GET",route="{route}",status="404"}}'] == 1
    assert grown['pli_refusals_total{code="not_found"}'] == 1
    assert grown["pli_writes_total"] == 2
    assert 1 <= grown["pli_commits_total"] <= 2
    assert grown["pli_write_seconds_count"] == 2
    assert grown[f'pli_request_seconds_count{{route="{route}/envelopes"}}'] == 2


async def test_no_id_no_name_and_no_address_stands_in_it(page, people):
    claire = await people("Claire")
    letter = await claire.invite()
    jean = await people(letter)
    await jean.say(letter.conversation, "un")
    await jean.ask("GET", f"/v1/accounts/{b64(claire.id)}")
    async with claire.http.get(f"/v1/surprise/{b64(claire.id)}", headers={"X": "1"}) as answer:
        assert answer.status == 404
    await page.samples()
    for secret in (claire.id, jean.id, letter.conversation, letter.invitation.id, claire.own.holder.id):
        assert b64(secret) not in page.text
    for word in ("Claire", "127.0.0.1", claire.token):
        assert word not in page.text


async def test_an_open_socket_is_seen_and_seen_to_go(page, people):
    claire = await people("Claire")
    ticket = (await claire.ask("POST", "/v1/live/tickets"))["ticket"]
    async with claire.http.ws_connect(f"/v1/live?ticket={ticket}&after=0"):
        await becomes(page, "pli_live_connections", 1)
    await becomes(page, "pli_live_connections", 0)


async def test_a_waiting_feed_is_seen(page, people):
    claire = await people("Claire")
    waiting = asyncio.ensure_future(claire.feed(wait=20))
    await becomes(page, "pli_feeds_waiting", 1)
    waiting.cancel()


async def test_the_disk_is_told_and_nothing_is_left_waiting(page):
    told = await page.samples()
    assert told["pli_disk_free_bytes"] > 0
    assert told["pli_database_bytes"] > 0
    await becomes(page, "pli_writes_waiting", 0)


async def test_the_world_cannot_ask_for_it(page, server):
    async with aiohttp.ClientSession() as http, http.get(f"{server.url}/metrics") as answer:
        assert answer.status == 404


async def test_it_is_off_unless_asked_for_and_says_when_the_port_is_taken(server):
    async with scrape.open_to(SimpleNamespace(), Settings(data=server.data)):
        pass
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(data=server.data, metrics=taken.getsockname())
        with pytest.raises(CommandError) as refused:
            async with scrape.open_to(server.app, settings):
                pass
    assert refused.value.code == "cannot_listen"


@pytest.mark.parametrize("text", ["9420", "localhost", "localhost:many", "localhost:70000"])
def test_an_address_is_an_address_and_a_port(text):
    with pytest.raises(SettingsError):
        read({}, {"PLI_METRICS": text})
    assert read({}, {"PLI_METRICS": "[::1]:9420"}).metrics == ("::1", 9420)


def test_buckets_are_cumulative():
    histogram = metrics.Histogram("h_seconds", "text")
    for seconds in (0.0005, 0.3, 99):
        histogram.observe(seconds)
    lines = list(histogram.lines())
    assert 'h_seconds_bucket{le="0.001"} 1' in lines
    assert 'h_seconds_bucket{le="0.5"} 2' in lines
    assert 'h_seconds_bucket{le="+Inf"} 3' in lines
    assert "h_seconds_count 3" in lines
    assert f"h_seconds_sum {0.0005 + 0.3 + 99!r}" in lines
