"""From a mailbox into the inbox, in an order that a crash at any point cannot spoil. Source: docs/spec/mail.md 12."""

from dataclasses import dataclass
from typing import Protocol

from bridges.mail import limits
from bridges.mail.imap import BATCH, Imap, ImapError, Look
from bridges.mail.inbox import Inbox, Kept, Source


class Intake(Protocol):
    """Where mail of every origin is put down. A sender is answered, a flag is set, only after ``keep`` returned."""

    def keep(self, raw: bytes, source: Source) -> Kept:
        """Keep a mail; durable when it returns, and the same mail again changes nothing."""
        ...


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a mailbox, taken by number."""

    box: str  # name in our store
    inbox: Inbox
    history: bool = True  # also what lay in the mailbox before it was first seen

    async def take(self, imap: Imap, folder: str) -> int:
        """Take what is new and give how many; raises ImapError. Each step begins with what the store says."""
        validity = await imap.select(folder)
        if 0 < imap.next_uid <= self.inbox.last(self.box, validity):
            self.inbox.retire(self.box, validity)  # its numbers began again, and it does not say so
        if not self.history and self.inbox.is_new(self.box):
            self.inbox.begin(self.box, validity, await self._lying(imap))
        rebuilt = self.inbox.is_rebuilt(self.box, validity)
        numbers = await imap.uids_after(self.inbox.last(self.box, validity))
        for at in range(0, len(numbers), BATCH):
            for look in await imap.look(numbers[at : at + BATCH]):
                await self._take(imap, validity, look, rebuilt=rebuilt)
        if rebuilt:
            self.inbox.forget_repeats(self.box, validity)
        return len(numbers)

    async def _lying(self, imap: Imap) -> list[Look]:
        numbers = await imap.uids_after(0)
        batches = [await imap.look(numbers[at : at + BATCH]) for at in range(0, len(numbers), BATCH)]
        return [look for batch in batches for look in batch]

    async def mark(self, imap: Imap, folder: str) -> None:
        """Mark on the server what is settled here: the last step of all."""
        validity = await imap.select(folder)
        settled = self.inbox.unmarked(self.box, validity)
        try:
            await imap.mark(settled)
        except ImapError as error:
            if error.code != "refused":  # a folder that takes no keywords: what we know stands here
                raise
        self.inbox.mark(self.box, validity, settled)

    async def _take(self, imap: Imap, validity: int, look: Look, *, rebuilt: bool) -> None:
        if rebuilt and self.inbox.recognise(self.box, validity, look):
            return
        if look.size > limits.RAW:
            self.inbox.note_too_large(self.box, validity, look)
        elif (raw := await imap.fetch(look.uid)) is not None:
            self.inbox.keep(raw, Source(self.box, validity, look.uid), look)
