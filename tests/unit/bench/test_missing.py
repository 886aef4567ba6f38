"""A benchmark that needs what this machine does not have says so, and measures nothing."""

import json
import sys

import pytest

from bench import __main__ as bench
from bench import nodes
from bench.goals import NODES, table
from tools.services import MissingError


def absent():
    raise MissingError("initdb is not installed")


@pytest.mark.parametrize(("program", "arguments"), [(bench, ["--quick", "--postgres"]), (nodes, [])])
def test_without_postgresql_the_reason_is_said(monkeypatch, capsys, program, arguments):
    monkeypatch.setattr(program, "Postgres", absent)
    monkeypatch.setattr(bench, "pin_generator", lambda: False)
    monkeypatch.setattr(sys, "argv", ["bench", *arguments])
    assert program.main() == 69
    told = capsys.readouterr()
    assert "initdb is not installed" in told.err
    assert not told.out


def test_two_nodes_have_a_goal():
    found = json.loads('{"nodes": {"1": {"acked_per_s": 900}, "2": {"acked_per_s": 249}}}')
    assert "MISSED" in table(found, NODES)
