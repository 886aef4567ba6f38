"""Accounts and their chains. Source: docs/spec/api.md 2, docs/spec/protocol.md 5."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crypto import certificate
from crypto.account_chain import AccountChain
from server.clock import Clock
from server.domain.account import PHARMACIST, Account, Activation, Professional, check_professional, words
from server.domain.errors import (
    ActivationInvalidError,
    BadRequestError,
    NotFoundError,
    NotPermittedError,
    StaleHeadError,
)
from server.domain.ids import AccountId, HolderId, SessionId
from server.domain.session import Principal
from server.services.chains import Chains, checked
from server.services.growth import (
    MAX_NEW_LINKS,
    Growth,
    HolderBox,
    NewAccount,
    SealedPrevious,
    add_account,
    fresh_links,
    read_new,
    require_boxes,
    require_free,
    save_growth,
)
from server.services.identity import ServerIdentity
from server.services.ports import Store, Transaction
from server.services.sessions import DAY, SessionService

ACTIVATION: Final = 14 * DAY
MAX_BLOB: Final = 4_096  # bytes of a passkey blob
MAX_LINKS: Final = 500  # links of an answer


@dataclass(frozen=True, slots=True)
class Me:
    """An account as its own session sees it."""

    account: Account
    box: tuple[int, bytes] | None
    previous: list[tuple[int, bytes]]


@dataclass(frozen=True, slots=True)
class ActivationService:
    """The operator's word for who a professional is."""

    store: Store
    clock: Clock

    async def create(self, name: str, profession: str, identifier: str, *, demo: bool = False) -> bytes:
        """Store what the operator has checked; return the token (32 bytes) that makes the account once.

        Raises:
            BadRequestError: a name, profession code or RPPS number that cannot be.

        """
        who = check_professional(name, profession, identifier)
        token = secrets.token_bytes(32)
        made = Activation(hashlib.sha256(token).digest(), who, self.clock.now() + ACTIVATION, demo)
        await self.store.write(lambda tx: tx.accounts.add_activation(made))
        return token

    async def show(self, token: bytes) -> Activation:
        """Return what a token that can still be used carries.

        Raises:
            ActivationInvalidError.

        """
        found = await self.store.read(lambda view: view.accounts.activation(hashlib.sha256(token).digest()))
        if found is None or found.account is not None or found.expires < self.clock.now():
            raise ActivationInvalidError
        return found


@dataclass(frozen=True, slots=True)
class AccountService:
    """Makes accounts, lets their chains grow, shows them."""

    store: Store
    clock: Clock
    identity: ServerIdentity
    chains: Chains
    sessions: SessionService

    async def create(self, token: bytes, new: NewAccount) -> Account:
        """Make the account of a professional from an activation; repeating it gives the same account.

        Raises:
            ActivationInvalidError, ProtocolRefusalError, BadRequestError.

        """
        token_hash = hashlib.sha256(token).digest()
        activation = await self.store.read(lambda view: view.accounts.activation(token_hash))
        if activation is None:
            raise ActivationInvalidError
        chain = read_new(new)
        issued = self._certify(chain, activation.professional)

        def intent(tx: Transaction) -> Account:
            now = tx.accounts.activation(token_hash)
            if now is not None and now.account == chain.id:
                return _existing(tx, AccountId(chain.id))
            if now is None or now.account is not None or now.expires < self.clock.now():
                raise ActivationInvalidError
            account = add_account(tx, chain, new, self.clock.now(), professional=now.professional, issued=issued)
            tx.accounts.use_activation(token_hash, account.id)
            return account

        return await self.store.write(intent)

    def _certify(self, chain: AccountChain, who: Professional) -> bytes:
        said = certificate.Certificate(chain.id, self.clock.now(), who.identifier, who.name, who.profession, "operator")
        with checked():
            return certificate.issue(self.identity.registry, said)

    async def show(self, account: AccountId) -> Account:
        """Return an account.

        Raises:
            NotFoundError.

        """
        return await self.store.read(lambda view: _existing(view, account))

    async def links(self, account: AccountId, after: int) -> tuple[Account, list[bytes]]:
        """Return an account and up to ``MAX_LINKS`` links after a position (-1: from the genesis), a page at most.

        Raises:
            NotFoundError.

        """
        return await self.store.read(
            lambda view: (_existing(view, account), view.accounts.page_of_links(account, after, MAX_LINKS))
        )

    async def end_of(self, account: AccountId, holder: HolderId, after: int) -> list[bytes]:
        """Return a page of links after a position, none behind the one that ended a holder of the account."""

        def query(view: Transaction) -> list[bytes]:
            chain = self.chains.account(view, account)
            held = chain.holders.get(holder) if chain else None
            ended_at = held.term.ended_at if held and held.term.ended_at is not None else -1
            return view.accounts.page_of_links(account, after, min(MAX_LINKS, max(0, ended_at - after)))

        return await self.store.read(query)

    async def me(self, principal: Principal) -> Me:
        """Return the account of a session with what its holder needs to open it."""

        def query(view: Transaction) -> Me:
            box = view.accounts.newest_box(principal.holder)
            return Me(_existing(view, principal.account), box, view.accounts.previous(principal.account))

        return await self.store.read(query)

    async def grow(
        self,
        principal: Principal,
        links: Sequence[bytes],
        boxes: Sequence[HolderBox],
        previous: Sequence[SealedPrevious],
    ) -> Account:
        """Append links to one's own chain; those that are already there are skipped.

        Raises:
            StaleHeadError, ProtocolRefusalError, BadRequestError.

        """
        if len(links) > MAX_NEW_LINKS:
            raise BadRequestError(f"at most {MAX_NEW_LINKS} links")
        before = await self.store.read(lambda view: self.chains.account(view, principal.account))
        if before is None:
            raise NotFoundError
        growth = self._growth(before, links, boxes, previous)

        def intent(tx: Transaction) -> tuple[Account, list[SessionId]]:
            account = _existing(tx, principal.account)
            if account.head != before.head:
                raise StaleHeadError("the chain has grown meanwhile")
            require_free(tx, before, growth.after)
            return account, save_growth(tx, account, growth)

        account, ended = await self.store.write(intent)
        self.sessions.forget(principal.account)
        if ended:
            self.sessions.ended(ended)
        return account

    def _growth(
        self,
        before: AccountChain,
        links: Sequence[bytes],
        boxes: Sequence[HolderBox],
        previous: Sequence[SealedPrevious],
    ) -> Growth:
        fresh = fresh_links(before, links)
        with checked():
            after = before.extend(fresh)
            self._require_own_certificate(before, after)
        growth = Growth(before, after, fresh, boxes, previous)
        require_boxes(growth)
        return growth

    def _require_own_certificate(self, before: AccountChain, after: AccountChain) -> None:
        if after.certificate is not None and after.certificate != before.certificate:
            certificate.verify(after.certificate, registry=self.identity.registry.public, account=after.id)

    async def choose(self, principal: Principal, *, accepts_patients: bool | None, language: str | None) -> Account:
        """Change one's settings; ``None`` leaves one as it is.

        Raises:
            NotPermittedError: only a pharmacy may be written to first (product rule 2).

        """

        def intent(tx: Transaction) -> Account:
            account = _existing(tx, principal.account)
            if accepts_patients is not None:
                if account.professional is None or account.professional.profession != PHARMACIST:
                    raise NotPermittedError("only a pharmacy can be written to first")
                account.accepts_patients = accepts_patients
            account.language = account.language if language is None else language
            tx.accounts.save_settings(account.id, accepts_patients=account.accepts_patients, language=account.language)
            return account

        return await self.store.write(intent)

    async def search(self, text: str) -> list[Account]:
        """Return up to 20 professionals by the beginnings of words of their name, or by identifier."""
        terms = words(text)[:8]
        return await self.store.read(lambda view: view.accounts.search(terms, 20)) if terms else []

    async def open_pharmacies(self) -> list[Account]:
        """Return up to 20 pharmacies that patients may write to first."""
        return await self.store.read(lambda view: view.accounts.open_pharmacies(PHARMACIST, 20))

    async def keep_passkey(self, principal: Principal, credential: bytes, holder: HolderId, blob: bytes) -> None:
        """Keep the sealed blob of a passkey of one's own.

        Raises:
            BadRequestError, NotPermittedError: not one's own holder, or somebody else's credential.

        """
        if not 1 <= len(credential) <= 1_023 or not 1 <= len(blob) <= MAX_BLOB:
            raise BadRequestError("a credential id has 1 to 1,023 bytes, a blob 1 to 4,096")

        def intent(tx: Transaction) -> None:
            own, known = tx.accounts.holder(holder), tx.accounts.passkey(credential)
            if own is None or own.account != principal.account or not own.active:
                raise NotPermittedError("not a holder of this account")
            if known is not None and known[0] != principal.account:
                raise NotPermittedError("this credential is taken")
            tx.accounts.save_passkey(credential, principal.account, holder, blob)

        await self.store.write(intent)

    async def passkey(self, credential: bytes) -> bytes:
        """Return the sealed blob of a passkey.

        Raises:
            NotFoundError.

        """
        found = await self.store.read(lambda view: view.accounts.passkey(credential))
        if found is None:
            raise NotFoundError
        return found[1]


def _existing(view: Transaction, account: AccountId) -> Account:
    found = view.accounts.get(account)
    if found is None:
        raise NotFoundError
    return found
