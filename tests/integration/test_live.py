"""Live sockets: pushed in order, bounded by what is acknowledged, caught up over HTTP, closed with the session."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
import struct

import aiohttp
import pytest
import socketio

from crypto.codec import b64
from server.app import GATEWAY
from server.transport.live.frames import Framing, frame
from server.transport.live.line import Line
from tests.fakes.peer import Peer, Refused

PATIENCE = 30  # seconds


class Lean:
    """A client of the lean socket."""

    def __init__(self, peer, ws):
        self.peer, self.ws = peer, ws

    async def next(self, *kinds):
        """Return the next frame of one of these kinds (any, if none is said)."""
        async with asyncio.timeout(PATIENCE):
            while True:
                told = await self.ws.receive_json()
                if not kinds or told["t"] in kinds:
                    return told

    async def silent(self, seconds=0.3):
        """Tell whether nothing comes for a while."""
        try:
            async with asyncio.timeout(seconds):
                await self.ws.receive()
        except TimeoutError:
            return True
        return False

    async def ack(self, position):
        await self.ws.send_json({"t": "ack", "position": position})


async def ticket(peer):
    return (await peer.ask("POST", "/v1/live/tickets"))["ticket"]


@contextlib.asynccontextmanager
async def lean(peer, after=0, **headers):
    query = {"ticket": await ticket(peer), "after": str(after)}
    async with peer.http.ws_connect("/v1/live", params=query, headers=headers, max_msg_size=0) as ws:
        yield Lean(peer, ws)


@contextlib.asynccontextmanager
async def socket_io(peer, after=0):
    client = socketio.AsyncClient(reconnection=False)
    told: asyncio.Queue = asyncio.Queue()
    client.on("*", lambda event, data: told.put_nowait((event, data)))
    auth = {"ticket": await ticket(peer), "after": after}
    await client.connect(peer.url, auth=auth, transports=["websocket"], socketio_path="/v1/socket.io")
    try:
        yield client, told
    finally:
        await client.disconnect()


@pytest.fixture
async def pair(people):
    """A doctor and a patient in one conversation."""
    claire = await people("Claire Martin")
    letter = await claire.invite()
    jean = await people(letter)
    await claire.refresh(letter.conversation)
    return claire, jean, letter.conversation


async def position(peer: Peer) -> int:
    return (await peer.feed())["last"]


async def test_a_message_is_pushed_with_position_and_content(pair):
    claire, jean, conversation = pair
    async with lean(jean, after=await position(jean)) as line:
        said = await claire.say(conversation, "Bonjour")
        told = await line.next()
        fetched = (await jean.feed(after=told["position"] - 1))["events"][0]
    assert told["t"] == "event"
    assert {key: told[key] for key in ("position", "conversation", "event")} == fetched
    assert told["event"]["id"] == said["id"]


async def test_what_was_missed_is_told_first(pair):
    claire, jean, conversation = pair
    before = await position(jean)
    said = [await claire.say(conversation, str(n)) for n in range(5)]
    async with lean(jean, after=before) as line:
        told = [await line.next() for _ in range(5)]
    assert [each["event"]["id"] for each in told] == [each["id"] for each in said]
    assert [each["position"] for each in told] == list(range(before + 1, before + 6))


async def test_past_the_window_only_one_behind_is_told(pair):
    claire, jean, conversation = pair
    before = await position(jean)
    async with lean(jean, after=before) as line:
        for n in range(40):
            await claire.say(conversation, str(n))
        told = [await line.next() for _ in range(32)]
        assert [each["t"] for each in told] == ["event"] * 32
        behind = await line.next()
        assert behind["t"] == "behind"
        assert await line.silent()
        await position(jean)
        await line.ack(behind["last"] - 1)
        assert await line.silent(), "an acknowledgement that does not reach what was told resumes nothing"


async def test_an_acknowledgement_resumes_where_the_client_is(pair):
    claire, jean, conversation = pair
    before = await position(jean)
    async with lean(jean, after=before) as line:
        for n in range(40):
            await claire.say(conversation, str(n))
        behind = None
        while behind is None:
            told = await line.next()
            behind = told if told["t"] == "behind" else None
        await line.ack(behind["last"])
        rest = [await line.next() for _ in range(before + 40 - behind["last"])]
        assert [each["position"] for each in rest] == list(range(behind["last"] + 1, before + 41))
        said = await claire.say(conversation, "weiter")
        assert (await line.next())["event"]["id"] == said["id"]


async def test_far_behind_at_connect_is_told_by_one_mark(pair):
    claire, jean, conversation = pair
    for n in range(40):
        await claire.say(conversation, str(n))
    async with lean(jean, after=0) as line:
        told = [await line.next() for _ in range(33)]
    assert [each["t"] for each in told] == ["event"] * 32 + ["behind"]
    assert told[-1]["last"] == await position(jean)


async def test_both_devices_are_told(pair):
    claire, jean, conversation = pair
    async with lean(jean, after=await position(jean)) as phone, lean(jean, after=await position(jean)) as tablet:
        said = await claire.say(conversation, "Bonjour")
        assert (await phone.next())["event"]["id"] == said["id"]
        assert (await tablet.next())["event"]["id"] == said["id"]


async def test_send_over_the_socket_is_the_same_command(pair):
    _claire, jean, conversation = pair
    submission = jean.words(conversation, "par la prise")
    frame = {"t": "send", "ref": 7, "conversation": b64(conversation), "submission": submission}
    async with lean(jean, after=await position(jean)) as line:
        await line.ws.send_json(frame)
        sent = await line.next("sent")
        await line.ws.send_json({**frame, "ref": 8})
        again = await line.next("sent")
        by_http = await jean.hand_in(conversation, submission)
    assert sent["ref"] == 7
    assert {k: v for k, v in sent.items() if k not in {"t", "ref"}} == by_http
    assert (again["ref"], again["id"], again["seq"]) == (8, sent["id"], sent["seq"])


async def test_a_refusal_over_the_socket_is_the_same_problem(pair):
    claire, jean, conversation = pair
    await claire.end(conversation)
    submission = jean.words(conversation, "trop tard")
    with pytest.raises(Refused) as refused:
        await jean.hand_in(conversation, submission)
    async with lean(jean, after=await position(jean)) as line:
        await line.ws.send_json({"t": "send", "ref": 1, "conversation": b64(conversation), "submission": submission})
        told = await line.next("refused")
    assert told == {"t": "refused", "ref": 1, "problem": refused.value.problem}
    assert refused.value.code == "reply_not_allowed"


async def test_delivery_is_told_to_the_author(pair):
    claire, jean, conversation = pair
    async with lean(claire, after=await position(claire)) as author, lean(jean, after=await position(jean)) as reader:
        said = await claire.say(conversation, "Bonjour")
        told = await reader.next("event")
        await reader.ack(told["position"])
        mark = await author.next("mark")
    assert mark == {"t": "mark", "conversation": b64(conversation), "account": b64(jean.id), "delivered": said["seq"]}
    shown = await claire.ask("GET", f"/v1/conversations/{b64(conversation)}")
    assert {"account": b64(jean.id), "seq": said["seq"]} in shown["delivered"]


async def test_a_ticket_opens_one_socket(pair):
    _, jean, _ = pair
    once = await ticket(jean)
    async with jean.http.ws_connect("/v1/live", params={"ticket": once}):
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await jean.http.ws_connect("/v1/live", params={"ticket": once})
    assert refused.value.status == 401


async def test_another_site_cannot_open_a_socket(pair):
    _, jean, _ = pair
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        async with lean(jean, Origin="https://evil.example"):
            pass
    assert refused.value.status in {401, 403}
    async with lean(jean, Origin=jean.url):
        pass


async def test_ending_a_session_closes_its_socket(pair):
    _, jean, _ = pair
    async with lean(jean, after=await position(jean)) as line:
        await jean.ask("DELETE", "/v1/sessions/current")
        assert await line.next() == {"t": "ended", "code": "unauthenticated"}
        assert (await line.ws.receive()).type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}


@pytest.mark.parametrize(
    "frame", ['{"t":"ack"}', '{"t":"ack","position":-1}', '{"t":"dance"}', "[", '{"t":"ack","position":1,"x":1}']
)
async def test_other_words_close_the_socket(pair, frame):
    _, jean, _ = pair
    async with lean(jean, after=await position(jean)) as line:
        await line.ws.send_str(frame)
        assert (await line.ws.receive()).type is aiohttp.WSMsgType.CLOSE


async def test_socket_io_tells_the_same(pair):
    claire, jean, conversation = pair
    before = await position(jean)
    missed = await claire.say(conversation, "avant")
    async with socket_io(jean, after=before) as (client, told):
        async with asyncio.timeout(PATIENCE):
            event, first = await told.get()
            said = await claire.say(conversation, "après")
            _, second = await told.get()
        await client.emit("ack", {"position": second["position"]})
        fetched = (await jean.feed(after=before))["events"]
        deadline = asyncio.get_running_loop().time() + PATIENCE
        path = f"/v1/conversations/{b64(conversation)}"
        while {"account": b64(jean.id), "seq": said["seq"]} not in (await claire.ask("GET", path))["delivered"]:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.05)
    assert event == "event"
    assert [first, second] == fetched
    assert first["event"]["id"] == missed["id"]


async def test_socket_io_refuses_a_used_ticket_by_its_code(pair):
    _, jean, _ = pair
    once = await ticket(jean)
    refusals = []
    for _ in range(2):
        client = socketio.AsyncClient(reconnection=False)
        client.on("connect_error", refusals.append)
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await client.connect(
                jean.url, auth={"ticket": once, "after": 0}, transports=["websocket"], socketio_path="/v1/socket.io"
            )
        await client.disconnect()
    assert refusals == [{"message": "unauthenticated", "data": {"code": "unauthenticated"}}]


@pytest.mark.parametrize("said", [("ack", {"position": "1"}), ("dance", {}), ("ack", b"binary")])
async def test_socket_io_closes_on_other_words(pair, said):
    _, jean, _ = pair
    async with socket_io(jean, after=await position(jean)) as (client, _told):
        gone = asyncio.Event()
        client.on("disconnect", lambda *_: gone.set())
        await client.emit(*said)
        async with asyncio.timeout(PATIENCE):
            await gone.wait()


async def raw_line(server, peer, room=65_536):
    """Open the lean socket on a connection whose reading is up to the test; ``room`` bytes may wait in the kernel."""
    stuck = socket.create_connection(server.url.removeprefix("http://").split(":"), timeout=PATIENCE)
    stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
    key = base64.b64encode(os.urandom(16)).decode()
    path = f"/v1/live?ticket={await ticket(peer)}&after={await position(peer)}"
    lines = [
        f"GET {path} HTTP/1.1",
        "Host: x",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
    ]
    await asyncio.to_thread(stuck.sendall, "\r\n".join([*lines, f"Sec-WebSocket-Key: {key}", "", ""]).encode())
    await asyncio.to_thread(stuck.recv, 1024)
    (line,) = server.app[GATEWAY]._lines[peer.id]
    return stuck, line._transport


def masked(text):
    """A text frame of a client, whose mask changes nothing."""
    assert len(text) < 126
    return b"\x81" + struct.pack(">B", 0x80 | len(text)) + b"\0\0\0\0" + text


async def test_a_reader_that_stops_reading_stays_bounded(server, pair):
    """Thousands of large events for a peer whose window is full of unread bytes: what waits for it stays small."""
    claire, jean, conversation = pair
    stuck, transport = await raw_line(server, jean, room=4096)
    for _ in range(60):
        await claire.say(conversation, "x" * 60_000)
        # It acknowledges what it never read, so only the bytes that wait can stop the server.
        await asyncio.to_thread(stuck.sendall, masked(b'{"t":"ack","position":%d}' % await position(jean)))
    waiting = transport.get_write_buffer_size()
    stuck.close()
    assert 100_000 < waiting < 1_000_000


async def test_a_client_that_asks_and_does_not_read_is_answered_when_it_does(server, pair):
    """Ten thousand commands whose answers nobody reads: what waits stays small, and every answer comes in the end."""
    _, jean, _ = pair
    stuck, transport = await raw_line(server, jean)
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536
    )  # else the kernel's grows
    count, told, most = 10_000, b"", 0
    asked = masked(b'{"t":"send","ref":1,"conversation":"AAAA","submission":{"envelope":"","kind":"message"}}')
    asking = asyncio.create_task(asyncio.to_thread(stuck.sendall, asked * count))
    async with asyncio.timeout(PATIENCE):
        while not (most and most == transport.get_write_buffer_size()):  # until nothing moves any more
            most = transport.get_write_buffer_size()
            await asyncio.sleep(0.1)
        while told.count(b'"t":"refused"') < count:
            told += await asyncio.to_thread(stuck.recv, 1 << 20)
            most = max(most, transport.get_write_buffer_size())
        await asking
    stuck.close()
    assert 100_000 < most < 1_000_000


async def test_a_silent_peer_is_pinged_and_given_up_when_it_stays_silent(server, pair, monkeypatch):
    _, jean, _ = pair
    monkeypatch.setattr("server.transport.live.lean.SILENCE", 0.5)
    stuck, transport = await raw_line(server, jean)
    heard = b""
    async with asyncio.timeout(PATIENCE):
        while data := await asyncio.to_thread(stuck.recv, 1024):
            heard += data
    stuck.close()
    assert heard.endswith(b"\x89\x00"), "a ping, and then the end"
    assert transport.is_closing()


async def test_an_answer_is_written_with_what_follows_it_and_alone_when_nothing_does():
    class Wire:
        closing, written = False, []

        def write(self, data):
            self.written.append(data)

        def is_closing(self):
            return self.closing

    wire = Wire()
    line = Line(None, wire, Framing.LEAN, None, 0)
    line.answer("sent", b'"ref":1')
    line.say("event", b'"position":1')
    assert wire.written == [frame(b'{"t":"sent","ref":1}') + frame(b'{"t":"event","position":1}')]
    await asyncio.sleep(0)
    line.answer("sent", b'"ref":2')
    line.answer("refused", b'"ref":3')
    assert len(wire.written) == 1
    await asyncio.sleep(0)
    assert wire.written[1:] == [frame(b'{"t":"sent","ref":2}') + frame(b'{"t":"refused","ref":3}')]
    line.answer("sent", b'"ref":4')
    wire.closing = True
    await asyncio.sleep(0)
    assert len(wire.written) == 2
