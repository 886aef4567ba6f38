"""A database of an earlier version comes along: what it knew is true in the newer words."""

from __future__ import annotations

import base64
import json
from contextlib import closing

import pysqlite3.dbapi2 as sqlite
import pytest
from alembic import command

from server.storage.engine import schema_engine
from server.storage.schema import alembic_config, migrate

PATIENT, DOCTOR, OTHER = b"p" * 32, b"d" * 32, b"o" * 32
MEMBERS = {
    "still in": [(PATIENT, "patient", None)],
    "left": [(PATIENT, "patient", 3)],
    "left, and another came": [(PATIENT, "patient", 3), (OTHER, "patient", None)],
    "taken out by the owner": [(PATIENT, "patient", 4)],
    "never had one": [],
}
LEFT_BY = {"left": PATIENT, "left, and another came": PATIENT, "taken out by the owner": None}


@pytest.fixture
def old(tmp_path):
    """A database as version 0002 left it, with a conversation for each case."""
    path = tmp_path / "pli.db"
    engine = schema_engine(path)
    with engine.connect() as connection:
        command.upgrade(alembic_config(connection), "0002")
    engine.dispose()
    with closing(sqlite.connect(path, isolation_level=None)) as database:
        for case, members in MEMBERS.items():
            conversation = case.encode().ljust(32, b".")
            database.execute("INSERT INTO conversation VALUES (?, 1, x'00', 9, 1, 'open', NULL, NULL)", (conversation,))
            for account, role, left in [(DOCTOR, "owner", None), *members]:
                sql = "INSERT INTO member VALUES (?, ?, ?, 'full', 1, 1, ?, 0, 0)"
                database.execute(sql, (conversation, account, role, left))
            if (author := LEFT_BY.get(case)) is not None:
                sql = "INSERT INTO event (conversation, seq, type, at, author, epoch) VALUES (?, 3, 'left', 1, ?, 1)"
                database.execute(sql, (conversation, author))
        database.execute("INSERT INTO reply_right VALUES (?, ?, 1)", (PATIENT, DOCTOR))
    return path


def test_who_had_left_before_is_known_to_have_left(old):
    migrate(old)
    with closing(sqlite.connect(old)) as database:
        gone = {
            row[0].rstrip(b".").decode(): row[1]
            for row in database.execute("SELECT id, patient_gone FROM conversation")
        }
        assert gone == dict.fromkeys(MEMBERS, 0) | {"left": 1}
        assert database.execute("SELECT is_open, blocked_at FROM reply_right").fetchall() == [(1, None)]
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_document_is_placed_where_it_was_named_last(old):
    document, unknown, conversation = b"d" * 16, b"u" * 16, b"never had one".ljust(32, b".")
    with closing(sqlite.connect(old, isolation_level=None)) as database:
        detail = json.dumps({"attachments": [base64.urlsafe_b64encode(document).decode().rstrip("=")]})
        sql = "INSERT INTO event (conversation, seq, type, at, author, epoch, detail) VALUES (?, ?, 'envelope', 1, x'00', 1, ?)"
        database.executemany(sql, [(conversation, seq, detail) for seq in (4, 7)])
        database.executemany(
            "INSERT INTO attachment_link VALUES (?, ?)", [(document, conversation), (unknown, conversation)]
        )
    migrate(old)
    with closing(sqlite.connect(old)) as database:
        placed = dict(database.execute("SELECT attachment, seq FROM attachment_link").fetchall())
    assert placed == {document: 7, unknown: 0}


def test_the_newest_schema_goes_back_and_forth_without_losing_what_is_older(old):
    migrate(old)
    engine = schema_engine(old)
    with engine.connect() as connection:
        command.downgrade(alembic_config(connection), "0002")
    engine.dispose()
    migrate(old)
    with closing(sqlite.connect(old)) as database:
        assert database.execute("SELECT count(*) FROM member").fetchone()[0] == len(MEMBERS) + 5
        assert database.execute("SELECT is_open FROM reply_right").fetchall() == [(1,)]
