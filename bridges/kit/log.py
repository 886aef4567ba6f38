"""A conversation's log, opened: what was said, in order, and what the whole of it must satisfy.

Source: docs/spec/protocol.md 7.4 and 7.5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bridges.kit import wire
from bridges.kit.conversations import Conversation, Conversations
from crypto import envelope, reply_right
from crypto.content import Kind
from crypto.conversation import Opened
from crypto.envelope import Message
from crypto.errors import ProtocolError
from crypto.reply_right import ReplyRight

KINDS: Final[dict[str, Kind]] = {"message": "message", "receipt": "receipt", "end": "end"}


@dataclass(frozen=True, slots=True)
class Line:
    """One envelope of the log. ``message`` is missing when it was taken back or when ``error`` says why."""

    seq: int
    at: int
    """When the server accepted it; informs only."""
    id: bytes
    message: Message | None
    error: str | None = None
    retracted: bool = False


@dataclass(frozen=True, slots=True)
class Log:
    """All lines in order."""

    lines: Sequence[Line]
    receipts: dict[bytes, list[tuple[int, int]]] = field(default_factory=dict)
    """By member: (all up to this seq, at this time), in the order of the log."""

    @property
    def messages(self) -> list[Message]:
        """What opened."""
        return [line.message for line in self.lines if line.message is not None]

    @property
    def errors(self) -> list[str]:
        """Codes of what did not."""
        return [line.error for line in self.lines if line.error is not None]

    def read_upto(self, member: bytes) -> int:
        """The last seq that a member has signed to have read, 0 for none."""
        return max((seq for seq, _ in self.receipts.get(member, ())), default=0)

    def readers(self, line: Line) -> dict[bytes, int]:
        """Who has read a line, other than its author, and when each said so first."""
        author = line.message.author.id if line.message else None
        found = {}
        for member, receipts in self.receipts.items():
            first = next((at for upto, at in receipts if upto >= line.seq), None)
            if first is not None and member != author:
                found[member] = first
        return found

    def reply_right(self) -> ReplyRight:
        """The reply right after all of it."""
        return reply_right.compute(self.messages)


async def open_log(conversations: Conversations, conversation: Conversation) -> Log:
    """Open the stored log of a synced conversation and check it as a whole.

    A line that does not open or was not signed as it should carries its error; what concerns the whole raises.

    Raises:
        ProtocolError: alarms ``fork``, ``withheld``, ``mirror_mismatch``.

    """
    events = conversations.device.store.events(conversation.id)
    before = conversations.lines.setdefault(conversation.id, {})
    log = _open(conversation.opened, events, before)
    if any(line.error in {"bad_device", "unknown_epoch"} for line in log.lines):
        conversation.opened = (await conversations.refresh_members(conversation)).opened  # signed with a newer device?
        log = _open(conversation.opened, events, before)
    before.update({line.id: line for line in log.lines if line.message})
    _require_whole(conversation, log, conversations.device.id)
    return log


def _open(opened: Opened, events: Sequence[wire.Event], before: Mapping[bytes, Line]) -> Log:
    taken_back = {event.id for event in events if event.type == "retracted"}
    lines = []
    newest = 1
    for event in events:
        if event.type == "epoch":
            newest = _same_record(opened, event)
        elif event.type == "envelope":
            taken = event.id in taken_back
            known = None if taken or event.id is None else before.get(event.id)
            lines.append(known or _line(opened, event, newest, taken_back=taken))
    return Log(lines, receipts_of(lines))


def _same_record(opened: Opened, event: wire.Event) -> int:
    if event.epoch is None or opened.chain.record(event.epoch).wire != event.record:
        raise ProtocolError("fork", "a record in the log")
    return event.epoch


def _line(opened: Opened, event: wire.Event, newest: int, *, taken_back: bool) -> Line:
    assert event.id is not None, "envelope events have an id (api.md 4)"
    if taken_back:
        return Line(event.seq, event.at, event.id, None, retracted=True)
    if event.envelope is None or envelope.message_id(event.envelope) != event.id:
        return Line(event.seq, event.at, event.id, None, error="open_failed")
    try:
        kind = KINDS.get(event.kind or "", "message")
        message = envelope.open_message(event.envelope, opened, kind=kind, newest=newest)
    except ProtocolError as refused:
        if refused.alarm:
            raise
        return Line(event.seq, event.at, event.id, None, error=refused.code)
    return Line(event.seq, event.at, event.id, message)


def receipts_of(lines: Sequence[Line]) -> dict[bytes, list[tuple[int, int]]]:
    """Read who has read up to where."""
    places = {line.id: line.seq for line in lines}
    found: dict[bytes, list[tuple[int, int]]] = {}
    for line in lines:
        if line.message and line.message.content.type == "receipt":
            upto = places.get(line.message.content.payload["upto"])
            if upto is not None and upto < line.seq:  # nobody has read what was not there yet
                found.setdefault(line.message.author.id, []).append((upto, line.message.content.at))
    return found


def _require_whole(conversation: Conversation, log: Log, me: bytes) -> None:
    """Look for what is missing. A member without the earlier history cannot: older messages may be named to it."""
    own = conversation.opened.chain.members.get(me)
    if own is None or own.history != "full":
        return
    if envelope.withheld(log.messages, [line.id for line in log.lines]):
        raise ProtocolError("withheld")
    policy = conversation.detail.policy
    known = not log.errors and not any(line.retracted for line in log.lines)
    at_once = not log.lines or log.lines[-1].seq <= conversation.detail.last_seq
    if known and at_once:
        log.reply_right().require_mirrored(policy.reply, policy.until)
