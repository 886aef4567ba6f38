"""A conversation as one of its members finds it. Source: docs/spec/api.md 4, Summary."""

from __future__ import annotations

from dataclasses import dataclass

from server.domain.conversation import Policy, Role, may_answer
from server.domain.ids import ConversationId
from server.domain.opposition import Refusal, refusal
from server.domain.retention import Trimmed


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation as one member finds it in the list."""

    conversation: ConversationId
    epoch: int
    record: bytes
    box: bytes | None
    last_seq: int
    last_at: int
    policy: Policy
    role: Role
    writes: bool
    read_seq: int
    unread: int
    patient_gone: bool = False
    blocked: bool = False
    """The patient takes nothing from this member."""
    trimmed: Trimmed | None = None
    """Where the log begins, when it no longer does at its beginning."""

    @property
    def carries(self) -> int:
        """Bytes that it counts for in a page of a list."""
        return len(self.record) + len(self.box or b"")

    @property
    def refused(self) -> Refusal | None:
        """Why a message of this member is refused for good, or none."""
        return refusal(self.role, gone=self.patient_gone, blocked=self.blocked)

    def may_answer(self, now: int) -> bool:
        """Tell whether this member may write a message now."""
        by_policy = may_answer(self.role, writes=self.writes, policy=self.policy, now=now)
        return by_policy and self.refused is None
