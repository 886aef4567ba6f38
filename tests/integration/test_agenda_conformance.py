"""The conformance suite at the terminal, against real servers."""

import asyncio
import json
import socketserver
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle, islice
from pathlib import Path

import pytest

from tests.fakes import agendas
from tests.fakes.agendas_lying import LyingServer
from tests.fakes.certificates import authority

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module", params=agendas.SERVERS, ids=lambda kind: kind.__name__)
def server(request):
    started = agendas.running(request.param)
    yield started
    started.remove()


def conformance(config: Path, *more: str) -> tuple[int, dict, str]:
    done = subprocess.run(
        [sys.executable, "-m", "bridges", "agenda", "conformance", "--config", str(config), "--json", *more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def test_a_live_calendar_passes_and_is_left_as_it_was(server, tmp_path):
    before = server.ask("PROPFIND", server.calendar, headers={"Depth": "1"})[1].count(b".ics")
    code, told, error = conformance(agendas.settings(tmp_path, server.url, user=server.user))
    assert (told["failed"], code, error) == (0, 0, ""), told["details"]
    assert told["passed"] == 16
    assert told["unsupported"] == 1  # no page of its own
    assert [each["check"] for each in told["details"] if each["outcome"] == "unsupported"] == ["the_page_is_a_page"]
    assert server.ask("PROPFIND", server.calendar, headers={"Depth": "1"})[1].count(b".ics") == before


async def judged(server: LyingServer, folder: Path) -> tuple[int, dict]:
    code, told, error = await asyncio.to_thread(conformance, agendas.settings(folder, server.url))
    assert "Traceback" not in error
    return code, told


async def test_a_server_that_is_slow_and_flaps_passes(tmp_path):
    async with LyingServer() as server:
        server.pause = 0.05
        server.plan("PUT", *islice(cycle(["500", "ok", "done+500", "cut", "503"]), 100))
        server.plan("DELETE", *islice(cycle(["done+500", "ok", "500"]), 100))
        code, told = await judged(server, tmp_path)
        assert (code, told["failed"]) == (0, 0), [each for each in told["details"] if each["outcome"] == "failed"]
        assert server.items == {}


async def test_a_server_that_does_not_write_what_it_says_fails_where_it_writes(tmp_path):
    async with LyingServer() as server:
        server.always("PUT", "lie")
        code, told = await judged(server, tmp_path)
        outcomes = {each["check"]: each["outcome"] for each in told["details"]}
        assert code == 3
        assert outcomes["a_booking_takes_the_time"] == outcomes["one_of_many_wins"] == "failed"
        assert outcomes["finds_in_order_inside_the_window"] == "passed"
        assert any("unknown_outcome" in each["detail"] for each in told["details"])


@pytest.mark.parametrize(
    ("what", "exit_code", "error"),
    [
        ("401", 3, "agenda_refused"),
        ("500", 5, "agenda_away"),
        ("html", 3, "agenda_not_found"),
        ("away", 3, "agenda_untrusted"),
        ("inside", 3, "agenda_untrusted"),
    ],
)
async def test_an_agenda_that_is_away_or_lets_nobody_in_is_told_apart(tmp_path, what, exit_code, error):
    async with LyingServer() as server:
        server.always("PROPFIND", what)
        code, told = await judged(server, tmp_path)
        assert (code, told["error"]["code"]) == (exit_code, error)
        assert agendas.PASSWORD not in json.dumps(told)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (('zone = "Europe/Paris"', 'zone = "Mars/Olympus"'), "zone"),
        (("minutes = 30", "minutes = 1"), "5 to 480"),
        (('kind = "caldav"', 'kind = "doctolib"'), "provider.kind"),
        (("plain = true", ""), "https://"),
        (("plain = true", "plain = true\ntypo = 1"), "typo"),
        (('name = "dr-lefevre"', 'name = "dr-lefevre"\nunknown = 1'), "unknown"),
        (('name = "dr-lefevre"', "name ="), "--config"),
    ],
)
def test_settings_that_say_something_else_are_refused_in_words(tmp_path, change, says):
    path = agendas.settings(tmp_path, "http://127.0.0.1:9/")
    path.write_text(path.read_text().replace(*change))
    code, told, _ = conformance(path)
    assert (code, told["error"]["code"]) == (2, "usage")
    assert says in told["error"]["detail"]


def test_a_password_that_others_may_read_is_refused(tmp_path):
    path = agendas.settings(tmp_path, "http://127.0.0.1:9/")
    (tmp_path / "password").chmod(0o644)
    code, told, _ = conformance(path)
    assert (code, told["error"]["code"]) == (2, "usage")
    assert agendas.PASSWORD not in json.dumps(told)


def test_a_wrong_certificate_and_a_wrong_address_are_told_in_their_own_words(tmp_path):
    """As a stranger meets them: each has a code, an exit code, and no traceback."""
    ca = authority(tmp_path)
    with speaking_tls(*ca.issue("elsewhere.example", host="127.0.0.9")) as port:
        url = f"https://127.0.0.1:{port}/cal/"
        cases = [
            (agendas.settings(tmp_path, url), "agenda_untrusted", 3),
            (agendas.settings(tmp_path, url, provider='authority_file = "ca.pem"'), "agenda_untrusted", 3),
        ]
        for path, code, ended in cases:
            exit_code, told, error = conformance(path)
            assert (exit_code, told["error"]["code"]) == (ended, code)
            assert "Traceback" not in error
    for name, says in (("missing.pem", "file_unreadable"), ("password", "usage")):
        path = agendas.settings(tmp_path, "https://127.0.0.1:9/", provider=f'authority_file = "{name}"')
        exit_code, told, _ = conformance(path)
        assert (exit_code, told["error"]["code"]) == (2, says)
    path = agendas.settings(tmp_path, "https://localhost:9/")
    path.write_text(path.read_text().replace("inside = true\nplain = true\n", ""))
    exit_code, told, _ = conformance(path)
    assert (exit_code, told["error"]["code"]) == (3, "agenda_untrusted")
    assert "private address" in told["error"]["detail"]


@contextmanager
def speaking_tls(certificate: Path, key: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
