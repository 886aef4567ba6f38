"""One's own side of a conversation: beginning it, changing its members, taking an invited place.

Every change is a ``NewEpoch``: what to send to the server, and the own state after the server took it.
Source: docs/spec/protocol.md 6 and 9.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from crypto import epoch
from crypto.account import OwnAccount
from crypto.account_chain import AccountChain
from crypto.conversation_chain import Accounts, ConversationChain
from crypto.epoch import EpochKeys, Keyring, Roster
from crypto.epoch_record import Claim, Draft, EpochRecord, History, Member, Reason, Role, write
from crypto.errors import require
from crypto.invitation import Invitation, PublicInvitation
from crypto.secret import Random, Secret, system_random
from crypto.suite import NO_HASH, sha256

Invitations = Mapping[bytes, PublicInvitation]
"""Public keys of the invites in a conversation by member id: a new epoch has a box for them too."""


@dataclass(frozen=True, slots=True)
class Seat:
    """A member to be, with the public key that its box is sealed to."""

    member: Member
    enc: bytes = field(repr=False)
    earlier: tuple[int, ...] = ()
    """With a ``partial`` history: the earlier epochs it may read."""


def seat(chain: AccountChain, role: Role, *, history: History = "full", earlier: Iterable[int] = ()) -> Seat:
    """A place for an account, pinned at the newest position of its chain."""
    return Seat(_pin(chain, role, history), chain.uk, tuple(earlier))


def invited_seat(invitation: PublicInvitation, role: Role, *, expires: int) -> Seat:
    """A place for whoever holds an invitation, until ``expires`` (milliseconds)."""
    place = Member(
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
    return Seat(place, invitation.enc)


@dataclass(frozen=True, slots=True)
class Opened:
    """A conversation with the keys that one has."""

    chain: ConversationChain
    keyring: Keyring = field(repr=False)
    accounts: Accounts = field(repr=False)
    """The newest known chain of each member."""
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


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """A record with the boxes that travel beside it, and the conversation after it."""

    record: bytes = field(repr=False)
    boxes: Mapping[bytes, bytes] = field(repr=False)
    """By member id."""
    opened: Opened


def create(
    own: OwnAccount, seats: Sequence[Seat], roster: Roster, *, at: int, random: Random = system_random, role: Role = "owner"
) -> NewEpoch:
    """Begin a conversation. The author's own seat is added; ``seats`` are the others.

    Raises:
        ProtocolError: ``not_permitted``, and what ``ConversationChain.accept`` refuses.

    """
    empty = Opened(ConversationChain(), {}, {own.id: own.chain})
    return _next(own, empty, [seat(own.chain, role), *seats], roster, "create", at=at, random=random)
