"""HTTP as only an attacker writes it: the server reads one request where we meant one, or none, and stays up."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import zlib

import pytest

from server import telemetry
from server.transport.rest import json as json_bodies
from tests.hostile.scene import Scene
from tests.hostile.wire import connected, statuses

pytestmark = pytest.mark.asyncio(loop_scope="module")

POST = b"POST /v1/sessions/challenges HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
HIDDEN = b"GET /v1/hidden HTTP/1.1\r\nHost: x\r\n\r\n"
"""The request that must not be seen. It would be a second answer: 404."""

AMBIGUOUS = {
    "length and chunks": POST
    + b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(HIDDEN))
    + HIDDEN,
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
    "two lengths": POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "two lengths in one": POST + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
    "length with a sign": POST + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "length in hexadecimal": POST + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "length with an underscore": POST + b"Content-Length: 0_0\r\n\r\n" + HIDDEN,
    "two hosts": b"GET /v1/server HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + HIDDEN,
    "a folded header": b"GET /v1/server HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\n\r\n" + HIDDEN,
    "folded chunks": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a space before the colon": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks twice": POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "another coding last": POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks, almost": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "chunks after a tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
    "a size of a chunk with a sign": POST + b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n" + HIDDEN,
    "a size of a chunk with a prefix": POST + b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" + HIDDEN,
    "a size of a chunk that overflows": POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" + HIDDEN,
    "a chunk longer than its size": POST + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n" + HIDDEN,
    "line feeds alone": b"GET /v1/server HTTP/1.1\nHost: x\n\n" + HIDDEN,
    "a bare line feed in a header": b"GET /v1/server HTTP/1.1\r\nHost: x\r\nX-A: b\nX-B: c\r\n\r\n" + HIDDEN,
    "a bare carriage return": b"GET /v1/server HTTP/1.1\r\nHost: x\rX-B: c\r\n\r\n" + HIDDEN,
    "a NUL in a header": b"GET /v1/server HTTP/1.1\r\nHost: x\r\nX-A: b\0c\r\n\r\n" + HIDDEN,
    "no name": b"GET /v1/server HTTP/1.1\r\nHost: x\r\n: c\r\n\r\n" + HIDDEN,
    "another protocol": b"GET /v1/server HTTP/1.1 x\r\nHost: x\r\n\r\n" + HIDDEN,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
}


@pytest.mark.parametrize("what", AMBIGUOUS)
async def test_a_request_with_two_readings_has_none(practice: Scene, what: str):
    async with connected(practice) as wire:
        await wire.send(AMBIGUOUS[what])
        answers = statuses(await wire.rest(4))
    assert answers in ([400], []), what
    assert (await practice.ask("GET", "/readyz")).status == 200


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (POST + b"Content-Length: 0\r\n\r\n" + HIDDEN, [400, 404]),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n0;name=value\r\n\r\n" + HIDDEN, [400, 404]),
        (POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + HIDDEN, [400, 404]),
        (b"GET /v1/server HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN, [200]),
        (b"GET /v1/server HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\n\r\n", [417]),
        (b"GET /v1/server HTTP/1.1\r\nHost: x\r\nExpect: \xff\r\n\r\n", [417]),
        (b"GET /v1/hidden HTTP/1.1\r\nHost: x\r\nExpect: \xff\r\n\r\n", [417]),
        (b"GET /v1/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer \xff\r\n\r\n", [401]),
        (b"GET /v1/me HTTP/1.1\r\nHost: x\r\nX-Pli: 1\r\nCookie: pli_session=\xff\r\n\r\n", [401]),
    ],
)
async def test_a_request_with_one_reading_has_that(practice: Scene, sent: bytes, expected: list[int]):
    async with connected(practice) as wire:
        await wire.send(sent)
        assert statuses(await wire.rest(1.5)) == expected


UNREADABLE = [b"HELLO\r\n\r\n", b"GET /v1/server HTTP/9.9 x\r\n\r\n", AMBIGUOUS["two lengths"], AMBIGUOUS["TLS"]]
UNREADABLE += [b"GET /<script> HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\n\r\n", POST + b"Content-Length: secret\r\n\r\n"]


@pytest.mark.parametrize("sent", UNREADABLE)
async def test_what_is_no_http_is_refused_in_our_own_words(practice: Scene, sent: bytes):
    """A problem document with a code; no name of a library, nothing of what was sent."""
    async with connected(practice) as wire:
        await wire.send(sent)
        head, _, body = (await wire.rest(4)).partition(b"\r\n\r\n")
    assert statuses(head + b"\r\n\r\n")[0] in {400, 417}
    assert b"content-type: application/problem+json" in head.lower()
    told = json.loads(body)
    assert (told["code"], told["detail"]) == ("bad_request", "")
    assert told["status"] == statuses(head + b"\r\n\r\n")[0]
    for word in (b"aiohttp", b"python", b"secret", b"script", b"hello", b"content-length:  "):
        assert word not in (head + body).lower()


async def test_what_strangers_send_needs_nobodys_hand(practice: Scene, monkeypatch: pytest.MonkeyPatch, caplog):
    """A scan of the port must not look like a failure of the server to whoever watches the log."""
    lines: list[str] = []
    monkeypatch.setattr(telemetry._sink, "write", lines.append)
    for sent in UNREADABLE:
        async with connected(practice) as wire:
            await wire.send(sent)
            await wire.rest(4)
    said = [json.loads(line) for line in lines]
    assert {(each["level"], each["event"]) for each in said} == {("info", "unreadable")}
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_the_old_protocol_with_chunks_is_answered_and_ended(practice: Scene):
    """RFC 9112, 6.1: whoever speaks HTTP/1.0 in front of us may have passed on another end of the body."""
    async with connected(practice) as wire:
        old = POST.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n"
        await wire.send(old + b"2\r\n{}\r\n0\r\n\r\n" + HIDDEN)
        assert statuses(await wire.rest(4)) == [400]
        assert wire.reader.at_eof()


UPGRADES = {
    "no key": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n",
    "another version": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 6\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "another protocol": "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    "no connection": "Upgrade: websocket\r\nConnection: keep-alive\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "a key that is no text": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \udcff\r\n",
    "a version that is no text": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: \udcff\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
    "with a body": "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nContent-Length: 5\r\n",
}


@pytest.mark.parametrize("what", UPGRADES)
@pytest.mark.parametrize(
    "path", ["/v1/live?ticket={ticket}", "/v1/server", "/v1/socket.io/?EIO=4&transport=websocket", "/v1/hidden"]
)
async def test_an_upgrade_that_is_refused_opens_no_tunnel(practice: Scene, path: str, what: str):
    """What follows is not handed through as if a socket were open: no answer to it is a second door to the interface."""
    ticket = (await practice.call("issueLiveTicket", who="jean")).problem["ticket"]
    async with connected(practice) as wire:
        head = f"GET {path.format(ticket=ticket)} HTTP/1.1\r\nHost: x\r\n{UPGRADES[what]}\r\n"
        await wire.send(head.encode(errors="surrogateescape") + HIDDEN)
        answers = statuses(await wire.rest(1.5))
    if path.startswith(("/v1/live", "/v1/socket.io")) and what == "with a body":
        assert answers[0] in {101, 400}
    else:
        assert 101 not in answers
    assert all(status < 500 for status in answers)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /v1/" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"G" * 20_000 + b" / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /v1/server HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /v1/server HTTP/1.1\r\nHost: x\r\n" + b"a" * 20_000 + b": x\r\n\r\n",
        b"GET /v1/server HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(100_000)) + b"\r\n",
    ],
    ids=["line", "method", "value", "name", "many"],
)
async def test_headers_have_a_size(practice: Scene, head: bytes):
    async with connected(practice) as wire:
        try:
            await wire.send(head)
        except ConnectionError:
            return
        assert set(statuses(await wire.rest(4))) <= {400, 414, 431}
    assert (await practice.ask("GET", "/readyz")).status == 200


async def test_a_pipeline_without_end_is_read_as_fast_as_it_is_answered(practice: Scene):
    """Ten thousand requests, no answer taken: the server stops reading, and goes on for others."""
    async with connected(practice) as wire:
        wire.writer.transport.set_write_buffer_limits(high=1)
        request = b"GET /v1/server HTTP/1.1\r\nHost: x\r\n\r\n"
        wire.reader._transport.pause_reading()
        try:
            async with asyncio.timeout(3):
                for _ in range(200):
                    await wire.send(request * 500)
        except (TimeoutError, ConnectionError):
            pass
        assert (await practice.ask("GET", "/v1/server")).status == 200
        wire.writer.transport.abort()


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x"])
async def test_a_packed_body_is_never_unpacked(practice: Scene, coding: str, monkeypatch: pytest.MonkeyPatch):
    """A bomb of 100 MB in 100 kB, to an open operation and to one that asks for a session first."""

    def never(*_: object, **__: object) -> bytes:
        raise AssertionError("something was unpacked")

    bomb = zlib.compress(bytes(100_000_000)) if coding == "deflate" else gzip.compress(bytes(100_000_000))
    monkeypatch.setattr("aiohttp.compression_utils.ZLibDecompressor.decompress_sync", never)
    for name, refusal in (("askChallenge", 415), ("submitEnvelope", 415), ("appendUpload", 415)):
        headers = {"Content-Encoding": coding, "Content-Type": "application/json"}
        answer = await practice.call(name, who="", headers=headers, data=bomb, skip_auto_headers=["Accept-Encoding"])
        assert answer.status == refusal


async def test_a_body_that_drips_is_let_go_and_others_are_served(practice: Scene, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(json_bodies, "PATIENCE", 0.3)
    async with connected(practice) as wire:
        await wire.send(POST + b"Content-Length: 1000\r\n\r\n{")
        assert (await practice.ask("GET", "/v1/server")).status == 200
        assert statuses(await wire.rest(4)) == [400]


@pytest.mark.parametrize("junk", [b"", b"\r\n" * 1000, b"\0" * 1000, b"GET", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "])
async def test_what_is_no_request_costs_nobody_anything(practice: Scene, junk: bytes):
    async with connected(practice) as wire:
        await wire.send(junk)
        wire.writer.write_eof()
        assert await wire.closed(5)
    assert (await practice.ask("GET", "/readyz")).status == 200
