"""`pli doctor` says what is wrong and what to do; `pli migrate` does what is missing, and refuses the future."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import shutil
import socket

import pysqlite3.dbapi2 as sqlite3
import pytest

from server.__main__ import main
from server.admin import doctor
from server.admin.lock import FolderLock
from server.clock import SetClock
from server.settings import Settings
from server.storage.identity import init_data


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laid-out") / "data"
    init_data(folder)
    return folder


@pytest.fixture
def data(laid_out, tmp_path):
    return shutil.copytree(laid_out, tmp_path / "data")


def verdicts(data, clock=None, **chosen):
    chosen = {"web": False, "port": 0, "public_url": "https://care.example"} | chosen
    return {line.name: line for line in doctor.examine(Settings(data=data, **chosen), clock)}


def test_a_sound_installation_needs_nothing(data):
    found = verdicts(data, trusted_proxies=(ipaddress.ip_network("127.0.0.1/32"),))
    assert {line.verdict for name, line in found.items() if name not in {"disk room", "file descriptors"}} == {"ok"}
    assert all(line.text().startswith(("OK", "LOOK", "FIX")) for line in found.values())


def others_may_read(data):
    data.chmod(0o755)


def the_keys_are_open(data):
    (data / "server.key").chmod(0o644)


def a_long_log(data):
    with (data / "pli.db-wal").open("wb") as wal:
        wal.truncate(doctor.LONG_WAL + 1)


@pytest.mark.parametrize(
    ("break_it", "name", "verdict", "words"),
    [
        (others_may_read, "data folder", "fix", "chmod 700"),
        (the_keys_are_open, "keys of the server", "fix", "chmod 600"),
        (a_long_log, "write-ahead log", "look", "MiB"),
    ],
)
def test_what_is_wrong_in_the_folder_is_said_with_what_to_do(data, break_it, name, verdict, words):
    break_it(data)
    line = verdicts(data)[name]
    assert line.verdict == verdict
    assert words in line.told


@pytest.mark.parametrize(
    ("chosen", "name", "verdict"),
    [
        ({"public_url": None}, "public URL", "look"),
        ({"public_url": "http://care.example"}, "public URL", "fix"),
        ({"public_url": "http://localhost:8420"}, "public URL", "ok"),
        ({}, "proxies", "look"),
        ({"host": "192.0.2.1"}, "port", "fix"),
    ],
)
def test_what_is_wrong_in_the_settings_is_said(data, chosen, name, verdict):
    assert verdicts(data, **chosen)[name].verdict == verdict


def test_a_port_that_somebody_else_has_is_said(data):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert verdicts(data, port=taken.getsockname()[1])["port"].verdict == "fix"


def test_a_clock_that_went_back_is_said(data):
    line = verdicts(data, clock=SetClock(at=1_600_000_000_000))["clock"]
    assert (line.verdict, "set the clock" in line.told) == ("fix", True)


def test_an_old_sqlite_and_a_full_disk_are_said(data, monkeypatch):
    monkeypatch.setattr(doctor, "FLOOR", (99, 0, 0))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1 << 40, 1 << 40, 1 << 20))
    found = verdicts(data)
    assert found["SQLite"].verdict == found["disk room"].verdict == "fix"


def test_a_folder_that_is_none_is_said_by_every_line_that_needs_one(tmp_path, capsys):
    assert main(["doctor", "--data", str(tmp_path / "nothing"), "--no-web", "--port", "0", "--json"]) == 3
    told = json.loads(capsys.readouterr().out)
    assert told["healthy"] is False
    assert any("pli init" in check["told"] for check in told["checks"])


# --- migrate -----------------------------------------------------------------------------------------------------------


def run(*arguments):
    return main([*map(str, arguments), "--json"])


def set_revision(data, revision):
    with contextlib.closing(sqlite3.connect(data / "pli.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = ?", (revision,))


def test_migrating_twice_changes_nothing_the_second_time(data, capsys):
    assert run("migrate", "--data", data) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["from"] == told["to"]


def test_a_database_of_the_future_is_refused_and_left_alone(data, capsys):
    set_revision(data, "9999")
    before = (data / "pli.db").read_bytes()
    for command in (["migrate"], ["serve", "--no-web", "--port", "0"]):
        assert run(*command, "--data", data) == 3
        assert json.loads(capsys.readouterr().out)["error"]["code"] == "schema_newer"
    assert (data / "pli.db").read_bytes() == before
    assert verdicts(data)["schema"].verdict != "ok"


def test_a_running_server_is_not_migrated_under_its_feet(data, capsys):
    lock = FolderLock(data)
    assert lock.take()
    assert run("migrate", "--data", data) == 3
    answer = json.loads(capsys.readouterr().out)
    assert answer["error"]["code"] == "data_in_use"
    assert str(os.getpid()) in answer["error"]["message"]
    lock.release()


@pytest.mark.parametrize("command", [["backup", "--to", "b.pli"], ["verify"], ["restore", "--from", "b.pli"]])
def test_what_knows_files_only_refuses_where_postgresql_keeps_everything(data, monkeypatch, capsys, command):
    monkeypatch.setenv("PLI_DATABASE_URL", "postgresql://pli@127.0.0.1:1/pli")
    status = main([*command, "--data", str(data), "--json"])
    assert (status, json.loads(capsys.readouterr().out)["error"]["code"]) == (3, "kept_elsewhere")
    assert (data / "pli.db").stat().st_size > 0
