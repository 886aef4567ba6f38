"""Conversations: started, read, their members changed, left. Source: docs/spec/api.md 4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crypto.conversation_chain import ConversationChain
from server.clock import Clock
from server.domain.conversation import Conversation, Member, Role
from server.domain.envelope import admit
from server.domain.errors import LastOwnerError, NotFoundError, NotPermittedError, UnlockerMissingError
from server.domain.events import PAGE, Event
from server.domain.ids import AccountId, ConversationId, b64
from server.domain.invitation import Invitation
from server.domain.journal import Access, Told
from server.domain.place import Place
from server.domain.session import Principal
from server.domain.start import Seat, require_start
from server.services import epochs, opposition
from server.services.chains import Chains
from server.services.envelopes import Accepted, EnvelopeService, Submission, Submit
from server.services.epochs import CheckedEpoch, NewEpoch
from server.services.journal import JournalService, note_members, note_visit
from server.services.ports import Ahead, Store, Transaction

INVITATIONS: Final = 400
"""Of a conversation in an answer: 1.8 KB each, and an owner makes as many as they like."""


@dataclass(frozen=True, slots=True)
class Started:
    """A conversation that has begun, and its first message if there was one."""

    conversation: ConversationId
    seq: int
    message: Accepted | None


@dataclass(frozen=True, slots=True)
class Details:
    """A conversation with what its members may know of each other and of those invited."""

    place: Place
    delivered: list[tuple[AccountId, int]]
    invitations: list[Invitation]


EpochRow = tuple[int, int, bytes, bytes | None]
"""Epoch, seq, record, one's own box."""


@dataclass(frozen=True, slots=True)
class ConversationService:
    """Everything about a conversation but its envelopes."""

    store: Store
    clock: Clock
    chains: Chains
    envelopes: EnvelopeService
    journal: JournalService

    async def start(self, principal: Principal, new: NewEpoch, first: Submission | None) -> Started:
        """Begin a conversation, with its first message in the same transaction. Repeating it gives the same answer.

        Raises:
            StartNotAllowedError, NotPermittedError, PatientBlockedError, ProtocolRefusalError, BadRequestError,
            and what ``submit`` refuses.

        """
        if not principal.unlocker:
            raise UnlockerMissingError("add a recovery code or a passkey first")
        now, conversation = self.clock.now(), ConversationId(epochs.read_record(new.record).hash)
        submit = self.envelopes.intent(principal, conversation, first) if first else None

        def check(view: Transaction) -> CheckedEpoch | None:
            if view.conversations.member(conversation, principal.account) is not None:
                return None
            checked = epochs.check(view, self.chains, ConversationChain(), new, now=now)
            if checked.author != principal.account:
                raise NotPermittedError("signed by another account")
            opposition.require_together(view, checked)
            _require_start(view, checked)
            if submit is not None:
                _require_first(view, checked, submit)
            return checked

        checked = await self.store.read(check)
        ahead = Ahead(submit.id, conversation) if submit else None
        return await self.store.write(lambda tx: _start(tx, conversation, checked, submit, now), ahead=ahead)

    async def browse(
        self, principal: Principal, *, before: tuple[int, bytes] | None, limit: int
    ) -> tuple[list[Place], bool]:
        """Return a page of one's conversations, newest first, from a cursor (last_at, id) on; is there perhaps more?"""
        found = await self.store.read(lambda view: view.conversations.places(principal.account, before, limit))
        return found, len(found) == limit or sum(place.carries for place in found) >= PAGE

    async def show(
        self, principal: Principal, conversation: ConversationId, after: tuple[int, bytes] | None = None
    ) -> Details:
        """Return one conversation, with its invitations from a place (expires, id) on, ``INVITATIONS`` at most.

        Raises:
            NotFoundError.

        """

        def query(view: Transaction) -> Details:
            place = view.conversations.place(conversation, principal.account)
            if place is None:
                raise NotFoundError
            delivered = [(account, seq) for account, _, seq in view.conversations.marks(conversation)]
            return Details(place, delivered, view.invitations.of_conversation(conversation, after, INVITATIONS))

        return await self.store.read(query)

    async def epochs(
        self, principal: Principal, conversation: ConversationId, *, after: int, limit: int
    ) -> list[EpochRow]:
        """Return a page of the records after an epoch with one's own boxes, ascending.

        Raises:
            NotFoundError.

        """

        def query(view: Transaction) -> list[EpochRow]:
            _member(view, conversation, principal.account)
            return view.conversations.epochs(conversation, principal.account, after, limit)

        return await self.store.read(query)

    async def change_members(
        self, principal: Principal, conversation: ConversationId, new: NewEpoch
    ) -> tuple[int, int]:
        """Begin the next epoch; return its number and seq. Repeating the same record gives the same answer.

        Raises:
            NotFoundError, StaleEpochError, StaleHeadError, ProtocolRefusalError, BadRequestError, NotPermittedError,
            PatientBlockedError, TooManyTriesError.

        """
        now, record = self.clock.now(), epochs.read_record(new.record)

        def check(view: Transaction) -> CheckedEpoch | int:
            _member(view, conversation, principal.account)
            before = self.chains.conversation(view, conversation)
            seq = epochs.repeated(view, conversation, record)
            if seq is not None:
                return seq
            epochs.require_next(before, record)
            checked = epochs.check(view, self.chains, before, new, now=now)
            if checked.author != principal.account or record.draft.reason == "claim":
                raise NotPermittedError("signed by another account, or a claim")
            opposition.require_together(view, checked)
            return checked

        checked = await self.store.read(check)
        if isinstance(checked, int):
            return record.epoch, checked
        self.envelopes.pace.keep_epoch(principal.account, conversation)  # not of a repeat, nor of what is refused

        def intent(tx: Transaction) -> tuple[int, int]:
            head = _head(tx, conversation)
            head.member(principal.account)
            seq = epochs.repeated(tx, conversation, record)
            if seq is not None:
                return record.epoch, seq
            epochs.require_current(tx, head, checked)
            return record.epoch, epochs.extend(tx, head, checked, now).seq

        return await self.store.write(intent)

    async def events(
        self, principal: Principal, conversation: ConversationId, *, after: int | None, before: int | None, limit: int
    ) -> tuple[list[Event], int]:
        """Return events after or before a seq, ascending, and the newest seq there is.

        Raises:
            NotFoundError.

        """

        def query(view: Transaction) -> tuple[Member, list[Event], int]:
            page = view.log.page_for(principal.account, conversation, after=after, before=before, limit=limit)
            if page is None:
                raise NotFoundError
            member, last, found = page
            return member, view.log.with_boxes(found, principal.account), last

        member, found, last = await self.store.read(query)
        if member.role is not Role.PATIENT:
            await self.journal.visit(Told(Access.OPENED, principal.account, conversation))
        return found, last

    async def mark_read(self, principal: Principal, conversation: ConversationId, seq: int) -> None:
        """Move one's own reading mark forward.

        Raises:
            NotFoundError.

        """
        told, now = Told(Access.READ, principal.account, conversation), self.clock.now()
        due = self.journal.due(told)

        def intent(tx: Transaction) -> None:
            head = _head(tx, conversation)
            head.member(principal.account)
            tx.log.mark_read(conversation, principal.account, min(seq, head.last_seq))
            if due:
                note_visit(tx, head, told, now)

        await self.store.write(intent)
        if due:
            self.journal.remember(told)

    async def leave(self, principal: Principal, conversation: ConversationId) -> None:
        """Leave. The keys change when an owner removes the member; the server stops delivering at once.

        Raises:
            NotFoundError, LastOwnerError.

        """
        now, account = self.clock.now(), principal.account

        def intent(tx: Transaction) -> None:
            head = _head(tx, conversation)
            member = head.member(account)
            owners = [each for each in head.members.values() if each.role is Role.OWNER]
            if member.role is Role.OWNER and len(owners) == 1:
                raise LastOwnerError("somebody must stay responsible")
            del head.members[account]
            tx.conversations.end_member(conversation, account, head.last_seq + 1)
            if member.role is Role.PATIENT:
                head.patient_gone = True
                tx.conversations.save_gone(head)
            event = Event(conversation, 0, "left", now, account, head.epoch, detail={"account": b64(account)})
            tx.log.append(head, event, also=(account,))
            note_members(tx, head, gone=[account], now=now)

        await self.store.write(intent)


def _require_start(view: Transaction, new: CheckedEpoch) -> None:
    author = next(seat for seat in new.seats if seat.account.id == new.author)
    others = [seat for seat in new.seats if seat.account.id != new.author]
    require_start(author, others, right=_has_right(view, author, others))


def _require_first(view: Transaction, new: CheckedEpoch, submit: Submit) -> None:
    """Refuse a first message before anything is written, as ``Submit`` would after."""
    head = epochs.first_head(new, submit.now)
    said = submit.submission
    admit(head, head.member(new.author), said.kind, epoch=submit.epoch, reply=said.reply, now=submit.now)
    submit.require_attachments(view)


def _has_right(view: Transaction, author: Seat, others: list[Seat]) -> bool:
    owners = [seat.account.id for seat in others if seat.role is Role.OWNER]
    return len(owners) == 1 and view.conversations.right(author.account.id, owners[0])


def _start(
    tx: Transaction, conversation: ConversationId, new: CheckedEpoch | None, submit: Submit | None, now: int
) -> Started:
    head = tx.conversations.head(conversation)
    if head is None and new is not None:
        head = epochs.begin(tx, new, now)
    if head is None:
        raise NotFoundError
    return Started(conversation, 1, submit(tx) if submit else None)


def _head(view: Transaction, conversation: ConversationId) -> Conversation:
    head = view.conversations.head(conversation)
    if head is None:
        raise NotFoundError
    return head


def _member(view: Transaction, conversation: ConversationId, account: AccountId) -> Member:
    member = view.conversations.member(conversation, account)
    if member is None:
        raise NotFoundError
    return member
