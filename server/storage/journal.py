"""The access journals: rows are only added, each with the hash of the one before, and removed from the oldest on."""

from __future__ import annotations

import itertools
from typing import Any, Final

from crypto.journal import Entry
from crypto.suite import NO_HASH
from server.domain.ids import AccountId
from server.domain.journal import JournalEnds, Told
from server.storage.engine import Row
from server.storage.rows import Rows

_ENTRY: Final = "position, kind, at, who, conversation, attachment, previous"
_SAME: Final = "account = ? AND who = ? AND conversation = ? AND kind = ?"


class SqlJournals:
    """The access journal of each account. Where one ends stands in ``journal_end``."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def append(self, account: AccountId, told: Told, at: int) -> None:
        """Give ``told`` the next place in the journal of an account."""
        ends = self.ends(account)
        place = ends.last + 1
        entry = Entry(place, told.kind.value, at, told.who, told.conversation, told.attachment, ends.head)
        self._rows.run(
            f"INSERT INTO journal (account, {_ENTRY}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            account, place, entry.kind, at, told.who, told.conversation, told.attachment, ends.head,
        )  # fmt: skip
        digest = entry.hash(account)
        self._rows.run(
            "INSERT INTO journal_end (account, first, last, head) VALUES (?, 1, ?, ?)"
            " ON CONFLICT (account) DO UPDATE SET last = ?, head = ?",
            account, place, digest, place, digest,
        )  # fmt: skip

    def visited(self, account: AccountId, told: Told, since: int) -> bool:
        """Tell whether the same access stands in the journal after a time."""
        sql, values = f"SELECT 1 FROM journal WHERE {_SAME} AND at > ?", [account, told.who, told.conversation]  # noqa: S608
        asked: list[Any] = [*values, told.kind.value, since]
        if told.attachment is not None:
            sql, asked = sql + " AND attachment = ?", [*asked, told.attachment]
        return self._rows.one(sql + " LIMIT 1", *asked) is not None

    def ends(self, account: AccountId) -> JournalEnds:
        """Return where a journal begins and ends."""
        row = self._rows.one("SELECT first, last, head FROM journal_end WHERE account = ?", account)
        return JournalEnds(row[0], row[1], row[2]) if row else JournalEnds(1, 0, NO_HASH)

    def after(self, account: AccountId, position: int, limit: int) -> list[Entry]:
        """Return up to ``limit`` entries with a higher position, ascending."""
        return self._where("position > ? ORDER BY position LIMIT ?", account, position, limit)

    def before(self, account: AccountId, position: int, limit: int) -> list[Entry]:
        """Return the ``limit`` newest entries with a lower position, ascending."""
        return self._where("position < ? ORDER BY position DESC LIMIT ?", account, position, limit)[::-1]

    def forget(self, before: int, limit: int) -> int:
        """Remove the oldest entries of journals, as far as they are older than a time; return how many."""
        old = self._rows.all(
            "SELECT e.account FROM journal_end e JOIN journal j ON j.account = e.account AND j.position = e.first"
            " WHERE j.at < ? LIMIT ?",
            before, limit,
        )  # fmt: skip
        gone = 0
        for (account,) in old:
            if gone < limit:
                gone += self._forget(account, before, limit - gone)
        return gone

    def _forget(self, account: AccountId, before: int, limit: int) -> int:
        oldest = self.after(account, 0, limit)
        over = list(itertools.takewhile(lambda entry: entry.at < before, oldest))
        first = over[-1].position + 1
        self._rows.run("DELETE FROM journal WHERE account = ? AND position < ?", account, first)
        self._rows.run("UPDATE journal_end SET first = ? WHERE account = ?", first, account)
        return len(over)

    def _where(self, condition: str, *values: Any) -> list[Entry]:
        sql = f"SELECT {_ENTRY} FROM journal WHERE account = ? AND {condition}"  # noqa: S608
        return [_entry(row) for row in self._rows.all(sql, *values)]


def _entry(row: Row) -> Entry:
    return Entry(row[0], row[1], row[2], row[3], row[4], row[5], row[6])
