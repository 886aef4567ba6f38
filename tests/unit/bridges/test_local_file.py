"""The file in which a bridge remembers."""

import os

import pytest

from bridges.kit.local_file import ConstraintError, FileError, open_file, together

TABLE = "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY)"


def test_nobody_else_reads_it_nor_what_lies_beside_it(tmp_path):
    before = os.umask(0)
    try:
        db = open_file(tmp_path / "one.db", TABLE)
        db.execute("INSERT INTO facts VALUES ('a')")
        modes = {one.name: one.stat().st_mode & 0o777 for one in tmp_path.iterdir()}
    finally:
        os.umask(before)
    assert {"one.db", "one.db-wal"} <= modes.keys()
    assert set(modes.values()) == {0o600}
    db.close()


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path):
    open_file(tmp_path / "one.db", TABLE).close()
    (tmp_path / "one.db").chmod(0o644)
    open_file(tmp_path / "one.db").close()
    assert (tmp_path / "one.db").stat().st_mode & 0o777 == 0o600


def test_each_write_waits_for_the_disk(tmp_path):
    db = open_file(tmp_path / "one.db")
    assert db.execute("PRAGMA synchronous").fetchone() == (2,)
    db.close()


def test_several_writes_are_all_or_none(tmp_path):
    db = open_file(tmp_path / "one.db", TABLE)
    with pytest.raises(ConstraintError), together(db):
        db.executemany("INSERT INTO facts VALUES (?)", ["a", "a"])
    with together(db):
        db.execute("INSERT INTO facts VALUES ('b')")
    assert db.execute("SELECT name FROM facts").fetchall() == [("b",)]
    db.close()


def test_something_else_is_refused(tmp_path):
    (tmp_path / "one.db").write_bytes(b"this is no database " * 100)
    with pytest.raises(FileError, match="not a database"):
        open_file(tmp_path / "one.db", TABLE)
    with pytest.raises(FileNotFoundError):
        open_file(tmp_path / "missing" / "one.db")
