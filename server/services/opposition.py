"""What patients refuse: whom they have blocked, and what follows from it. Source: docs/spec/api.md 4.1."""

from __future__ import annotations

from dataclasses import dataclass

from server.clock import Clock
from server.domain.conversation import Conversation
from server.domain.errors import BadRequestError, NotFoundError, PatientBlockedError
from server.domain.events import Event
from server.domain.ids import AccountId, ConversationId, b64
from server.domain.session import Principal
from server.services.epochs import CheckedEpoch
from server.services.pace import Pace
from server.services.ports import Store, Transaction


@dataclass(frozen=True, slots=True)
class OppositionService:
    """Blocks and unblocks professionals for a patient."""

    store: Store
    clock: Clock
    pace: Pace

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
        """Return (account, since when) of everybody whom one has blocked, newest first."""
        return await self.store.read(lambda view: view.conversations.blocks(principal.account))

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
