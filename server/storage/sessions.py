"""Sessions, by the hash of their token."""

from __future__ import annotations

from typing import Final

from server.domain.ids import AccountId, HolderId, SessionId
from server.domain.session import Session
from server.storage.rows import Rows

_SESSION: Final = "id, token_hash, account, holder, created, last_used, expires"


class SqlSessions:
    """The open sessions."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def add(self, session: Session) -> None:
        """Store a new session."""
        self._rows.run(
            f"INSERT INTO session ({_SESSION}) VALUES (?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            session.id, session.token_hash, session.account, session.holder, session.created, session.last_used,
            session.expires,
        )  # fmt: skip

    def by_token(self, token_hash: bytes) -> Session | None:
        """Return the session of a token, expired ones included."""
        row = self._rows.one(f"SELECT {_SESSION} FROM session WHERE token_hash = ?", token_hash)  # noqa: S608
        return Session(*row) if row else None

    def get(self, session: SessionId) -> Session | None:
        """Return a session by its id, expired ones included."""
        row = self._rows.one(f"SELECT {_SESSION} FROM session WHERE id = ?", session)  # noqa: S608
        return Session(*row) if row else None

    def of_account(self, account: AccountId, limit: int) -> list[Session]:
        """Return up to ``limit`` sessions of an account, newest first."""
        sql = f"SELECT {_SESSION} FROM session WHERE account = ? ORDER BY created DESC LIMIT ?"  # noqa: S608
        rows = self._rows.all(sql, account, limit)
        return [Session(*row) for row in rows]

    def touch(self, session: SessionId, last_used: int, expires: int) -> None:
        """Store that a session has been used."""
        self._rows.run("UPDATE session SET last_used = ?, expires = ? WHERE id = ?", last_used, expires, session)

    def end(self, session: SessionId, account: AccountId) -> int:
        """Remove a session of ``account``; return how many there were."""
        return self._rows.run("DELETE FROM session WHERE id = ? AND account = ?", session, account)

    def end_of_holder(self, holder: HolderId) -> list[SessionId]:
        """Remove every session of a holder; return their ids."""
        ended = [row[0] for row in self._rows.all("SELECT id FROM session WHERE holder = ?", holder)]
        self._rows.run("DELETE FROM session WHERE holder = ?", holder)
        return ended

    def sweep(self, now: int) -> int:
        """Remove the sessions that have expired, and what is remembered of stamps."""
        self._rows.run("DELETE FROM spent_stamp WHERE ends < ?", now)
        return self._rows.run("DELETE FROM session WHERE expires < ?", now)

    def still_open(self, sessions: list[SessionId]) -> set[SessionId]:
        """Return those of ``sessions`` that have not ended."""
        condition, values = self._rows.among(sessions)
        return {row[0] for row in self._rows.all(f"SELECT id FROM session WHERE id {condition}", *values)}  # noqa: S608

    def spend(self, stamp: bytes, ends: int) -> bool:
        """Remember that a single-use stamp has been used; False when it had been before. Forgotten after ``ends``."""
        sql = "INSERT INTO spent_stamp (stamp, ends) VALUES (?, ?) ON CONFLICT DO NOTHING"
        return self._rows.run(sql, stamp, ends) == 1
