"""From a mailbox into the inbox, in an order that a crash at any point cannot spoil. Source: docs/spec/mail.md 12."""

from dataclasses import dataclass
from typing import Protocol

from bridges.mail import limits
from bridges.mail.imap import Imap
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
        if not self.history and self.inbox.is_new(self.box):
            self.inbox.begin(self.box, validity, max(await imap.uids_after(0), default=0))
        numbers = await imap.uids_after(self.inbox.last(self.box, validity))
        for uid in numbers:
            await self._take(imap, validity, uid)
        return len(numbers)

    async def mark(self, imap: Imap, folder: str) -> None:
        """Mark on the server what is settled here: the last step of all."""
        validity = await imap.select(folder)
        settled = self.inbox.unmarked(self.box, validity)
        await imap.mark(settled)
        self.inbox.mark(self.box, validity, settled)

    async def _take(self, imap: Imap, validity: int, uid: int) -> None:
        size = await imap.size(uid)
        if size is None:
            return
        if size > limits.RAW:
            self.inbox.note_too_large(self.box, validity, uid)
        elif (raw := await imap.fetch(uid)) is not None:
            self.inbox.keep(raw, Source(self.box, validity, uid))
