"""What patients refuse: a professional, an account; and what follows from it. Source: docs/spec/api.md 4.1 and 7."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from crypto.invitation import PublicInvitation, verify_refusal
from server.clock import Clock
from server.domain.conversation import Conversation
from server.domain.errors import BadRequestError, InvitationUnknownError, NotFoundError, PatientBlockedError
from server.domain.events import Event
from server.domain.ids import AccountId, ConversationId, InvitationId, b64
from server.domain.invitation import Invitation, InvitationState
from server.domain.session import Principal
from server.services.chains import Chains, checked
from server.services.epochs import CheckedEpoch
from server.services.pace import Pace
from server.services.ports import Store, Transaction

SHOWN: Final = 10_000  # of those whom a patient has blocked in an answer, newest first


@dataclass(frozen=True, slots=True)
class OppositionService:
    """Blocks and unblocks professionals for a patient, and lets somebody refuse an invitation."""

    store: Store
    clock: Clock
    pace: Pace
    chains: Chains

    async def block(self, principal: Principal, account: AccountId) -> None:
        """Take nothing more from a professional or a practice; whoever shares a conversation with both is told.

        Raises:
            NotFoundError: not there, or nobody who treats people. BadRequestError: oneself. TooManyTriesError.

        """
        await self._change(principal.account, account, since=self.clock.now())

    async def unblock(self, principal: Principal, account: AccountId) -> None:
        """Take messages of a professional again. Raises as ``block``."""
        await self._change(principal.account, account, since=None)

    async def blocks(self, principal: Principal) -> list[tuple[AccountId, int]]:
        """Return (account, since when) of everybody whom one has blocked, newest first, ``SHOWN`` at most."""
        return await self.store.read(lambda view: view.conversations.blocks(principal.account, SHOWN))

    async def refuse(self, invitation: InvitationId, keys: tuple[bytes, bytes], signature: bytes) -> None:
        """End an invitation for whoever holds it and wants no account. ``keys``: its public keys, sign and enc.

        Raises:
            InvitationUnknownError, InvitationUsedError, InvitationExpiredError, InvitationReplacedError,
            BadRequestError: the keys of another one. ProtocolRefusalError: ``bad_signature``.

        """
        now = self.clock.now()

        def check(view: Transaction) -> bool:
            found = _standing(view, invitation, now)
            if keys != (found.sign, found.enc):
                raise BadRequestError("not the keys of this invitation")
            with checked():
                public = PublicInvitation(found.id, found.sign, found.enc)
                verify_refusal(public, signature, conversation=found.conversation)
            place = self.chains.conversation(view, found.conversation).members.get(found.member)
            return place is not None and place.role == "patient"

        was_patient = await self.store.read(check)

        def intent(tx: Transaction) -> None:
            found = _standing(tx, invitation, now)
            head = tx.conversations.head(found.conversation)
            if head is None or found.state is InvitationState.REFUSED:
                return
            tx.invitations.end(found.member, InvitationState.REFUSED)
            if was_patient and not head.patients():
                head.patient_gone = True
                tx.conversations.save_gone(head)
            detail = {"member": b64(found.member)}
            author = AccountId(found.member)
            tx.log.append(head, Event(head.id, 0, "refused", now, author, head.epoch, detail=detail))

        await self.store.write(intent)

    async def _change(self, patient: AccountId, account: AccountId, *, since: int | None) -> None:
        if patient == account:
            raise BadRequestError("nobody blocks oneself")
        self.pace.keep(patient, ConversationId(account))  # each change is told to everybody in every conversation
        now = self.clock.now()

        def intent(tx: Transaction) -> None:
            other = tx.accounts.get(account)
            if other is None or (other.professional is None and other.kind != "practice"):
                raise NotFoundError
            if tx.conversations.blocked(patient, account) == (since is not None):
                return
            tx.conversations.save_block(patient, account, since)
            for conversation in tx.conversations.shared(patient, account):
                _tell(tx, conversation, (patient, account), blocked=since is not None, now=now)

        await self.store.write(intent)


def _standing(view: Transaction, invitation: InvitationId, now: int) -> Invitation:
    """Return an invitation that is open, or that has been refused before."""
    found = view.invitations.get(invitation)
    if found is None:
        raise InvitationUnknownError
    if found.state is not InvitationState.REFUSED:
        found.require_open(now)
    return found


def _tell(
    tx: Transaction, conversation: ConversationId, pair: tuple[AccountId, AccountId], *, blocked: bool, now: int
) -> None:
    head = tx.conversations.head(conversation)
    if head is None:
        return
    patient, professional = pair
    detail = {"patient": b64(patient), "professional": b64(professional), "blocked": blocked}
    tx.log.append(head, Event(conversation, 0, "blocked", now, patient, head.epoch, detail=detail))


def blocked(view: Transaction, head: Conversation, account: AccountId) -> bool:
    """Tell whether the patient of a conversation takes nothing from one of its members."""
    return any(view.conversations.blocked(patient, account) for patient in head.patients() if patient != account)


def require_together(view: Transaction, new: CheckedEpoch) -> None:
    """Refuse a record that brings a patient together with somebody whom they have blocked.

    Raises:
        PatientBlockedError.

    """
    fresh = {member.id for member in new.added}
    people = [member for member in new.record.members.values() if member.kind != "invite"]
    for patient in (member for member in people if member.role == "patient"):
        for other in people:
            together = other.id != patient.id and {patient.id, other.id} & fresh
            if together and view.conversations.blocked(AccountId(patient.id), AccountId(other.id)):
                raise PatientBlockedError("the patient takes nothing from somebody in this record")
