"""A conversation's log, opened: what was said, in order, and what the whole of it must satisfy.

Source: docs/spec/protocol.md 7.4 and 7.5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from bridges.kit import wire
from bridges.kit.conversations import Conversation, Conversations
from bridges.kit.device import milliseconds
from crypto import envelope, reply_right, trimming
from crypto.content import Kind
from crypto.conversation import Opened
from crypto.envelope import Message
from crypto.errors import ProtocolError
from crypto.reply_right import ReplyRight
from crypto.trimming import Trimmed

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
    trimmed: bool = False
    """The server no longer had its bytes when this device came to it (7.6)."""
    kind: str = "message"
    """In the clear beside it."""


@dataclass(frozen=True, slots=True)
class Log:
    """All lines in order."""

    lines: Sequence[Line]
    trimmed: Trimmed | None = None
    """Where the server's log begins, when it no longer does at its beginning."""
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

    def reply_right(self, upto: int | None = None) -> ReplyRight:
        """The reply right after all of it, or after the line with a seq."""
        said = (line.message for line in self.lines if upto is None or line.seq <= upto)
        return reply_right.compute(message for message in said if message is not None)


async def open_log(conversations: Conversations, conversation: Conversation) -> Log:
    """Open the stored log of a synced conversation and check it as a whole.

    A line that does not open or was not signed as it should carries its error; what concerns the whole raises.

    Raises:
        ProtocolError: alarms ``fork``, ``withheld``, ``mirror_mismatch``.

    """
    events = conversations.device.store.events(conversation.id)
    trimmed = _beginning(events, conversation.detail)
    before = conversations.lines.setdefault(conversation.id, {})
    log = _open(conversation.opened, events, before, trimmed)
    if any(line.error in {"bad_device", "unknown_epoch"} for line in log.lines):
        conversation.opened = (await conversations.refresh_members(conversation)).opened  # signed with a newer device?
        log = _open(conversation.opened, events, before, trimmed)
    before.update({line.id: line for line in log.lines if line.message})
    _require_whole(conversation, log, conversations.device.id)
    return log


def _beginning(events: Sequence[wire.Event], detail: wire.Summary) -> Trimmed | None:
    """Read where the log begins, and refuse what no honest server says of it (7.6)."""
    now, first, last = milliseconds(), 1, 0
    newest, upto = None, None
    for event in events:
        if event.seq != last + 1:  # it begins here for us, or does again: what was told before is not ours to compare
            first, upto = event.seq, None
        last = event.seq
        if event.type == "trimmed" and event.first is not None and event.before is not None:
            told = Trimmed(event.first, event.before)
            newest = trimming.accept(newest, told, seq=event.seq, at=event.at, now=now)
            upto = newest if event.seq <= detail.last_seq else upto
    if newest is not None:
        newest.require_older((event.seq, event.at) for event in events)
    said = Trimmed(detail.trimmed.first, detail.trimmed.before) if detail.trimmed else None
    trimming.require_mirrored(upto, said, first=first, now=now)
    return newest or said


def _open(opened: Opened, events: Sequence[wire.Event], before: Mapping[bytes, Line], trimmed: Trimmed | None) -> Log:
    taken_back = {event.id for event in events if event.type == "retracted"}
    lines, newest, counted = list[Line](), 0, set[bytes]()
    for event in events:
        if event.type == "epoch":
            newest = _next_record(opened, event, newest)
        elif event.type == "envelope" and event.id not in counted:
            taken = event.id in taken_back
            known = None if taken or event.id is None else before.get(event.id)
            line = known or _line(opened, event, max(newest, 1), gone=_gone(event, trimmed, taken_back=taken))
            lines.append(line)
            if line.error is None:  # what does not open is not the message of that id
                counted.add(line.id)
    return Log(lines, trimmed, receipts_of(lines))


def _gone(event: wire.Event, trimmed: Trimmed | None, *, taken_back: bool) -> str | None:
    """Say why there are no bytes to open: taken back, or let go by the server; a place that nothing explains raises."""
    if taken_back or event.envelope is not None:
        return "retracted" if taken_back else None
    if trimmed is None or event.seq >= trimmed.first:
        raise ProtocolError("withheld", "a place without its message")
    return "trimmed"


def _next_record(opened: Opened, event: wire.Event, newest: int) -> int:
    """Give the epoch that begins; it is the one of the chain, and begins after those before it (7.4)."""
    if event.epoch is None or opened.chain.record(event.epoch).wire != event.record:
        raise ProtocolError("fork", "a record in the log")
    if event.epoch <= newest:
        raise ProtocolError("fork", "an epoch that begins at a second place")
    return event.epoch


def _line(opened: Opened, event: wire.Event, newest: int, *, gone: str | None) -> Line:
    assert event.id is not None, "envelope events have an id (api.md 4)"
    if gone is not None:
        kind = event.kind or "message"
        return Line(
            event.seq, event.at, event.id, None, retracted=gone == "retracted", trimmed=gone == "trimmed", kind=kind
        )
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
    right = log.reply_right()
    decided = right.by is not None or not any(line.trimmed for line in log.lines)  # else what decided it is gone
    if known and at_once and decided:
        right.require_mirrored(policy.reply, policy.until)
