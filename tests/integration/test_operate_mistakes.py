"""An operator who makes mistakes is told so in a sentence, with a stable code, and loses nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from contextlib import closing

import pysqlite3.dbapi2 as sqlite
import pytest

from server.__main__ import main
from tests.fakes.server import laid_out


@pytest.fixture
def data(tmp_path):
    return shutil.copytree(laid_out(), tmp_path / "data")


@pytest.fixture
def small_disk(tmp_path):
    """A file system with room for 64 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting needs root")
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"the kernel refuses: {mounted.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


@pytest.fixture
def pli(capsys):
    """Run a command; how it ended, and the code and the sentence that it gave."""

    def run(*words):
        ended = main([*map(str, words), *([] if words[0] == "serve" else ["--json"])])
        told = capsys.readouterr()
        error = json.loads(told.out).get("error", {}) if told.out.strip().startswith("{") else {}
        return ended, error.get("code"), told.err

    return run


def test_keys_without_their_database_are_not_served_with_an_empty_one(data, pli):
    """A disk that is not mounted must not look like a server that has lost everything."""
    (data / "pli.db").unlink()
    ended, _, told = pli("serve", "--data", data, "--no-web", "--port", 0)
    assert (ended, "is everything mounted?" in told) == (3, True)
    assert not (data / "pli.db").exists()
    assert pli("verify", "--data", data)[:2] == (3, "database_missing")


def test_a_database_without_its_keys_does_not_get_new_ones(data, pli):
    (data / "server.key").unlink()
    assert pli("init", "--data", data)[:2] == (3, "keys_missing")
    assert not (data / "server.key").exists()
    ended, _, told = pli("serve", "--data", data, "--no-web", "--port", 0)
    assert (ended, "new keys are another server" in told) == (3, True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user, and write into it")
def test_root_writes_nothing_into_the_folder_of_somebody_else(data, pli, tmp_path):
    """Its uploads and its next backup would fail at what root has made."""
    (theirs := tmp_path / "backups").mkdir()
    for each in (data, *data.rglob("*")):
        os.chown(each, 4242, 4343)
    before = sorted(each.name for each in data.iterdir())
    person = ("--name", "Dr Claire Martin", "--profession", "10", "--rpps", "99999000013")
    for words in (("init",), ("migrate",), ("admin", "professional", "add", *person)):
        assert pli(*words, "--data", data)[:2] == (3, "other_owner"), words
    assert "sudo -u #4242 pli" in pli("serve", "--data", data, "--no-web", "--port", 0)[2]
    assert pli("backup", "--data", data, "--to", theirs)[0] == 0
    assert sorted(each.name for each in data.iterdir()) == sorted([*before, "backup.lock", "lock"])
    assert {(each.stat().st_uid, each.stat().st_gid) for each in data.iterdir()} == {(4242, 4343)}


def test_an_init_that_was_cut_off_is_brought_to_its_end(data, pli):
    (data / "pli.db").unlink()
    keys = (data / "server.key").read_bytes()
    assert pli("init", "--data", data)[0] == 0
    assert (data / "pli.db").is_file()
    assert (data / "server.key").read_bytes() == keys


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_backup_that_is_stopped_says_so_and_leaves_nothing(data, pli, tmp_path, monkeypatch, number):
    before = sorted(data.iterdir())
    monkeypatch.setattr("server.admin.backup.progress", lambda _: os.kill(os.getpid(), number))
    handler = signal.getsignal(signal.SIGTERM)
    assert pli("backup", "--data", data, "--to", tmp_path / "all.tar")[:2] == (130, "interrupted")
    assert [path for path in sorted(data.iterdir()) if path.name != "backup.lock"] == before
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert signal.getsignal(signal.SIGTERM) is handler
    monkeypatch.undo()
    assert pli("backup", "--data", data, "--to", tmp_path / "all.tar")[0] == 0


def test_what_is_no_database_is_told_by_every_command(data, pli, tmp_path):
    (data / "pli.db").write_bytes(b"not a database" * 100)
    ended, _, told = pli("serve", "--data", data, "--no-web", "--port", 0)
    assert (ended, "file is not a database" in told, "restore a backup" in told) == (5, True, True)
    assert pli("migrate", "--data", data)[:2] == (5, "database_refused")
    assert pli("verify", "--data", data)[0] == 6
    assert pli("backup", "--data", data, "--to", tmp_path / "b")[0] == 5
    assert not (tmp_path / "b").exists()


def test_a_newer_database_is_not_to_be_migrated_says_the_doctor(data, pli, capsys):
    with closing(sqlite.connect(data / "pli.db", isolation_level=None)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    assert pli("migrate", "--data", data)[:2] == (3, "schema_newer")
    main(["doctor", "--data", str(data), "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]
    schema = next(each for each in checks if each["name"] == "schema")
    assert (schema["verdict"], "newer version" in schema["told"]) == ("fix", True)


@pytest.mark.parametrize("place", ["a file", "nowhere"])
def test_a_folder_that_cannot_be_made(pli, tmp_path, place):
    (tmp_path / "a file").write_text("x")
    where = tmp_path / "a file" if place == "a file" else "/proc/nowhere"
    ended, code, told = pli("init", "--data", where)
    assert (ended, code) == (5, "not_accessible")
    assert str(where) in told


def test_a_full_disk_is_told_and_leaves_nothing_half_done(data, pli, tmp_path, small_disk):
    file = tmp_path / "whole.plib"
    assert pli("backup", "--data", data, "--to", file)[0] == 0
    assert pli("backup", "--data", data, "--to", small_disk / "b")[:2] == (5, "no_room")
    assert pli("restore", "--backup", file, "--data", small_disk / "restored")[:2] == (5, "no_room")
    assert list(small_disk.iterdir()) == []
    assert pli("init", "--data", small_disk / "new")[:2] == (5, "no_room")
    assert pli("restore", "--backup", file, "--data", tmp_path / "restored")[0] == 0, "with room it works"
