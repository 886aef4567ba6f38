"""Traces: only where the operator says, what a receiver needs, and nothing that could be health data."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from crypto.codec import b64
from server import metrics, traces
from server.clock import SetClock
from server.traces import ATTRIBUTES, Tracer
from server.transport.rest.routes import OPERATIONS
from tests.fakes.peer import Peer
from tests.fakes.server import running

TEMPLATES = {operation.path for operation in OPERATIONS} | {"unknown"}


@dataclass
class Receiver:
    """What an OpenTelemetry collector would have got."""

    url: str = ""
    status: int = 200
    bodies: list[bytes] = field(default_factory=list)
    heads: list[dict] = field(default_factory=list)

    @property
    def spans(self) -> list[dict]:
        documents = [json.loads(body) for body in self.bodies]
        return [
            span for each in documents for scope in each["resourceSpans"][0]["scopeSpans"] for span in scope["spans"]
        ]


@asynccontextmanager
async def receiving():
    receiver = Receiver()

    async def take(request: web.Request) -> web.Response:
        receiver.heads.append(dict(request.headers))
        receiver.bodies.append(await request.read())
        return web.json_response({}, status=receiver.status)

    app = web.Application()
    app.router.add_post("/v1/traces", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    receiver.url = f"http://127.0.0.1:{site.port}"
    try:
        yield receiver
    finally:
        await runner.cleanup()


@pytest.fixture
async def receiver():
    async with receiving() as made:
        yield made


def said(span: dict) -> dict:
    return {each["key"]: next(iter(each["value"].values())) for each in span["attributes"]}


async def test_a_request_and_what_it_waited_for_are_told_and_nothing_of_anybody(tmp_path, receiver):
    async with running(tmp_path / "data", traces=receiver.url) as server:
        claire = await Peer.professional(server, "Claire Martin")
        letter = await claire.invite("Sujet secret", "Bonjour MARQUEUR")
        jean = await Peer.claim(server, letter, "Jean Dupont")
        await jean.say(letter.conversation, "Merci")
        outside = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "User-Agent": "MARQUEUR"}
        async with claire.http.get("/v1/MARQUEUR?MARQUEUR=1", headers=outside) as answer:
            assert answer.status == 404
        known = [b64(claire.id), b64(jean.id), b64(letter.conversation), claire.token, b64(letter.invitation.id)]
        for peer in (claire, jean):
            await peer.close()
    told = b"".join(receiver.bodies).decode()
    for word in (*known, "Claire", "Jean", "MARQUEUR", "127.0.0.1", "ab" * 16, "cd" * 8):
        assert word not in told
    spans = receiver.spans
    by_id = {span["spanId"]: span for span in spans}
    sent = next(span for span in spans if span["name"] == "POST /v1/conversations/{conversation}/envelopes")
    assert said(sent)["http.response.status_code"] == "201"
    below = [span for span in spans if span.get("parentSpanId") == sent["spanId"]]
    assert "commit" in {span["name"] for span in below}
    for span in below:
        assert span["traceId"] == sent["traceId"]
        assert int(sent["startTimeUnixNano"]) - 2_000_000 <= int(span["startTimeUnixNano"])
    for span in spans:
        assert set(said(span)) <= ATTRIBUTES
        assert said(span).get("http.route", "unknown") in TEMPLATES
        assert re.fullmatch(r"[0-9a-f]{32}", span["traceId"])
        assert re.fullmatch(r"[0-9a-f]{16}", span["spanId"])
        assert span.get("parentSpanId") is None or span["parentSpanId"] in by_id
        assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"])
    resource = json.loads(receiver.bodies[0])["resourceSpans"][0]["resource"]
    assert set(said(resource)) == {"service.name", "service.version", "service.instance.id"}
    assert receiver.heads[0]["Content-Type"] == "application/json"


async def test_nothing_is_traced_unless_it_is_wanted(tmp_path, receiver):
    async with running(tmp_path / "data") as server, aiohttp.ClientSession(server.url) as http:
        async with http.get("/v1/server"):
            pass
        assert not [each for each in asyncio.all_tasks() if "send_for_ever" in repr(each.get_coro())]
    assert receiver.bodies == []


async def test_one_request_of_so_many(tmp_path, receiver):
    async with running(tmp_path / "data", traces=receiver.url, traces_every=5) as server:
        http = aiohttp.ClientSession(server.url)
        for _ in range(23):
            await (await http.get("/v1/server")).read()
        await http.close()
    assert len([span for span in receiver.spans if span["kind"] == 2]) == 4


@pytest.mark.parametrize("fault", ["away", "refuses"])
async def test_a_receiver_that_fails_costs_nobody_anything(tmp_path, receiver, fault, monkeypatch):
    monkeypatch.setattr(traces, "PAUSE", 0.01)
    receiver.status = 503
    url = receiver.url if fault == "refuses" else "http://127.0.0.1:9"
    before = metrics.SPANS.values.get(("dropped",), 0)
    async with running(tmp_path / "data", traces=url) as server, aiohttp.ClientSession(server.url) as http:
        async with asyncio.timeout(30):
            while metrics.SPANS.values.get(("dropped",), 0) < before + 5:
                async with http.get("/readyz") as answer:
                    assert answer.status == 200


async def test_what_waits_is_bounded(monkeypatch):
    monkeypatch.setattr(traces, "ROOM", 10)
    tracer = Tracer("http://127.0.0.1:9", SetClock())
    before = metrics.SPANS.values.get(("dropped",), 0)
    for _ in range(25):
        with tracer.request():
            pass
    assert len(tracer._waiting) == 10
    assert metrics.SPANS.values[("dropped",)] == before + 15


async def test_an_attribute_that_is_not_listed_does_not_exist():
    tracer = Tracer("http://127.0.0.1:9", SetClock())
    with tracer.request() as span:
        span.tell(http__route="/v1/server", account="secret", url__path="/v1/secret")
    assert span.attributes == {"http.route": "/v1/server"}
    with pytest.raises(ValueError, match="secret"), tracer.request() as failed:
        raise ValueError("secret")
    assert failed.attributes == {"error.type": "ValueError"}
