"""The bridge speaks to the origin that the practice configured, and nowhere else."""

import asyncio
import socket
import ssl

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridges.agenda.outgoing import ForbiddenError, Origin, Outgoing
from bridges.agenda.provider import CredentialsRevokedError, UnknownOutcomeError, UnreachableError
from bridges.kit.outside import GuardedResolver
from tests.fakes.certificates import authority


async def reply(request):
    kind = request.match_info["kind"]
    if kind.isdecimal():
        return web.Response(status=int(kind), headers={"Location": request.query.get("to", request.path)})
    if kind == "slow":
        await asyncio.sleep(5)
    if kind == "cut":
        request.transport.close()
    return web.Response(body=b"x" * int(request.query.get("size", "2")))


@pytest.fixture
async def site():
    app = web.Application()
    app.router.add_route("*", "/{kind}", reply)
    async with TestServer(app) as server:
        yield server


def inside(server, **more):
    return Outgoing(Origin(base=str(server.make_url("/")), inside=True, plain=True), **more)


@pytest.mark.parametrize(
    "base",
    [
        "http://example.org",
        "ftp://example.org",
        "https://",
        "https://u:p@example.org",
        "https://example.org/?a=1",
        "file:///x",
    ],
)
def test_what_is_no_address_of_a_partner(base):
    with pytest.raises(ValueError):
        Origin(base=base)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.1.1",
        "169.254.169.254",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::a00:1]",
        "[2002:7f00:1::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[fe80::1]",
        "0.0.0.0",
        "localhost",
        "100.64.0.1",
        "2130706433",
        "0x7f.1",
        "224.0.0.1",
        "[ff0e::1]",
    ],
)
async def test_no_name_and_no_number_leads_inside(host):
    async with Outgoing(Origin(base=f"https://{host}:9/")) as outgoing:
        with pytest.raises((ForbiddenError, UnreachableError)) as caught:
            await outgoing.ask("GET", "x")
    assert caught.value.detail in {"private address", "InvalidUrlClientError"}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_stays_at_the_origin(site, status):
    async with inside(site) as outgoing:
        assert (await outgoing.ask("GET", str(status), query=(("to", "/ok"),))).body == b"xx"
        for elsewhere in (
            "https://example.org/",
            "//example.org/",
            f"http://127.0.0.1:{site.port + 1}/",
            "file:///etc/passwd",
        ):
            with pytest.raises(ForbiddenError):
                await outgoing.ask("GET", str(status), query=(("to", elsewhere),))
        with pytest.raises(ForbiddenError):
            await outgoing.ask("POST", str(status), body=b"secret")


async def test_a_ring_of_redirects_ends(site):
    async with inside(site) as outgoing:
        with pytest.raises(UnreachableError, match="redirects"):
            await outgoing.ask("GET", "302")


@pytest.mark.parametrize(
    ("method", "kind", "error"),
    [
        ("GET", "401", CredentialsRevokedError),
        ("POST", "403", CredentialsRevokedError),
        ("GET", "500", UnreachableError),
        ("POST", "500", UnknownOutcomeError),
        ("POST", "503", UnreachableError),
        ("PUT", "429", UnreachableError),
        ("GET", "slow", UnreachableError),
        ("POST", "slow", UnknownOutcomeError),
        ("GET", "cut", UnreachableError),
        ("POST", "cut", UnknownOutcomeError),
    ],
)
async def test_what_is_known_after_a_failure(site, method, kind, error):
    async with inside(site, deadline=1.0) as outgoing:
        with pytest.raises(error):
            await outgoing.ask(method, kind)


async def test_an_answer_is_bounded(site):
    async with inside(site, most=1000) as outgoing:
        with pytest.raises(UnreachableError):
            await outgoing.ask("GET", "ok", query=(("size", "1001"),))


async def test_nobody_there():
    async with Outgoing(Origin(base="http://127.0.0.1:9/", inside=True, plain=True)) as outgoing:
        with pytest.raises(UnreachableError, match="connection"):
            await outgoing.ask("POST", "x")


async def test_a_certificate_of_somebody_else(tmp_path):
    ours, other = authority(tmp_path / "a"), authority(tmp_path / "b")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*ours.issue("server", host="127.0.0.1"))
    app = web.Application()
    app.router.add_route("*", "/{kind}", reply)
    server = TestServer(app, scheme="https")
    await server.start_server(ssl=context)
    try:
        base = f"https://127.0.0.1:{server.port}/"
        good = ssl.create_default_context(cafile=ours.certificate)
        async with Outgoing(Origin(base=base, inside=True), tls=good) as outgoing:
            assert (await outgoing.ask("GET", "ok")).status == 200
        for tls in (ssl.create_default_context(cafile=other.certificate), None):
            async with Outgoing(Origin(base=base, inside=True), tls=tls) as outgoing:
                with pytest.raises(UnreachableError, match="certificate"):
                    await outgoing.ask("GET", "ok")
    finally:
        await server.close()


async def test_a_name_that_turns_inward_after_a_while_is_not_followed(monkeypatch):
    """Rebinding: each resolution is judged by itself, and what is connected to is what was judged."""
    answers = iter([["93.184.216.34", "127.0.0.1"], ["10.0.0.7"], ["::1"]])

    async def resolved(host, port, **_):
        return [(socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port)) for each in next(answers)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    guarded = GuardedResolver(inside=False, refuse=ForbiddenError)
    assert [each["host"] for each in await guarded.resolve("agenda.example", 443)] == ["93.184.216.34"]
    for _ in range(2):
        with pytest.raises(ForbiddenError, match="private address"):
            await guarded.resolve("agenda.example", 443)
