"""Who may put which envelope into a conversation, and what it changes. Source: docs/spec/api.md 5, product rule 3."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from server.domain.conversation import CARING, Conversation, Keep, Member, Policy, Reply, may_answer
from server.domain.errors import (
    BadRequestError,
    EnvelopeTooLargeError,
    NotPermittedError,
    ProtocolRefusalError,
    ReplyNotAllowedError,
    StaleEpochError,
    WrongConversationError,
)
from server.domain.ids import AccountId, ConversationId, b64
from server.domain.opposition import require_heard

MAX_ENVELOPE: Final = 262_144  # bytes
MIN_ENVELOPE: Final = 54 + 256 + 16  # header, smallest padded inner, tag
MAX_ATTACHMENTS: Final = 20


class Kind(StrEnum):
    """What an envelope is, in the clear beside it."""

    MESSAGE = "message"
    RECEIPT = "receipt"
    END = "end"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The decision: the policy after the envelope, and the pair rights it opens or ends."""

    policy: Policy
    changed: bool
    grants: tuple[tuple[AccountId, AccountId], ...] = ()
    ends: tuple[tuple[AccountId, AccountId], ...] = ()


def epoch_of(envelope: bytes, conversation: ConversationId) -> int:
    """Read the epoch of an envelope's header. Source: docs/spec/protocol.md 7.1.

    Raises:
        EnvelopeTooLargeError, ProtocolRefusalError, WrongConversationError.

    """
    if len(envelope) > MAX_ENVELOPE:
        raise EnvelopeTooLargeError(f"{len(envelope)} bytes, at most {MAX_ENVELOPE}")
    if len(envelope) < MIN_ENVELOPE:
        raise ProtocolRefusalError("bad_format", "an envelope has at least 326 bytes")
    if envelope[0] != 1 or envelope[1] != 1:
        raise ProtocolRefusalError("unknown_version", "version 1, suite 1")
    if envelope[2:18] != conversation[:16]:
        raise WrongConversationError("the header names another conversation")
    return int.from_bytes(envelope[18:22], "big")


def admit(
    into: Conversation,
    sender: Member,
    kind: Kind,
    *,
    epoch: int,
    reply: Policy | Keep | None,
    now: int,
    blocked: bool = False,
) -> Admitted:
    """Decide whether ``sender`` may put an envelope of ``kind`` into the conversation.

    ``reply`` is what the sender said about answers, ``None`` when nothing was said; ``blocked``: the patient takes
    nothing from the sender.

    Raises:
        StaleEpochError, BadRequestError, NotPermittedError, PatientLeftError, PatientBlockedError,
        ReplyNotAllowedError.

    """
    if epoch != into.epoch:
        raise StaleEpochError("the conversation is in another epoch", epoch=into.epoch)
    caring = sender.role in CARING
    if reply is not None and not (caring and kind is Kind.MESSAGE):
        raise BadRequestError("only a professional's message says whether answers are allowed")
    if kind is Kind.RECEIPT:
        return Admitted(into.policy, changed=False)
    if kind is Kind.END:
        return _end(into, sender)
    require_heard(sender.role, gone=into.patient_gone, blocked=blocked)
    if not may_answer(sender.role, writes=sender.writes, policy=into.policy, now=now):
        raise ReplyNotAllowedError("the professional does not expect an answer", policy=shown(into.policy))
    if not caring or reply is Keep.KEEP:
        return Admitted(into.policy, changed=False)
    grants = [(patient, sender.account) for patient in into.patients()]
    return _admitted(into, reply or Policy(), sender.account, grants=grants)


def _end(into: Conversation, sender: Member) -> Admitted:
    if sender.role not in CARING:
        raise NotPermittedError("only a professional ends a conversation")
    ends = [(patient, sender.account) for patient in into.patients()]
    return _admitted(into, Policy(Reply.ENDED), sender.account, ends=ends)


def _admitted(
    into: Conversation,
    policy: Policy,
    by: AccountId,
    *,
    grants: list[tuple[AccountId, AccountId]] | None = None,
    ends: list[tuple[AccountId, AccountId]] | None = None,
) -> Admitted:
    changed = not policy.same_right(into.policy)
    after = replace(policy, by=by) if changed else into.policy
    return Admitted(after, changed, tuple(grants or ()), tuple(ends or ()))


def shown(policy: Policy) -> dict[str, object]:
    """Return the policy as the interface shows it. Source: docs/spec/api.md 4."""
    return {"reply": policy.reply.value, "until": policy.until, "by": b64(policy.by) if policy.by else None}
