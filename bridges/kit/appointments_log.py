"""The acts about appointments in an opened log, and saying one more. Source: docs/spec/appointments.md."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bridges.kit import appointments
from bridges.kit.appointments_state import PRACTICE, Said
from bridges.kit.client import Client
from bridges.kit.log import Log
from bridges.kit.outbox import Letter
from bridges.kit.wire import Accepted, to_text
from crypto.content import Reply
from crypto.reply_right import ReplyRight


@dataclass(frozen=True, slots=True)
class Placed:
    """An act with its place in the log and the device that wrote it."""

    said: Said
    seq: int
    device: bytes


def acts_of(log: Log) -> Sequence[Placed]:
    """Give all acts in order; what was taken back or did not open is none."""
    found = []
    for line in log.lines:
        if line.message is not None and line.message.content.type == "appointment":
            content, author = line.message.content, line.message.author
            said = Said(to_text(line.id), line.at, to_text(author.id), author.role, content.payload)
            found.append(Placed(said, line.seq, content.device))
    return found


async def say(
    client: Client, conversation: bytes, name: str, appointment: str | None, fields: Mapping[str, Any], *, key: str
) -> Accepted:
    """Say an act; the same key says it once, also after a crash. The reply right stays as it is, but for proposals.

    Raises:
        RefusedError, UnreachableError (a repeat with the same key is safe), ProtocolError.

    """
    likeness = client.device.likeness("appointment", to_text(conversation), name, key)
    await client.outbox.flush()
    if earlier := client.outbox.earlier(likeness, Accepted):
        return earlier
    ready = await client.messages.ready(conversation)
    role = ready.opened.chain.members[client.device.id].role
    reply: Reply = None
    if role in PRACTICE and role != "service":
        right = client.messages.log_of(conversation).reply_right()
        reply = "open" if name in {"propose", "offer"} else _restated(right)
    payload = appointments.write(name, appointment, fields, reply=reply)
    return await client.messages.post(ready, Letter(payload), likeness)


def _restated(right: ReplyRight) -> Reply:
    """What keeps a reply right as it is; an ended conversation stays one in which nobody answers."""
    if right.state == "until" and right.until is not None:
        return {"until": right.until}
    return "open" if right.state == "open" else "none"
