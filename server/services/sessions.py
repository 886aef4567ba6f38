"""Sessions: opened by a holder's signature over a challenge, kept by the hash of a token. Source: protocol.md 10."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from crypto import sign
from server.clock import Clock
from server.domain.account import Holder
from server.domain.errors import NotFoundError, SignatureRefusedError, UnauthenticatedError
from server.domain.events import Announcement, Mark
from server.domain.ids import AccountId, HolderId, SessionId, b64
from server.domain.session import Principal, Session
from server.services.identity import ServerIdentity
from server.services.ports import Bus, Store, Transaction, Writes
from server.services.stamps import Stamps

DAY: Final = 24 * 3600 * 1000  # ms
REFRESH: Final = 5 * 60 * 1000  # ms between two writes of "last used"
CHALLENGE: Final = 60_000  # ms
TICKET: Final = 30_000  # ms
SHOWN: Final = 1_000  # sessions of an account in an answer, newest first
_REMEMBER: Final = 20_000  # sessions in memory


@dataclass(frozen=True, slots=True)
class Opened:
    """A session that has just been opened, and its token: the only time it is seen."""

    token: str
    account: AccountId
    expires: int


@dataclass(slots=True)
class SessionService:
    """Opens, recognises and ends sessions."""

    store: Store
    bus: Bus
    clock: Clock
    identity: ServerIdentity
    stamps: Stamps
    lifetime: int
    """Milliseconds without use after which a session ends."""
    shared: bool = False
    """Whether other nodes redeem the same stamps: then the store says which have been used, not this process."""
    _known: dict[bytes, Principal] = field(default_factory=dict)
    _touched: dict[bytes, int] = field(default_factory=dict)

    def challenge(self, holder: HolderId) -> tuple[bytes, int]:
        """Return a challenge of 32 bytes for any holder, existing or not, and when it ends."""
        return self.stamps.issue(holder, CHALLENGE)

    async def open(self, holder: HolderId, challenge: bytes, signature: bytes) -> Opened:
        """Open a session for the account of ``holder``.

        Raises:
            SignatureRefusedError: the challenge, the holder or the signature is not right; never says which.

        """
        found = await self._signed(holder, challenge, signature)
        if not found.active:
            raise SignatureRefusedError
        return await self.store.write(lambda tx: self.begin(tx, found.account, holder))

    async def ended_holder(self, holder: HolderId, challenge: bytes, signature: bytes) -> AccountId:
        """Return the account of a holder that was ended and can sign: it may hear how it was.

        Raises:
            SignatureRefusedError: as ``open``, or the holder has not ended.

        """
        found = await self._signed(holder, challenge, signature)
        if found.active:
            raise SignatureRefusedError
        return found.account

    async def _signed(self, holder: HolderId, challenge: bytes, signature: bytes) -> Holder:
        """Return the holder, ended or not, that has signed a fresh challenge; raises SignatureRefusedError."""
        fresh = await self._redeem(challenge, holder)
        found = await self.store.read(lambda view: view.accounts.holder(holder))
        key = found.sign if found else self.identity.registry.public  # the same work for a holder that does not exist
        signed = sign.verify(key, "session", self.identity.id + challenge + holder, signature)
        if not (fresh and signed and found):
            raise SignatureRefusedError
        return found

    def begin(self, tx: Transaction, account: AccountId, holder: HolderId) -> Opened:
        """Store a new session inside a transaction.

        Raises:
            SignatureRefusedError: the holder has ended meanwhile.

        """
        known = tx.accounts.holder(holder)
        if known is None or not known.active:
            raise SignatureRefusedError
        token, now = secrets.token_bytes(32), self.clock.now()
        expires = now + self.lifetime
        tx.sessions.add(
            Session(
                SessionId(secrets.token_bytes(16)),
                hashlib.sha256(b64(token).encode()).digest(),
                account,
                holder,
                now,
                now,
                expires,
            )
        )
        return Opened(b64(token), account, expires)

    async def recognise(self, token: str) -> Principal:
        """Return who holds ``token``.

        Raises:
            UnauthenticatedError: nobody, or not any more.

        """
        if not token.isascii():  # no token of ours; what a header holds may be no text at all
            raise UnauthenticatedError
        token_hash = hashlib.sha256(token.encode()).digest()
        now = self.clock.now()
        principal = self._known.get(token_hash)
        if principal is None:
            principal = await self.store.read(lambda view: _principal(view, view.sessions.by_token(token_hash)))
            if principal is None:
                raise UnauthenticatedError
            self._remember(token_hash, principal)
        if principal.expires < now:
            raise UnauthenticatedError
        if now - self._touched.get(token_hash, 0) > REFRESH:
            principal = self._touch(token_hash, principal, now)
        return principal

    def _remember(self, token_hash: bytes, principal: Principal) -> None:
        if len(self._known) > _REMEMBER:
            self._known.clear()
            self._touched.clear()
        self._known[token_hash] = principal

    def _touch(self, token_hash: bytes, principal: Principal, now: int) -> Principal:
        """Move the end of a used session, at most every ``REFRESH``; nobody waits for it."""
        renewed = replace(principal, expires=now + self.lifetime)
        self._touched[token_hash] = now
        self._known[token_hash] = renewed
        session = principal.session
        self.store.submit(lambda tx: tx.sessions.touch(session, now, renewed.expires), lambda _result, _error: None)
        return renewed

    def ticket(self, principal: Principal) -> tuple[bytes, int]:
        """Return a single-use ticket of 48 bytes that opens a live socket within 30 seconds, and when it ends."""
        stamp, ends = self.stamps.issue(b"live" + principal.session, TICKET)
        return principal.session + stamp, ends

    async def redeem_ticket(self, ticket: bytes) -> Principal:
        """Return whose live socket a ticket opens.

        Raises:
            UnauthenticatedError: not ours, used before, too old, or its session has ended.

        """
        session, stamp = SessionId(ticket[:16]), ticket[16:]
        if await self._redeem(stamp, b"live" + session):
            principal = await self.store.read(lambda view: _principal(view, view.sessions.get(session)))
            if principal is not None and principal.expires >= self.clock.now():
                return principal
        raise UnauthenticatedError

    async def _redeem(self, stamp: bytes, subject: bytes) -> bool:
        """Tell whether a stamp counts: once, on whatever node."""
        if not self.stamps.redeem(stamp, subject):
            return False
        ends = self.clock.now() + CHALLENGE  # no stamp lives longer
        return not self.shared or await self.store.write(lambda tx: tx.sessions.spend(stamp, ends))

    async def of_account(self, account: AccountId) -> list[tuple[Session, str]]:
        """Return the open sessions of an account with the names of their holders, newest first, ``SHOWN`` at most."""
        now = self.clock.now()

        def query(view: Transaction) -> list[tuple[Session, str]]:
            names = {holder.id: holder.name for holder in view.accounts.holders(account)}
            found = view.sessions.of_account(account, SHOWN)
            return [(each, names.get(each.holder, "")) for each in found if each.expires > now]

        return await self.store.read(query)

    async def end(self, account: AccountId, session: SessionId) -> None:
        """End a session of the account at once.

        Raises:
            NotFoundError: there is no such session of this account.

        """
        if not await self.store.write(lambda tx: tx.sessions.end(session, account)):
            raise NotFoundError
        self.ended([session])

    async def sweep(self, through: Writes | None = None) -> int:
        """Remove the sessions that ended by themselves, and what is remembered of stamps; return how many sessions."""
        now = self.clock.now()
        return await (through or self.store).write(lambda tx: tx.sessions.sweep(now))

    def forget(self, account: AccountId) -> None:
        """Read the sessions of an account again when they are used next: something about it has changed."""
        self.bus.change(account)

    def ended(self, sessions: Sequence[SessionId]) -> None:
        """After a commit that ended sessions: tell whoever remembers or serves them."""
        self.bus.end_sessions(list(sessions))

    # --- what the bus tells -----------------------------------------------------------------------------------------

    def on_sessions_ended(self, sessions: list[SessionId]) -> None:
        """Forget who held them."""
        gone = set(sessions)
        for token_hash in [key for key, principal in self._known.items() if principal.session in gone]:
            del self._known[token_hash]

    def on_changed(self, account: AccountId | None) -> None:
        """Read the sessions of an account, or all, again when they are used next."""
        if account is None:
            self._known.clear()
        for token_hash in [key for key, principal in self._known.items() if principal.account == account]:
            del self._known[token_hash]

    def on_events(self, announcements: list[Announcement]) -> None:
        """Events concern no session."""

    def on_marks(self, marks: list[Mark]) -> None:
        """Nor do marks."""

    def on_grown(self, account: AccountId, position: int) -> None:
        """Nor does a feed."""

    def followed(self) -> set[AccountId]:
        """No feed is followed here."""
        return set()

    def served(self) -> set[SessionId]:
        """What is remembered is forgotten by ``on_changed``."""
        return set()


def _principal(view: Transaction, session: Session | None) -> Principal | None:
    if session is None:
        return None
    account = view.accounts.get(session.account)
    if account is None:
        return None
    return Principal(
        account=session.account,
        holder=session.holder,
        session=session.id,
        professional=account.professional is not None,
        unlocker=account.unlocker,
        expires=session.expires,
    )
