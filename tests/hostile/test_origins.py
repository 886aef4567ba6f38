"""Other sites' pages, with the browser's cookie in hand: they can change nothing, read nothing, open no socket."""

from __future__ import annotations

import json

import aiohttp
import pytest

from server.transport.rest.operations import Role
from server.transport.rest.routes import OPERATIONS
from tests.hostile.scene import BY_NAME, Scene, check_refusal, scene
from tests.hostile.wire import connected, statuses, upgraded

pytestmark = pytest.mark.asyncio(loop_scope="module")

COOKIED = [operation.name for operation in OPERATIONS if operation.role is not Role.ANYONE]
EVERY = [operation.name for operation in OPERATIONS]
FOREIGN = (
    "https://evil.example",
    "null",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "http://x.127.0.0.1:{port}",
    "http://127.0.0.1:{port}.evil.example",
    "http://user@127.0.0.1:{port}",
    "file://",
    "",
    "http://[",
    "http://[::1",
    "https://a]b",
    "ftp://127.0.0.1:{port}",
)
"""Not all can be read as an address; that is no reason to fail."""


def foreign(practice: Scene) -> list[str]:
    port = practice.server.url.rsplit(":", 1)[1]
    return [origin.format(port=port) for origin in FOREIGN]


@pytest.mark.parametrize("name", COOKIED)
@pytest.mark.parametrize("said", [None, "0", "", "1, 1", "true"])
async def test_a_cookie_alone_is_not_a_session(practice: Scene, name: str, said: str | None):
    before = practice.fingerprint()
    headers = {"Cookie": f"pli_session={practice.tokens['claire']}", "Origin": "https://evil.example"}
    headers |= {} if said is None else {"X-Pli": said}
    body = await practice.right(name) if BY_NAME[name].request is not None else None
    answer = await practice.call(name, who="", headers=headers, json=body)
    assert answer.status == 403
    check_refusal(name, answer)
    if BY_NAME[name].method != "HEAD":
        assert answer.problem["code"] == "csrf"
    assert practice.fingerprint() == before


CHANGES = [name for name in COOKIED if BY_NAME[name].method not in {"GET", "HEAD"}]


@pytest.mark.parametrize("name", CHANGES)
async def test_the_cookie_changes_nothing_for_another_origin(practice: Scene, name: str):
    """Even with the header, which another site could only send if a proxy in front allowed it."""
    before = practice.fingerprint()
    body = await practice.right(name) if BY_NAME[name].request is not None else None
    for origin in foreign(practice):
        headers = {"Cookie": f"pli_session={practice.tokens['claire']}", "X-Pli": "1", "Origin": origin}
        answer = await practice.call(name, who="", headers=headers, json=body)
        assert (answer.status, answer.problem["code"]) == (403, "csrf"), origin
    assert practice.fingerprint() == before


async def test_a_page_of_our_own_name_without_tls_is_not_ours(tmp_path):
    """Whoever holds the line writes such a page; the proxy passes the same Host for both."""
    async with scene(tmp_path, public_url="https://care.example") as practice:
        for origin, status in (("http://care.example", 403), ("https://care.example", 204)):
            headers = {"Cookie": f"pli_session={practice.tokens['claire']}", "X-Pli": "1"}
            headers |= {"Origin": origin, "Host": "care.example"}
            answer = await practice.call("acknowledgeFeed", who="", headers=headers, json={"position": 1})
            assert answer.status == status, origin


async def test_the_cookie_counts_for_our_own_pages_and_a_bearer_for_programs(practice: Scene):
    cookie = {"Cookie": f"pli_session={practice.tokens['claire']}", "X-Pli": "1"}
    for headers in (cookie, cookie | {"Origin": practice.server.url}):
        assert (await practice.call("acknowledgeFeed", who="", headers=headers, json={"position": 1})).status == 204
    headers = {"Origin": "https://software.example"}
    assert (await practice.call("acknowledgeFeed", headers=headers, json={"position": 1})).status == 204


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"])
async def test_what_a_form_of_another_site_can_send_is_not_read(practice: Scene, kind: str):
    for name in EVERY:
        if BY_NAME[name].method == "POST" and BY_NAME[name].request is not None:
            answer = await practice.call(name, headers={"Content-Type": kind}, data=b"{}")
            assert (answer.status, answer.problem["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("name", EVERY)
async def test_no_other_origin_is_told_that_it_may(practice: Scene, name: str):
    """Neither by the answer nor by a preflight; and nothing redirects."""
    operation = BY_NAME[name]
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": operation.method}
    asked |= {"Access-Control-Request-Headers": "x-pli, authorization"}
    preflight = await practice.ask("OPTIONS", practice.path(operation), headers=asked)
    unknown = dict.fromkeys(practice.ids(), "A")
    answer = await practice.call(name, who="", ids=unknown, headers={"Origin": "https://evil.example"})
    for each in (preflight, answer):
        assert not [header for header in each.headers if header.lower().startswith("access-control-")]
        assert not 300 <= each.status < 400
    assert preflight.status == (204 if operation.path == "/v1/uploads" else 405)


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "//evil.example/..",
        "/\\evil.example",
        "/v1/server/",
        "/v1//server",
        "/%2f%2fevil.example",
        "/v1/../../etc/passwd",
        "/v1/server?next=//evil.example",
    ],
)
async def test_nothing_leads_elsewhere(practice: Scene, path: str):
    async with connected(practice) as wire:
        await wire.send(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        said = await wire.rest(4)
    assert b"location:" not in said.lower()
    assert statuses(said)[0] in {200, 400, 404}


async def test_a_socket_is_opened_by_our_own_pages_alone(practice: Scene):
    own = practice.server.url
    for origin in [*foreign(practice), own]:
        ticket = (await practice.call("issueLiveTicket")).problem["ticket"]
        host = f"Host: {own.removeprefix('http://')}"
        async with connected(practice) as wire:
            head = await upgraded(wire, f"/v1/live?ticket={ticket}", f"Origin: {origin}", host=host)
        assert statuses(head) == [101 if origin == own else 401], origin


async def test_socket_io_is_opened_by_our_own_pages_alone(practice: Scene):
    path = "/v1/socket.io/?EIO=4&transport=websocket"
    for origin in [*foreign(practice), practice.server.url]:
        ticket = (await practice.call("issueLiveTicket")).problem["ticket"]
        headers = {"Origin": origin}
        async with practice.peers["claire"].http.ws_connect(path, headers=headers) as ws:
            assert (await ws.receive_str()).startswith("0{")
            await ws.send_str("40" + json.dumps({"ticket": ticket, "after": 0}))
            told = await ws.receive()
            assert told.type is aiohttp.WSMsgType.TEXT
            assert told.data.startswith("40" if origin == practice.server.url else "44"), origin


METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND")


@pytest.mark.parametrize("path", sorted({operation.path for operation in OPERATIONS}))
async def test_another_method_is_not_allowed(practice: Scene, path: str):
    """Of the address as it is; HEAD exists where it is in the table, and tells no length elsewhere."""
    before = practice.fingerprint()
    address = path.format(**dict.fromkeys(practice.ids(), "A"))
    known = {operation.method for operation in OPERATIONS if operation.path == path}
    for method in sorted(set(METHODS) - known - {"CONNECT"}):
        headers = {"X-HTTP-Method-Override": min(known)}
        answer = await practice.ask(method, address, who="claire", headers=headers)
        if path == "/v1/sessions/{session}" or "{" not in path:
            assert answer.status in {404, 405}, (method, answer)
        assert 400 <= answer.status < 500, (method, answer)
        if answer.status == 405:
            assert set(answer.headers["Allow"].split(",")) & known, (method, answer)
    assert practice.fingerprint() == before


async def test_a_session_is_new_at_every_login_and_never_taken_from_outside(practice: Scene):
    """Fixation: a token that an attacker has put into the browser is neither taken up nor kept."""
    body = await practice.right("openSession") | {"cookie": True}
    planted = {"Cookie": "pli_session=" + "A" * 43, "X-Pli": "1"}
    answer = await practice.call("openSession", who="", json=body, headers=planted)
    if answer.status == 201:
        cookie = answer.headers["Set-Cookie"]
        assert "A" * 43 not in cookie
        assert all(word in cookie for word in ("HttpOnly", "SameSite=Strict", "Path=/"))
