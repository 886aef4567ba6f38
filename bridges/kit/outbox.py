"""What is sealed and not yet acknowledged: kept before the first try, sent identically, delivered once.

A command that ended with a network error may be repeated: the repeat finds the kept bytes (or, when another command
has delivered them meanwhile, their kept answer) instead of making a second message.
"""

import json
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from bridges.kit import wire
from bridges.kit.commits import Commits
from bridges.kit.conversations import Conversations
from bridges.kit.device import Device, milliseconds
from bridges.kit.errors import RefusedError
from bridges.kit.log import open_log
from bridges.kit.store import Waiting
from bridges.kit.wire import Accepted, Started, to_text
from bridges.kit.words import say
from crypto import envelope
from crypto.content import Payload
from crypto.conversation import Opened

T = TypeVar("T")

TRIES: Final = 4  # times that an envelope is sealed again when members change under it
KEPT: Final = 86_400_000  # milliseconds that an answer waits for the repeat of its command


@dataclass(frozen=True, slots=True)
class Letter:
    """A payload on its way, with what the server is told beside it."""

    payload: Payload
    attachments: tuple[bytes, ...] = ()
    read_seq: int | None = None

    def pack(self) -> bytes:
        """Write it for the sealed column of the outbox."""
        attachments = [to_text(each) for each in self.attachments]
        return json.dumps([self.payload.type, dict(self.payload.plain), attachments, self.read_seq]).encode()

    @classmethod
    def unpack(cls, packed: bytes) -> "Letter":
        """Read what ``pack`` wrote."""
        kind, plain, attachments, read_seq = json.loads(packed)
        return cls(Payload(kind, plain), tuple(wire.from_text(each) for each in attachments), read_seq)

    def submission(self, sealed: bytes, *, professional: bool) -> dict[str, Any]:
        """Write the submission (api.md 5) for a sealed envelope."""
        reply = self.payload.plain.get("reply") if professional and self.payload.kind == "message" else None
        return {
            "envelope": to_text(sealed),
            "kind": self.payload.kind,
            "reply": reply,
            "attachments": [to_text(each) for each in self.attachments],
            "read_seq": self.read_seq,
        }


@dataclass(slots=True)
class Outbox:
    """Delivers the waiting letters of a device."""

    device: Device
    conversations: Conversations
    commits: Commits = field(default_factory=Commits)  # of whoever sends several things side by side

    async def flush(self) -> None:
        """Deliver what earlier commands left; what the server refuses is dropped and told.

        Raises:
            UnreachableError.

        """
        for waiting in self.device.store.waiting():
            try:
                result = await self.deliver(waiting)
            except RefusedError as refused:
                self.device.tell(
                    say(
                        f"Un envoi en attente a été refusé ({refused.code}).",
                        f"A waiting message was refused ({refused.code}).",
                    )
                )
            else:
                self.device.store.keep_result(waiting, wire.dumps(result))

    def earlier(self, likeness: bytes, shape: type[T]) -> T | None:
        """Give the answer that an earlier, interrupted run of the same command would have got, once."""
        result = self.device.store.take_result(likeness, since=milliseconds() - KEPT)
        return None if result is None else wire.loads(result, shape)

    async def deliver(self, waiting: Waiting) -> Accepted | Started:
        """Send one; whatever the server refuses for good leaves the outbox.

        Raises:
            RefusedError, UnreachableError (then it stays).

        """
        try:
            return await self._deliver(waiting)
        except RefusedError as refused:
            if refused.code not in {"unauthenticated", "too_many_tries", "internal", "unavailable", "storage_full"}:
                self.device.store.take_out(waiting)
            raise

    async def _deliver(self, waiting: Waiting) -> Accepted | Started:
        if waiting.conversation is None:
            return await self.device.api.start(json.loads(waiting.body))
        for _ in range(TRIES):
            try:
                return await self.device.api.submit(waiting.conversation, json.loads(waiting.body))
            except RefusedError as refused:
                if refused.code != "stale_epoch":
                    raise
            waiting = await self._sealed_again(waiting)
        raise RefusedError("stale_epoch")

    async def _sealed_again(self, waiting: Waiting) -> Waiting:
        """Seal for the members of now. Sound, since a stale envelope was certainly not accepted (api.md 5)."""
        assert waiting.conversation is not None
        conversation = await self.conversations.sync(waiting.conversation)
        letter = Letter.unpack(self.device.keys.open(waiting.sealed))
        log = await open_log(self.conversations, conversation)
        body = seal(self.device, conversation.opened, letter, parents=envelope.heads(log.messages))
        return self.device.store.replace_out(waiting, body)

    async def send(self, opened: Opened, letter: Letter, *, likeness: bytes, parents: list[bytes]) -> Accepted:
        """Seal, keep, send; gives the server's acknowledgement.

        Raises:
            RefusedError, UnreachableError, ProtocolError.

        """
        body = seal(self.device, opened, letter, parents=parents)
        sealed = self.device.keys.seal(letter.pack())
        store, at = self.device.store, milliseconds()
        waiting = await self.commits.write(
            store.together, lambda: store.put_out(opened.id, likeness, body, sealed, at=at)
        )
        result = await self.deliver(waiting)
        await self.commits.write(store.together, lambda: store.take_out(waiting))
        assert isinstance(result, Accepted)
        return result


def seal(device: Device, opened: Opened, letter: Letter, *, parents: list[bytes]) -> bytes:
    """Seal a letter under the newest epoch and write its submission."""
    sealed = envelope.seal_message(letter.payload, device.own, opened, at=milliseconds(), parents=parents)
    role = opened.chain.members[device.id].role
    return wire.dumps(letter.submission(sealed, professional=role in {"owner", "professional"}))
