"""Where logs and feeds begin, and the removal of what is before it, a bounded piece at a time."""

from __future__ import annotations

import itertools
from typing import Final

from server.domain.ids import AccountId, ConversationId
from server.domain.retention import FeedBeginning, LogBeginning, Span, Trimmed
from server.storage.rows import Rows

_LOGS: Final = (
    "SELECT c.id, COALESCE(b.first, 1), COALESCE(b.cleared, 1), e.at FROM conversation c"
    " LEFT JOIN log_beginning b ON b.conversation = c.id"
    " LEFT JOIN event e ON e.conversation = c.id AND e.seq = COALESCE(b.first, 1)"
    " WHERE c.id > ? ORDER BY c.id LIMIT ?"
)
_FEEDS: Final = (
    "SELECT a.id, COALESCE(b.first, 1), e.at FROM account a"
    " LEFT JOIN feed_beginning b ON b.account = a.id"
    " LEFT JOIN feed f ON f.account = a.id AND f.position = COALESCE(b.first, 1)"
    " LEFT JOIN event e ON e.conversation = f.conversation AND e.seq = f.seq"
    " WHERE a.id > ? ORDER BY a.id LIMIT ?"
)


class SqlRetention:
    """The beginnings of logs and feeds. No row: it begins at 1."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    # --- logs -------------------------------------------------------------------------------------------------------

    def logs(self, after: bytes, limit: int) -> list[LogBeginning]:
        """Return how the logs of conversations begin, in the order of their ids."""
        return [LogBeginning(*row) for row in self._rows.all(_LOGS, after, limit)]

    def trimmed(self, conversation: ConversationId) -> Trimmed | None:
        """Return where a log is told to begin, or none: at its beginning."""
        row = self._rows.one("SELECT first, before FROM log_beginning WHERE conversation = ?", conversation)
        return Trimmed(row[0], row[1]) if row else None

    def span(self, conversation: ConversationId, first: int, before: int, limit: int) -> Span:
        """Look at up to ``limit`` events from ``first`` on, and find those that are all older than ``before``."""
        rows = self._rows.all(
            "SELECT seq, at, CASE WHEN type = 'envelope' AND body IS NOT NULL THEN 1 ELSE 0 END FROM event"
            " WHERE conversation = ? AND seq >= ? ORDER BY seq LIMIT ?",
            conversation, first, limit,
        )  # fmt: skip
        over = list(itertools.takewhile(lambda row: row[1] < before, rows))
        stop = over[-1][0] + 1 if over else first
        return Span(stop, any(row[2] for row in over), ends=len(over) < limit)

    def begin_log(self, conversation: ConversationId, to: Trimmed) -> None:
        """Store where a log begins from now on. Nothing is removed yet."""
        self._rows.run(
            "INSERT INTO log_beginning (conversation, first, before, cleared) VALUES (?, ?, ?, 1)"
            " ON CONFLICT (conversation) DO UPDATE SET first = excluded.first, before = excluded.before",
            conversation, to.first, to.before,
        )  # fmt: skip

    def clear(self, conversation: ConversationId, first: int, stop: int) -> int:
        """Remove the bytes of the messages from ``first`` to before ``stop``; return how many had some.

        A document that was last named before ``stop`` is in this conversation no longer (0: nobody knows where).
        """
        removed = self._rows.run(
            "UPDATE event SET body = NULL, detail = NULL WHERE conversation = ? AND seq >= ? AND seq < ?"
            " AND type = 'envelope' AND body IS NOT NULL",
            conversation, first, stop,
        )  # fmt: skip
        self._rows.run("DELETE FROM attachment_link WHERE conversation = ? AND seq > 0 AND seq < ?", conversation, stop)
        self._rows.run("UPDATE log_beginning SET cleared = ? WHERE conversation = ?", stop, conversation)
        return removed

    # --- feeds ------------------------------------------------------------------------------------------------------

    def feeds(self, after: bytes, limit: int) -> list[FeedBeginning]:
        """Return how the feeds of accounts begin, in the order of their ids."""
        return [FeedBeginning(*row) for row in self._rows.all(_FEEDS, after, limit)]

    def first_position(self, account: AccountId) -> int:
        """Return the position of the oldest entry that a feed keeps; 1 for a feed that keeps everything."""
        row = self._rows.one("SELECT first FROM feed_beginning WHERE account = ?", account)
        return int(row[0]) if row else 1

    def shorten_feed(self, account: AccountId, first: int, before: int, limit: int) -> int:
        """Remove up to ``limit`` entries from ``first`` on that are about older events; the newest stays.

        Positions go on from the newest: a feed without any would begin to count again.
        """
        rows = self._rows.all(
            "SELECT f.position, e.at FROM feed f JOIN event e ON e.conversation = f.conversation AND e.seq = f.seq"
            " WHERE f.account = ? AND f.position >= ? ORDER BY f.position LIMIT ?",
            account, first, limit + 1,
        )  # fmt: skip
        over = list(itertools.takewhile(lambda row: row[1] < before, rows[:-1]))
        if not over:
            return 0
        begins = over[-1][0] + 1
        self._rows.run("DELETE FROM feed WHERE account = ? AND position < ?", account, begins)
        self._rows.run(
            "INSERT INTO feed_beginning (account, first) VALUES (?, ?)"
            " ON CONFLICT (account) DO UPDATE SET first = excluded.first",
            account, begins,
        )  # fmt: skip
        return len(over)
