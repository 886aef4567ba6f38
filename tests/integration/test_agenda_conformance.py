"""The conformance suite at the terminal, against real servers."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes import agendas

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
