"""A complete, well-behaved device: what a bridge or a program builds on."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bridges.kit import attachments
from bridges.kit.conversations import Conversation, Conversations
from bridges.kit.device import Device, opened
from bridges.kit.errors import RefusedError, UnreachableError
from bridges.kit.feed import Feed
from bridges.kit.files import safe_name
from bridges.kit.home import Home
from bridges.kit.log import Line, Log, open_log
from bridges.kit.membership import Membership
from bridges.kit.messages import Messages
from bridges.kit.outbox import Outbox
from bridges.kit.people import People
from bridges.kit.starting import Starting
from bridges.kit.views import attachments_of
from bridges.kit.wire import Summary, to_text
from bridges.kit.words import say
from crypto.content import Attachment
from crypto.errors import ProtocolError


@dataclass(slots=True)
class Reading:
    """A conversation, read."""

    conversation: Conversation
    log: Log
    people: People
    paths: dict[bytes, str]

    @property
    def delivered(self) -> Mapping[bytes, int]:
        """The last seq on a device of each member, as the server says."""
        return {bytes(each.account): each.seq for each in self.conversation.detail.delivered}


@dataclass(slots=True)
class Client:
    """One device with everything it can do."""

    device: Device
    conversations: Conversations
    outbox: Outbox
    messages: Messages
    starting: Starting
    membership: Membership
    feed: Feed

    @classmethod
    def of(cls, device: Device) -> "Client":
        """Put a client together."""
        conversations = Conversations(device)
        outbox = Outbox(device, conversations)
        messages = Messages(device, conversations, outbox)
        starting, membership = Starting(device, outbox), Membership(device, conversations)
        return cls(device, conversations, outbox, messages, starting, membership, Feed(device, conversations))

    async def look(self, conversation: bytes) -> Reading:
        """Sync and open a conversation; nobody is told.

        Raises:
            RefusedError: ``not_found``. UnreachableError. ProtocolError: the alarms.

        """
        synced = await self.conversations.sync(conversation)
        log = await open_log(self.conversations, synced)
        return Reading(synced, log, self._people(synced, log), {})

    def _people(self, conversation: Conversation, log: Log | None = None) -> People:
        return People(self.device.directory.certificate, conversation.opened, conversation.names, log)

    async def read(self, conversation: bytes, *, save: Path | None, receipt: bool) -> Reading:
        """Read a conversation, save its documents, sign a receipt.

        Raises:
            as ``look``; ProtocolError (``open_failed``) for a document that is not what was signed.

        """
        await self.outbox.flush()
        await self.feed.drain()
        reading = await self.look(conversation)
        read: list[tuple[bytes, bytes]] = []
        if save is not None:
            for line in reading.log.lines:
                for reference in attachments_of(line):
                    path = await self.save(reading, line, reference, save)
                    if path is not None:
                        reading.paths[reference.id] = str(path)
                        read.append((line.id, reference.id))
        if receipt and await self._acknowledge(reading, read):
            return replace(await self.look(conversation), paths=reading.paths)
        return reading

    async def save(self, reading: Reading, line: Line, reference: Attachment, folder: Path) -> Path | None:
        """Save a document; none when the server has let it go with its message, as it may (7.6).

        Raises:
            as ``attachments.save``.

        """
        try:
            return await attachments.save(self.device, reading.conversation.id, reference, folder)
        except RefusedError as refused:
            begins = reading.log.trimmed
            if refused.code != "not_found" or begins is None or line.seq >= begins.first:
                raise
        name = safe_name(reference.name)
        self.device.tell(say(f"Le serveur n'a plus ce document : {name}", f"The server no longer has: {name}"))
        return None

    async def _acknowledge(self, reading: Reading, opened: list[tuple[bytes, bytes]]) -> bool:
        """Sign a receipt. What was read stays readable when it cannot leave; it then waits in the outbox."""
        try:
            return await self.messages.acknowledge(reading.conversation, reading.log, opened) is not None
        except (RefusedError, UnreachableError) as error:
            self.device.tell(
                say(f"L'accusé n'est pas parti ({error.code}).", f"The receipt did not leave ({error.code}).")
            )
            return False

    async def overview(self) -> list[dict[str, Any]]:
        """Describe all conversations, newest first. One that fails a check carries its ``alarm``."""
        await self.outbox.flush()
        await self.feed.drain()
        return [await self._summary(each) for each in await self.device.api.conversations()]

    async def _summary(self, told: Summary) -> dict[str, Any]:
        conversation = bytes(told.conversation)
        try:
            synced = await self.conversations.sync(conversation)
        except ProtocolError as failed:
            empty = {"subject": "", "members": [], "unread": told.unread, "reply": told.policy.reply}
            return {"id": to_text(conversation), **empty, "alarm": failed.code}
        people = self._people(synced)
        policy = synced.detail.policy
        return {
            "id": to_text(conversation),
            "subject": synced.roster.subject,
            "members": people.members(),
            "unread": synced.detail.unread,
            "reply": policy.reply,
            "reply_until": policy.until,
            "may_reply": synced.detail.may_reply,
            "refused": synced.detail.refused,
            "last_at": synced.detail.last_at,
        }


@asynccontextmanager
async def client(
    home: Home, *, server: str | None, ask: Callable[[], str], tell: Callable[[str], None]
) -> AsyncIterator[Client]:
    """Unlock a home and give its client, up to date with its own account; the caller holds ``home.alone``."""
    async with opened(home, server=server, ask=ask, tell=tell) as device:
        await device.catch_up_own()
        yield Client.of(device)
