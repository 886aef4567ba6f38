"""A log line cannot carry what is not on the list, whoever tries."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from server import telemetry
from server.clock import SetClock


@pytest.fixture
def lines():
    told = []
    yield told
    telemetry.configure(strict=False, foreign=False)
    logging.basicConfig(handlers=[], force=True)


def configure(lines, *, strict):
    telemetry.configure(strict=strict, write=lines.append, clock=SetClock(at=7))


def test_a_line_is_one_json_object_with_its_time(lines):
    configure(lines, strict=True)
    telemetry.info("request", method="GET", route="/v1/conversations/{c}", status=200, ms=1.5)
    assert json.loads(lines[0]) == {
        "at": 7,
        "level": "info",
        "event": "request",
        "method": "GET",
        "route": "/v1/conversations/{c}",
        "status": 200,
        "ms": 1.5,
    }


LEAKS = [
    {"subject": "x"},
    {"name": "Jean"},
    {"source": "Jean Dupont"},
    {"route": "/i?secret=a b"},
    {"code": "é"},
    {"bytes": b"plaintext"},
    {"source": ["a"]},
    {"account": "abc"},
    {"conversation": "abc"},
    {"where": "x" * 201},
]


@pytest.mark.parametrize("leak", LEAKS)
def test_strict_logs_stop_on_a_key_or_value_that_is_not_opaque(lines, leak):
    configure(lines, strict=True)
    with pytest.raises(telemetry.LeakyLogError):
        telemetry.info("request", **leak)
    assert not lines


@pytest.mark.parametrize("leak", LEAKS)
def test_in_production_the_entry_is_trimmed_and_says_so(lines, leak):
    configure(lines, strict=False)
    telemetry.info("request", status=200, **leak)
    line = json.loads(lines[0])
    assert line == {"at": 7, "level": "info", "event": "request", "status": 200, "trimmed": 1}


def test_a_library_may_say_that_it_failed_but_not_with_what(lines):
    configure(lines, strict=True)
    try:
        raise ValueError("Ordonnance de Jean Dupont")
    except ValueError:
        logging.getLogger("aiohttp.server").exception("Error handling %s", "Jean Dupont")
    (line,) = lines
    assert json.loads(line)["exc_type"] == "ValueError"
    assert "Jean" not in line
    assert "Ordonnance" not in line


def test_the_operators_page_lists_exactly_these_keys():
    assert (Path(__file__).parents[2] / "docs" / "operate" / "logs.md").read_text() == telemetry.table()
