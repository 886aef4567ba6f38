"""No installed dependency is older than the fix of a fault we know (``floors.toml``)."""

import datetime as dt
import json
import re
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, version

import pytest
from aiohttp import http_parser
from pysqlite3 import dbapi2

LOOK_AGAIN = dt.timedelta(days=45)


def numbers(text: str) -> tuple[int, ...]:
    """``"5.16.3rc1"`` → (5, 16, 3): enough to compare releases."""
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def too_old(installed: str, rule: dict) -> bool:
    return numbers(installed) < numbers(rule["floor"]) or installed in rule.get("not", [])


@pytest.fixture(scope="module")
def floors(root):
    return tomllib.loads((root / "tests/architecture/floors.toml").read_text())


def test_python_packages_are_above_their_floors(floors):
    old = []
    for name, rule in floors["python"].items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue  # a floor may wait for the package that needs it
        if too_old(installed, rule):
            old.append(f"{name} {installed} < {rule['floor']}: {rule['because']}")
    assert not old, "\n".join(old)


def test_npm_packages_are_above_their_floors(root, floors):
    packages = json.loads((root / "web/package-lock.json").read_text())["packages"]
    old = [
        f"{path} {entry['version']} < {rule['floor']}: {rule['because']}"
        for name, rule in floors["npm"].items()
        for path, entry in packages.items()
        if path.endswith(f"node_modules/{name}") and too_old(entry["version"], rule)
    ]
    assert not old, "\n".join(old)


def test_the_sqlite_of_the_server_has_no_wal_reset_bug(floors):
    assert not too_old(dbapi2.sqlite_version, floors["sqlite"])


def test_only_one_sqlite_is_opened_in_a_process(root, tracked):
    """Closing a file in one build of SQLite drops the locks that another has on it in the same process (POSIX)."""
    other = re.compile(r"^\s*(import|from) sqlite3\b", re.MULTILINE)
    assert not [path for path in tracked if path.suffix == ".py" and other.search((root / path).read_text())]


def test_the_http_parser_is_the_compiled_one():
    assert http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy


def test_python_runs_with_assertions():
    assert not sys.flags.optimize  # CVE-2025-69227: aiohttp under -O


def test_the_floors_are_looked_through_regularly(floors):
    age = dt.datetime.now(tz=dt.UTC).date() - floors["reviewed"]
    if age > LOOK_AGAIN:
        pytest.skip(f"floors.toml was reviewed {age.days} days ago: look through the advisories again")


@pytest.mark.parametrize(("installed", "old"), [("8.0.0", True), ("8.1.0", False), ("6.4.0", True), ("7.2.1", False)])
def test_floors_compare_releases(floors, installed, old):
    assert too_old(installed, floors["python"]["redis"]) is old
