"""What the log of a conversation says: may the patient answer, what was read, what was replaced.

Source: docs/spec/protocol.md 7.5.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from crypto.envelope import Message
from crypto.errors import require

PROFESSIONALS: Final = frozenset({"owner", "professional"})
ASKING: Final = frozenset({"propose", "offer"})
"""Acts about an appointment that expect an answer: no other is a word on the right, whatever it carries."""


@dataclass(frozen=True, slots=True)
class ReplyRight:
    """``open``, ``none``, ``until`` a time, or ``ended``; and who decided it."""

    state: Literal["open", "none", "until", "ended"] = "open"
    until: int | None = None
    by: bytes | None = None

    def may_reply(self, *, at: int) -> bool:
        """Whether somebody who is no professional may write at that time."""
        return self.state == "open" or (self.state == "until" and self.until is not None and at < self.until)

    def require_mirrored(self, state: str, until: int | None) -> None:
        """Compare with what the server says (alarm ``mirror_mismatch``)."""
        require((self.state, self.until) == (state, until), "mirror_mismatch")


def compute(messages: Iterable[Message]) -> ReplyRight:
    """The reply right after these messages, in the order of the log. Without any it is open."""
    right = ReplyRight()
    for message in messages:
        if message.author.role not in PROFESSIONALS:
            continue
        if message.content.type == "end":
            right = ReplyRight("ended", by=message.author.id)
        elif _speaks(message):
            right = _granted(message)
    return right


def _speaks(message: Message) -> bool:
    said, payload = message.content.type, message.content.payload
    may = said == "text" or (said == "appointment" and payload["act"] in ASKING)
    return may and payload["reply"] != "keep"


def _granted(message: Message) -> ReplyRight:
    reply = message.content.payload["reply"]
    if isinstance(reply, Mapping):
        return ReplyRight("until", reply["until"], message.author.id)
    return ReplyRight(reply or "open", by=message.author.id)


@dataclass(frozen=True, slots=True)
class Read:
    """Somebody has read a message."""

    member: bytes
    at: int


def readers(log: Mapping[bytes, tuple[int, Message]], message_id: bytes) -> list[Read]:
    """Who has read a message, and when each said so first.

    Args:
        log: sequence number and message, by message id.
        message_id: of the message asked for.

    """
    seq, asked = log[message_id]
    found: dict[bytes, int] = {}
    for _, message in sorted(log.values(), key=lambda entry: entry[0]):
        if message.content.type != "receipt" or message.author.id == asked.author.id:
            continue
        upto: bytes = message.content.payload["upto"]
        if upto in log and log[upto][0] >= seq:
            found.setdefault(message.author.id, message.content.at)
    return [Read(member, at) for member, at in found.items()]


def replaced(messages: Iterable[Message]) -> dict[bytes, bytes]:
    """Message ids that a later text of the same author replaces, each with the newest replacement."""
    authors: dict[bytes, bytes] = {}
    result: dict[bytes, bytes] = {}
    for message in messages:
        old = message.content.payload.get("replaces") if message.content.type == "text" else None
        if old is not None and authors.get(old) == message.author.id:
            result[old] = message.id
        authors[message.id] = message.author.id
    return result
