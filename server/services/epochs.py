"""What a server checks of an epoch record, its boxes and invitations, and how it stores them.

Source: docs/spec/protocol.md 6.4 rules 1 to 6, docs/spec/api.md 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from crypto import epoch_record
from crypto.account_chain import AccountChain
from crypto.conversation_chain import ConversationChain
from crypto.epoch_record import EpochRecord
from crypto.epoch_record import Member as PinnedMember
from crypto.errors import require
from crypto.invitation import PublicInvitation
from crypto.suite import sha256
from server.domain.account import Account
from server.domain.conversation import Conversation, History, Member, Role
from server.domain.errors import BadRequestError, NotFoundError, ProtocolRefusalError, StaleEpochError, StaleHeadError
from server.domain.events import Event
from server.domain.ids import AccountId, ConversationId, InvitationId, MemberId
from server.domain.invitation import Invitation, InvitationState
from server.domain.start import Seat, require_roles
from server.services.chains import Chains, checked
from server.services.journal import note_members
from server.services.ports import Transaction

MAX_BOX: Final = 1_120 + 16 + 1 + 32 + 2 + 1_000 * 36  # bytes: a partial history of 1,000 epochs


@dataclass(frozen=True, slots=True)
class OfferedInvitation:
    """An invitation as it comes with a record."""

    id: InvitationId
    member: MemberId
    sign: bytes
    enc: bytes
    expires: int
    locator: bytes | None
    code_box: bytes | None


@dataclass(frozen=True, slots=True)
class NewEpoch:
    """A record with what must travel beside it."""

    record: bytes
    boxes: Mapping[bytes, bytes]
    """By member id."""
    invitations: Sequence[OfferedInvitation] = ()


@dataclass(frozen=True, slots=True)
class CheckedEpoch:
    """A new epoch that the protocol accepts on the chain that was there when it was checked."""

    record: EpochRecord
    new: NewEpoch
    before: Mapping[bytes, PinnedMember]
    author_head: bytes
    """Head of the author's chain when the device was checked."""
    seats: tuple[Seat, ...]
    """The accounts that this record lets in, the author of the first one included."""
    readers: frozenset[bytes]
    """Delegates among them who may only read."""

    @property
    def conversation(self) -> ConversationId:
        """The id of the conversation, which the first record defines."""
        return ConversationId(self.record.draft.conversation or self.record.hash)

    @property
    def author(self) -> AccountId:
        """The account that signed the record."""
        return AccountId(self.record.draft.author)

    @property
    def added(self) -> list[PinnedMember]:
        """Members that the epoch before did not have, invitations included."""
        return [member for key, member in self.record.members.items() if key not in self.before]

    @property
    def removed(self) -> list[PinnedMember]:
        """Members of the epoch before that are not in this one."""
        return [member for key, member in self.before.items() if key not in self.record.members]


def read_record(wire: bytes) -> EpochRecord:
    """Read a record.

    Raises:
        ProtocolRefusalError: ``bad_format``, ``unknown_version``.

    """
    with checked():
        return epoch_record.read(wire)


def repeated(view: Transaction, conversation: ConversationId, record: EpochRecord) -> int | None:
    """Return the seq of a record that was taken before; a repeat is answered as the first time.

    Ask when the chain has been read: what was committed between two reads shows in the later one.
    """
    return view.conversations.epoch_seq(conversation, record.epoch, record.hash)


def require_next(before: ConversationChain, record: EpochRecord) -> None:
    """Refuse a record that was built on an older head: the client rebuilds it.

    Raises:
        StaleEpochError.

    """
    if record.draft.previous != before.head.hash:
        raise StaleEpochError("the members changed meanwhile", epoch=before.epoch)


def check(
    view: Transaction,
    chains: Chains,
    before: ConversationChain,
    new: NewEpoch,
    *,
    now: int,
    arriving: Mapping[bytes, AccountChain] | None = None,
) -> CheckedEpoch:
    """Run every check of the server on a new epoch. ``arriving``: chains of accounts that are stored with it.

    Raises:
        ProtocolRefusalError, BadRequestError, NotPermittedError.

    """
    record = read_record(new.record)
    accounts = chains.accounts(view, {member.id for member in record.draft.members if member.kind != "invite"})
    accounts = {**accounts, **(arriving or {})}
    with checked():
        before.accept(new.record, accounts)
        _require_boxes(record, new.boxes)
    known = before.members if before.records else {}
    added = [member for key, member in record.members.items() if key not in known]
    _require_invitations([member for member in added if member.kind == "invite"], new.invitations, now=now)
    seats = tuple(_seat(view, member, arriving or {}) for member in added if member.kind != "invite")
    if before.records:  # who may start, and as what, is decided by ``require_start``
        require_roles(seats)
    author = accounts[record.draft.author]
    delegates = author.active_delegates
    readers = frozenset(
        seat.account.id
        for seat in seats
        if seat.role is Role.DELEGATE and seat.account.id in delegates and delegates[seat.account.id].scope == "read"
    )
    return CheckedEpoch(record, new, known, author.head, seats, readers)


def _seat(view: Transaction, member: PinnedMember, arriving: Mapping[bytes, AccountChain]) -> Seat:
    account = view.accounts.get(AccountId(member.id))
    if account is None and member.id in arriving:
        account = Account.arriving(AccountId(member.id), member.kind)
    if account is None:
        raise ProtocolRefusalError("wrong_member_key", "an account that is not here")
    return Seat(account, Role(member.role))


def _require_boxes(record: EpochRecord, boxes: Mapping[bytes, bytes]) -> None:
    members = record.members
    require(boxes.keys() == members.keys(), "forged_box", "one box for each member")
    for member, box in boxes.items():
        require(len(box) <= MAX_BOX and sha256(box) == members[member].box, "forged_box", "not the box of the record")


def _require_invitations(invites: Sequence[PinnedMember], offered: Sequence[OfferedInvitation], *, now: int) -> None:
    places = {member.id: member for member in invites}
    if len(offered) != len(places) or {each.member for each in offered} != places.keys():
        raise BadRequestError("one invitation for each new place that waits")
    for each in offered:
        place = places[each.member]
        if each.expires != place.expires or each.expires <= now:
            raise BadRequestError("an invitation ends when its record says, and not in the past")
        if (each.locator is None) != (each.code_box is None):
            raise BadRequestError("locator and code_box come together")
        keys = PublicInvitation(each.id, each.sign, each.enc)
        with checked():
            keys.require_strong()
            require(keys.member == place.id and sha256(each.enc) == place.key, "wrong_member_key", "invitation")


def require_current(
    tx: Transaction, head: Conversation, checked_epoch: CheckedEpoch, *, arriving: bool = False
) -> None:
    """Inside the transaction: refuse what was overtaken between the check and now.

    ``arriving``: the author's account is stored in this transaction.

    Raises:
        StaleEpochError, StaleHeadError.

    """
    if head.head != checked_epoch.record.draft.previous:
        raise StaleEpochError("the members changed meanwhile", epoch=head.epoch)
    if not arriving:
        require_author(tx, checked_epoch)
    _require_free(tx, checked_epoch)


def require_author(tx: Transaction, checked_epoch: CheckedEpoch) -> None:
    """Refuse if the author's chain has grown since its device was checked.

    Raises:
        NotFoundError, StaleHeadError.

    """
    author = tx.accounts.get(checked_epoch.author)
    if author is None:
        raise NotFoundError
    if author.head != checked_epoch.author_head:
        raise StaleHeadError("the author's chain has grown meanwhile")


def _require_free(tx: Transaction, checked_epoch: CheckedEpoch) -> None:
    for each in checked_epoch.new.invitations:
        taken = tx.invitations.get(each.id) or tx.invitations.by_member(each.member)
        if taken or (each.locator is not None and tx.invitations.by_locator(each.locator)):
            raise BadRequestError("this invitation, or its code, is taken")


def begin(tx: Transaction, new: CheckedEpoch, now: int) -> Conversation:
    """Store a new conversation and its first epoch event.

    Raises:
        BadRequestError, StaleHeadError.

    """
    require_author(tx, new)
    _require_free(tx, new)
    head = first_head(new, now)
    tx.conversations.add(head)
    _append(tx, head, new, now)
    note_members(tx, head, joined=head.members, now=now)
    return head


def first_head(new: CheckedEpoch, now: int) -> Conversation:
    """Return the head of the conversation that a first record begins."""
    head = Conversation.begun(new.conversation, new.record.hash, now)
    head.members = {member.account: member for member in _members(new, since=1)}
    return head


def extend(tx: Transaction, head: Conversation, new: CheckedEpoch, now: int) -> Event:
    """Store the next epoch of a conversation; ``require_current`` has passed."""
    head.epoch, head.head = new.record.epoch, new.record.hash
    if head.patient_gone and any(each.role == "patient" for each in new.added):
        head.patient_gone = False
        tx.conversations.save_gone(head)
    seq = head.last_seq + 1
    for member in _members(new, since=seq):
        tx.conversations.save_member(head.id, member)
        head.members[member.account] = member
    gone = []
    for removed in new.removed:
        if removed.kind == "invite":
            _end_invitation(tx, new, MemberId(removed.id))
        elif head.members.pop(AccountId(removed.id), None) is not None:
            tx.conversations.end_member(head.id, AccountId(removed.id), seq)
            gone.append(AccountId(removed.id))
    event = _append(tx, head, new, now, also=gone)
    _grant(tx, head, new)
    note_members(tx, head, joined=[seat.account.id for seat in new.seats], gone=gone, now=now)
    return event


def _members(new: CheckedEpoch, since: int) -> Iterable[Member]:
    for seat in new.seats:
        pinned = new.record.members[seat.account.id]
        writes = seat.account.id not in new.readers
        yield Member(seat.account.id, seat.role, History(pinned.history), since, writes)


def _append(tx: Transaction, head: Conversation, new: CheckedEpoch, now: int, also: Iterable[AccountId] = ()) -> Event:
    event = Event(
        conversation=head.id,
        seq=0,
        type="epoch",
        at=now,
        author=new.author,
        epoch=head.epoch,
        body=new.new.record,
        boxes=new.new.boxes,
    )
    tx.log.append(head, event, also=tuple(also))
    tx.conversations.add_epoch(head, event.seq, new.new.record, dict(new.new.boxes))
    for each in new.new.invitations:
        tx.invitations.add(
            Invitation(
                id=each.id,
                conversation=head.id,
                member=each.member,
                sign=each.sign,
                enc=each.enc,
                expires=each.expires,
                locator=each.locator,
                code_box=each.code_box,
            )
        )
    return event


def _end_invitation(tx: Transaction, new: CheckedEpoch, member: MemberId) -> None:
    if new.record.draft.reason == "claim":
        tx.invitations.end(member, InvitationState.CLAIMED, new.author)
    else:
        tx.invitations.end(member, InvitationState.REPLACED)


def _grant(tx: Transaction, head: Conversation, new: CheckedEpoch) -> None:
    """A patient who comes later has been written to by those who wrote before (product rule 1)."""
    for seat in new.seats:
        if seat.role is Role.PATIENT and new.record.members[seat.account.id].history != "none":
            for professional in tx.conversations.carers_who_wrote(head.id):
                tx.conversations.save_right(seat.account.id, professional, is_open=True)


def accounts_of(records: Iterable[EpochRecord]) -> set[bytes]:
    """Return every account that stands in any of the records."""
    return {member.id for record in records for member in record.draft.members if member.kind != "invite"}
