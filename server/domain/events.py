"""What stands in the log of a conversation, and what is told to the accounts it concerns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from server.domain.ids import AccountId, ConversationId, EnvelopeId

EventType = Literal["epoch", "envelope", "policy", "left", "refused", "blocked", "retracted", "trimmed"]

PAGE: Final = 1024 * 1024
"""Bytes of events after which a page of them ends, however many were asked for: an answer costs no more than that."""
EPOCH: Final = 32 * 1024
"""Bytes that an epoch counts for in a page beside its record: the reader's box, which lies elsewhere."""


@dataclass(slots=True)
class Event:
    """One line of a conversation's log. Source: docs/spec/api.md 4.

    ``body`` is the envelope or the epoch record; ``detail`` what the type adds, in the interface's own words;
    ``boxes`` the key boxes of an epoch by account, as far as they were asked for.
    """

    conversation: ConversationId
    seq: int
    type: EventType
    at: int
    author: AccountId
    epoch: int
    kind: str | None = None
    envelope_id: EnvelopeId | None = None
    body: bytes | None = None
    detail: dict[str, Any] | None = None
    boxes: Mapping[bytes, bytes] = field(default_factory=dict)

    @property
    def carries(self) -> int:
        """Bytes that it counts for in a page."""
        return len(self.body or b"") + (EPOCH if self.type == "epoch" else 0)


@dataclass(slots=True)
class Announcement:
    """A committed event and the feed position it has for each account it concerns."""

    event: Event
    positions: list[tuple[AccountId, int]]


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One row of an account's feed."""

    position: int
    event: Event


@dataclass(frozen=True, slots=True)
class Mark:
    """Everything up to ``seq`` is on a device of ``account``; ``tell`` are the others in the conversation."""

    conversation: ConversationId
    account: AccountId
    seq: int
    tell: tuple[AccountId, ...]
