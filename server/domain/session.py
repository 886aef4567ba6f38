"""Sessions: who is asking, as proven by a holder's signature."""

from __future__ import annotations

from dataclasses import dataclass

from server.domain.ids import AccountId, HolderId, SessionId


@dataclass(frozen=True, slots=True)
class Session:
    """An open session. The token itself is never kept, only its SHA-256."""

    id: SessionId
    token_hash: bytes
    account: AccountId
    holder: HolderId
    created: int
    last_used: int
    expires: int


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is asking."""

    account: AccountId
    holder: HolderId
    session: SessionId
    professional: bool
    unlocker: bool
    """Whether the account has a second way in; without one it does not write."""
    expires: int
