"""What a device remembers, in one SQLite file: public or sealed bytes only, never a key or a readable word.

The pins live here: a chain or a log that the server once showed may only grow. The SQLite of a wheel, since the one
in our Python has a race of write-ahead logs that corrupts (docs/adr/0005).
"""

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bridges.kit import wire
from bridges.kit.local_file import open_file, together

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links (account BLOB, position INTEGER, link BLOB NOT NULL,
  PRIMARY KEY (account, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS epochs (conversation BLOB, epoch INTEGER, record BLOB NOT NULL, box BLOB,
  seq INTEGER NOT NULL, PRIMARY KEY (conversation, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (conversation BLOB, seq INTEGER, event BLOB NOT NULL,
  PRIMARY KEY (conversation, seq)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox (id INTEGER PRIMARY KEY, conversation BLOB, likeness BLOB NOT NULL,
  body BLOB NOT NULL, sealed BLOB NOT NULL, at INTEGER NOT NULL, result BLOB);
CREATE TABLE IF NOT EXISTS invitations (conversation BLOB, member BLOB, sealed BLOB NOT NULL,
  PRIMARY KEY (conversation, member)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (likeness BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something sealed that the server has not acknowledged yet.

    ``conversation`` is ``None`` for a conversation to create. ``body`` is the request, sent identically each time;
    ``sealed`` what the sender needs back (keystore-sealed); ``likeness`` tells a repeated command from a new one.
    """

    id: int
    conversation: bytes | None
    likeness: bytes
    body: bytes
    sealed: bytes


class Store:
    """The local memory of one home. Every write is durable when it returns (``synchronous=FULL``)."""

    def __init__(self, path: Path) -> None:
        self._db = open_file(path, SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def together(self) -> AbstractContextManager[None]:
        """Make several writes all or none."""
        return together(self._db)

    # --- single facts ---------------------------------------------------------------------------------------------

    def fact(self, name: str) -> bytes | None:
        """Read a named value."""
        row = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def learn(self, name: str, value: bytes) -> None:
        """Keep a named value."""
        self._db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    # --- account chains -------------------------------------------------------------------------------------------

    def links(self, account: bytes) -> list[bytes]:
        """Read the pinned chain of an account, from its genesis."""
        rows = self._db.execute("SELECT link FROM links WHERE account = ? ORDER BY position", (account,))
        return [bytes(row[0]) for row in rows]

    def pin_links(self, account: bytes, first: int, links: Iterable[bytes]) -> None:
        """Append accepted links, the first at position ``first``. A pinned position never changes."""
        rows = [(account, first + i, link) for i, link in enumerate(links)]
        self._db.executemany("INSERT INTO links VALUES (?, ?, ?)", rows)

    # --- conversations --------------------------------------------------------------------------------------------

    def conversations(self) -> list[bytes]:
        """List the conversations with at least one pinned record."""
        return [bytes(row[0]) for row in self._db.execute("SELECT conversation FROM epochs WHERE epoch = 1")]

    def epochs(self, conversation: bytes) -> list[tuple[bytes, bytes | None]]:
        """Read the pinned records with this account's box, from epoch 1."""
        query = "SELECT record, box FROM epochs WHERE conversation = ? ORDER BY epoch"
        rows = self._db.execute(query, (conversation,))
        return [(bytes(record), None if box is None else bytes(box)) for record, box in rows]

    def pin_epochs(self, conversation: bytes, entries: Iterable[wire.EpochEntry]) -> None:
        """Append accepted records. A pinned epoch never changes."""
        rows = [(conversation, e.epoch, e.record, e.box, e.seq) for e in entries]
        self._db.executemany("INSERT INTO epochs VALUES (?, ?, ?, ?, ?)", rows)

    def events_in_epoch(self, conversation: bytes) -> int:
        """Count the events after the newest pinned record."""
        query = "SELECT seq FROM epochs WHERE conversation = ? ORDER BY epoch DESC LIMIT 1"
        row = self._db.execute(query, (conversation,)).fetchone()
        return 0 if row is None else max(0, self.last_seq(conversation) - int(row[0]))  # a log has no gaps

    def last_seq(self, conversation: bytes) -> int:
        """Give the last stored seq, 0 for none."""
        row = self._db.execute("SELECT MAX(seq) FROM events WHERE conversation = ?", (conversation,)).fetchone()
        return int(row[0] or 0)

    def add_events(self, conversation: bytes, events: Iterable[wire.Event]) -> None:
        """Keep events of the log as the server gave them; a known seq keeps its first content."""
        rows = [(conversation, e.seq, wire.dumps(e)) for e in events]
        self._db.executemany("INSERT OR IGNORE INTO events VALUES (?, ?, ?)", rows)

    def events(self, conversation: bytes, after: int = 0) -> list[wire.Event]:
        """Read the stored log after a seq."""
        query = "SELECT event FROM events WHERE conversation = ? AND seq > ? ORDER BY seq"
        return [wire.loads(row[0], wire.Event) for row in self._db.execute(query, (conversation, after))]

    # --- outbox ---------------------------------------------------------------------------------------------------

    def waiting(self) -> list[Waiting]:
        """List what has not been acknowledged, oldest first."""
        query = "SELECT id, conversation, likeness, body, sealed FROM outbox WHERE result IS NULL ORDER BY id"
        rows = self._db.execute(query)
        return [Waiting(*row) for row in rows]

    def put_out(self, conversation: bytes | None, likeness: bytes, body: bytes, sealed: bytes, *, at: int) -> Waiting:
        """Keep something sealed before its first try."""
        query = "INSERT INTO outbox (conversation, likeness, body, sealed, at) VALUES (?, ?, ?, ?, ?)"
        row = self._db.execute(query, (conversation, likeness, body, sealed, at)).lastrowid
        assert row is not None
        return Waiting(row, conversation, likeness, body, sealed)

    def replace_out(self, waiting: Waiting, body: bytes) -> Waiting:
        """Exchange the bytes of something the server has certainly not taken (its epoch was stale)."""
        self._db.execute("UPDATE outbox SET body = ? WHERE id = ?", (body, waiting.id))
        return replace(waiting, body=body)

    def take_out(self, waiting: Waiting) -> None:
        """Forget something acknowledged or refused."""
        self._db.execute("DELETE FROM outbox WHERE id = ?", (waiting.id,))

    def keep_result(self, waiting: Waiting, result: bytes) -> None:
        """Keep the answer to something that another command delivered, for the repeat of the command that began it."""
        self._db.execute("UPDATE outbox SET result = ? WHERE id = ?", (result, waiting.id))

    def take_result(self, likeness: bytes, *, since: int) -> bytes | None:
        """Hand out a kept answer, once; forget those of before ``since``."""
        self._db.execute("DELETE FROM outbox WHERE result IS NOT NULL AND at < ?", (since,))
        query = "SELECT id, result FROM outbox WHERE likeness = ? AND result IS NOT NULL ORDER BY id"
        row = self._db.execute(query, (likeness,)).fetchone()
        if row is None:
            return None
        self._db.execute("DELETE FROM outbox WHERE id = ?", (row[0],))
        return bytes(row[1])

    # --- invitations and uploads, sealed by the keystore ----------------------------------------------------------

    def keep_invitation(self, conversation: bytes, member: bytes, sealed: bytes) -> None:
        """Keep an invitation's link and code so that they can be shown again."""
        self._db.execute("INSERT OR REPLACE INTO invitations VALUES (?, ?, ?)", (conversation, member, sealed))

    def invitation(self, conversation: bytes, member: bytes | None = None) -> bytes | None:
        """Read what ``keep_invitation`` kept for a member, or for any one of the conversation."""
        query = "SELECT sealed FROM invitations WHERE conversation = ? AND member = COALESCE(?, member)"
        row = self._db.execute(query, (conversation, member)).fetchone()
        return None if row is None else bytes(row[0])

    def upload(self, likeness: bytes) -> bytes | None:
        """Read the sealed parameters of an upload that was cut."""
        row = self._db.execute("SELECT sealed FROM uploads WHERE likeness = ?", (likeness,)).fetchone()
        return None if row is None else bytes(row[0])

    def keep_upload(self, likeness: bytes, sealed: bytes) -> None:
        """Keep the sealed parameters of an upload, so that it is resumed after a crash."""
        self._db.execute("INSERT OR REPLACE INTO uploads VALUES (?, ?)", (likeness, sealed))

    def forget_upload(self, likeness: bytes) -> None:
        """Forget an upload that a message names."""
        self._db.execute("DELETE FROM uploads WHERE likeness = ?", (likeness,))
