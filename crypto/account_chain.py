"""The signed history of an account, and the state it leads to.

Source: docs/spec/protocol.md 5.3.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from crypto import certificate, hpke, link, sign
from crypto.errors import require
from crypto.holder import PublicHolder
from crypto.link import Link, Place

MAX_LINKS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Term:
    """From which position something counts, and from which no longer."""

    added_at: int
    ended_at: int | None = None

    def covers(self, position: int) -> bool:
        """Whether it counts at ``position``."""
        return self.added_at <= position and (self.ended_at is None or position < self.ended_at)


@dataclass(frozen=True, slots=True)
class ChainHolder:
    """A holder with its place in the chain."""

    public: PublicHolder
    term: Term
    revoked: bool = False

    @property
    def active(self) -> bool:
        """Neither retired nor revoked."""
        return self.term.ended_at is None


@dataclass(frozen=True, slots=True)
class ChainUserKey:
    """The public key of a generation and the position that announced it."""

    enc: bytes
    added_at: int


@dataclass(frozen=True, slots=True)
class Delegate:
    """Somebody whom the account lets act beside it. ``until`` informs (milliseconds); the chain has no clock."""

    scope: str
    until: int | None
    term: Term


@dataclass(frozen=True, slots=True)
class AccountChain:
    """The state after an accepted chain. Immutable: ``accept`` gives the next state or refuses."""

    id: bytes
    kind: str
    heads: tuple[bytes, ...] = field(repr=False)
    """Hash of the link at each position."""
    holders: Mapping[bytes, ChainHolder] = field(repr=False)
    """By holder id, ended ones included."""
    uks: Mapping[int, ChainUserKey] = field(repr=False)
    """By generation."""
    certificate: bytes | None = field(default=None, repr=False)
    """The newest attested certificate (wire); *not* verified under a registry key here, see ``certificate.verify``."""
    delegates: Mapping[bytes, tuple[Delegate, ...]] = field(default_factory=dict, repr=False)
    """By account id: every term, oldest first."""
    rotation_due: bool = False

    @classmethod
    def begin(cls, wire: bytes) -> "AccountChain":
        """Accept a genesis link.

        Raises:
            ProtocolError: see ``accept``.

        """
        first = link.read(wire)
        require(first.type == "genesis" and first.position == 0 and first.previous is None, "not_next", "genesis")
        require(first.account is None, "wrong_account")
        holder: PublicHolder = first.body["holder"]
        require(first.signer == holder.id, "unknown_signer")
        _require_signatures(first, (holder,))
        holder.require_strong()
        uk = first.body["uk"]
        hpke.require_strong(uk.enc)
        require(holder.kind == "device" and uk.generation == 1, "rule", "genesis")
        return cls(
            id=first.hash,
            kind=first.body["kind"],
            heads=(first.hash,),
            holders={holder.id: ChainHolder(holder, Term(0))},
            uks={1: ChainUserKey(uk.enc, 0)},
        )

    @classmethod
    def replay(cls, wires: Iterable[bytes]) -> "AccountChain":
        """Accept a whole chain, genesis first.

        Raises:
            ProtocolError: see ``accept``; ``bad_format`` for no link at all.

        """
        links = iter(wires)
        first = next(links, None)
        require(first is not None, "bad_format", "an empty chain")
        assert first is not None
        return cls.begin(first).extend(links)

    def extend(self, wires: Iterable[bytes]) -> "AccountChain":
        """Accept several links."""
        chain = self
        for wire in wires:
            chain = chain.accept(wire)
        return chain

    def accept(self, wire: bytes) -> "AccountChain":
        """Accept the next link.

        Raises:
            ProtocolError: in this order ``bad_format``, ``unknown_version``, ``not_next``, ``wrong_account``,
                ``unknown_signer``, ``bad_signature``, ``weak_key``, ``rule``.

        """
        new = link.read(wire)
        require(new.position == self.position + 1 and new.previous == self.head, "not_next")
        require(new.account == self.id, "wrong_account")
        signer = self.holders.get(new.signer)
        require(signer and signer.active, "unknown_signer")
        assert signer
        added: PublicHolder | None = new.body["holder"] if new.type == "holder_add" else None
        _require_signatures(new, (signer.public, added) if added else (signer.public,))
        _require_strong_keys(new)
        require(new.position < MAX_LINKS, "rule", "the chain is full")
        require(not self.rotation_due or new.type in {"holder_revoke", "uk_rotate"}, "rule", "rotation is due")
        require(new.type in _RULES, "rule", "a second genesis")
        return replace(_RULES[new.type](self, new), heads=(*self.heads, new.hash))

    def reconcile(self, served: "AccountChain") -> "AccountChain":
        """Compare this known state with a chain received later; returns the longer one.

        Raises:
            ProtocolError: ``wrong_account``; alarms ``rollback`` (shorter) and ``fork`` (another history).

        """
        require(served.id == self.id, "wrong_account")
        shared = min(self.position, served.position)
        require(served.heads[shared] == self.heads[shared], "fork")
        require(served.position >= self.position, "rollback")
        return served

    @property
    def position(self) -> int:
        """Position of the newest link."""
        return len(self.heads) - 1

    @property
    def head(self) -> bytes:
        """Hash of the newest link."""
        return self.heads[-1]

    @property
    def generation(self) -> int:
        """The newest generation of the user secret."""
        return max(self.uks)

    @property
    def uk(self) -> bytes:
        """The newest public user key (1,216 bytes)."""
        return self.uks[self.generation].enc

    @property
    def active_holders(self) -> dict[bytes, PublicHolder]:
        """Holders that are neither retired nor revoked."""
        return {key: each.public for key, each in self.holders.items() if each.active}

    @property
    def active_delegates(self) -> dict[bytes, Delegate]:
        """Delegates that are not removed. Compare ``until`` with your clock."""
        return {key: terms[-1] for key, terms in self.delegates.items() if terms[-1].term.ended_at is None}

    @property
    def next_place(self) -> Place:
        """Where the next link goes."""
        return Place(self.id, self.position + 1, self.head)

    def generation_at(self, position: int) -> int:
        """The newest generation at ``position``."""
        return max(g for g, uk in self.uks.items() if uk.added_at <= position)

    def device_at(self, holder_id: bytes, position: int) -> PublicHolder | None:
        """The ``device`` with this id if it counts at ``position`` (and the chain is that long)."""
        found = self.holders.get(holder_id)
        if found is None or position > self.position or found.public.kind != "device":
            return None
        return found.public if found.term.covers(position) else None

    def delegates_at(self, account: bytes, position: int) -> bool:
        """Whether ``account`` is a delegate of this one at ``position``."""
        return any(each.term.covers(position) for each in self.delegates.get(account, ()))


def _require_signatures(new: Link, signers: tuple[PublicHolder, ...]) -> None:
    require(len(new.signed.signatures) == len(signers), "bad_signature", "number of signatures")
    for signer, signature in zip(signers, new.signed.signatures, strict=True):
        require(sign.verify(signer.sign, "link", new.signed.body, signature), "bad_signature")


def _require_strong_keys(new: Link) -> None:
    if new.type == "holder_add":
        new.body["holder"].require_strong()
    elif new.type == "uk_rotate":
        hpke.require_strong(new.body["uk"].enc)


def _holder_add(chain: AccountChain, new: Link) -> AccountChain:
    added: PublicHolder = new.body["holder"]
    require(added.id not in chain.holders, "rule", "holder id used before")
    return replace(chain, holders={**chain.holders, added.id: ChainHolder(added, Term(new.position))})


def _holder_retire(chain: AccountChain, new: Link) -> AccountChain:
    return _end_holder(chain, new, revoked=False)


def _holder_revoke(chain: AccountChain, new: Link) -> AccountChain:
    require(new.body["holder"] != new.signer, "rule", "a holder does not revoke itself")
    return replace(_end_holder(chain, new, revoked=True), rotation_due=True)


def _end_holder(chain: AccountChain, new: Link, *, revoked: bool) -> AccountChain:
    gone: bytes = new.body["holder"]
    require(gone in chain.active_holders, "rule", "not an active holder")
    require(len(chain.active_holders) > 1, "rule", "the last active holder")
    was = chain.holders[gone]
    ended = replace(was, term=replace(was.term, ended_at=new.position), revoked=revoked)
    return replace(chain, holders={**chain.holders, gone: ended})


def _uk_rotate(chain: AccountChain, new: Link) -> AccountChain:
    uk = new.body["uk"]
    require(uk.generation == chain.generation + 1, "rule", "generation")
    require(all(uk.enc != old.enc for old in chain.uks.values()), "rule", "a user key used before")
    uks = {**chain.uks, uk.generation: ChainUserKey(uk.enc, new.position)}
    return replace(chain, uks=uks, rotation_due=False)


def _attest(chain: AccountChain, new: Link) -> AccountChain:
    require(certificate.read(new.body["certificate"]).account == chain.id, "rule", "certificate of another account")
    return replace(chain, certificate=new.body["certificate"])


def _delegate_add(chain: AccountChain, new: Link) -> AccountChain:
    account: bytes = new.body["account"]
    require(account != chain.id and account not in chain.active_delegates, "rule", "delegate")
    added = Delegate(new.body["scope"], new.body["until"], Term(new.position))
    return replace(chain, delegates={**chain.delegates, account: (*chain.delegates.get(account, ()), added)})


def _delegate_remove(chain: AccountChain, new: Link) -> AccountChain:
    account: bytes = new.body["account"]
    require(account in chain.active_delegates, "rule", "not an active delegate")
    *before, last = chain.delegates[account]
    ended = replace(last, term=replace(last.term, ended_at=new.position))
    return replace(chain, delegates={**chain.delegates, account: (*before, ended)})


_RULES: Final[Mapping[str, Callable[[AccountChain, Link], AccountChain]]] = {
    "holder_add": _holder_add,
    "holder_retire": _holder_retire,
    "holder_revoke": _holder_revoke,
    "uk_rotate": _uk_rotate,
    "attest": _attest,
    "delegate_add": _delegate_add,
    "delegate_remove": _delegate_remove,
}
