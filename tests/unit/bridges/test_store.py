"""What a device remembers."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest
from pysqlite3 import dbapi2 as sqlite3

from bridges.kit.store import Store
from bridges.kit.wire import B64, EpochEntry, Event

C = b"c" * 32


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path / "memory.sqlite")
    yield opened
    opened.close()


def event(seq: int, envelope: bytes = b"x") -> Event:
    return Event(seq=seq, type="envelope", at=1, id=B64(b"i" * 32), envelope=B64(envelope))


def test_a_known_seq_keeps_its_first_content(store):
    store.add_events(C, [event(1, b"first")])
    store.add_events(C, [event(1, b"second"), event(2)])
    assert [e.envelope for e in store.events(C)] == [b"first", b"x"]
    assert store.last_seq(C) == 2


def test_a_pinned_link_never_changes(store):
    store.pin_links(b"a", 0, [b"genesis", b"one"])
    with pytest.raises(sqlite3.IntegrityError):
        store.pin_links(b"a", 1, [b"other"])
    assert store.links(b"a") == [b"genesis", b"one"]


def test_a_pinned_epoch_never_changes(store):
    store.pin_epochs(C, [EpochEntry(epoch=1, record=B64(b"record"))])
    with pytest.raises(sqlite3.IntegrityError):
        store.pin_epochs(C, [EpochEntry(epoch=1, record=B64(b"other"))])
    assert store.epochs(C) == [(b"record", None)]


def test_the_outbox_keeps_order_and_bytes_until_acknowledged(store):
    first = store.put_out(C, b"l1", b"body 1", b"s1", at=1)
    second = store.put_out(None, b"l2", b"body 2", b"s2", at=1)
    assert store.waiting() == [first, second]
    store.take_out(first)
    third = store.replace_out(second, b"body 3")
    assert store.waiting() == [third]
    assert (third.id, third.body) == (second.id, b"body 3")


def test_what_was_put_out_survives_a_kill(tmp_path):
    script = f"""
        import os, signal
        from pathlib import Path
        from bridges.kit.store import Store
        Store(Path({str(tmp_path)!r}) / "memory.sqlite").put_out(b"c", b"likeness", b"sealed bytes", b"", at=1)
        os.kill(os.getpid(), signal.SIGKILL)
    """
    ended = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], check=False, env=os.environ)
    assert ended.returncode == -signal.SIGKILL
    store = Store(tmp_path / "memory.sqlite")
    assert [(w.conversation, w.body) for w in store.waiting()] == [(b"c", b"sealed bytes")]
    store.close()


def test_all_or_none(store):
    def half() -> None:
        with store.together():
            store.learn("a", b"1")
            raise ValueError

    with pytest.raises(ValueError):
        half()
    assert store.fact("a") is None


def test_a_kept_answer_is_handed_out_once_and_not_for_ever(store):
    for at in (5, 50):
        store.keep_result(store.put_out(C, b"like", b"body", b"s", at=at), b"answer of %d" % at)
    assert store.waiting() == []
    assert store.take_result(b"other", since=10) is None
    assert store.take_result(b"like", since=10) == b"answer of 50"
    assert store.take_result(b"like", since=10) is None


def test_every_commit_waits_for_the_disk(store):
    assert store._db.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL: also in a write-ahead log
    assert store._db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
