"""What the access journal of a patient tells. Source: docs/spec/api.md 8.1."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from server.domain.ids import AccountId, AttachmentId, ConversationId

VISIT: Final = 3_600_000  # milliseconds in which the same access is one visit


class Access(StrEnum):
    """What somebody did, or came to be able to do."""

    JOINED = "joined"
    GONE = "gone"
    OPENED = "opened"
    READ = "read"
    DOCUMENT_OPENED = "document_opened"
    DOCUMENT_RECEIVED = "document_received"


@dataclass(frozen=True, slots=True)
class Told:
    """Who did what, before it has a place in a journal."""

    kind: Access
    who: AccountId
    conversation: ConversationId
    attachment: AttachmentId | None = None


@dataclass(frozen=True, slots=True)
class JournalEnds:
    """Where a journal begins and ends. ``first`` - 1 is the last position that retention has removed."""

    first: int
    last: int
    head: bytes
