"""One's own side of a conversation: beginning it, changing its members, taking an invited place.

Every change is a ``NewEpoch``: what to send to the server, and the own state after the server took it.
Source: docs/spec/protocol.md 6 and 9.
"""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from crypto import epoch
from crypto.account import OwnAccount
from crypto.account_chain import AccountChain
from crypto.conversation_chain import Accounts, ConversationChain
from crypto.epoch import EpochKeys, Keyring, Opener, Roster
from crypto.epoch_record import Claim, Draft, History, Member, Reason, Role, write
from crypto.errors import ProtocolError, require
from crypto.invitation import PREFIX, Invitation, PublicInvitation
from crypto.secret import Random, Secret, same, system_random
from crypto.suite import NO_HASH, sha256

Invitations = Mapping[bytes, PublicInvitation]
"""Public keys of the invites in a conversation by member id: a new epoch has a box for them too."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A member to be, and the account or invitation behind it."""

    member: Member
    behind: AccountChain | PublicInvitation = field(repr=False)
    earlier: tuple[int, ...] = ()
    """With a ``partial`` history: the earlier epochs it may read (1 to 1,000)."""

    @property
    def enc(self) -> bytes:
        """The public key that the box is sealed to (1,216 bytes)."""
        return self.behind.uk if isinstance(self.behind, AccountChain) else self.behind.enc


def seat(chain: AccountChain, role: Role, *, history: History = "full", earlier: Iterable[int] = ()) -> Seat:
    """A place for an account, pinned at the newest position of its chain."""
    member = Member(
        id=chain.id,
        kind=chain.kind,
        role=role,
        history=history,
        head=chain.head,
        position=chain.position,
        generation=chain.generation,
        key=sha256(chain.uk),
        box=NO_HASH,
    )
    return Seat(member, chain, tuple(earlier))


def invited_seat(invitation: PublicInvitation, role: Role, *, expires: int) -> Seat:
    """A place for whoever holds an invitation, until ``expires`` (milliseconds)."""
    member = Member(
        id=invitation.member,
        kind="invite",
        role=role,
        history="full",
        head=invitation.member,
        position=0,
        generation=0,
        key=sha256(invitation.enc),
        box=NO_HASH,
        expires=expires,
    )
    return Seat(member, invitation)


@dataclass(frozen=True, slots=True)
class Opened:
    """A conversation with the keys that one has."""

    chain: ConversationChain
    keyring: Keyring = field(repr=False)
    accounts: Accounts = field(repr=False)
    """The newest known chain of each member; ``dataclasses.replace`` it when one has grown."""
    invitations: Invitations = field(default_factory=dict, repr=False)

    @property
    def id(self) -> bytes:
        """The conversation id, 32 bytes."""
        return self.chain.id

    @property
    def keys(self) -> EpochKeys:
        """Keys of the newest epoch (``unknown_epoch``)."""
        require(self.chain.epoch in self.keyring, "unknown_epoch")
        return self.keyring[self.chain.epoch]

    @property
    def roster(self) -> Roster:
        """Subject and names now."""
        return epoch.open_roster(self.keys, self.chain.head)

    def accept(self, record: bytes, box: bytes | None, member: bytes, opener: Opener) -> "Opened":
        """Take in the next record that the server tells of, with one's own box (``None`` when one has left).

        Raises:
            ProtocolError: what ``ConversationChain.accept`` and ``epoch.open_epochs`` refuse.

        """
        chain = self.chain.accept(record, self.accounts, settled=True)
        boxes = {} if box is None else {chain.epoch: box}
        keyring = epoch.open_epochs(chain, member, opener, boxes, self.keyring)
        return replace(self, chain=chain, keyring=keyring)


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """A record with the boxes that travel beside it, and the conversation after it."""

    record: bytes = field(repr=False)
    boxes: Mapping[bytes, bytes] = field(repr=False)
    """By member id."""
    opened: Opened


def create(
    own: OwnAccount,
    seats: Sequence[Seat],
    roster: Roster,
    *,
    at: int,
    role: Role = "owner",
    random: Random = system_random,
) -> NewEpoch:
    """Begin a conversation. The author's own seat is added; ``seats`` are the others.

    Raises:
        ProtocolError: ``not_permitted``, and what ``ConversationChain.accept`` refuses.

    """
    empty = Opened(ConversationChain(), {}, {})
    return _next(own, empty, [seat(own.chain, role), *seats], roster, _Why("create", at, random))


def open_conversation(
    chain: ConversationChain,
    accounts: Accounts,
    member: bytes,
    opener: Opener,
    boxes: Mapping[int, bytes],
    *,
    invitations: Invitations | None = None,
) -> Opened:
    """Open an accepted chain as ``member`` (own account id, or an invitation's member id).

    Args:
        chain: accepted.
        accounts: chains of the members.
        member: who opens.
        opener: ``own.opening_key`` or ``invitation.opening_key``.
        boxes: own boxes by epoch; with a ``full`` history the newest is enough.
        invitations: public keys of the invites that still wait; needed to begin another epoch.

    Raises:
        ProtocolError: ``forged_box``, ``wrong_commit``.

    """
    keyring = epoch.open_epochs(chain, member, opener, boxes)
    return Opened(chain, keyring, accounts, invitations or {})


def add(
    own: OwnAccount,
    opened: Opened,
    seats: Sequence[Seat],
    *,
    at: int,
    roster: Roster | None = None,
    random: Random = system_random,
) -> NewEpoch:
    """Let members in, each with ``none``, ``full`` or ``partial`` history."""
    return _next(own, opened, [*_kept(opened), *seats], roster or opened.roster, _Why("add", at, random))


def remove(
    own: OwnAccount,
    opened: Opened,
    members: Iterable[bytes],
    *,
    at: int,
    roster: Roster | None = None,
    random: Random = system_random,
) -> NewEpoch:
    """Take members out; they cannot open what follows."""
    return _next(own, opened, _kept(opened, set(members)), roster or opened.roster, _Why("remove", at, random))


def change_delegates(
    own: OwnAccount,
    opened: Opened,
    *,
    at: int,
    seats: Sequence[Seat] = (),
    remove: Iterable[bytes] = (),
    random: Random = system_random,
) -> NewEpoch:
    """As the patient: let delegates in or out."""
    return _next(own, opened, [*_kept(opened, set(remove)), *seats], opened.roster, _Why("delegate", at, random))


def rotate(
    own: OwnAccount, opened: Opened, *, at: int, roster: Roster | None = None, random: Random = system_random
) -> NewEpoch:
    """Begin an epoch with the same members: after a revocation, every 90 days or 5,000 messages, or to rename."""
    return _next(own, opened, _kept(opened), roster or opened.roster, _Why("rotate", at, random))


def reinvite(
    own: OwnAccount, opened: Opened, old: bytes, new: Seat, *, at: int, random: Random = system_random
) -> NewEpoch:
    """Replace an invitation that was lost or has expired by a new one for the same role."""
    seats = [*_kept(opened, {old}), new]
    roster = _renamed(opened.roster, old, new.member.id)
    return _next(own, opened, seats, roster, _Why("reinvite", at, random))


def claim(
    own: OwnAccount, opened: Opened, invitation: Invitation, *, at: int, random: Random = system_random
) -> NewEpoch:
    """Take the place that an invitation keeps.

    Args:
        own: the account that takes it.
        opened: the conversation, opened as the invitation's member.
        invitation: with its secret.
        at: milliseconds.
        random: randomness.

    """
    place = opened.chain.members.get(invitation.member)
    require(place, "not_permitted", "the invitation is used or replaced")
    assert place
    proof = invitation.claim(account=own.id, conversation=opened.id, previous=opened.chain.head.hash)
    seats = [*_kept(opened, {place.id}), seat(own.chain, place.role, history=place.history)]
    roster = _renamed(opened.roster, place.id, own.id)
    return _next(own, opened, seats, roster, _Why("claim", at, random, proof))


def require_inviter(chain: ConversationChain, inviter: bytes) -> None:
    """Check that the account that the link names (first 16 bytes of its id) began or owns this conversation.

    Raises:
        ProtocolError: alarm ``wrong_inviter``.

    """
    owners = [member.id for member in chain.members.values() if member.role == "owner"]
    known = [chain.record(1).draft.author, *owners]
    require(any(same(each[:PREFIX], inviter) for each in known), "wrong_inviter")


@dataclass(frozen=True, slots=True)
class _Why:
    reason: Reason
    at: int
    random: Random
    claim: Claim | None = None


def _next(own: OwnAccount, opened: Opened, seats: Sequence[Seat], roster: Roster, why: _Why) -> NewEpoch:
    chain, number = opened.chain, opened.chain.epoch + 1
    keys = epoch.draw(number, why.random)
    conversation, previous = (chain.id, chain.head.hash) if chain.records else (None, None)
    place = epoch.Place(conversation or NO_HASH, number, previous or NO_HASH, keys.commit)
    boxes = {each.member.id: _box(place, each, keys, opened.keyring) for each in seats}
    draft = Draft(
        conversation=conversation,
        epoch=number,
        previous=previous,
        members=tuple(replace(each.member, box=sha256(boxes[each.member.id])) for each in seats),
        commit=keys.commit,
        link_commit=keys.link_commit,
        backlink=epoch.seal_backlink(chain.id, keys, opened.keys) if chain.records else None,
        roster=epoch.seal_roster(keys, roster),
        reason=why.reason,
        author=own.id,
        claim=why.claim,
        at=why.at,
    )
    record = write(draft, own.holder)
    accounts = {**opened.accounts, own.id: own.chain}
    accounts |= {each.member.id: each.behind for each in seats if isinstance(each.behind, AccountChain)}
    waiting = {each.member.id: each.behind for each in seats if isinstance(each.behind, PublicInvitation)}
    after = Opened(chain.accept(record, accounts), {**opened.keyring, number: keys}, accounts, waiting)
    return NewEpoch(record, boxes, after)


def _box(place: epoch.Place, to: Seat, keys: EpochKeys, keyring: Keyring) -> bytes:
    if to.member.history != "partial":
        return epoch.seal_box(place, to.member.id, to.enc, keys, to.member.history)
    require(all(number in keyring for number in to.earlier), "not_permitted", "an epoch that is not known here")
    earlier: dict[int, Secret] = {number: keyring[number].cek for number in to.earlier}
    return epoch.seal_box(place, to.member.id, to.enc, keys, earlier)


def _kept(opened: Opened, gone: AbstractSet[bytes] = frozenset()) -> list[Seat]:
    return [_kept_seat(opened, member) for key, member in opened.chain.members.items() if key not in gone]


def _kept_seat(opened: Opened, member: Member) -> Seat:
    if member.kind == "invite":
        invitation = opened.invitations.get(member.id)
        if invitation is None or invitation.member != member.id:
            raise ProtocolError("wrong_member_key", "not the keys of this invitation")
        assert member.expires is not None
        return invited_seat(invitation, member.role, expires=member.expires)
    earlier = _since_joining(opened.chain, member) if member.history == "partial" else ()
    return seat(opened.accounts[member.id], member.role, history=member.history, earlier=earlier)


def _since_joining(chain: ConversationChain, member: Member) -> range:
    """Epochs whose boxes a member already got: to repeat them tells it nothing new, and ``partial`` wants one."""
    joined = chain.epoch
    while joined > 1 and member.id in chain.record(joined - 1).members:
        joined -= 1
    return range(max(joined, chain.epoch + 1 - epoch.MAX_PARTIAL), chain.epoch + 1)


def _renamed(roster: Roster, old: bytes, new: bytes) -> Roster:
    """The name given to an invite passes to whoever takes its place."""
    return Roster(roster.subject, {new if key == old else key: name for key, name in roster.people.items()})
