"""A conversation as the server knows it: who is in it, in which role, and whether answers are expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from server.domain.errors import BadRequestError, NotFoundError
from server.domain.ids import AccountId, ConversationId


class Role(StrEnum):
    """What a member is in a conversation. Source: docs/spec/protocol.md 6.2."""

    OWNER = "owner"
    PROFESSIONAL = "professional"
    MEMBER = "member"
    PATIENT = "patient"
    DELEGATE = "delegate"
    SERVICE = "service"


LATEST: Final = 2**53 - 1  # the largest integer of the protocol, here a time in milliseconds
CARING: Final = frozenset({Role.OWNER, Role.PROFESSIONAL})
"""The roles that decide whether answers are allowed (rule 3); only professionals have them."""


class History(StrEnum):
    """How much of the past a member may read."""

    NONE = "none"
    PARTIAL = "partial"
    FULL = "full"


class Reply(StrEnum):
    """Whether those who are not carers may write."""

    OPEN = "open"
    NONE = "none"
    UNTIL = "until"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Policy:
    """The reply right of a conversation. Source: docs/spec/protocol.md 7.5."""

    reply: Reply = Reply.OPEN
    until: int | None = None
    by: AccountId | None = None

    def allows_answers(self, now: int) -> bool:
        """Tell whether a member who is not a carer may write at ``now``."""
        if self.reply is Reply.UNTIL:
            return self.until is not None and now <= self.until
        return self.reply is Reply.OPEN

    def same_right(self, other: Policy) -> bool:
        """Tell whether ``other`` allows exactly the same, whoever set it."""
        return self.reply is other.reply and self.until == other.until


class Keep(Enum):
    """What a professional's message says that is no word on the reply right. Source: docs/spec/protocol.md 7.5."""

    KEEP = "keep"


@dataclass(slots=True)
class Member:
    """An account's place in a conversation. ``writes`` is false for a delegate who may only read."""

    account: AccountId
    role: Role
    history: History
    since: int
    writes: bool = True


@dataclass(slots=True)
class Conversation:
    """The head of a conversation's log. Only the writer changes it."""

    id: ConversationId
    epoch: int
    head: bytes
    last_seq: int
    last_at: int
    policy: Policy
    members: dict[AccountId, Member] = field(default_factory=dict)
    patient_gone: bool = False
    """The patient has left, and no other has come."""

    @classmethod
    def begun(cls, conversation: ConversationId, head: bytes, now: int) -> Conversation:
        """Return the head of a conversation that begins with its first epoch."""
        return cls(conversation, epoch=1, head=head, last_seq=0, last_at=now, policy=Policy())

    def member(self, account: AccountId) -> Member:
        """Return the place of ``account``.

        Raises:
            NotFoundError: a stranger; the same as for a conversation that does not exist.

        """
        found = self.members.get(account)
        if found is None:
            raise NotFoundError
        return found

    def patients(self) -> list[AccountId]:
        """Return the accounts of role patient: none (not claimed yet) or one."""
        return [member.account for member in self.members.values() if member.role is Role.PATIENT]


def may_answer(role: Role, *, writes: bool, policy: Policy, now: int) -> bool:
    """Decide whether a member of ``role`` may write a message: carers always, others as the policy says (rule 3)."""
    return writes and (role in CARING or policy.allows_answers(now))


_REPLIES: Final[dict[str | None, Policy | Keep]] = {
    None: Policy(Reply.OPEN),
    "open": Policy(Reply.OPEN),
    "none": Policy(Reply.NONE),
    "keep": Keep.KEEP,
}


def read_reply(choice: object) -> Policy | Keep:
    """Read ``"open"``, ``"none"``, ``"keep"`` or ``{"until": ms}`` of a submission; ``None`` is the default, open.

    Raises:
        BadRequestError: anything else.

    """
    if choice is None or isinstance(choice, str):
        known = _REPLIES.get(choice)
        if known is not None:
            return known
    match choice:
        case {"until": int(until), **rest} if not rest and 0 <= until <= LATEST:
            return Policy(Reply.UNTIL, until)
    raise BadRequestError('reply is "open", "none", "keep" or {"until": ms}')
