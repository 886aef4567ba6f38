"""Invitations, by their id and by the locator of a typed code."""

from __future__ import annotations

from typing import Final

from server.domain.ids import AccountId, ConversationId, InvitationId, MemberId
from server.domain.invitation import Invitation, InvitationState
from server.storage.engine import Row
from server.storage.rows import Rows

_INVITATION: Final = "id, conversation, member, sign, enc, expires, state, locator, code_box, claimed_by"


class SqlInvitations:
    """The invitations of all conversations."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def get(self, invitation: InvitationId) -> Invitation | None:
        """Return an invitation in whatever state."""
        return self._where("id = ?", invitation)

    def by_locator(self, locator: bytes) -> Invitation | None:
        """Return the invitation that a typed code points to."""
        return self._where("locator = ?", locator)

    def by_member(self, member: MemberId) -> Invitation | None:
        """Return the invitation with this member id."""
        return self._where("member = ?", member)

    def of_conversation(
        self, conversation: ConversationId, after: tuple[int, bytes] | None, limit: int
    ) -> list[Invitation]:
        """Return invitations of a conversation by (expires, id), from such a place on."""
        at, last = after or (-1, b"")
        rows = self._rows.all(
            f"SELECT {_INVITATION} FROM invitation WHERE conversation = ?"  # noqa: S608
            " AND (expires > ? OR (expires = ? AND id > ?)) ORDER BY expires, id LIMIT ?",
            conversation, at, at, last, limit,
        )  # fmt: skip
        return [_invitation(row) for row in rows]

    def add(self, invitation: Invitation) -> None:
        """Store a new invitation."""
        self._rows.run(
            f"INSERT INTO invitation ({_INVITATION}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
            invitation.id, invitation.conversation, invitation.member, invitation.sign, invitation.enc,
            invitation.expires, invitation.state.value, invitation.locator, invitation.code_box, invitation.claimed_by,
        )  # fmt: skip

    def end(self, member: MemberId, state: InvitationState, claimed_by: AccountId | None = None) -> None:
        """Store what has become of an invitation, by its member id."""
        self._rows.run(
            "UPDATE invitation SET state = ?, claimed_by = ? WHERE member = ?", state.value, claimed_by, member
        )

    def forget_codes(self, before: int, limit: int) -> int:
        """Forget the typed codes of invitations that ended before a time; return how many."""
        sql = "SELECT id FROM invitation WHERE expires < ? AND locator IS NOT NULL ORDER BY expires LIMIT ?"
        rows = self._rows.all(sql, before, limit)
        sql = "UPDATE invitation SET locator = NULL, code_box = NULL WHERE id = ?"
        self._rows.many(sql, [(row[0],) for row in rows])
        return len(rows)

    def _where(self, condition: str, value: bytes) -> Invitation | None:
        row = self._rows.one(f"SELECT {_INVITATION} FROM invitation WHERE {condition}", value)  # noqa: S608
        return _invitation(row) if row else None


def _invitation(row: Row) -> Invitation:
    return Invitation(row[0], row[1], row[2], row[3], row[4], row[5], InvitationState(row[6]), row[7], row[8], row[9])
