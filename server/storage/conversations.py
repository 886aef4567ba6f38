"""Conversations: heads, members, epochs, key boxes and the rights between a patient and a professional."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from server.domain.conversation import Conversation, History, Member, Policy, Reply, Role
from server.domain.events import Mark
from server.domain.ids import AccountId, ConversationId
from server.domain.place import Place
from server.domain.retention import Trimmed
from server.storage.engine import Row
from server.storage.rows import Rows

HEAD: Final = "id, epoch, head, last_seq, last_at, reply, until, policy_by, patient_gone"
_REMEMBER: Final = 50_000  # heads that the writer keeps in memory


_PLACE: Final = (
    "SELECT c.id, c.epoch, p.record, b.box, c.last_seq, c.last_at, c.reply, c.until, c.policy_by, m.role, m.writes,"
    " m.read_seq, (SELECT COUNT(*) FROM event e WHERE e.conversation = c.id AND e.seq > m.read_seq"
    " AND e.seq >= CASE WHEN m.history = 'none' THEN m.since ELSE 0 END"
    " AND e.kind = 'message' AND e.author <> m.account AND e.body IS NOT NULL),"
    " c.patient_gone, EXISTS (SELECT 1 FROM member p JOIN reply_right r ON r.patient = p.account"
    " WHERE p.conversation = c.id AND p.role = 'patient' AND p.left IS NULL"
    " AND r.professional = m.account AND r.blocked_at IS NOT NULL), g.first, g.before,"
    " LENGTH(p.record) + COALESCE(LENGTH(b.box), 0) AS carries"
    " FROM member m JOIN conversation c ON c.id = m.conversation"
    " JOIN epoch p ON p.conversation = c.id AND p.epoch = c.epoch"
    " LEFT JOIN epoch_box b ON b.conversation = c.id AND b.member = m.account AND b.epoch = c.epoch"
    " LEFT JOIN log_beginning g ON g.conversation = c.id"
    " WHERE m.account = ? AND m.left IS NULL"
)


class SqlConversations:
    """Everything of a conversation but its log. With ``remembers``, heads stay in memory: for the only writer."""

    def __init__(self, rows: Rows, *, remembers: bool = False) -> None:
        self._rows = rows
        self._heads: dict[bytes, Conversation] | None = {} if remembers else None
        self._rights: dict[tuple[AccountId, AccountId], tuple[bool, int | None]] = {}

    # --- heads ------------------------------------------------------------------------------------------------------

    def head(self, conversation: ConversationId) -> Conversation | None:
        """Return the head of a conversation; the writer gets its own copy, to change."""
        if self._heads is None:
            return self._load(conversation)
        found = self._heads.get(conversation)
        if found is None and (found := self._load(conversation)) is not None:
            self._heads[conversation] = found
        return found

    def add(self, head: Conversation) -> None:
        """Store a new conversation and its members."""
        policy = head.policy
        self._rows.run(
            "INSERT INTO conversation (id, epoch, head, last_seq, last_at, reply, until, policy_by)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            head.id, head.epoch, head.head, head.last_seq, head.last_at, policy.reply.value, policy.until, policy.by,
        )  # fmt: skip
        for member in head.members.values():
            self.save_member(head.id, member)
        if self._heads is not None:
            self._heads[head.id] = head

    def settle(self) -> None:
        """After a commit: keep the memory bounded."""
        if len(self._heads or ()) > _REMEMBER or len(self._rights) > _REMEMBER:
            self.forget()

    def forget(self) -> None:
        """After a rollback, or a change of members: what was remembered is not true any more."""
        if self._heads is not None:
            self._heads.clear()
        self._rights.clear()

    def _load(self, conversation: ConversationId) -> Conversation | None:
        row = self._rows.one(f"SELECT {HEAD} FROM conversation WHERE id = ?", conversation)  # noqa: S608
        if row is None:
            return None
        members = self._rows.all(
            "SELECT account, role, history, since, writes FROM member m WHERE conversation = ? AND m.left IS NULL"
            " ORDER BY account",
            conversation,
        )
        head = head_of(row)
        head.members = {m[0]: member_of(m) for m in members}
        return head

    # --- members ----------------------------------------------------------------------------------------------------

    def member(self, conversation: ConversationId, account: AccountId) -> Member | None:
        """Return an account's place in a conversation."""
        row = self._rows.one(
            "SELECT account, role, history, since, writes FROM member m"
            " WHERE conversation = ? AND account = ? AND m.left IS NULL",
            conversation, account,
        )  # fmt: skip
        return member_of(row) if row else None

    def save_member(self, conversation: ConversationId, member: Member) -> None:
        """Store a new member, or one that comes back. What was before it does not count as unread."""
        self._rows.run(
            "INSERT INTO member (conversation, account, role, history, since, writes, read_seq, delivered_seq)"
            " VALUES (?, ?, ?, ?, ?, ?, 0, 0) ON CONFLICT (conversation, account) DO UPDATE SET"
            ' role = ?, history = ?, since = ?, writes = ?, "left" = NULL',
            conversation, member.account, member.role.value, member.history.value, member.since, int(member.writes),
            member.role.value, member.history.value, member.since, int(member.writes),
        )  # fmt: skip

    def end_member(self, conversation: ConversationId, account: AccountId, seq: int) -> None:
        """Store that a member has gone."""
        self._rows.run(
            'UPDATE member SET "left" = ? WHERE conversation = ? AND account = ?', seq, conversation, account
        )

    def marks(self, conversation: ConversationId) -> list[tuple[AccountId, int, int]]:
        """Return (account, read seq, delivered seq) of each member."""
        rows = self._rows.all(
            "SELECT account, read_seq, delivered_seq FROM member m WHERE conversation = ? AND m.left IS NULL"
            " ORDER BY account",
            conversation,
        )
        return [(row[0], row[1], row[2]) for row in rows]

    def deliver(self, account: AccountId, after: int, upto: int) -> list[Mark]:
        """Mark what others wrote in a span of an account's feed as delivered; return the marks that moved.

        An epoch counts whoever made it: with the claim of an invitation come the letters sent before it.
        """
        rows = self._rows.all(
            "SELECT f.conversation, MAX(f.seq) FROM feed f"
            " JOIN event e ON e.conversation = f.conversation AND e.seq = f.seq"
            " WHERE f.account = ? AND f.position > ? AND f.position <= ?"
            " AND (e.author <> f.account OR e.type = 'epoch')"
            " GROUP BY f.conversation",
            account, after, upto,
        )  # fmt: skip
        sql = "UPDATE member SET delivered_seq = ? WHERE conversation = ? AND account = ? AND delivered_seq < ?"
        return self._marks(
            (row[0], account, row[1]) for row in rows if self._rows.run(sql, row[1], row[0], account, row[1])
        )

    def deliver_all(self, positions: dict[AccountId, int]) -> list[Mark]:
        """Mark what lies before a position of each account's feed as delivered; return the marks that moved."""
        sql = "SELECT acked, (SELECT MAX(f.position) FROM feed f WHERE f.account = a.id) FROM account a WHERE a.id = ?"
        marks: list[Mark] = []
        for account, position in positions.items():
            row = self._rows.one(sql, account)
            upto = min(position, (row and row[1]) or 0)
            if row and upto > row[0]:
                marks += self.deliver(account, row[0], upto)
                self._rows.run("UPDATE account SET acked = ? WHERE id = ? AND acked < ?", upto, account, upto)
        return marks

    def _marks(self, moved: Iterable[tuple[ConversationId, AccountId, int]]) -> list[Mark]:
        found = [(self.head(conversation), account, seq) for conversation, account, seq in moved]
        return [
            Mark(head.id, account, seq, tuple(each for each in head.members if each != account))
            for head, account, seq in found
            if head is not None
        ]

    # --- epochs -----------------------------------------------------------------------------------------------------

    def add_epoch(self, head: Conversation, seq: int, record: bytes, boxes: dict[bytes, bytes]) -> None:
        """Store the record and the boxes of the head's epoch."""
        self._rows.run(
            "INSERT INTO epoch (conversation, epoch, seq, hash, record) VALUES (?, ?, ?, ?, ?)",
            head.id, head.epoch, seq, head.head, record,
        )  # fmt: skip
        self._rows.many(
            "INSERT INTO epoch_box (conversation, member, epoch, box) VALUES (?, ?, ?, ?)",
            [(head.id, member, head.epoch, box) for member, box in boxes.items()],
        )

    def epoch_seq(self, conversation: ConversationId, epoch: int, record_hash: bytes) -> int | None:
        """Return the seq of an epoch if its record is the one with this hash."""
        row = self._rows.one(
            "SELECT seq FROM epoch WHERE conversation = ? AND epoch = ? AND hash = ?", conversation, epoch, record_hash
        )
        return int(row[0]) if row else None

    def epochs(
        self, conversation: ConversationId, reader: bytes, after: int, limit: int
    ) -> list[tuple[int, int, bytes, bytes | None]]:
        """Return (epoch, seq, record, the reader's box) after an epoch, ascending; fewer than ``limit`` as in a log."""
        rows = self._rows.page(
            "SELECT p.epoch, p.seq, p.record, b.box, LENGTH(p.record) + COALESCE(LENGTH(b.box), 0) AS carries"
            " FROM epoch p LEFT JOIN epoch_box b"
            " ON b.conversation = p.conversation AND b.epoch = p.epoch AND b.member = ?"
            " WHERE p.conversation = ? AND p.epoch > ?",
            "p.epoch",
            reader, conversation, after, limit,
        )  # fmt: skip
        return [(row[0], row[1], row[2], row[3]) for row in rows]

    def records(self, conversation: ConversationId, after: int) -> list[bytes]:
        """Return every record after an epoch, ascending."""
        sql = "SELECT record FROM epoch WHERE conversation = ? AND epoch > ? ORDER BY epoch"
        return [row[0] for row in self._rows.all(sql, conversation, after)]

    # --- what one account sees --------------------------------------------------------------------------------------

    def place(self, conversation: ConversationId, account: AccountId) -> Place | None:
        """Return a conversation as ``account`` finds it."""
        row = self._rows.one(f"{_PLACE} AND c.id = ?", account, conversation)
        return _place(row) if row else None

    def places(self, account: AccountId, before: tuple[int, bytes] | None, limit: int) -> list[Place]:
        """Return an account's conversations, newest first, from a cursor (last_at, id) on; fewer as in ``epochs``."""
        order = "c.last_at DESC, c.id DESC"
        if before is None:
            return [_place(row) for row in self._rows.page(_PLACE, order, account, limit)]
        at, last = before
        sql = f"{_PLACE} AND (c.last_at < ? OR (c.last_at = ? AND c.id < ?))"
        return [_place(row) for row in self._rows.page(sql, order, account, at, at, last, limit)]

    # --- rights (product rules 1 and 4) -----------------------------------------------------------------------------

    def right(self, patient: AccountId, professional: AccountId) -> bool:
        """Tell whether a patient may open a subject with a professional."""
        return self._pair(patient, professional)[0]

    def blocked(self, patient: AccountId, account: AccountId) -> bool:
        """Tell whether a patient takes nothing from an account."""
        return self._pair(patient, account)[1] is not None

    def _pair(self, patient: AccountId, other: AccountId) -> tuple[bool, int | None]:
        """What stands between two accounts: may open a subject, is blocked since."""
        pair = patient, other
        if self._heads is not None and pair in self._rights:
            return self._rights[pair]
        sql = "SELECT is_open, blocked_at FROM reply_right WHERE patient = ? AND professional = ?"
        row = self._rows.one(sql, *pair)
        self._rights[pair] = found = (bool(row[0]), row[1]) if row else (False, None)
        return found

    def save_right(self, patient: AccountId, professional: AccountId, *, is_open: bool) -> None:
        """Grant or end the right of a patient towards a professional."""
        self._rows.run(
            "INSERT INTO reply_right (patient, professional, is_open) VALUES (?, ?, ?)"
            " ON CONFLICT (patient, professional) DO UPDATE SET is_open = ?",
            patient, professional, int(is_open), int(is_open),
        )  # fmt: skip
        self._rights.pop((patient, professional), None)

    def blocks(self, patient: AccountId, limit: int) -> list[tuple[AccountId, int]]:
        """Return (account, since when) of those whom a patient has blocked, newest first."""
        rows = self._rows.all(
            "SELECT professional, blocked_at FROM reply_right WHERE patient = ? AND blocked_at IS NOT NULL"
            " ORDER BY blocked_at DESC, professional LIMIT ?",
            patient, limit,
        )  # fmt: skip
        return [(row[0], row[1]) for row in rows]

    def save_block(self, patient: AccountId, account: AccountId, since: int | None) -> None:
        """Store that a patient takes nothing from an account, or (none) that it does again."""
        self._rows.run(
            "INSERT INTO reply_right (patient, professional, is_open, blocked_at) VALUES (?, ?, 0, ?)"
            " ON CONFLICT (patient, professional) DO UPDATE SET blocked_at = ?",
            patient, account, since, since,
        )  # fmt: skip
        self._rights.pop((patient, account), None)

    def shared(self, patient: AccountId, account: AccountId) -> list[ConversationId]:
        """Return the conversations that both are in, the first one as the patient."""
        rows = self._rows.all(
            "SELECT p.conversation FROM member p JOIN member m ON m.conversation = p.conversation"
            " WHERE p.account = ? AND p.role = 'patient' AND p.left IS NULL AND m.account = ? AND m.left IS NULL"
            " ORDER BY p.conversation",
            patient, account,
        )  # fmt: skip
        return [row[0] for row in rows]

    def save_gone(self, head: Conversation) -> None:
        """Store whether the patient has left."""
        self._rows.run("UPDATE conversation SET patient_gone = ? WHERE id = ?", int(head.patient_gone), head.id)

    def carers_who_wrote(self, conversation: ConversationId) -> list[AccountId]:
        """Return the members whose messages open a right for the patient: owners and professionals who wrote."""
        rows = self._rows.all(
            "SELECT m.account FROM member m WHERE m.conversation = ? AND m.left IS NULL"
            " AND m.role IN ('owner', 'professional') AND EXISTS"
            " (SELECT 1 FROM event e WHERE e.conversation = m.conversation AND e.author = m.account"
            " AND e.kind = 'message')",
            conversation,
        )
        return [row[0] for row in rows]


def head_of(row: Row) -> Conversation:
    """Read a row of ``HEAD``; the members stand elsewhere."""
    return Conversation(row[0], row[1], row[2], row[3], row[4], _policy(row[5:8]), patient_gone=bool(row[8]))


def _policy(row: tuple[Any, ...]) -> Policy:
    return Policy(Reply(row[0]), row[1], row[2])


def member_of(row: Row) -> Member:
    return Member(row[0], Role(row[1]), History(row[2]), row[3], bool(row[4]))


def _place(row: Row) -> Place:
    return Place(
        conversation=row[0],
        epoch=row[1],
        record=row[2],
        box=row[3],
        last_seq=row[4],
        last_at=row[5],
        policy=_policy(row[6:9]),
        role=Role(row[9]),
        writes=bool(row[10]),
        read_seq=row[11],
        unread=row[12],
        patient_gone=bool(row[13]),
        blocked=bool(row[14]),
        trimmed=None if row[15] is None else Trimmed(row[15], row[16]),
    )
