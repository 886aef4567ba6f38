"""The log of each conversation and the feed of each account. Source: docs/spec/api.md 4 and 8."""

from __future__ import annotations

import json
from typing import Any, Final

from server.domain.conversation import Conversation, History, Member
from server.domain.events import EPOCH, Announcement, Event, FeedEntry
from server.domain.ids import AccountId, ConversationId, EnvelopeId
from server.storage.conversations import member_of
from server.storage.engine import Row
from server.storage.rows import Rows

EVENT: Final = "e.conversation, e.seq, e.type, e.at, e.author, e.epoch, e.kind, e.envelope_id, e.body, e.detail"
_RECORD: Final = "SELECT LENGTH(r.record) FROM epoch r WHERE r.conversation = e.conversation AND r.epoch = e.epoch"
CARRIES: Final = (
    f"CASE WHEN e.type = 'epoch' THEN {EPOCH} + ({_RECORD}) ELSE COALESCE(LENGTH(e.body), 0) END AS carries"
)
WITHIN: Final = EVENT.removeprefix("e.conversation, ")
_READER: Final = (
    "SELECT m.account, m.role, m.history, m.since, m.writes, c.last_seq FROM member m"
    " JOIN conversation c ON c.id = m.conversation"
    " WHERE m.conversation = ? AND m.account = ? AND m.left IS NULL"
)
ADD_EVENT: Final = (
    "INSERT INTO event (conversation, seq, type, at, author, epoch, kind, envelope_id, body, detail)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
ADD_FEED: Final = "INSERT INTO feed (account, position, conversation, seq) VALUES (?, ?, ?, ?)"
SAVE_HEAD: Final = (
    "UPDATE conversation SET epoch = ?, head = ?, last_seq = ?, last_at = ?, reply = ?, until = ?, policy_by = ?"
    " WHERE id = ?"
)
_SAVE_READ: Final = "UPDATE member SET read_seq = ? WHERE conversation = ? AND account = ? AND read_seq < ?"
_REMEMBER: Final = 200_000  # feed positions that the writer keeps in memory


class SqlLog:
    """Appends to logs and feeds, and reads them back."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._events: list[tuple[Any, ...]] = []
        self._feeds: list[tuple[Any, ...]] = []
        self._reads: dict[tuple[bytes, bytes], int] = {}
        self._dirty: dict[bytes, Conversation] = {}
        self._announcements: list[Announcement] = []
        self._committed: list[Announcement] = []
        self._known: dict[bytes, Event | None] = {}
        self._positions: dict[bytes, int] = {}
        self.touched = False

    # --- writing ----------------------------------------------------------------------------------------------------

    def append(self, to: Conversation, event: Event, *, also: tuple[AccountId, ...] = ()) -> Event:
        """Give ``event`` the next seq of its conversation, and a position in the feed of every member and ``also``."""
        self.touched = True
        to.last_seq = event.seq = to.last_seq + 1
        to.last_at = event.at
        self._dirty[to.id] = to
        detail = None if event.detail is None else json.dumps(event.detail, separators=(",", ":"))
        body = None if event.type == "epoch" else event.body
        self._events.append((
            to.id, event.seq, event.type, event.at, event.author, event.epoch, event.kind, event.envelope_id,
            body, detail,
        ))  # fmt: skip
        if event.envelope_id is not None:
            self._known[event.envelope_id] = event
        positions = [(account, self._next(account)) for account in to.members]
        positions += [(account, self._next(account)) for account in also if account not in to.members]
        self._feeds.extend((account, position, to.id, event.seq) for account, position in positions)
        self._announcements.append(Announcement(event, positions))
        return event

    def _next(self, account: AccountId) -> int:
        position = self._positions.get(account)
        if position is None:
            position = self.last_position(account)
        self._positions[account] = position + 1
        return position + 1

    def mark_read(self, conversation: ConversationId, account: AccountId, seq: int) -> None:
        """Move the account's own reading mark forward; it never goes back."""
        self.touched = True
        self._reads[conversation, account] = max(seq, self._reads.get((conversation, account), 0))

    def touch(self, conversation: Conversation) -> None:
        """Remember that the head has changed."""
        self.touched = True
        self._dirty[conversation.id] = conversation

    def flush(self) -> None:
        """Write what is buffered, each table once."""
        if self._dirty:
            heads = [head_values(head) for head in self._dirty.values()]
            self._dirty = {}
            self._many(SAVE_HEAD, heads)
        if self._events:
            events, self._events = self._events, []
            self._many(ADD_EVENT, events)
        if self._feeds:
            feeds, self._feeds = self._feeds, []
            self._many(ADD_FEED, feeds)
        if self._reads:
            reads, self._reads = self._reads, {}
            self._many(_SAVE_READ, [(seq, *place, seq) for place, seq in reads.items()])

    def _many(self, sql: str, rows: list[tuple[Any, ...]]) -> None:
        self._rows.many(sql, rows)

    def settle(self) -> None:
        """After a commit: what was appended may be announced; forget what was only of use to the batch."""
        self._committed += self._announcements
        self._announcements = []
        self._known.clear()
        if len(self._positions) > _REMEMBER:
            self._positions.clear()

    def forget(self) -> None:
        """After a rollback: nothing that was buffered or remembered is true any more."""
        for buffer in (self._events, self._feeds, self._announcements):
            buffer.clear()
        for memory in (self._reads, self._dirty, self._known, self._positions):
            memory.clear()

    def take_announcements(self) -> list[Announcement]:
        """Return what was committed since the last call."""
        taken, self._committed = self._committed, []
        return taken

    def preload(self, envelopes: list[bytes]) -> None:
        """Load which of ``envelopes`` are already in the log."""
        self._known = dict.fromkeys(envelopes)
        if envelopes:
            condition, values = self._rows.among(envelopes)
            sql = f"SELECT {EVENT} FROM event e WHERE e.envelope_id {condition}"  # noqa: S608
            for row in self._rows.all(sql, *values):
                self._known[row[7]] = event_of(row)

    # --- reading ----------------------------------------------------------------------------------------------------

    def envelope(self, envelope_id: EnvelopeId) -> Event | None:
        """Return the event that carries an envelope."""
        if envelope_id in self._known:
            return self._known[envelope_id]
        row = self._rows.one(f"SELECT {EVENT} FROM event e WHERE e.envelope_id = ?", envelope_id)  # noqa: S608
        return event_of(row) if row else None

    def retract(self, event: Event) -> None:
        """Remove the body of an envelope; its place in the log stays."""
        self._rows.run("UPDATE event SET body = NULL WHERE conversation = ? AND seq = ?", event.conversation, event.seq)

    def last_position(self, account: AccountId) -> int:
        """Return the newest position of an account's feed; 0 for an empty one."""
        row = self._rows.one("SELECT MAX(position) FROM feed WHERE account = ?", account)
        return int(row[0] or 0) if row else 0

    def last_positions(self, accounts: list[AccountId]) -> dict[AccountId, int]:
        """Return the newest position of each feed that is not empty."""
        condition, values = self._rows.among(accounts)
        sql = f"SELECT account, MAX(position) FROM feed WHERE account {condition} GROUP BY account"  # noqa: S608
        return {row[0]: row[1] for row in self._rows.all(sql, *values)}

    def after(self, conversation: ConversationId, seq: int, limit: int) -> list[Event]:
        """Return up to ``limit`` events with a higher seq, ascending; fewer when they carry more than a page."""
        return self._page(conversation, "e.seq > ?", "e.seq", seq, limit)

    def before(self, conversation: ConversationId, seq: int, floor: int, limit: int) -> list[Event]:
        """Return the ``limit`` newest events with ``floor`` ≤ seq < ``seq``, ascending; fewer as in ``after``."""
        return self._page(conversation, "e.seq < ? AND e.seq >= ?", "e.seq DESC", seq, floor, limit)[::-1]

    def feed(self, account: AccountId, after: int, limit: int) -> list[FeedEntry]:
        """Return up to ``limit`` entries of an account's feed after a position, ascending; fewer as in ``after``."""
        rows = self._rows.page(
            f"SELECT {EVENT}, f.position, {CARRIES} FROM feed f"  # noqa: S608
            " JOIN event e ON e.conversation = f.conversation AND e.seq = f.seq"
            " WHERE f.account = ? AND f.position > ?",
            "f.position",
            account, after, limit,
        )  # fmt: skip
        events = self.with_boxes([event_of(row) for row in rows], account)
        return [FeedEntry(row[10], event) for row, event in zip(rows, events, strict=True)]

    def page_for(
        self, account: AccountId, conversation: ConversationId, *, after: int | None, before: int | None, limit: int
    ) -> tuple[Member, int, list[Event]] | None:
        """Return a member, the newest seq there is, and events that it may read after or before a seq, as ``after``."""
        row = self._rows.one(_READER, conversation, account)
        if row is None:
            return None
        member = member_of(row)
        floor = member.since if member.history is History.NONE else 1
        if before is not None:
            return member, row[5], self.before(conversation, before, floor, limit)
        return member, row[5], self.after(conversation, max(after or 0, floor - 1), limit)

    def with_boxes(self, events: list[Event], reader: bytes) -> list[Event]:
        """Fill in the epoch records, and the key boxes that are ``reader``'s."""
        epochs = [event for event in events if event.type == "epoch"]
        if epochs:
            here, conversations = self._rows.among(list({event.conversation for event in epochs}))
            these, numbers = self._rows.among(list({event.epoch for event in epochs}))
            rows = self._rows.all(
                "SELECT p.conversation, p.epoch, p.record, b.box FROM epoch p"  # noqa: S608
                " LEFT JOIN epoch_box b ON b.conversation = p.conversation AND b.epoch = p.epoch AND b.member = ?"
                f" WHERE p.conversation {here} AND p.epoch {these}",
                reader, *conversations, *numbers,
            )  # fmt: skip
            found = {(row[0], row[1]): (row[2], row[3]) for row in rows}
            for event in epochs:
                event.body, box = found[event.conversation, event.epoch]
                event.boxes = {reader: box} if box else {}
        return events

    def _page(self, conversation: ConversationId, where: str, order: str, *values: Any) -> list[Event]:
        sql = f"SELECT {WITHIN}, {CARRIES} FROM event e WHERE e.conversation = ? AND {where}"  # noqa: S608
        return [event_within(conversation, row[:9]) for row in self._rows.page(sql, order, conversation, *values)]


def head_values(head: Conversation) -> tuple[Any, ...]:
    policy = head.policy
    return head.epoch, head.head, head.last_seq, head.last_at, policy.reply.value, policy.until, policy.by, head.id


def event_of(row: Row) -> Event:
    return event_within(row[0], row[1:10])


def event_within(conversation: ConversationId, row: Row) -> Event:
    event = Event(conversation, *row)
    if event.detail is not None:
        event.detail = json.loads(row[8])
    return event
