"""Nobody takes more than a share: envelopes a minute, live sockets."""

from __future__ import annotations

import asyncio
import contextlib

import aiohttp
import pytest
import socketio

from crypto import conversation
from crypto.codec import b64
from server.app import GATEWAY
from server.clock import SetClock
from server.domain.errors import TooManyTriesError
from server.services import pace
from server.services.pace import Pace
from server.transport.live.doors import Doors
from tests.fakes.peer import Peer, Refused, now
from tests.fakes.server import running


@pytest.fixture
async def strict(tmp_path):
    """A server with little patience."""
    async with running(tmp_path / "data", account_pace=5, conversation_pace=3, sockets=3, sockets_each=2) as local:
        yield local


async def test_an_account_that_writes_without_pause_is_told_to_wait(strict):
    claire = await Peer.professional(strict, "Claire")
    first, second = [(await claire.invite()).conversation for _ in range(2)]
    accepted, refused = 0, []
    for at in (first, first, first, first, second, second, second):
        try:
            await claire.say(at, "encore")
            accepted += 1
        except Refused as exc:
            refused.append((exc.status, exc.code, 0 < exc.problem["retry_after"] <= 60))
    assert set(refused) == {(429, "too_many_tries", True)}
    assert accepted < 5
    ticket = (await claire.ask("POST", "/v1/live/tickets"))["ticket"]
    async with claire.http.ws_connect(f"/v1/live?ticket={ticket}&after=99") as ws:
        words = {"t": "send", "ref": 1, "conversation": b64(first), "submission": claire.words(first, "encore")}
        await ws.send_json(words)
        while (told := await ws.receive_json())["t"] != "refused":
            assert told["t"] != "sent"
        assert (told["problem"]["code"], 0 < told["problem"]["retry_after"] <= 60) == ("too_many_tries", True)
    await claire.close()


def test_what_one_uses_up_is_not_missing_to_others():
    clock = SetClock()
    kept = Pace.of(clock, account=60, conversation=2)
    for _ in range(2):
        kept.keep(b"a", b"c")
    with pytest.raises(TooManyTriesError) as refused:
        kept.keep(b"a", b"c")
    assert refused.value.retry_after == 30
    kept.keep(b"a", b"d")
    kept.keep(b"b", b"c")
    clock.advance(30)
    kept.keep(b"a", b"c")


def test_an_account_has_one_pace_in_all_its_conversations():
    kept = Pace.of(SetClock(), account=3, conversation=2)
    for at in (b"1", b"2", b"3"):
        kept.keep(b"a", at)
    with pytest.raises(TooManyTriesError):
        kept.keep(b"a", b"4")


async def test_an_owner_begins_no_epochs_without_end(tmp_path, monkeypatch):
    """Every member would have to fetch, check and keep them; a repeat and what is refused cost nobody a place."""
    monkeypatch.setattr(pace, "EPOCHS", 2)
    async with running(tmp_path / "data") as local:
        claire = await Peer.professional(local, "Claire")
        at, other = [(await claire.invite()).conversation for _ in range(2)]
        path = f"/v1/conversations/{b64(at)}/epochs"
        stale = conversation.rotate(claire.own, await claire.refresh(at), at=now() - 1)
        first, second = [await _rotate(claire, at) for _ in range(2)]
        for _ in range(3):
            assert await claire.ask("POST", path, first) == {"epoch": 2, "seq": 3}
            with pytest.raises(Refused, match="stale_epoch"):
                await claire.ask("POST", path, claire.start_body(stale))
        with pytest.raises(Refused) as refused:
            await _rotate(claire, at)
        assert (refused.value.status, refused.value.code) == (429, "too_many_tries")
        assert 0 < refused.value.problem["retry_after"] <= 1800
        assert await claire.ask("POST", path, second) == {"epoch": 3, "seq": 4}
        assert await _rotate(claire, other)
        await claire.close()


async def _rotate(peer, at):
    """Begin an epoch; return what was handed in."""
    new = conversation.rotate(peer.own, await peer.refresh(at), at=now())
    await peer.change(at, new)
    return peer.start_body(new)


async def test_sockets_are_counted_and_a_place_is_free_again(strict):
    claire = await Peer.professional(strict, "Claire")

    async def knock():
        ticket = (await claire.ask("POST", "/v1/live/tickets"))["ticket"]
        return await claire.http.ws_connect(f"/v1/live?ticket={ticket}&after=0")

    inside = [await knock(), await knock()]
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await knock()
    assert (refused.value.status, refused.value.headers["Retry-After"]) == (429, "10")
    await inside[0].close()
    deadline = asyncio.get_running_loop().time() + 30
    while True:
        try:
            inside[0] = await knock()
            break
        except aiohttp.WSServerHandshakeError:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)
    for socket in inside:
        await socket.close()
    await claire.close()


def test_the_house_is_full_for_everybody():
    doors = Doors(total=2, each=2)
    with doors.entered("a"), doors.entered("b"), pytest.raises(TooManyTriesError):
        doors.enter("c")
    doors.enter("c")
    doors.leave("c")
    assert not doors._inside


async def test_both_kinds_of_sockets_share_the_places_and_give_them_back(strict):
    claire = await Peer.professional(strict, "Claire")

    async def knock():
        ticket = (await claire.ask("POST", "/v1/live/tickets"))["ticket"]
        client = socketio.AsyncClient(reconnection=False)
        told = []
        client.on("connect_error", told.append)
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await client.connect(
                claire.url, auth={"ticket": ticket}, transports=["websocket"], socketio_path="/v1/socket.io"
            )
        return client, told

    inside = [(await knock())[0] for _ in range(2)]
    ticket = (await claire.ask("POST", "/v1/live/tickets"))["ticket"]
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await claire.http.ws_connect(f"/v1/live?ticket={ticket}&after=0")
    refused, told = await knock()
    assert (refused.connected, told[0]["message"]) == (False, "too_many_tries")
    assert told[0]["data"] == {"code": "too_many_tries", "retry_after": 10}
    for client in inside:
        await client.disconnect()
    doors, deadline = strict.app[GATEWAY].doors, asyncio.get_running_loop().time() + 30
    while doors._inside:
        assert asyncio.get_running_loop().time() < deadline, "a place was never given back"
        await asyncio.sleep(0.02)
    await claire.close()
