"""What is known of uploaded documents: whose, how large, how much has arrived, in which conversations they are."""

from __future__ import annotations

from typing import Final

from server.domain.attachment import Attachment
from server.domain.ids import AccountId, AttachmentId, ConversationId
from server.storage.rows import Rows

_ATTACHMENT: Final = "id, account, size, received, created_at"


class SqlAttachments:
    """The uploads, and their links to conversations."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def get(self, attachment: AttachmentId) -> Attachment | None:
        """Return an upload, complete or not."""
        row = self._rows.one(f"SELECT {_ATTACHMENT} FROM attachment WHERE id = ?", attachment)  # noqa: S608
        return Attachment(*row) if row else None

    def add(self, attachment: Attachment) -> None:
        """Store a new upload."""
        self._rows.run(
            f"INSERT INTO attachment ({_ATTACHMENT}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608
            attachment.id, attachment.account, attachment.size, attachment.received, attachment.created_at,
        )  # fmt: skip

    def advance(self, attachment: AttachmentId, received: int) -> None:
        """Store how many bytes are on the disk."""
        self._rows.run("UPDATE attachment SET received = ? WHERE id = ?", received, attachment)

    def remove(self, attachment: AttachmentId) -> None:
        """Forget an upload."""
        self._rows.run("DELETE FROM attachment WHERE id = ?", attachment)

    def used(self, account: AccountId) -> int:
        """Return the bytes that an account keeps or has announced."""
        row = self._rows.one("SELECT COALESCE(SUM(size), 0) FROM attachment WHERE account = ?", account)
        return int(row[0]) if row else 0

    def complete(self, account: AccountId, attachments: list[AttachmentId]) -> bool:
        """Tell whether all of ``attachments`` are whole uploads of ``account``."""
        condition, values = self._rows.among(attachments)
        sql = f"SELECT COUNT(*) FROM attachment WHERE account = ? AND received = size AND id {condition}"  # noqa: S608
        row = self._rows.one(sql, account, *values)
        return bool(row) and row[0] == len(set(attachments))  # type: ignore[index]

    def link(self, attachments: list[AttachmentId], conversation: ConversationId, seq: int) -> None:
        """Let the members of a conversation read ``attachments``, which its event ``seq`` names."""
        self._rows.many(
            "INSERT INTO attachment_link (attachment, conversation, seq) VALUES (?, ?, ?)"
            " ON CONFLICT (attachment, conversation) DO UPDATE SET seq = excluded.seq",
            [(attachment, conversation, seq) for attachment in attachments],
        )

    def linked(self, attachment: AttachmentId, conversation: ConversationId) -> bool:
        """Tell whether a conversation names this attachment."""
        sql = "SELECT 1 FROM attachment_link WHERE attachment = ? AND conversation = ?"
        return self._rows.one(sql, attachment, conversation) is not None

    def is_linked(self, attachment: AttachmentId) -> bool:
        """Tell whether any conversation names this attachment."""
        return self._rows.one("SELECT 1 FROM attachment_link WHERE attachment = ?", attachment) is not None

    def unlinked_before(self, at: int, limit: int) -> list[AttachmentId]:
        """Return uploads begun before ``at`` that no conversation names."""
        rows = self._rows.all(
            "SELECT a.id FROM attachment a WHERE a.created_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM attachment_link l WHERE l.attachment = a.id) LIMIT ?",
            at, limit,
        )  # fmt: skip
        return [row[0] for row in rows]
