"""The transaction that intents run in on PostgreSQL, where several nodes take turns.

A batch begins by taking the one row of ``turn``: that is the lock, and its number tells whether another node has
written since the last batch of this one. If so, what this node remembers of conversations and feeds may be old and is
forgotten. So seqs and positions are given inside the transaction, by one node at a time, and nothing stale is built
upon.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from typing_extensions import override

from server.domain.conversation import Conversation, Member
from server.domain.events import PAGE, Event, Mark
from server.domain.ids import AccountId, ConversationId
from server.services.ports import Ahead
from server.storage import postgres
from server.storage.conversations import HEAD, SqlConversations, head_of, member_of
from server.storage.engine import Row
from server.storage.faults import Fault
from server.storage.log import (
    ADD_EVENT,
    ADD_FEED,
    CARRIES,
    EVENT,
    SAVE_HEAD,
    WITHIN,
    SqlLog,
    event_of,
    event_within,
    head_values,
)
from server.storage.postgres import PostgresConnection, bulk
from server.storage.rows import ReaderRows
from server.storage.unit_of_work import UnitOfWork, View

_TAKE: Final = "BEGIN; UPDATE turn SET number = number + 1 WHERE id = 1"
_APPEND: Final = f"WITH e AS ({bulk(ADD_EVENT)}), f AS ({bulk(ADD_FEED, 11)}) {bulk(SAVE_HEAD, 15)}"
_TODO: Final = (
    "WITH todo AS (SELECT a.id, a.acked, LEAST(asked.position,"
    " (SELECT MAX(f.position) FROM feed f WHERE f.account = a.id)) AS upto"
    " FROM unnest(?::bytea[], ?::bigint[]) AS asked(id, position) JOIN account a ON a.id = asked.id)"
)
_DELIVER: Final = (
    _TODO + ", arrived AS (SELECT f.account, f.conversation, MAX(f.seq) AS seq FROM todo"  # noqa: S608
    " JOIN feed f ON f.account = todo.id AND f.position > todo.acked AND f.position <= todo.upto"
    " JOIN event e ON e.conversation = f.conversation AND e.seq = f.seq"
    " AND (e.author <> f.account OR e.type = 'epoch')"
    " GROUP BY f.account, f.conversation)"
    " UPDATE member m SET delivered_seq = arrived.seq FROM arrived WHERE m.conversation = arrived.conversation"
    " AND m.account = arrived.account AND m.delivered_seq < arrived.seq"
    " RETURNING m.conversation, m.account, m.delivered_seq"
)
_ACKED: Final = _TODO + " UPDATE account a SET acked = upto FROM todo WHERE a.id = todo.id AND a.acked < upto"  # noqa: S608

_ENDS: Final = (
    "SELECT asked.id, COALESCE((SELECT MAX(f.position) FROM feed f WHERE f.account = asked.id), 0)"
    " FROM unnest(?::bytea[]) AS asked(id)"
)
_MEMBERS: Final = (
    "SELECT account, role, history, since, writes, conversation FROM member m WHERE conversation = ANY(?)"
    " AND m.left IS NULL ORDER BY account"
)
_RIGHTS: Final = (
    "SELECT r.patient, r.professional, r.is_open, r.blocked_at FROM unnest(?::bytea[], ?::bytea[]) AS asked(p, q)"
    " JOIN reply_right r ON r.patient = asked.p AND r.professional = asked.q"
)
_FOR: Final = (
    f"SELECT m.account, m.role, m.history, m.since, m.writes, c.last_seq, {WITHIN}, {CARRIES} FROM member m"  # noqa: S608
    " JOIN conversation c ON c.id = m.conversation LEFT JOIN event e ON e.conversation = m.conversation AND"
)
_WHO: Final = "WHERE m.conversation = ? AND m.account = ? AND m.left IS NULL"
_FLOOR: Final = "CASE WHEN m.history = 'none' THEN m.since ELSE 1 END"
_AFTER: Final = f"{_FOR} e.seq > GREATEST(?, {_FLOOR} - 1) {_WHO}"
_BEFORE: Final = f"{_FOR} e.seq < ? AND e.seq >= {_FLOOR} {_WHO}"


class PostgresUnit(UnitOfWork):
    """One connection of the writer's thread, many transactions, one after the other."""

    def __init__(self, connection: PostgresConnection) -> None:
        super().__init__(connection)
        self._postgres = connection
        self._turn = 0
        self.log: PostgresLog = PostgresLog(self)
        self.conversations: PostgresConversations = PostgresConversations(self, remembers=True)

    @override
    def begin(self) -> None:
        """Wait for the turn of this node."""
        self._postgres.open()
        self._postgres.script(_TAKE)

    @override
    def preload(self, ahead: list[Ahead]) -> None:
        """Look up at once what a batch will ask for, and whether another node has written."""
        taken = self.log.preload_turn([each.envelope for each in ahead])
        if taken != self._turn + 1:
            self.log.forget_positions()
            self.conversations.forget()
        self._turn = taken
        heads = self.conversations.load_all({each.conversation for each in ahead})
        self.conversations.load_rights(heads)
        self.log.load_positions({account for head in heads for account in head.members})

    @override
    def rollback(self) -> None:
        """Forget everything since ``begin``. A connection that does not answer is given up."""
        self._turn = 0
        try:
            super().rollback()
        except Exception:  # noqa: BLE001  # whatever it says, the transaction ends with its connection
            self._postgres.drop()

    @override
    def fault(self, exc: BaseException) -> Fault:
        """Say what a failure of the transaction means."""
        return postgres.fault(exc)

    @override
    def among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Return the condition "is one of" and the parameters it takes."""
        return "= ANY(?)", [list(values)]

    @override
    def page(self, sql: str, order: str, *values: Any) -> list[Row]:
        """Return a page of rows (``rows.page``), buffered rows included."""
        return self.all(_cut(sql, order), *values)

    @override
    def close(self) -> None:
        """Close the connection."""
        self._postgres.close()


_TABLE: Final = re.compile(r"\b\w\.")  # of a column in an ORDER BY


class PostgresLog(SqlLog):
    """Asks and appends with fewer round trips."""

    def preload_turn(self, envelopes: list[bytes]) -> int:
        """Load which of ``envelopes`` are already in the log; return the number of the turn."""
        self._known = dict.fromkeys(envelopes)
        sql = f"SELECT {EVENT}, t.number FROM turn t LEFT JOIN event e ON e.envelope_id = ANY(?) WHERE t.id = 1"  # noqa: S608
        rows = self._rows.all(sql, envelopes)
        for row in rows:
            if row[7] is not None:
                self._known[row[7]] = event_of(row)
        return int(rows[0][10])

    def forget_positions(self) -> None:
        """Ask for the ends of feeds again."""
        self._positions.clear()

    def load_positions(self, accounts: set[AccountId]) -> None:
        """Ask for the ends of feeds that are not remembered, all at once."""
        unknown = [account for account in accounts if account not in self._positions]
        if unknown:
            for row in self._rows.all(_ENDS, unknown):
                self._positions[row[0]] = row[1]

    @override
    def page_for(
        self, account: AccountId, conversation: ConversationId, *, after: int | None, before: int | None, limit: int
    ) -> tuple[Member, int, list[Event]] | None:
        """Return the same in one round trip, which costs more here than to say the member with each event."""
        if before is None:
            sql, order, seq = _AFTER, "e.seq", after or 0
        else:
            sql, order, seq = _BEFORE, "e.seq DESC", before
        rows = self._rows.page(sql, order, seq, conversation, account, limit)
        if not rows:
            return None
        found = [event_within(conversation, row[6:15]) for row in rows if row[6] is not None]
        return member_of(rows[0]), rows[0][5], found if before is None else found[::-1]

    @override
    def flush(self) -> None:
        """Write what is buffered: what belongs to new events in one statement."""
        if self._events and self._feeds and self._dirty:
            buffers = self._events, self._feeds, [head_values(head) for head in self._dirty.values()]
            self._events, self._feeds, self._dirty = [], [], {}
            columns = [column for rows in buffers for column in zip(*rows, strict=True)]
            self._rows.run(_APPEND, *columns)
        super().flush()


class PostgresConversations(SqlConversations):
    """What PostgreSQL does for many conversations or accounts at once."""

    def load_all(self, conversations: set[ConversationId]) -> list[Conversation]:
        """Remember the heads of ``conversations``, as far as they are there, and return those that were not known."""
        assert self._heads is not None
        unknown = [conversation for conversation in conversations if conversation not in self._heads]
        if not unknown:
            return []
        rows = self._rows.all(f"SELECT {HEAD} FROM conversation WHERE id = ANY(?)", unknown)  # noqa: S608
        heads = {row[0]: head_of(row) for row in rows}
        for row in self._rows.all(_MEMBERS, unknown):
            heads[row[5]].members[row[0]] = member_of(row)
        self._heads.update(heads)
        return list(heads.values())

    def load_rights(self, heads: list[Conversation]) -> None:
        """Remember what stands between the patient and the others of each conversation."""
        pairs = [(patient, other) for head in heads for patient in head.patients() for other in head.members]
        unknown = [pair for pair in set(pairs) if pair not in self._rights]
        if unknown:
            self._rights |= dict.fromkeys(unknown, (False, None))
            for row in self._rows.all(_RIGHTS, *map(list, zip(*unknown, strict=True))):
                self._rights[row[0], row[1]] = bool(row[2]), row[3]

    @override
    def deliver_all(self, positions: dict[AccountId, int]) -> list[Mark]:
        """Mark what lies before a position of each account's feed as delivered; return the marks that moved."""
        asked = list(positions), list(positions.values())
        moved = self._rows.all(_DELIVER, *asked)
        self._rows.run(_ACKED, *asked)
        self.load_all({row[0] for row in moved})
        return self._marks((row[0], row[1], row[2]) for row in moved)


class PostgresView(View):
    """The repositories on a connection that cannot write."""

    def __init__(self, connection: PostgresConnection) -> None:
        rows = PostgresRows(connection)
        super().__init__(connection, rows)
        self.log: PostgresLog = PostgresLog(rows)


class PostgresRows(ReaderRows):
    """Rows of a connection that cannot write."""

    @override
    def among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Return the condition "is one of" and the parameters it takes."""
        return "= ANY(?)", [list(values)]

    @override
    def page(self, sql: str, order: str, *values: Any) -> list[Row]:
        """Return a page of rows: see ``rows.page``."""
        return self.all(_cut(sql, order), *values)


def _cut(sql: str, order: str) -> str:
    """Let the server leave out what a page does not hold: it would send all rows of a query at once."""
    outer = _TABLE.sub("", order)
    carried = f"SELECT q.*, SUM(q.carries) OVER (ORDER BY {outer}) AS carried FROM ({sql} ORDER BY {order} LIMIT ?) q"  # noqa: S608
    return f"SELECT * FROM ({carried}) p WHERE p.carried - p.carries < {PAGE} ORDER BY {outer}"  # noqa: S608
