"""Feeds: gapless, waited for, acknowledged; what is acknowledged is told as delivered."""

from __future__ import annotations

import asyncio
import time

import pytest

from crypto.codec import b64
from server.domain.ids import AccountId
from tests.fakes.peer import Peer, Refused
from tests.fakes.server import running


@pytest.fixture
async def pair(people):
    claire = await people("Claire Martin")
    letter = await claire.invite()
    jean = await people(letter)
    await claire.refresh(letter.conversation)
    return claire, jean, letter.conversation


async def test_a_feed_tells_everything_once_in_order(pair):
    claire, jean, conv = pair
    for n in range(7):
        await (claire if n % 2 else jean).say(conv, str(n))
    whole = await claire.feed(limit=500)
    assert [entry["position"] for entry in whole["events"]] == list(range(1, 11))
    assert whole["position"] == whole["last"] == 10
    assert [entry["event"] for entry in whole["events"]] == await claire.events(conv)
    pages, after = [], 0
    while page := (await claire.feed(after, limit=3))["events"]:
        pages += page
        after = page[-1]["position"]
    assert pages == whole["events"]


async def begun(server):
    """Wait until somebody waits for their feed."""
    async with asyncio.timeout(30):
        while not server.services.feed.waiting:
            await asyncio.sleep(0.01)


async def test_a_poll_waits_until_something_happens(pair, server):
    claire, jean, conv = pair
    last = (await jean.feed())["last"]
    waiting = asyncio.create_task(jean.feed(last, wait=25))
    await begun(server)
    assert not waiting.done()
    began = time.monotonic()
    said = await claire.say(conv, "enfin")
    told = await waiting
    assert told["events"][0]["event"]["id"] == said["id"]
    assert time.monotonic() - began < 15, "the message, not the end of the wait"


async def test_a_poll_goes_on_waiting_when_a_hint_is_of_something_old(pair, server):
    """The bus between nodes may tell late what the client has already read: that is no news, and no answer either."""
    claire, jean, conv = pair
    last = (await jean.feed())["last"]
    waiting = asyncio.create_task(jean.feed(last, wait=25))
    await begun(server)
    for _ in range(3):
        server.services.feed.on_grown(AccountId(jean.id), last)
        await jean.feed()  # a whole round trip on the same loop: time enough for a poll that would end
    assert not waiting.done()
    said = await claire.say(conv, "enfin")
    assert [entry["event"].get("id") for entry in (await waiting)["events"]] == [said["id"]]


async def test_a_poll_without_news_ends_empty(pair):
    _, jean, _ = pair
    last = (await jean.feed())["last"]
    assert await jean.feed(last, wait=1) == {"events": [], "position": last, "first": 1, "last": last}


async def test_what_is_acknowledged_is_delivered(pair):
    claire, jean, conv = pair
    said = await claire.say(conv, "Bonjour")
    await claire.say(conv, "encore")
    path = f"/v1/conversations/{b64(conv)}"

    async def delivered():
        return {each["account"]: each["seq"] for each in (await claire.ask("GET", path))["delivered"]}[b64(jean.id)]

    entries = (await jean.feed(limit=500))["events"]
    position = next(entry["position"] for entry in entries if entry["event"].get("id") == said["id"])
    await jean.ask("POST", "/v1/feed/ack", {"position": position})
    assert await delivered() == said["seq"]
    await jean.ask("POST", "/v1/feed/ack", {"position": 1})
    assert await delivered() == said["seq"], "a mark never goes back"
    await jean.ask("POST", "/v1/feed/ack", {"position": 10**12})
    assert await delivered() == said["seq"] + 1


async def test_the_letters_that_waited_for_a_claim_are_delivered_with_it(people):
    claire = await people("Claire Martin")
    letter = await claire.invite()
    waiting = await claire.say(letter.conversation, "sent before he had an account")
    jean = await people(letter)
    await jean.ask("POST", "/v1/feed/ack", {"position": (await jean.feed(limit=500))["last"]})
    seen = await claire.ask("GET", f"/v1/conversations/{b64(letter.conversation)}")
    assert {each["account"]: each["seq"] for each in seen["delivered"]}[b64(jean.id)] >= waiting["seq"]


@pytest.mark.parametrize("query", ["after=-1", "wait=26", "limit=501", "limit=0", "after=x", "y=1"])
async def test_a_query_is_read_strictly(pair, query):
    _, jean, _ = pair
    with pytest.raises(Refused) as caught:
        await jean.ask("GET", f"/v1/feed?{query}")
    assert caught.value.code == "bad_request"


async def test_a_server_that_stops_lets_nobody_wait(tmp_path):
    async with running(tmp_path / "data") as local:
        claire = await Peer.professional(local, "Claire Martin")
        waiting = asyncio.create_task(claire.feed(0, wait=25))
        await begun(local)
        began = time.monotonic()
    assert await waiting == {"events": [], "position": 0, "first": 1, "last": 0}
    assert time.monotonic() - began < 15
    await claire.close()
