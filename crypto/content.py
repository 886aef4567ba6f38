"""What a message says: the signed content and its payloads.

Source: docs/spec/protocol.md 7.3 and 8.3.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from crypto import checkpoint, codec
from crypto.codec import b64
from crypto.errors import require
from crypto.schema import (
    Field,
    at_least,
    binary,
    exact,
    integer,
    listed,
    null,
    nullable,
    one_of,
    require_sorted,
    text,
    time,
)
from crypto.suite import ACCOUNT_ID, ATTACHMENT_ID, HASH, HOLDER_ID, KEY, VERSION

Kind = Literal["message", "receipt", "end"]
"""What stands in the clear beside an envelope."""
Reply = Literal["open", "none", "keep"] | Mapping[Literal["until"], int] | None
"""``keep`` says nothing about it: no word on the reply right (7.5)."""

MailState = Literal["handed", "delivered", "failed"]
"""What became of a message as mail: the next server has it, it lies in the mailbox, it will not arrive."""

MAX_CONTENT: Final = 131_072  # bytes
MAX_TEXT: Final = 65_536
MAX_PARENTS: Final = 8
MAX_STATES: Final = 64  # messages that one ``mailed`` speaks of
DOCUMENTS: Final = ("prescription", "advice", "report", "letter", "image", "other")
_TYPE: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_REASON: Final = re.compile(r"[a-z0-9_]{1,64}")
_KINDS: Final[Mapping[str, Kind]] = {
    "appointment": "message",
    "end": "end",
    "mailed": "receipt",
    "profile": "message",
    "receipt": "receipt",
    "text": "message",
}


@dataclass(frozen=True, slots=True)
class Attachment:
    """A signed reference to a sealed file."""

    id: bytes
    key: bytes = field(repr=False)
    media_type: str
    name: str = field(repr=False)
    sealed_sha256: bytes = field(repr=False)
    sealed_size: int
    sha256: bytes = field(repr=False)
    size: int
    title: str = field(default="", repr=False)
    document: str | None = None

    def plain(self) -> dict[str, Any]:
        """As it stands in a payload."""
        return {
            "document": self.document,
            "id": b64(self.id),
            "key": b64(self.key),
            "media_type": self.media_type,
            "name": self.name,
            "sealed_sha256": b64(self.sealed_sha256),
            "sealed_size": self.sealed_size,
            "sha256": b64(self.sha256),
            "size": self.size,
            "title": self.title,
        }


@dataclass(frozen=True, slots=True)
class Content:
    """A well-formed content. ``payload`` has decoded values: bytes for ids, ``Attachment`` for references."""

    type: str
    author: bytes
    device: bytes
    position: int
    head: bytes = field(repr=False)
    at: int
    parents: tuple[bytes, ...] = field(repr=False)
    payload: Mapping[str, Any] = field(repr=False)

    @property
    def known(self) -> bool:
        """False for a type of a later version: show "needs a newer version", never drop it."""
        return self.type in _KINDS

    @property
    def kind(self) -> Kind:
        """The clear kind it belongs to; what is not known counts as ``message``."""
        return _kind(self.type, self.payload)


@dataclass(frozen=True, slots=True)
class Payload:
    """What to send: a type and its plain payload. Made by ``words``, ``receipt``, ``end``, ``profile`` and others."""

    type: str
    plain: Mapping[str, Any] = field(repr=False)

    @property
    def kind(self) -> Kind:
        """What the server is told."""
        return _kind(self.type, self.plain)


def _kind(said: str, payload: Mapping[str, Any]) -> Kind:
    """Give the clear kind; "I cannot come" is said whatever the reply right is (docs/spec/appointments.md 1)."""
    if said == "appointment" and payload.get("act") == "cannot_come":
        return "receipt"
    return _KINDS.get(said, "message")


def words(
    text: str,
    *,
    attachments: Sequence[Attachment] = (),
    reply: Reply = None,
    replaces: bytes | None = None,
    via: Mapping[str, Any] | None = None,
) -> Payload:
    """A ``text``; ``reply`` is for owners and professionals only, others leave ``None``; ``via`` for bridges (7.3)."""
    listed_attachments = [each.plain() for each in attachments]
    replaced = b64(replaces) if replaces else None
    plain_reply = dict(reply) if isinstance(reply, Mapping) else reply
    plain = {"attachments": listed_attachments, "replaces": replaced, "reply": plain_reply, "text": text}
    return Payload("text", plain if via is None else {**plain, "via": dict(via)})


def receipt(upto: bytes, *, opened: Sequence[tuple[bytes, bytes]] = ()) -> Payload:
    """A ``receipt``: all up to a message id is read; ``opened`` are pairs of message id and attachment id."""
    pairs = [{"attachment": b64(attachment), "message": b64(message)} for message, attachment in opened]
    return Payload("receipt", {"opened": pairs, "upto": b64(upto)})


def mailed(states: Sequence[tuple[bytes, MailState, str | None]]) -> Payload:
    """A ``mailed`` of a bridge: message id, what became of it as mail, with ``failed`` a stable code or ``None``."""
    listed_states = [{"message": b64(message), "reason": why, "state": state} for message, state, why in states]
    return Payload("mailed", {"states": listed_states})


def end(reason: str = "") -> Payload:
    """An ``end``: no answer is expected any more."""
    return Payload("end", {"text": reason})


def appointment(act: Mapping[str, Any]) -> Payload:
    """An ``appointment``: one act, with all its keys (docs/spec/appointments.md 1 and 2)."""
    return Payload("appointment", act)


def profile(name: str) -> Payload:
    """A ``profile``: how the author wants to be called here."""
    return Payload("profile", {"name": name})


@dataclass(frozen=True, slots=True)
class Said:
    """Who says it: the account, its device, and how far the author's chain is."""

    author: bytes
    device: bytes
    position: int
    head: bytes = field(repr=False)


def write(payload: Payload, said: Said, *, at: int, parents: Sequence[bytes]) -> bytes:
    """Encode a content (``bad_format`` if no reader would accept it)."""
    encoded = codec.encode(
        {
            "at": at,
            "author": b64(said.author),
            "checkpoint": checkpoint.NONE,
            "device": b64(said.device),
            "head": b64(said.head),
            "parents": sorted({b64(parent) for parent in parents}),
            "payload": dict(payload.plain),
            "position": said.position,
            "type": payload.type,
            "v": VERSION,
        }
    )
    read(encoded)
    return encoded


def read(data: bytes) -> Content:
    """Read a content.

    Raises:
        ProtocolError: ``bad_format``.

    """
    require(len(data) <= MAX_CONTENT, "bad_format", "content too long")
    fields = exact(codec.decode(data), _FIELDS)
    del fields["v"], fields["checkpoint"]
    require_sorted(fields["parents"])
    payload = _PAYLOADS.get(fields["type"])
    if payload is not None:
        known = at_least(fields["payload"], payload)
        fields["payload"] = {**_kept(fields["type"], fields["payload"]), **known}
    return Content(**fields)


def _kept(said: str, payload: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the keys that are passed on as they are: those of an act, and where a text came from (7.3)."""
    if said == "text":
        return {"via": payload["via"]} if type(payload.get("via")) is dict else {}
    return payload if said == "appointment" else {}


def _type(value: Any) -> str:
    require(type(value) is str and _TYPE.fullmatch(value), "bad_format", "type")
    return str(value)


def _payload(value: Any) -> dict[str, Any]:
    require(type(value) is dict, "bad_format", "payload")
    return dict(value)


def _reply(value: Any) -> Reply:
    if value is None or type(value) is str:
        return nullable(one_of("open", "none", "keep"))(value)  # type: ignore[no-any-return]  # a field reads Any
    return {"until": exact(value, {"until": time})["until"]}


def _file_name(value: Any) -> str:
    name: str = text(255, 1)(value)
    plain = all(unicodedata.category(each) != "Cc" and each not in "/\\" for each in name)
    require(plain and name not in {".", ".."}, "bad_format", "name of a file")
    return name


def _attachment(value: object) -> Attachment:
    return Attachment(**exact(value, _ATTACHMENT))


def _opened(value: object) -> tuple[bytes, bytes]:
    pair = exact(value, {"attachment": binary(ATTACHMENT_ID), "message": binary(HASH)})
    return pair["message"], pair["attachment"]


def _reason(value: Any) -> str:
    require(type(value) is str and _REASON.fullmatch(value), "bad_format", "reason")
    return str(value)


def _mail_state(value: object) -> tuple[bytes, MailState, str | None]:
    said = exact(value, _MAIL_STATE)
    require(said["reason"] is None or said["state"] == "failed", "bad_format", "a reason for no failure")
    return said["message"], said["state"], said["reason"]


_ATTACHMENT: Final[Mapping[str, Field]] = {
    "document": nullable(one_of(*DOCUMENTS)),
    "id": binary(ATTACHMENT_ID),
    "key": binary(KEY),
    "media_type": text(255, 1),
    "name": _file_name,
    "sealed_sha256": binary(HASH),
    "sealed_size": integer(),
    "sha256": binary(HASH),
    "size": integer(),
    "title": text(200),
}
_MAIL_STATE: Final[Mapping[str, Field]] = {
    "message": binary(HASH),
    "reason": nullable(_reason),
    "state": one_of("handed", "delivered", "failed"),
}
_PAYLOADS: Final[Mapping[str, Mapping[str, Field]]] = {
    "appointment": {"act": _type, "reply": _reply, "version": integer(1)},
    "text": {
        "attachments": listed(_attachment, high=20),
        "replaces": nullable(binary(HASH)),
        "reply": _reply,
        "text": text(MAX_TEXT),
    },
    "receipt": {"opened": listed(_opened, high=64), "upto": binary(HASH)},
    "mailed": {"states": listed(_mail_state, low=1, high=MAX_STATES)},
    "end": {"text": text(MAX_TEXT)},
    "profile": {"name": text(120, 1)},
}
_FIELDS: Final[Mapping[str, Field]] = {
    "at": time,
    "author": binary(ACCOUNT_ID),
    "checkpoint": null,
    "device": binary(HOLDER_ID),
    "head": binary(HASH),
    "parents": listed(binary(HASH), high=MAX_PARENTS),
    "payload": _payload,
    "position": integer(),
    "type": _type,
    "v": integer(VERSION, VERSION),
}
