"""Sealed messages: taken once, in order, as the rules allow. Source: docs/spec/api.md 5."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from crypto.suite import digest
from server.clock import Clock
from server.domain.conversation import Conversation, Keep, Policy
from server.domain.envelope import MAX_ATTACHMENTS, Admitted, Kind, admit, epoch_of, shown
from server.domain.errors import (
    AlreadyReadError,
    AttachmentUnknownError,
    BadRequestError,
    NotFoundError,
    NotPermittedError,
    UnlockerMissingError,
)
from server.domain.events import Event
from server.domain.ids import AccountId, AttachmentId, ConversationId, EnvelopeId, b64
from server.domain.journal import Access, Told
from server.domain.session import Principal
from server.services import opposition
from server.services.journal import JournalService, note_documents, note_visit
from server.services.pace import Pace
from server.services.ports import Ahead, Store, Transaction


class Submission(NamedTuple):
    """What a device hands in. ``reply`` is what it said about answers, ``None`` when nothing."""

    envelope: bytes
    kind: Kind
    reply: Policy | Keep | None = None
    attachments: tuple[AttachmentId, ...] = ()
    read_seq: int | None = None


class Accepted(NamedTuple):
    """An envelope's place in the log. ``again``: it was there before."""

    id: EnvelopeId
    seq: int
    at: int
    again: bool


@dataclass(slots=True)
class Submit:
    """The intent of submitting one envelope: checks first, then one event and what follows from it."""

    conversation: ConversationId
    author: AccountId
    submission: Submission
    id: EnvelopeId
    epoch: int
    now: int
    visit: Told | None = None
    """What the patient is told of the reader, when that is due."""

    def __call__(self, tx: Transaction) -> Accepted:
        """Run inside the writer.

        Raises:
            DomainError: see ``EnvelopeService.submit``.

        """
        head = tx.conversations.head(self.conversation)
        if head is None:
            raise NotFoundError
        sender = head.member(self.author)
        known = tx.log.envelope(self.id)
        if known is not None:
            return self._again(known)
        said = self.submission
        blocked = opposition.blocked(tx, head, self.author)
        decision = admit(head, sender, said.kind, epoch=self.epoch, reply=said.reply, now=self.now, blocked=blocked)
        self.require_attachments(tx)
        if said.attachments:
            tx.attachments.link(list(said.attachments), self.conversation, head.last_seq + 1)
        return self._store(tx, head, decision)

    def _again(self, known: Event) -> Accepted:
        """The same bytes have the same id: answer as the first time, to the one who sent them."""
        if known.conversation != self.conversation or known.author != self.author:
            raise NotPermittedError("somebody else's envelope")
        return Accepted(self.id, known.seq, known.at, again=True)

    def require_attachments(self, view: Transaction) -> None:
        """Refuse attachments that are not whole uploads of the author.

        Raises:
            AttachmentUnknownError.

        """
        named = list(self.submission.attachments)
        if named and not view.attachments.complete(self.author, named):
            raise AttachmentUnknownError("not uploaded, not complete, or not yours")

    def _store(self, tx: Transaction, head: Conversation, decision: Admitted) -> Accepted:
        said = self.submission
        event = Event(
            conversation=head.id,
            seq=0,
            type="envelope",
            at=self.now,
            author=self.author,
            epoch=self.epoch,
            kind=said.kind.value,
            envelope_id=self.id,
            body=said.envelope,
            detail={"attachments": [b64(each) for each in said.attachments]} if said.attachments else None,
        )
        tx.log.append(head, event)
        _change_rights(tx, decision)
        if decision.changed:
            self._change_policy(tx, head, decision.policy)
        if said.read_seq is not None:
            tx.log.mark_read(head.id, self.author, min(said.read_seq, head.last_seq))
        if said.attachments:
            note_documents(tx, head, self.author, said.attachments, self.now)
        if self.visit is not None:
            note_visit(tx, head, self.visit, self.now)
        return Accepted(self.id, event.seq, self.now, again=False)

    def _change_policy(self, tx: Transaction, head: Conversation, policy: Policy) -> None:
        head.policy = policy
        tx.log.append(
            head,
            Event(
                conversation=head.id,
                seq=0,
                type="policy",
                at=self.now,
                author=self.author,
                epoch=self.epoch,
                detail={"policy": shown(policy), "by": b64(self.author)},
            ),
        )


def _change_rights(tx: Transaction, decision: Admitted) -> None:
    for pairs, is_open in ((decision.grants, True), (decision.ends, False)):
        for patient, professional in pairs:
            if tx.conversations.right(patient, professional) != is_open:
                tx.conversations.save_right(patient, professional, is_open=is_open)


@dataclass(frozen=True, slots=True)
class EnvelopeService:
    """Carries sealed messages between devices."""

    store: Store
    clock: Clock
    pace: Pace
    journal: JournalService

    async def submit(self, principal: Principal, to: ConversationId, submission: Submission) -> Accepted:
        """Accept an envelope, store it, and tell every member. The same bytes again give the first result.

        Raises:
            NotFoundError, UnlockerMissingError, BadRequestError, StaleEpochError, ReplyNotAllowedError,
            PatientLeftError, PatientBlockedError, NotPermittedError, EnvelopeTooLargeError, WrongConversationError,
            ProtocolRefusalError, AttachmentUnknownError, TooManyTriesError.

        """
        intent = self.intent(principal, to, submission)
        accepted = await self.store.write(intent, ahead=Ahead(intent.id, to))
        if intent.visit is not None:
            self.journal.remember(intent.visit)
        return accepted

    def submit_soon(
        self,
        principal: Principal,
        to: ConversationId,
        submission: Submission,
        done: Callable[[Accepted | None, BaseException | None], None],
    ) -> None:
        """Do the same without a task: ``done(accepted, refusal)`` is called after the commit.

        Raises:
            DomainError: what can be refused at once.

        """
        intent = self.intent(principal, to, submission)
        visit = intent.visit

        def told(accepted: Accepted | None, refusal: BaseException | None) -> None:
            if visit is not None and refusal is None:
                self.journal.remember(visit)
            done(accepted, refusal)

        self.store.submit(intent, told if visit is not None else done, ahead=Ahead(intent.id, to))

    def intent(self, principal: Principal, to: ConversationId, submission: Submission) -> Submit:
        """Check what needs no store, and return the intent.

        Raises:
            DomainError: see ``submit``.

        """
        if not principal.unlocker:
            raise UnlockerMissingError("add a recovery code or a passkey first")
        check_form(submission)
        epoch = epoch_of(submission.envelope, to)
        self.pace.keep(principal.account, to)
        envelope_id = EnvelopeId(digest("message-id", submission.envelope))
        visit = Told(Access.READ, principal.account, to) if submission.read_seq is not None else None
        due = visit if visit is not None and self.journal.due(visit) else None
        return Submit(to, principal.account, submission, envelope_id, epoch, self.clock.now(), due)

    async def retract(self, principal: Principal, conversation: ConversationId, envelope: EnvelopeId) -> None:
        """Take back one's own envelope that nobody else has read; its place in the log stays.

        Raises:
            NotFoundError, NotPermittedError, AlreadyReadError.

        """
        now = self.clock.now()

        def intent(tx: Transaction) -> None:
            head = tx.conversations.head(conversation)
            if head is None:
                raise NotFoundError
            head.member(principal.account)
            event = tx.log.envelope(envelope)
            if event is None or event.conversation != conversation:
                raise NotFoundError
            if event.author != principal.account:
                raise NotPermittedError("only its author takes a message back")
            if event.body is None:
                return
            marks = tx.conversations.marks(conversation)
            if any(read >= event.seq for account, read, _ in marks if account != principal.account):
                raise AlreadyReadError("somebody has read it")
            tx.log.retract(event)
            detail = {"id": b64(envelope), "by": b64(principal.account), "target_seq": event.seq}
            tx.log.append(
                head,
                Event(conversation, 0, "retracted", now, principal.account, head.epoch, detail=detail),
            )

        await self.store.write(intent)


def check_form(submission: Submission) -> None:
    """Refuse a submission that contradicts itself.

    Raises:
        BadRequestError.

    """
    if len(set(submission.attachments)) != len(submission.attachments) or len(submission.attachments) > MAX_ATTACHMENTS:
        raise BadRequestError(f"at most {MAX_ATTACHMENTS} attachments, each once")
    if submission.attachments and submission.kind is not Kind.MESSAGE:
        raise BadRequestError("only a message carries attachments")
    if submission.read_seq is not None and (submission.kind is not Kind.RECEIPT or submission.read_seq < 0):
        raise BadRequestError("only a receipt moves the reading mark")
