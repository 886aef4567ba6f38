"""The proxy of docs/operate/install.md, as it stands there, between an attacker and a server."""

from __future__ import annotations

import asyncio
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from crypto.codec import b64
from server import metrics
from tests.hostile.scene import ROOT, Scene
from tests.hostile.test_raw_http import AMBIGUOUS, HIDDEN, POST
from tests.hostile.wire import Wire, statuses, upgraded
from tools.services import free_port

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(NGINX is None, reason="nginx is not installed"),
]
NAME = "pli.example.org"
BLOCK = re.compile(r"^```nginx\n(.*?)^```", re.MULTILINE | re.DOTALL)
FRAME = """daemon off; master_process off; pid {0}/pid; error_log {0}/log;
events {{ }}
http {{ access_log off; client_body_temp_path {0}/body; proxy_temp_path {0}/proxy; fastcgi_temp_path {0}/f;
uwsgi_temp_path {0}/u; scgi_temp_path {0}/s;
{1} }}
"""


@dataclass
class Proxy:
    """A running nginx in front of the practice."""

    practice: Scene
    port: int
    trust: ssl.SSLContext

    async def open(self) -> Wire:
        return Wire(*await asyncio.open_connection("127.0.0.1", self.port, ssl=self.trust, server_hostname=NAME))


def configured(folder: Path, url: str, port: int) -> Path:
    """Write the page's own words, with the ports and the papers of this test."""
    (block,) = BLOCK.findall((ROOT / "docs" / "operate" / "install.md").read_text())
    for said, here in (
        ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
        ("listen 80;", f"listen 127.0.0.1:{free_port()};"),
        ("http://127.0.0.1:8420", url),
        ("/etc/letsencrypt/live/pli.example.org/fullchain.pem", str(folder / "certificate.pem")),
        ("/etc/letsencrypt/live/pli.example.org/privkey.pem", str(folder / "key.pem")),
    ):
        assert said in block, said
        block = block.replace(said, here)
    path = folder / "nginx.conf"
    path.write_text(FRAME.format(folder, block))
    return path


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def proxy(practice: Scene, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Proxy]:
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
         "-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}",
         "-keyout", folder / "key.pem", "-out", folder / "certificate.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    running = subprocess.Popen([NGINX or "", "-e", folder / "log", "-c", configured(folder, practice.server.url, port)])
    trust = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
    there = Proxy(practice, port, trust)
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    (await there.open()).writer.close()
                except OSError:
                    assert running.poll() is None, (folder / "log").read_text()
                    await asyncio.sleep(0.05)
                else:
                    break
        yield there
    finally:
        running.terminate()
        running.wait(10)


def answered(said: bytes) -> int:
    """Return how many answers came from behind nginx."""
    return len(statuses(said)) - said.count(b"<center>nginx</center>")


def seen() -> float:
    """Return how many requests our server has answered so far."""
    return sum(metrics.REQUESTS.values.values())


SMUGGLED = AMBIGUOUS | {
    "an extension with a line feed": POST + b"Transfer-Encoding: chunked\r\n\r\n2;\nxx\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk that ends in a line feed": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n" + HIDDEN,
    "a length in the trailer": POST
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 50\r\n\r\n"
    + HIDDEN,
    "chunks in HTTP/1.0": POST.replace(b"1.1", b"1.0")
    + b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    + HIDDEN,
    "a header that is no header": POST + b"Content-Length\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "another name for the coding": POST + b"Transfer_Encoding: chunked\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "an upgrade with a body": POST
    + b"Upgrade: foo\r\nConnection: Upgrade\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN)
    + HIDDEN,
    "an absolute address": b"GET http://other.example/v1/server HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
}


@pytest.mark.parametrize("what", SMUGGLED)
async def test_both_read_the_same_requests(proxy: Proxy, what: str):
    """Every request that our server answered is an answer to the attacker; nginx's own refusals come on top."""
    wire, before = await proxy.open(), seen()
    await wire.send(SMUGGLED[what].replace(b"Host: x\r\n", b"Host: pli.example.org\r\n"))
    said = await wire.rest(0.7)
    while answered(said) < seen() - before and (more := await wire.rest()):  # what was answered may be on its way
        said += more
    wire.writer.close()
    assert answered(said) == seen() - before, said
    assert b"nginx/" not in said, "the version is nobody's business"


async def test_who_asks_is_who_the_proxy_saw(proxy: Proxy):
    """Guesses with forged addresses are counted as those of one."""
    found = []
    for number in range(15):
        wire = await proxy.open()
        path = f"/v1/invitations/code/{b64(bytes([number]) * 16)}"
        forged = f"X-Forwarded-For: 198.51.100.{number}\r\nConnection: close\r\n"
        await wire.send(f"GET {path} HTTP/1.1\r\nHost: {NAME}\r\n{forged}\r\n".encode())
        found += statuses(await wire.rest(5))
    assert found == [404] * 10 + [429] * 5


async def test_a_live_socket_goes_through(proxy: Proxy):
    ticket = (await proxy.practice.call("issueLiveTicket", who="jean")).problem["ticket"]
    wire = await proxy.open()
    head = await upgraded(wire, f"/v1/live?ticket={ticket}&after=0", f"Origin: https://{NAME}", host=f"Host: {NAME}")
    assert statuses(head) == [101]
    assert b'"event"' in (await wire.frame())[1]
    wire.writer.close()
