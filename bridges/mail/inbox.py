"""Mail that was taken: never lost, never twice. One SQLite file; contents are sealed. Source: docs/spec/mail.md 12."""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

State = Literal["taken", "accepted", "quarantined", "repeat"]
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS mails (id INTEGER PRIMARY KEY, box TEXT NOT NULL, validity INTEGER NOT NULL,
  uid INTEGER NOT NULL, sealed BLOB NOT NULL, state TEXT NOT NULL, reason TEXT, likeness BLOB,
  marked INTEGER NOT NULL DEFAULT 0, UNIQUE (box, validity, uid));
CREATE UNIQUE INDEX IF NOT EXISTS one_of_a_kind ON mails (box, likeness) WHERE state = 'accepted';
CREATE INDEX IF NOT EXISTS waiting ON mails (state) WHERE state = 'taken';
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail that waits to be judged."""

    id: int
    raw: bytes


class Inbox:
    """Every write is durable when it returns. ``seal`` and ``unseal`` keep the file unreadable to others."""

    def __init__(self, path: Path, *, seal: Callable[[bytes], bytes], unseal: Callable[[bytes], bytes]) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        path.chmod(0o600)
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(_SCHEMA)
        self._seal, self._unseal = seal, unseal

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def last(self, box: str, validity: int) -> int:
        """Give the highest UID that was taken; mails are taken in rising order, so none below it is missing."""
        query = "SELECT coalesce(max(uid), 0) FROM mails WHERE box = ? AND validity = ?"
        return int(self._db.execute(query, (box, validity)).fetchone()[0])

    def take(self, box: str, validity: int, uid: int, raw: bytes) -> None:
        """Keep a mail as it came, before anybody looks into it; the same one again changes nothing."""
        row = (box, validity, uid, self._seal(raw))
        self._db.execute(
            "INSERT INTO mails (box, validity, uid, sealed, state) VALUES (?, ?, ?, ?, 'taken') "
            "ON CONFLICT (box, validity, uid) DO NOTHING",
            row,
        )

    def note_too_large(self, box: str, validity: int, uid: int) -> None:
        """Keep in mind that a mail over the limit was seen; it stays on the server."""
        self._db.execute(
            "INSERT INTO mails (box, validity, uid, sealed, state, reason) VALUES (?, ?, ?, x'', 'quarantined', "
            "'too_large') ON CONFLICT (box, validity, uid) DO NOTHING",
            (box, validity, uid),
        )

    def next(self, box: str) -> Taken | None:
        """Give the oldest mail that nobody has judged."""
        query = "SELECT id, sealed FROM mails WHERE state = 'taken' AND box = ? ORDER BY id LIMIT 1"
        row = self._db.execute(query, (box,)).fetchone()
        return Taken(int(row[0]), self._unseal(row[1])) if row else None

    def settle(self, mail: int, reason: str | None, *, message_id: str, digest: str) -> State:
        """Write down what became of a mail.

        A mail with the Message-ID and the bytes of an accepted one is a ``repeat``: boxes are rebuilt, and then all
        their mails come again under another UIDVALIDITY.
        """
        likeness = hashlib.sha256(f"{message_id}\0{digest}".encode()).digest()
        state: State = "accepted" if reason is None else "quarantined"
        update = "UPDATE mails SET state = ?, reason = ?, likeness = ? WHERE id = ?"
        try:
            self._db.execute(update, (state, reason, likeness, mail))
        except sqlite3.IntegrityError:
            state = "repeat"
            self._db.execute(update, (state, None, likeness, mail))
        return state

    def replay(self, box: str) -> int:
        """Let the mails kept aside that we hold be judged again, after a repair; gives how many."""
        again = "UPDATE mails SET state = 'taken' WHERE state = 'quarantined' AND sealed != x'' AND box = ?"
        return self._db.execute(again, (box,)).rowcount

    def unmarked(self, box: str, validity: int) -> list[int]:
        """Give the UIDs that are settled here but not marked on the server yet."""
        query = "SELECT uid FROM mails WHERE box = ? AND validity = ? AND marked = 0 AND state != 'taken' ORDER BY uid"
        return [int(row[0]) for row in self._db.execute(query, (box, validity))]

    def mark(self, box: str, validity: int, uids: list[int]) -> None:
        """Remember that the server knows."""
        rows = [(box, validity, uid) for uid in uids]
        self._db.executemany("UPDATE mails SET marked = 1 WHERE box = ? AND validity = ? AND uid = ?", rows)

    def counts(self, box: str) -> dict[str, int]:
        """Count the mails of a box by state."""
        query = "SELECT state, count(*) FROM mails WHERE box = ? GROUP BY state"
        return {str(state): int(count) for state, count in self._db.execute(query, (box,))}
