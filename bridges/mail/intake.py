"""From a mailbox into the inbox, in an order that a crash at any point cannot spoil. Source: docs/spec/mail.md 12."""

from dataclasses import dataclass

from bridges.mail import limits
from bridges.mail.imap import Imap
from bridges.mail.inbox import Inbox
from bridges.mail.sandbox import Sandbox


@dataclass(frozen=True, slots=True)
class Intake:
    """Takes the mail of one box."""

    name: str  # of the box, in our store
    inbox: Inbox
    sandbox: Sandbox

    async def pass_once(self, imap: Imap, folder: str) -> None:
        """Take what is new, judge what waits, mark what is settled; raises ImapError.

        Each step begins with what the store says, so a pass that was cut short is finished by the next one.
        """
        validity = await imap.select(folder)
        for uid in await imap.uids_after(self.inbox.last(self.name, validity)):
            await self._take(imap, validity, uid)
        await self.judge()
        settled = self.inbox.unmarked(self.name, validity)
        await imap.mark(settled)
        self.inbox.mark(self.name, validity, settled)

    async def judge(self) -> None:
        """Read what was taken, in the child."""
        while taken := self.inbox.next(self.name):
            reading = (await self.sandbox.read(taken.raw)).reading
            message_id = reading.mail.message_id if reading.mail else ""
            self.inbox.settle(taken.id, reading.reason, message_id=message_id, digest=reading.digest)

    async def _take(self, imap: Imap, validity: int, uid: int) -> None:
        size = await imap.size(uid)
        if size is None:
            return
        if size > limits.RAW:
            self.inbox.note_too_large(self.name, validity, uid)
        elif (raw := await imap.fetch(uid)) is not None:
            self.inbox.take(self.name, validity, uid, raw)
