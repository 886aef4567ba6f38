"""A place in a conversation for somebody who has no account yet. Source: docs/spec/protocol.md 9."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from server.domain.errors import (
    InvitationExpiredError,
    InvitationRefusedError,
    InvitationReplacedError,
    InvitationUsedError,
)
from server.domain.ids import AccountId, ConversationId, InvitationId, MemberId


class InvitationState(StrEnum):
    """What has become of an invitation. ``expired`` is computed, never stored."""

    OPEN = "open"
    CLAIMED = "claimed"
    EXPIRED = "expired"
    REPLACED = "replaced"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Invitation:
    """An invitation as the server keeps it: public keys, and what the typed code unlocks."""

    id: InvitationId
    conversation: ConversationId
    member: MemberId
    sign: bytes
    enc: bytes
    expires: int
    state: InvitationState = InvitationState.OPEN
    locator: bytes | None = None
    code_box: bytes | None = None
    claimed_by: AccountId | None = None

    def state_at(self, now: int) -> InvitationState:
        """Return the state, expiry included."""
        if self.state is InvitationState.OPEN and now >= self.expires:
            return InvitationState.EXPIRED
        return self.state

    def require_open(self, now: int) -> None:
        """Refuse an invitation that nobody can use any more.

        Raises:
            InvitationUsedError, InvitationExpiredError, InvitationReplacedError, InvitationRefusedError.

        """
        match self.state_at(now):
            case InvitationState.CLAIMED:
                raise InvitationUsedError
            case InvitationState.EXPIRED:
                raise InvitationExpiredError
            case InvitationState.REPLACED:
                raise InvitationReplacedError
            case InvitationState.REFUSED:
                raise InvitationRefusedError
            case InvitationState.OPEN:
                return
