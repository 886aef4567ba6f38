"""The web client is served as built, under its policy, and nothing else of the disk is."""

from __future__ import annotations

import hashlib
import json

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from server.transport import pages

POLICY = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' blob: data:",
    "font-src 'self'",
    "connect-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "media-src 'self' blob:",
    "frame-src blob:",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types svelte-trusted-html fs-script-url fs-worker",
}


@pytest.fixture
def webroot(tmp_path):
    root = tmp_path / "webroot"
    (root / ".vite").mkdir(parents=True)
    (root / "assets").mkdir()
    (root / "index.html").write_text("<!doctype html><title>Pli</title>")
    (root / "index.html.br").write_bytes(b"brotli of index")
    (root / "sw.js").write_text("// worker")
    (root / "manifest.webmanifest").write_text("{}")
    (root / "assets" / "index-abc.js").write_text("export {};")
    (root / "assets" / "index-abc.js.gz").write_bytes(b"gzip of js")
    (root / "assets" / "index-abc.js.br").write_bytes(b"brotli of js")
    (root / "assets" / "index-abc.css").write_text("p{}")
    (root / ".vite" / "manifest.json").write_text(
        json.dumps({"index.html": {"file": "assets/index-abc.js", "css": ["assets/index-abc.css"]}})
    )
    (root / "ASSETS.sha256").write_text("0  index.html\n")
    (tmp_path / "secret.txt").write_text("outside")
    return root


async def browser(root, *, https=False):
    app = web.Application()
    app.router.add_get("/{path:.*}", pages.load(root, https=https).get)
    return TestClient(TestServer(app), auto_decompress=False)


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/i",
        "/a",
        "/u",
        "/c/abc",
        "/c/abc/def",
        "/new",
        "/new/abc",
        "/write",
        "/write/abc",
        "/settings",
        "/settings/devices",
    ],
)
async def test_every_screen_of_the_client_is_the_same_page_under_the_same_policy(webroot, path):
    async with await browser(webroot) as client:
        answer = await client.get(path)
        assert (answer.status, answer.content_type) == (200, "text/html")
        assert set(answer.headers["Content-Security-Policy"].split("; ")) == POLICY
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Permissions-Policy"] == "camera=(self), microphone=(), geolocation=()"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cache-Control"] == "no-cache"


async def test_what_carries_a_hash_is_kept_for_ever_and_what_does_not_is_asked_for_again(webroot):
    async with await browser(webroot) as client:
        assert "immutable" in (await client.get("/assets/index-abc.js")).headers["Cache-Control"]
        for path in ("/sw.js", "/index.html", "/manifest.webmanifest"):
            assert (await client.get(path)).headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    ("accepts", "coding"),
    [
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
        ("br;q=0", None),
    ],
)
async def test_the_smallest_form_that_the_browser_takes_is_sent(webroot, accepts, coding):
    async with await browser(webroot) as client:
        answer = await client.get("/assets/index-abc.js", headers={"Accept-Encoding": accepts})
        expected = {"br": b"brotli of js", "gzip": b"gzip of js", None: b"export {};"}[coding]
        assert answer.headers.get("Content-Encoding") == coding
        assert await answer.read() == expected
        assert answer.headers["Vary"] == "Accept-Encoding"
        assert answer.content_type == "text/javascript"


async def test_a_browser_that_has_the_page_is_told_so(webroot):
    async with await browser(webroot) as client:
        first = await client.get("/", headers={"Accept-Encoding": "br"})
        again = await client.get("/", headers={"Accept-Encoding": "br", "If-None-Match": first.headers["ETag"]})
        assert (again.status, await again.read()) == (304, b"")
        other = await client.get("/", headers={"Accept-Encoding": "", "If-None-Match": first.headers["ETag"]})
        assert other.status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/secret.txt",
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/.vite/manifest.json",
        "/assets/index-abc.js.br",
        "/assets/",
        "/assets",
        "/wp-login.php",
        "/i/",
        "/ix",
    ],
)
async def test_nothing_else_is_served_but_a_404_under_the_same_policy(webroot, path):
    async with await browser(webroot) as client:
        answer = await client.get(URL(path, encoded=True))
        assert answer.status == 404
        assert b"outside" not in await answer.read()
        assert "Content-Security-Policy" in answer.headers


async def test_a_mistyped_address_gives_a_person_a_page_and_still_says_404(webroot):
    async with await browser(webroot) as client:
        page = await client.get("/", headers={"Accept": "text/html"})
        for path in ("/I", "/i/", "/lettre"):
            lost = await client.get(
                path, headers={"Accept": "text/html,*/*;q=0.8", "If-None-Match": page.headers["ETag"]}
            )
            assert (lost.status, lost.content_type) == (404, "text/html")
            assert await lost.read() == await page.read()
            assert lost.headers["Content-Security-Policy"] == page.headers["Content-Security-Policy"]


async def test_transport_security_is_only_promised_over_https(webroot):
    async with await browser(webroot) as plain, await browser(webroot, https=True) as sealed:
        assert "Strict-Transport-Security" not in (await plain.get("/")).headers
        assert "Strict-Transport-Security" in (await sealed.get("/")).headers


def test_a_missing_or_incomplete_client_stops_the_start_with_a_sentence(webroot, tmp_path):
    with pytest.raises(pages.WebrootError, match="not built"):
        pages.load(tmp_path / "nowhere", https=False)
    (webroot / "assets" / "index-abc.css").unlink()
    with pytest.raises(pages.WebrootError, match=r"index-abc\.css is missing"):
        pages.load(webroot, https=False)


def test_the_fingerprint_is_that_of_the_list_of_files(webroot):
    expected = hashlib.sha256((webroot / "ASSETS.sha256").read_bytes()).hexdigest()
    assert pages.load(webroot, https=False).digest == expected
