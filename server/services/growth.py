"""How account chains grow: what must travel beside new links, and how it is stored.

Source: docs/spec/protocol.md 4 and 5, docs/spec/api.md 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from crypto import link
from crypto.account_chain import AccountChain
from crypto.errors import require
from server.domain.account import Account, Holder, Professional
from server.domain.errors import BadRequestError, ProtocolRefusalError, StaleHeadError
from server.domain.ids import AccountId, HolderId, SessionId
from server.services.chains import checked
from server.services.ports import Transaction

BOX: Final = 1_168  # bytes: docs/spec/protocol.md 4
PREVIOUS: Final = 48  # bytes
MAX_NEW_LINKS: Final = 500  # links taken in one request
_UNLOCKERS: Final = frozenset({"recovery", "passkey"})


@dataclass(frozen=True, slots=True)
class HolderBox:
    """A user secret sealed to a holder."""

    holder: HolderId
    generation: int
    box: bytes


@dataclass(frozen=True, slots=True)
class SealedPrevious:
    """The user secret before ``generation``, sealed under that of ``generation``."""

    generation: int
    sealed: bytes


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What somebody brings to make an account: its first links, a box for each holder."""

    links: Sequence[bytes]
    boxes: Sequence[HolderBox]


@dataclass(frozen=True, slots=True)
class Growth:
    """An account chain before and after new links, with what travels beside them."""

    before: AccountChain
    after: AccountChain
    fresh: Sequence[bytes]
    boxes: Sequence[HolderBox]
    previous: Sequence[SealedPrevious]


def read_new(new: NewAccount) -> AccountChain:
    """Check what somebody brings to make an account. Source: docs/spec/api.md 2.

    Raises:
        ProtocolRefusalError, BadRequestError.

    """
    if not 2 <= len(new.links) <= MAX_NEW_LINKS:
        raise BadRequestError("a genesis and at least one more holder")
    with checked():
        chain = AccountChain.replay(new.links)
        require(chain.kind == "user", "rule", "an account of a person")
    if not has_unlocker(chain):
        raise BadRequestError("a second way in is needed: a recovery code or a passkey")
    sealed = {(each.holder, each.generation) for each in new.boxes}
    if sealed != {(holder, chain.generation) for holder in chain.active_holders}:
        raise BadRequestError("one box for each active holder")
    _require_sizes(new.boxes, ())
    return chain


def add_account(
    tx: Transaction,
    chain: AccountChain,
    new: NewAccount,
    now: int,
    *,
    professional: Professional | None = None,
    issued: bytes | None = None,
) -> Account:
    """Store a new account inside a transaction.

    Raises:
        ProtocolRefusalError: it is there already, or one of its holders belongs to another.

    """
    if tx.accounts.get(AccountId(chain.id)) is not None:
        raise ProtocolRefusalError("rule", "this account exists")
    require_free(tx, None, chain)
    account = Account(
        id=AccountId(chain.id),
        kind=chain.kind,
        position=chain.position,
        head=chain.head,
        generation=chain.generation,
        unlocker=True,
        created_at=now,
        professional=professional,
        certificate=issued,
    )
    tx.accounts.add(account)
    tx.accounts.add_links(account.id, 0, list(new.links))
    _save_holders(tx, chain)
    for each in new.boxes:
        tx.accounts.save_box(account.id, each.holder, each.generation, each.box)
    return account


def has_unlocker(chain: AccountChain) -> bool:
    """Tell whether a second way in exists: an active recovery code or passkey."""
    return any(holder.kind in _UNLOCKERS for holder in chain.active_holders.values())


def fresh_links(chain: AccountChain, links: Sequence[bytes]) -> list[bytes]:
    """Drop the links that the chain already has; what follows must extend its head.

    Raises:
        StaleHeadError, ProtocolRefusalError.

    """
    fresh: list[bytes] = []
    position = chain.position
    for wire in links:
        with checked():
            read = link.read(wire)
        if not fresh and read.position <= position and chain.heads[read.position] == read.hash:
            continue
        if not fresh and (read.position != position + 1 or read.previous != chain.head):
            raise StaleHeadError("the links do not extend the head")
        fresh.append(wire)
    return fresh


def _require_sizes(boxes: Sequence[HolderBox], previous: Sequence[SealedPrevious]) -> None:
    if any(len(each.box) != BOX for each in boxes) or any(len(each.sealed) != PREVIOUS for each in previous):
        raise BadRequestError(f"a box has {BOX} bytes, a sealed previous secret {PREVIOUS}")


def require_boxes(growth: Growth) -> None:
    """Refuse a growth that lacks a box: of a new holder, or for each active one in a new generation.

    Raises:
        BadRequestError.

    """
    before, after = growth.before, growth.after
    _require_sizes(growth.boxes, growth.previous)
    rotated = set(range(before.generation + 1, after.generation + 1))
    needed = {(holder, after.generation) for holder in after.active_holders if rotated or holder not in before.holders}
    given = {(each.holder, each.generation) for each in growth.boxes}
    foreign = {holder for holder, _ in given} - after.holders.keys()
    generations = range(1, after.generation + 1)
    if not needed <= given or foreign or any(generation not in generations for _, generation in given):
        raise BadRequestError("a box is missing or too many")
    told = {each.generation for each in growth.previous}
    if not rotated <= told or any(generation not in generations for generation in told):
        raise BadRequestError("a sealed previous secret is missing or too many")


def require_free(tx: Transaction, before: AccountChain | None, after: AccountChain) -> None:
    """Refuse a new holder that another account has.

    Raises:
        ProtocolRefusalError.

    """
    known = before.holders if before else {}
    for holder in after.holders.keys() - known.keys():
        if tx.accounts.holder(HolderId(holder)) is not None:
            raise ProtocolRefusalError("rule", "a holder of another account")


def _save_holders(tx: Transaction, chain: AccountChain, *, only: set[bytes] | None = None) -> None:
    for holder_id, held in chain.holders.items():
        if only is None or holder_id in only:
            public = held.public
            tx.accounts.save_holder(
                Holder(HolderId(holder_id), AccountId(chain.id), public.kind, public.name, public.sign, held.active)
            )


def save_growth(tx: Transaction, account: Account, growth: Growth) -> list[SessionId]:
    """Store what has been checked; return the sessions that ended with their holders."""
    before, after = growth.before, growth.after
    tx.accounts.add_links(account.id, before.position + 1, list(growth.fresh))
    changed = {key for key, held in after.holders.items() if before.holders.get(key) != held}
    _save_holders(tx, after, only=changed)
    for each in growth.boxes:
        tx.accounts.save_box(account.id, each.holder, each.generation, each.box)
    for sealed in growth.previous:
        tx.accounts.save_previous(account.id, sealed.generation, sealed.sealed)
    account.position, account.head, account.generation = after.position, after.head, after.generation
    account.unlocker = has_unlocker(after)
    tx.accounts.save_chain(account)
    gone = [HolderId(key) for key in changed if not after.holders[key].active]
    return [session for holder in gone for session in tx.sessions.end_of_holder(holder)]
