"""The bridge as a member of conversations: what it says there, exactly once. Source: docs/spec/mail.md 14."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from bridges.kit import attachments
from bridges.kit.attachments import Document
from bridges.kit.client import Client
from bridges.kit.conversations import Conversation
from bridges.kit.errors import RefusedError
from bridges.kit.home import Home
from bridges.kit.log import Line, Log, open_log
from bridges.kit.messages import Draft
from bridges.kit.outbox import Letter
from bridges.kit.wire import Accepted, from_text, to_text
from bridges.mail.config import Box
from bridges.mail.saying import File, Said
from bridges.mail.threads import Threads, Writer
from crypto import attachment, content, envelope
from crypto.content import MAX_STATES, Attachment
from crypto.mailed import Mailed

LATER: Final = frozenset(
    {"unauthenticated", "too_many_tries", "internal", "unavailable", "storage_full", "stale_epoch"}
)
"""Refusals of the server that say nothing about what was asked: it is asked again."""
TURN: Final = 50  # messages said on one look at a conversation
MAX_FETCHED: Final = 25_000_000  # bytes of one document that could still go by mail


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was said."""

    conversation: bytes
    message: bytes
    seq: int


@dataclass(frozen=True, slots=True)
class _Open:
    """A conversation in which something can be said now."""

    conversation: Conversation
    parents: list[bytes]
    last_seq: int
    left: int = TURN


@dataclass(slots=True)
class Voice:
    """Speaks for the mailboxes. One thing at a time: ``alone`` keeps other tasks and other processes out."""

    client: Client
    threads: Threads
    home: Home
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _open: dict[bytes, "_Open"] = field(default_factory=dict)  # conversations spoken in during this turn

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Hold the home, with its account up to date."""
        async with self._turn, self.home.alone(lambda: None):
            self.client.device.directory.forget()
            await self.client.device.catch_up_own()
            await self.client.outbox.flush()
            self._open.clear()
            yield

    # --- beginning ------------------------------------------------------------------------------------------------

    async def start(self, mail: int, account: bytes, subject: str, opening: str) -> bytes:
        """Begin a conversation for a mail, or find the one that an interrupted try began.

        Raises:
            RefusedError, UnreachableError, ProtocolError.

        """
        if self.threads.begun(mail, b"") is not None and (known := await self._orphan(account, subject)):
            return known
        self.threads.begin(mail, b"", 0)
        return (await self.client.starting.start(account, subject, Draft(opening))).conversation

    async def _orphan(self, account: bytes, subject: str) -> bytes | None:
        for told in await self.client.device.api.conversations():
            if self.threads.get(told.conversation) is None:
                found = await self.client.conversations.sync(told.conversation)
                if account in found.opened.chain.members and found.roster.subject == subject:
                    return found.id
        return None

    async def let_in(self, conversation: bytes, team: list[str]) -> None:
        """Let the professionals of the practice in; those who are in stay."""
        for each in team:
            await self.client.membership.add(conversation, from_text(each), history=True, owner=False)

    # --- saying ---------------------------------------------------------------------------------------------------

    async def say(self, mail: int, conversation: bytes, said: Said) -> Place:
        """Say what a mail says, once, however often the mail is carried.

        Raises:
            RefusedError, UnreachableError (a repeat is safe), ProtocolError.

        """
        ready = await self._ready(conversation)
        after = self.threads.begun(mail, conversation)
        if after is not None and (place := await self._said_before(conversation, after, said)):
            return place
        begin = partial(self.threads.begin, mail, conversation, ready.last_seq)
        await self.client.outbox.commits.write(self.threads.together, begin)
        accepted = await self._post(ready, await self._letter(said), self._likeness(conversation, said))
        return Place(conversation, accepted.id, accepted.seq)

    async def _ready(self, conversation: bytes) -> "_Open":
        """Bring a conversation to where something can be said; for several mails in one turn once."""
        known = self._open.get(conversation)
        if known is None or known.left == 0:
            ready = await self.client.messages.ready(conversation)
            log = await open_log(self.client.conversations, ready)
            known = _Open(ready, envelope.heads(log.messages), ready.detail.last_seq)
            self._open[conversation] = known
        return known

    async def _post(self, ready: "_Open", letter: Letter, likeness: bytes) -> Accepted:
        """Send; our own message is from now on the only one that the next has to name."""
        self._open.pop(ready.conversation.id, None)
        sent = self.client.outbox.send(ready.conversation.opened, letter, likeness=likeness, parents=ready.parents)
        accepted = await sent
        self._open[ready.conversation.id] = replace(
            ready, parents=[accepted.id], last_seq=accepted.seq, left=ready.left - 1
        )
        return accepted

    async def _said_before(self, conversation: bytes, after: int, said: Said) -> Place | None:
        """Look for it among what we said since the interrupted try began: nobody else writes for this account."""
        reading = await self.client.look(conversation)
        for line in reading.log.lines:
            if line.seq > after and self._is_mine(line) and _same(line, said):
                return Place(conversation, line.id, line.seq)
        return None

    def _is_mine(self, line: Line) -> bool:
        return line.message is not None and line.message.author.id == self.client.device.id

    async def _letter(self, said: Said) -> Letter:
        if said.ends:
            return Letter(content.end(said.text))
        references = [await self._upload(file) for file in said.files]
        payload = content.words(
            said.text,
            attachments=references,
            reply=said.reply,
            replaces=said.replaces or None,
            via=_named(said.via, references),
        )
        return Letter(payload, tuple(each.id for each in references))

    def _likeness(self, conversation: bytes, said: Said) -> bytes:
        return self.client.device.likeness("mail", conversation.hex(), said.text, str(said.ends))

    async def _upload(self, file: File) -> Attachment:
        with _in_memory(file.octets) as path:
            document = Document(path, file.name, file.media_type, len(file.octets), file.sha256, file.document)
            if document.size <= attachments.SMALL:
                reference = await attachments.upload_small(self.client.device, file.octets, document)
            else:
                reference = await attachments.upload(self.client.device, document)
                attachments.uploaded(self.client.device, document)
        return replace(reference, title=file.title)

    async def note(self, conversation: bytes, text: str, number: int) -> None:
        """Say something of our own, once for each ``number`` (below 0): that a mail did not arrive.

        Where nobody takes our words any more, there is nobody to tell. Raises UnreachableError, ProtocolError.
        """
        with _final_refusals_ignored():
            await self.say(number, conversation, Said(text, (), "open"))

    async def acknowledge(self, conversation: bytes, message: bytes) -> None:
        """Sign that the person at the mailbox has read all up to a message. Raises as ``note``."""
        with _final_refusals_ignored():
            reading = await self.client.look(conversation)
            upto = next((number for number, line in enumerate(reading.log.lines, 1) if line.id == message), 0)
            known = Log(reading.log.lines[:upto], receipts=reading.log.receipts)
            await self.client.messages.acknowledge(reading.conversation, known)

    async def state(self, conversation: bytes, states: Sequence[tuple[bytes, Mailed]]) -> None:
        """Sign what became of messages as mail; what was signed before is not signed again. Raises as ``note``."""
        with _final_refusals_ignored():
            for first in range(0, len(states), MAX_STATES):
                reading, some = await self.client.look(conversation), states[first : first + MAX_STATES]
                await self.client.messages.state_mailed(reading.conversation, reading.log, some)
        self._open.pop(conversation, None)

    async def patient_in(self, conversation: bytes) -> bytes:
        """Give the account that took the patient's place, or nothing while it is an invitation.

        Raises:
            RefusedError, UnreachableError, ProtocolError.

        """
        found = await self.client.conversations.sync(conversation)
        members = found.opened.chain.members.values()
        return next((each.id for each in members if each.role == "patient" and each.kind != "invite"), b"")

    # --- reading --------------------------------------------------------------------------------------------------

    async def fetch(self, conversation: bytes, reference: Attachment) -> bytes:
        """Fetch a document into memory, checked whole.

        Raises:
            RefusedError: ``attachment_too_large`` for a mail. UnreachableError. ProtocolError (``open_failed``).

        """
        if reference.size > MAX_FETCHED:
            raise RefusedError("attachment_too_large", size=reference.size, limit=MAX_FETCHED)
        blocks = [block async for block in self.client.device.api.download(conversation, reference.id, 0)]
        return b"".join(attachment.open_stream(reference, blocks))


def opening(box: Box, writer: Writer | None) -> str:
    """Say what the conversation passes through: the first thing that stands in it."""
    said = (
        f"Cette conversation passe par la boîte MSSanté de {box.owner} ({box.address}).\n"
        "Le chiffrement de bout en bout s'arrête à cette passerelle : au-delà, les messages voyagent par courriel "
        "MSSanté, lisibles par les opérateurs de ces messageries."
    )
    if writer is None:
        return said
    who = f"{writer.name} <{writer.address}>" if writer.name else writer.address
    return f"{said}\nCorrespondant : {who}. Vos réponses lui parviennent par courriel."


def _named(via: dict[str, Any] | None, references: list[Attachment]) -> dict[str, Any] | None:
    """Let the cards name their files by id."""
    if via is None:
        return None
    cards = [
        {**card, "attachment": None if card["attachment"] is None else to_text(references[card["attachment"]].id)}
        for card in via["cards"]
    ]
    return {**via, "cards": cards}


def _same(line: Line, said: Said) -> bool:
    assert line.message is not None, "lines of ours are open"
    payload = line.message.content.payload
    if said.ends or line.message.content.type == "end":
        return said.ends and line.message.content.type == "end" and payload["text"] == said.text
    if line.message.content.type != "text":
        return False
    files = [each.sha256 for each in payload["attachments"]]
    return payload["text"] == said.text and files == [file.sha256 for file in said.files]


@contextmanager
def _final_refusals_ignored() -> Iterator[None]:
    try:
        yield
    except RefusedError as refused:
        if refused.code in LATER:
            raise


@contextmanager
def _in_memory(octets: bytes) -> Iterator[Path]:
    """Give a path to bytes that never touch a disk: what a mail carries is written sealed, or not at all."""
    handle = os.memfd_create("document", os.MFD_CLOEXEC)
    try:
        with os.fdopen(os.dup(handle), "wb") as file:
            file.write(octets)
        yield Path(f"/proc/self/fd/{handle}")
    finally:
        os.close(handle)
