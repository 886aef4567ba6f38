"""Invitations: looked at without an account, taken by one. Source: docs/spec/api.md 7, docs/spec/protocol.md 9."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from crypto.account_chain import AccountChain
from crypto.conversation_chain import ConversationChain
from crypto.epoch_record import EpochRecord
from server.clock import Clock
from server.domain.errors import (
    BadRequestError,
    InvitationUnknownError,
    NotFoundError,
    NotPermittedError,
    UnauthenticatedError,
    UnlockerMissingError,
)
from server.domain.events import PAGE, Event
from server.domain.ids import AccountId, ConversationId, HolderId, InvitationId, MemberId
from server.domain.invitation import Invitation
from server.domain.session import Principal
from server.services import epochs
from server.services.accounts import MAX_LINKS
from server.services.chains import Chains
from server.services.epochs import CheckedEpoch, NewEpoch
from server.services.growth import NewAccount, add_account, read_new
from server.services.ports import Store, Transaction
from server.services.sessions import Opened, SessionService

MAX_EPOCHS: Final = 1_000
"""Records an answer holds at most."""


@dataclass(frozen=True, slots=True)
class Page:
    """Where a page of a preview begins: the records after ``epoch``, or the chains that the first ``epoch`` ones name.

    ``account``: the chains from this one on, of it the links after ``position``. None: still among the records.
    """

    epoch: int = 0
    account: bytes | None = None
    position: int = -1


@dataclass(frozen=True, slots=True)
class Preview:
    """What whoever holds an invitation needs to open the conversation."""

    invitation: Invitation
    newest: bytes
    """The newest record."""
    epochs: list[tuple[int, int, bytes, bytes | None]]
    """Epoch, seq, record, the invite's box."""
    chains: dict[AccountId, list[bytes]]
    """Of every account that stands in any of the records, those who have left included: they wrote and signed."""
    next: Page | None
    """Where the next page begins."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What somebody brings to take the place of an invitation."""

    epoch: NewEpoch
    sign: bytes
    enc: bytes
    account: NewAccount | None
    wants_session: bool


@dataclass(frozen=True, slots=True)
class Claimed:
    """The place was taken. ``opened``: a session of the new account, if it was wanted and this was the first time."""

    account: AccountId
    conversation: ConversationId
    epoch: int
    seq: int
    opened: Opened | None = None


@dataclass(frozen=True, slots=True)
class InvitationService:
    """Shows invitations and lets accounts claim them."""

    store: Store
    clock: Clock
    chains: Chains
    sessions: SessionService

    async def preview(self, invitation: InvitationId, page: Page) -> Preview:
        """Return a page of the conversation as an open invitation may see it: its records, then the chains they name.

        Raises:
            InvitationUnknownError, InvitationUsedError, InvitationExpiredError, InvitationReplacedError.

        """
        now = self.clock.now()

        def query(view: Transaction) -> Preview:
            found = _open(view, invitation, now)
            chain = self.chains.conversation(view, found.conversation)
            rows, at, room = [], page, PAGE
            if page.account is None:
                rows = view.conversations.epochs(found.conversation, found.member, page.epoch, MAX_EPOCHS)
                at = Page(rows[-1][0] if rows else page.epoch)
                room -= sum(len(record) + len(box or b"") for _, _, record, box in rows)
                if at.epoch < chain.epoch:
                    return Preview(found, chain.head.wire, rows, {}, at)
            chains, following = _chains(view, chain, at, room)
            return Preview(found, chain.head.wire, rows, chains, following)

        return await self.store.read(query)

    async def by_code(self, locator: bytes) -> Invitation:
        """Return the open invitation that a typed code points to.

        Raises:
            InvitationUnknownError, InvitationUsedError, InvitationExpiredError, InvitationReplacedError.

        """
        found = await self.store.read(lambda view: view.invitations.by_locator(locator))
        if found is None:
            raise InvitationUnknownError
        found.require_open(self.clock.now())
        return found

    async def events(self, invitation: InvitationId, *, after: int, limit: int) -> tuple[MemberId, list[Event], int]:
        """Return the invite's member id, events of the conversation and its last seq; nothing counts as delivered.

        Raises:
            InvitationUnknownError, InvitationUsedError, InvitationExpiredError, InvitationReplacedError.

        """
        now = self.clock.now()

        def query(view: Transaction) -> tuple[MemberId, list[Event], int]:
            found = _open(view, invitation, now)
            head = view.conversations.head(found.conversation)
            events = view.log.after(found.conversation, after, limit)
            return found.member, view.log.with_boxes(events, found.member), head.last_seq if head else 0

        return await self.store.read(query)

    async def claim(self, principal: Principal | None, invitation: InvitationId, claim: Claim) -> Claimed:
        """Take the place of an invitation, with a new account or one's own, in one transaction.

        Repeating the same record gives the same answer.

        Raises:
            InvitationUnknownError, InvitationUsedError, InvitationExpiredError, InvitationReplacedError,
            UnauthenticatedError, NotPermittedError, StaleEpochError, ProtocolRefusalError, BadRequestError.

        """
        now = self.clock.now()
        record = epochs.read_record(claim.epoch.record)
        chain = read_new(claim.account) if claim.account else None
        author = _author(principal, chain)
        if record.draft.author != author:
            raise NotPermittedError("signed by another account")

        def check(view: Transaction) -> CheckedEpoch | Claimed:
            found = _known(view, invitation)
            before = self.chains.conversation(view, found.conversation)
            if (again := _repeated(view, found, record)) is not None:
                return again
            found.require_open(now)
            _require_keys(found, claim, record.draft.claim.invite if record.draft.claim else None)
            epochs.require_next(before, record)
            known = {chain.id: chain} if chain else {}
            return epochs.check(view, self.chains, before, claim.epoch, now=now, arriving=known)

        checked = await self.store.read(check)
        if isinstance(checked, Claimed):
            return checked
        return await self.store.write(lambda tx: self._take(tx, invitation, checked, claim, chain))

    def _take(
        self, tx: Transaction, invitation: InvitationId, checked: CheckedEpoch, claim: Claim, chain: AccountChain | None
    ) -> Claimed:
        now = self.clock.now()
        found = _known(tx, invitation)
        if (again := _repeated(tx, found, checked.record)) is not None:
            return again
        found.require_open(now)
        head = tx.conversations.head(found.conversation)
        if head is None:
            raise NotFoundError
        epochs.require_current(tx, head, checked, arriving=chain is not None)
        if chain is not None and claim.account is not None:
            add_account(tx, chain, claim.account, now)
        seq = epochs.extend(tx, head, checked, now).seq
        opened = None
        if chain is not None and claim.wants_session:
            opened = self.sessions.begin(tx, AccountId(chain.id), _first_device(chain))
        return Claimed(checked.author, found.conversation, head.epoch, seq, opened)


def _chains(
    view: Transaction, chain: ConversationChain, page: Page, room: int
) -> tuple[dict[AccountId, list[bytes]], Page | None]:
    """Return links of the accounts that the first records name until they fill ``room`` bytes; where to go on."""
    found: dict[AccountId, list[bytes]] = {}
    for account in sorted(epochs.accounts_of(chain.records[: page.epoch])):
        if page.account is not None and account < page.account:
            continue
        position = page.position if account == page.account else -1
        while room > 0 and (links := view.accounts.page_of_links(AccountId(account), position, MAX_LINKS)):
            taken = list(_within(links, room))
            found.setdefault(AccountId(account), []).extend(taken)
            position, room = position + len(taken), room - sum(map(len, taken))
        if room <= 0:
            return found, Page(page.epoch, account, position)
    return found, None


def _within(links: list[bytes], room: int) -> Iterator[bytes]:
    for each in links:
        if room <= 0:
            return
        yield each
        room -= len(each)


def _open(view: Transaction, invitation: InvitationId, now: int) -> Invitation:
    found = _known(view, invitation)
    found.require_open(now)
    return found


def _known(view: Transaction, invitation: InvitationId) -> Invitation:
    found = view.invitations.get(invitation)
    if found is None:
        raise InvitationUnknownError
    return found


def _repeated(view: Transaction, found: Invitation, record: EpochRecord) -> Claimed | None:
    """Return the answer of the first time, to the account that signed this very claim."""
    seq = epochs.repeated(view, found.conversation, record)
    if seq is None or record.draft.claim is None or record.draft.claim.invite != found.member:
        return None
    return Claimed(AccountId(record.draft.author), found.conversation, record.epoch, seq)


def _author(principal: Principal | None, chain: AccountChain | None) -> AccountId:
    if chain is not None:
        return AccountId(chain.id)
    if principal is None:
        raise UnauthenticatedError("bring a new account or a session")
    if not principal.unlocker:
        raise UnlockerMissingError("add a recovery code or a passkey first")
    return principal.account


def _require_keys(invitation: Invitation, claim: Claim, claimed: bytes | None) -> None:
    if (claim.sign, claim.enc) != (invitation.sign, invitation.enc) or claimed != invitation.member:
        raise BadRequestError("not the keys of this invitation")


def _first_device(chain: AccountChain) -> HolderId:
    return HolderId(next(key for key, held in chain.holders.items() if held.public.kind == "device" and held.active))
