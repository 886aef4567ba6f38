"""The transaction that intents run in: buffered inserts for the hot path, plain statements for the rest.

Rows of the log and the feeds are collected and written once a batch. What the writer knows of conversations and feeds
stays in memory between batches (it is the only one who changes them) and is forgotten after a rollback.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from server import telemetry
from server.domain.events import Announcement
from server.services.ports import Ahead
from server.storage import engine
from server.storage.accounts import SqlAccounts
from server.storage.attachments import SqlAttachments
from server.storage.conversations import SqlConversations
from server.storage.engine import Connection, Row
from server.storage.faults import Fault
from server.storage.invitations import SqlInvitations
from server.storage.jobs import SqlJobs
from server.storage.journal import SqlJournals
from server.storage.log import SqlLog
from server.storage.retention import SqlRetention
from server.storage.rows import ReaderRows, Rows, among, page
from server.storage.sessions import SqlSessions


class UnitOfWork:
    """One connection, many transactions, one after the other."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ran = False
        self.log = SqlLog(self)
        self.accounts = SqlAccounts(self)
        self.sessions = SqlSessions(self)
        self.conversations = SqlConversations(self, remembers=True)
        self.invitations = SqlInvitations(self)
        self.attachments = SqlAttachments(self)
        self.journals = SqlJournals(self)
        self.jobs = SqlJobs(self)
        self.retention = SqlRetention(self)

    @property
    def written(self) -> bool:
        """Whether the running intent has changed anything."""
        return self._ran or self.log.touched

    def next_intent(self) -> None:
        """Begin to watch what the next intent does."""
        self._ran = self.log.touched = False

    def begin(self) -> None:
        """Take the write lock."""
        self._connection.execute("BEGIN IMMEDIATE")

    def preload(self, ahead: list[Ahead]) -> None:
        """Look up at once which of a batch's envelopes are already in the log."""
        self.log.preload([each.envelope for each in ahead])

    def save(self) -> None:
        """Write what is buffered and commit: on the disk when this returns."""
        self.log.flush()
        self._connection.execute("COMMIT")
        self.log.settle()
        self.conversations.settle()

    def rollback(self) -> None:
        """Forget everything since ``begin``, and what was remembered because of it."""
        self.log.forget()
        self.conversations.forget()
        if getattr(self._connection, "in_transaction", True):
            self._connection.execute("ROLLBACK")

    def fault(self, exc: BaseException) -> Fault:
        """Say what a failure of the transaction means."""
        return engine.fault(exc)

    def take_announcements(self) -> list[Announcement]:
        """Return what was committed since the last call, in the order of the log."""
        return self.log.take_announcements()

    def close(self) -> None:
        """Fold the write-ahead log into the database and close. Where that finds no room, the next start reads it."""
        try:
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except Exception as exc:  # whatever the driver says
            if self.fault(exc) is not Fault.FULL:
                raise
            telemetry.warning("log_kept", exc_type=type(exc).__name__)
        finally:
            self._connection.close()

    def _flush(self) -> None:
        """Write what earlier intents have buffered; that does not count as a change by the running one."""
        ran = self._ran
        self.log.flush()
        self._ran = ran

    # --- Rows -----------------------------------------------------------------------------------------------------

    def one(self, sql: str, *values: Any) -> Row | None:
        """Return the first row, buffered rows included."""
        self._flush()
        return self._connection.execute(sql, values).fetchone()

    def all(self, sql: str, *values: Any) -> list[Row]:
        """Return every row, buffered rows included."""
        self._flush()
        return self._connection.execute(sql, values).fetchall()

    def page(self, sql: str, order: str, *values: Any) -> list[Row]:
        """Return a page of rows (``rows.page``), buffered rows included."""
        self._flush()
        return page(self._connection, sql, order, values)

    def run(self, sql: str, *values: Any) -> int:
        """Execute a change; return how many rows it touched."""
        self._flush()
        self._ran = True
        return self._connection.execute(sql, values).rowcount

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Execute a change for each of ``rows``."""
        self._ran = True
        self._connection.executemany(sql, rows)

    def among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Return the condition "is one of" and the parameters it takes."""
        return among(values)


class View:
    """The same repositories on a read-only connection: a snapshot for each statement."""

    def __init__(self, connection: Connection, rows: Rows | None = None) -> None:
        rows = rows or ReaderRows(connection)
        self._connection = connection
        self.log = SqlLog(rows)
        self.accounts = SqlAccounts(rows)
        self.sessions = SqlSessions(rows)
        self.conversations = SqlConversations(rows)
        self.invitations = SqlInvitations(rows)
        self.attachments = SqlAttachments(rows)
        self.journals = SqlJournals(rows)
        self.jobs = SqlJobs(rows)
        self.retention = SqlRetention(rows)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()
