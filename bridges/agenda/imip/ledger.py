"""What we invited people to by mail, and what they wish instead. Source: docs/spec/agenda-partners.md 11."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from bridges.kit.local_file import open_file

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS invitations (uid TEXT PRIMARY KEY, token TEXT NOT NULL UNIQUE, attendee TEXT NOT NULL,
  sequence INTEGER NOT NULL, start INTEGER NOT NULL, end INTEGER NOT NULL, cancelled INTEGER NOT NULL,
  stamp INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS wishes (uid TEXT PRIMARY KEY, sequence INTEGER NOT NULL, start INTEGER NOT NULL,
  end INTEGER NOT NULL, stamp INTEGER NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """One appointment that we sent by mail, as it was sent last."""

    uid: str
    token: str  # what the conversation knows it by
    attendee: str  # address
    sequence: int
    start: datetime  # UTC
    end: datetime
    cancelled: bool
    stamp: datetime  # when it was said: repeated as it was


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Another time that somebody asks for: the practice decides."""

    uid: str
    sequence: int
    start: datetime  # UTC
    end: datetime
    stamp: datetime


class Ledger:
    """One SQLite file of the practice; each write is durable when it returns."""

    def __init__(self, path: Path) -> None:
        self._db = open_file(path, SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def get(self, uid: str) -> Invitation | None:
        """Give an invitation of ours."""
        row = self._db.execute("SELECT * FROM invitations WHERE uid = ?", (uid,)).fetchone()
        return None if row is None else _invitation(row)

    def find(self, token: str) -> Invitation | None:
        """Give an invitation by the name that the conversation has for it."""
        row = self._db.execute("SELECT * FROM invitations WHERE token = ?", (token,)).fetchone()
        return None if row is None else _invitation(row)

    def put(self, one: Invitation) -> None:
        """Keep what is said now; a wish about it is settled."""
        times = (int(one.start.timestamp()), int(one.end.timestamp()))
        row = (one.uid, one.token, one.attendee, one.sequence, *times, int(one.cancelled), int(one.stamp.timestamp()))
        self._db.execute("INSERT OR REPLACE INTO invitations VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        self.settle(one.uid)

    def wish(self, wish: Wish) -> None:
        """Keep the last wish about an invitation, by when it was said."""
        times = (int(wish.start.timestamp()), int(wish.end.timestamp()), int(wish.stamp.timestamp()))
        self._db.execute(
            "INSERT INTO wishes VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET sequence = excluded.sequence,"
            " start = excluded.start, end = excluded.end, stamp = excluded.stamp WHERE excluded.stamp >= wishes.stamp",
            (wish.uid, wish.sequence, *times),
        )

    def wishes(self) -> Sequence[Wish]:
        """Give the wishes that nobody has answered."""
        rows = self._db.execute("SELECT * FROM wishes ORDER BY stamp, uid")
        return [
            Wish(uid=uid, sequence=sequence, start=_moment(start), end=_moment(end), stamp=_moment(stamp))
            for uid, sequence, start, end, stamp in rows
        ]

    def settle(self, uid: str) -> None:
        """Forget the wish about an invitation."""
        self._db.execute("DELETE FROM wishes WHERE uid = ?", (uid,))


def _invitation(row: tuple[str, str, str, int, int, int, int, int]) -> Invitation:
    uid, token, attendee, sequence, start, end, cancelled, stamp = row
    return Invitation(
        uid=uid,
        token=token,
        attendee=attendee,
        sequence=sequence,
        start=_moment(start),
        end=_moment(end),
        cancelled=bool(cancelled),
        stamp=_moment(stamp),
    )


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
