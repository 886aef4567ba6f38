"""Who had access to what, told to the patient. Source: docs/spec/api.md 8.1."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from crypto.journal import Entry
from server.clock import Clock
from server.domain.conversation import Conversation
from server.domain.ids import AccountId, AttachmentId
from server.domain.journal import VISIT, Access, JournalEnds, Told
from server.domain.session import Principal
from server.services.ports import Store, Transaction

REMEMBERED: Final = 50_000  # visits that are known to be written


@dataclass(frozen=True, slots=True)
class JournalService:
    """Shows journals, and writes visits into them: each once an hour, before what was asked for is handed out."""

    store: Store
    clock: Clock
    _written: OrderedDict[Told, int] = field(default_factory=OrderedDict)

    async def page(
        self, principal: Principal, *, after: int | None, before: int | None, limit: int
    ) -> tuple[list[Entry], JournalEnds]:
        """Return entries of one's own journal, ascending, and where it begins and ends."""
        account = principal.account

        def query(view: Transaction) -> tuple[list[Entry], JournalEnds]:
            if before is not None:
                found = view.journals.before(account, before, limit)
            else:
                found = view.journals.after(account, after or 0, limit)
            return found, view.journals.ends(account)

        return await self.store.read(query)

    async def visit(self, told: Told) -> None:
        """Write that a member had access, unless it stands there already: committed when this returns."""
        if not self.due(told):
            return
        now = self.clock.now()

        def intent(tx: Transaction) -> None:
            head = tx.conversations.head(told.conversation)
            if head is not None:
                note_visit(tx, head, told, now)

        await self.store.write(intent)
        self.remember(told)

    def due(self, told: Told) -> bool:
        """Tell whether this visit may have to be written; when not, it was within the hour, by this process."""
        return self._written.get(told, 0) <= self.clock.now() - VISIT

    def remember(self, told: Told) -> None:
        """Remember that a visit is committed. The journal itself decides; this only spares asking it."""
        self._written[told] = self.clock.now()
        self._written.move_to_end(told)
        if len(self._written) > REMEMBERED:
            self._written.popitem(last=False)


def note_visit(tx: Transaction, head: Conversation, told: Told, now: int) -> None:
    """Write a visit for the patient of a conversation, once an hour."""
    for patient in head.patients():
        if patient != told.who and not tx.journals.visited(patient, told, now - VISIT):
            tx.journals.append(patient, told, now)


def note_documents(
    tx: Transaction, head: Conversation, author: AccountId, documents: Iterable[AttachmentId], now: int
) -> None:
    """Write that the patient has received documents of somebody else."""
    for patient in head.patients():
        if patient != author:
            for document in documents:
                tx.journals.append(patient, Told(Access.DOCUMENT_RECEIVED, author, head.id, document), now)


def note_members(
    tx: Transaction, head: Conversation, *, joined: Iterable[AccountId] = (), gone: Iterable[AccountId] = (), now: int
) -> None:
    """Write who can read from now on, and who no longer; to a patient who has just come, everybody who was there."""
    joined = list(joined)
    for patient in head.patients():
        new = head.members if patient in joined else joined
        for account in sorted(set(new) - {patient}):
            tx.journals.append(patient, Told(Access.JOINED, account, head.id), now)
        for account in gone:
            tx.journals.append(patient, Told(Access.GONE, account, head.id), now)
