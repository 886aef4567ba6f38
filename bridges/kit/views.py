"""Messages as scripts, exports and people see them: plain values, nothing left out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridges.kit.log import Line, Log
from bridges.kit.people import People
from bridges.kit.wire import to_text
from crypto import mailed, reply_right
from crypto.content import Attachment
from crypto.mailed import Mailed


def attachment_view(attachment: Attachment, path: str | None) -> dict[str, Any]:
    """Describe a document; ``path`` is where it was saved."""
    return {
        "id": to_text(attachment.id),
        "name": attachment.name,
        "title": attachment.title,
        "document": attachment.document,
        "media_type": attachment.media_type,
        "size": attachment.size,
        "sha256": attachment.sha256.hex(),
        "path": path,
    }


def attachments_of(line: Line) -> list[Attachment]:
    """List the documents of a message."""
    if line.message is None or line.message.content.type != "text":
        return []
    return list(line.message.content.payload["attachments"])


def is_receipt(line: Line) -> bool:
    """Tell whether a line only says what became of others: that they were read, or how far they came as mail."""
    return line.message is not None and line.message.content.type in {"receipt", "mailed"}


def message_views(
    log: Log, people: People, *, delivered: Mapping[bytes, int] | None = None, paths: Mapping[bytes, str] | None = None
) -> list[dict[str, Any]]:
    """Describe every message that is here, in order. Receipts show in ``read_by`` and ``opened_by`` of others.

    Args:
        log: opened.
        people: of the conversation.
        delivered: the last seq on a device of each member, as the server says; ``None`` leaves the state out.
        paths: where documents were saved, by attachment id.

    """
    known = _known(log, delivered)
    shown = [line for line in log.lines if not line.trimmed and not is_receipt(line)]
    return [_message(line, log, people, known, paths=paths or {}) for line in shown]


def beginning_view(log: Log) -> dict[str, int] | None:
    """Say where the server's log begins, and how many messages before it are not here; none: it has everything."""
    if log.trimmed is None:
        return None
    missing = sum(line.trimmed and line.kind != "receipt" for line in log.lines)
    return {"from": log.trimmed.first, "before": log.trimmed.before, "missing": missing}


def message_view(line: Line, log: Log, people: People, *, delivered: Mapping[bytes, int]) -> dict[str, Any]:
    """Describe one message of a log."""
    return _message(line, log, people, _known(log, delivered), paths={})


@dataclass(frozen=True, slots=True)
class _Known:
    """What the whole log says about its lines."""

    replaced: Mapping[bytes, bytes]
    mailed: Mapping[bytes, Mapping[bytes, Mailed]]
    bridges: frozenset[bytes]
    delivered: Mapping[bytes, int] | None


def _known(log: Log, delivered: Mapping[bytes, int] | None) -> _Known:
    messages = log.messages
    return _Known(reply_right.replaced(messages), mailed.compute(messages), mailed.bridges(messages), delivered)


def _message(line: Line, log: Log, people: People, known: _Known, *, paths: Mapping[bytes, str]) -> dict[str, Any]:
    readers = log.readers(line)
    view: dict[str, Any] = {
        "id": to_text(line.id),
        "seq": line.seq,
        "at": line.at,
        "author": None,
        "type": "retracted" if line.retracted else "trimmed" if line.trimmed else "invalid",
        "text": "",
        "reply": None,
        "replaced_by": to_text(known.replaced[line.id]) if line.id in known.replaced else None,
        "read_by": [{"name": people.name(m), "account": to_text(m), "at": at} for m, at in sorted(readers.items())],
        "mailed": [
            {"name": people.name(m), "account": to_text(m), "state": said.state, "reason": said.reason}
            for m, said in sorted(known.mailed.get(line.id, {}).items())
        ],
        "attachments": [attachment_view(a, paths.get(a.id)) for a in attachments_of(line)],
        "warning": line.error,
    }
    if known.delivered is not None:
        view["state"] = _state(line, readers, known, known.delivered)
    if line.message:
        content = line.message.content
        view |= {"author": people.author(line.message.author), "type": content.type, "written_at": content.at}
        view |= {"text": str(content.payload.get("text", "")), "reply": content.payload.get("reply")}
        if content.type == "appointment":
            view["appointment"] = {name: value for name, value in content.payload.items() if name != "reply"}
        view["warning"] = "old_epoch" if line.message.old_epoch else None if content.known else "unknown_version"
    return view


def _state(line: Line, readers: Mapping[bytes, int], known: _Known, delivered: Mapping[bytes, int]) -> str:
    """Give failed, read, delivered, handed or accepted: what has happened to it at anybody else than its author."""
    if line.retracted or line.trimmed:
        return "retracted" if line.retracted else "trimmed"
    at_bridges = known.mailed.get(line.id, {})
    if any(said.state == "failed" and bridge not in readers for bridge, said in at_bridges.items()):
        return "failed"
    if readers:
        return "read"
    others = known.bridges | {line.message.author.id if line.message else None}
    mail = {said.state for said in at_bridges.values()}
    if "delivered" in mail or any(seq >= line.seq for who, seq in delivered.items() if who not in others):
        return "delivered"
    return "handed" if "handed" in mail else "accepted"
