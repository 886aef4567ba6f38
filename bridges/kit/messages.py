"""Writing in a conversation: messages, receipts, ends. Source: docs/spec/protocol.md 7."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bridges.kit import attachments
from bridges.kit.attachments import Document
from bridges.kit.conversations import Conversation, Conversations
from bridges.kit.device import Device, milliseconds
from bridges.kit.errors import RefusedError, UsageError
from bridges.kit.log import Log, open_log
from bridges.kit.outbox import Letter, Outbox
from bridges.kit.wire import Accepted, to_text
from crypto import content, envelope, mailed
from crypto import conversation as protocol
from crypto.content import MAX_TEXT, Payload, Reply
from crypto.mailed import Mailed

PROFESSIONAL: Final = frozenset({"owner", "professional"})
MAX_ATTACHMENTS: Final = 20
MAX_OPENED: Final = 64


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person wants to say. ``reply`` counts only when a professional says it."""

    text: str
    documents: Sequence[Document] = ()
    reply: Reply = "open"

    def check(self) -> None:
        """Refuse what could not be sent (``usage``, ``envelope_too_large``) before anything is."""
        if not self.text and not self.documents:
            raise UsageError("usage", "neither text nor document")
        if len(self.documents) > MAX_ATTACHMENTS:
            raise UsageError("usage", f"more than {MAX_ATTACHMENTS} documents")
        if len(self.text.encode()) > MAX_TEXT:
            raise RefusedError("envelope_too_large", size=len(self.text.encode()), limit=MAX_TEXT)

    @property
    def marks(self) -> tuple[str, ...]:
        """What makes a repeat of the same command the same."""
        documents = (part for d in self.documents for part in (d.name, to_text(d.sha256)))
        return (self.text, str(self.reply), *documents)


@dataclass(slots=True)
class Messages:
    """Writes for one device."""

    device: Device
    conversations: Conversations
    outbox: Outbox
    _logs: dict[bytes, Log] = field(default_factory=dict)

    async def send(self, conversation_id: bytes, draft: Draft) -> Accepted:
        """Send a message with its documents.

        Raises:
            UsageError, RefusedError (``reply_not_allowed`` …), UnreachableError (a repeat is safe), ProtocolError.

        """
        draft.check()
        likeness = self.device.likeness("send", to_text(conversation_id), *draft.marks)
        await self.outbox.flush()
        if earlier := self.outbox.earlier(likeness, Accepted):
            return earlier
        conversation = await self.ready(conversation_id)
        self._require_reply(conversation)
        references = [await attachments.upload(self.device, each) for each in draft.documents]
        professional = conversation.opened.chain.members[self.device.id].role in PROFESSIONAL
        payload = content.words(draft.text, attachments=references, reply=draft.reply if professional else None)
        letter = Letter(payload, tuple(each.id for each in references))
        accepted = await self.post(conversation, letter, likeness)
        for each in draft.documents:
            attachments.uploaded(self.device, each)
        return accepted

    async def end(self, conversation_id: bytes, reason: str) -> Accepted:
        """End a conversation: the patient can read, not answer. Raises as ``send``."""
        likeness = self.device.likeness("end", to_text(conversation_id), reason)
        await self.outbox.flush()
        if earlier := self.outbox.earlier(likeness, Accepted):
            return earlier
        conversation = await self.ready(conversation_id)
        if conversation.opened.chain.members[self.device.id].role not in PROFESSIONAL:
            raise RefusedError("not_permitted")
        return await self.post(conversation, Letter(content.end(reason)), likeness)

    async def acknowledge(
        self, conversation: Conversation, log: Log, opened: Sequence[tuple[bytes, bytes]] = ()
    ) -> Accepted | None:
        """Sign that everything so far is read, unless that has been said; ``opened`` are (message, attachment) ids."""
        others = [line for line in log.lines if line.message and line.message.author.id != self.device.id]
        said = [line for line in others if line.message and line.message.content.kind != "receipt"]
        if not said or (log.read_upto(self.device.id) >= said[-1].seq and not opened):
            return None
        payload: Payload = content.receipt(said[-1].id, opened=opened[:MAX_OPENED])
        likeness = self.device.likeness("receipt", to_text(said[-1].id), str(len(opened)))
        conversation = await self._rotated(conversation)
        return await self.outbox.send(
            conversation.opened,
            Letter(payload, read_seq=said[-1].seq),
            likeness=likeness,
            parents=envelope.heads(log.messages),
        )

    async def state_mailed(
        self, conversation: Conversation, log: Log, states: Sequence[tuple[bytes, Mailed]]
    ) -> Accepted | None:
        """Sign what became of messages as mail: what the log does not say yet of this account, in one statement.

        Args:
            conversation: synced.
            log: opened; messages that stand nowhere in it are left out.
            states: message ids with how far each is, at most ``MAX_STATES``.

        Raises:
            RefusedError, UnreachableError (a repeat is safe), ProtocolError.

        """
        said = mailed.compute(log.messages)
        here = {message.id for message in log.messages}
        news = [
            (message, state.state, state.reason)
            for message, state in states
            if message in here and state.is_beyond(said.get(message, {}).get(self.device.id))
        ]
        if not news:
            return None
        marks = (part for message, state, _ in news for part in (to_text(message), state))
        likeness = self.device.likeness("mailed", *marks)
        conversation = await self._rotated(conversation)
        return await self.outbox.send(
            conversation.opened,
            Letter(content.mailed(news)),
            likeness=likeness,
            parents=envelope.heads(log.messages),
        )

    async def ready(self, conversation_id: bytes) -> Conversation:
        """Bring a conversation to where a message can be sealed: synced, checked, rotated when due."""
        conversation = await self.conversations.sync(conversation_id)
        conversation = await self.conversations.refresh_members(conversation)
        self._logs[conversation.id] = await open_log(self.conversations, conversation)
        return await self._rotated(conversation)

    async def post(self, conversation: Conversation, letter: Letter, likeness: bytes) -> Accepted:
        """Seal and send in a conversation that is ``ready``."""
        parents = envelope.heads(self._logs[conversation.id].messages)
        return await self.outbox.send(conversation.opened, letter, likeness=likeness, parents=parents)

    async def _rotated(self, conversation: Conversation) -> Conversation:
        if not self.conversations.rotation_due(conversation):
            return conversation
        new = protocol.rotate(self.device.own, conversation.opened, at=milliseconds())
        try:
            await self.conversations.commit(conversation.id, new, [])
        except RefusedError as refused:
            if refused.code != "stale_epoch":
                raise  # somebody else was faster: their epoch serves as well
        return await self.conversations.sync(conversation.id)

    def _require_reply(self, conversation: Conversation) -> None:
        """Refuse early, before documents are uploaded; the server decides again."""
        if conversation.detail.refused is not None:
            raise RefusedError(conversation.detail.refused)
        role = conversation.opened.chain.members[self.device.id].role
        if role not in PROFESSIONAL and not conversation.detail.may_reply:
            policy = conversation.detail.policy
            raise RefusedError("reply_not_allowed", policy={"reply": policy.reply, "until": policy.until})

    async def retract(self, conversation_id: bytes, message: bytes) -> None:
        """Take back an own message that nobody has read.

        Raises:
            RefusedError: ``already_read``, ``not_found``.

        """
        await self.outbox.flush()
        await self.device.api.retract(conversation_id, message)
