"""An envelope: one message, signed by a device and sealed under the key of an epoch.

Source: docs/spec/protocol.md 7.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from crypto import aead, codec, content, kdf, sign
from crypto.account import OwnAccount
from crypto.account_chain import AccountChain
from crypto.content import Content, Kind, Payload, Said
from crypto.conversation import Opened
from crypto.epoch import EpochKeys
from crypto.epoch_record import EpochRecord, Member
from crypto.errors import ProtocolError, require
from crypto.secret import Random, same, system_random
from crypto.suite import SIGNATURE, SUITE, TAG, VERSION, digest

MAX_ENVELOPE: Final = 262_144  # bytes
HEADER: Final = 54
SALT: Final = 32
_KEYED: Final = 22  # bytes of the header that the key depends on
_PREFIX: Final = 16  # bytes of the conversation id in the header


@dataclass(frozen=True, slots=True)
class Header:
    """What a server sees of an envelope."""

    conversation: bytes
    """First 16 bytes of the conversation id."""
    epoch: int
    raw: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Message:
    """An accepted message."""

    id: bytes
    epoch: int
    author: Member
    content: Content
    old_epoch: bool
    """It came under an older epoch after somebody was removed: show it with a warning."""


def message_id(wire: bytes) -> bytes:
    """The id of a message and of its envelope: 32 bytes."""
    return digest("message-id", wire)


def read_header(wire: bytes) -> Header:
    """Read what a server checks (``bad_format``)."""
    require(HEADER + TAG <= len(wire) <= MAX_ENVELOPE, "bad_format", "length of the envelope")
    require(wire[0] == VERSION and wire[1] == SUITE, "bad_format", "version")
    return Header(wire[2:18], int.from_bytes(wire[18:22]), wire[:HEADER])


def seal_message(
    payload: Payload,
    own: OwnAccount,
    opened: Opened,
    *,
    at: int,
    parents: Sequence[bytes] = (),
    random: Random = system_random,
) -> bytes:
    """Sign with the own device and seal under the newest epoch; returns the envelope.

    Args:
        payload: from ``content.words``, ``receipt``, ``end`` or ``profile``.
        own: the author; its holder must be a device.
        opened: the conversation; the author is a member of its newest epoch.
        at: milliseconds.
        parents: ids of the newest messages seen that no other seen message names (``heads``), at most 8.
        random: randomness (32 bytes are drawn).

    Raises:
        ProtocolError: ``bad_device``, ``fork``, ``not_permitted``, ``bad_format``: what a reader would refuse.

    """
    said = Said(own.id, own.holder.id, own.chain.position, own.chain.head)
    written = content.write(payload, said, at=at, parents=parents)
    record = opened.chain.head
    author = _author(content.read(written), record, own.chain)
    _require_role(payload.type, author.member)
    header = bytes([VERSION, SUITE]) + opened.id[:_PREFIX] + record.epoch.to_bytes(4) + random(SALT)
    signature = own.holder.sign.sign("message", header + record.hash + written)
    return seal_inner(header, opened.keys, codec.pad(written, signature))


def seal_inner(header: bytes, keys: EpochKeys, inner: bytes) -> bytes:
    """Seal a padded inner under a header of 54 bytes."""
    key, nonce = _key_and_nonce(header, keys)
    wire = header + aead.seal(key, nonce, inner, header)
    require(len(wire) <= MAX_ENVELOPE, "bad_format", "length of the envelope")
    return wire


def open_message(wire: bytes, opened: Opened, *, kind: Kind, newest: int | None = None) -> Message:
    """Open an envelope and check it.

    Args:
        wire: the envelope.
        opened: the conversation; the author's chain in it must be known up to the position that the message names.
        kind: the clear kind beside the envelope.
        newest: the newest epoch at the place where the message stands in the log; ``None`` when not asked.

    Raises:
        ProtocolError: in this order ``bad_format``, ``unknown_epoch``, ``open_failed``, ``bad_format``, ``bad_device``,
            ``fork``, ``bad_signature``, ``not_permitted``, ``wrong_kind``.

    """
    header = read_header(wire)
    require(header.conversation == opened.id[:_PREFIX], "bad_format", "another conversation")
    require(header.epoch in opened.keyring, "unknown_epoch")
    record = opened.chain.record(header.epoch)
    key, nonce = _key_and_nonce(header.raw, opened.keyring[header.epoch])
    written, signature = codec.unpad(aead.unseal(key, nonce, wire[HEADER:], header.raw), SIGNATURE)
    said = content.read(written)
    author = _author(said, record, opened.accounts.get(said.author))
    signed = header.raw + record.hash + written
    require(sign.verify(author.sign, "message", signed, signature), "bad_signature")
    _require_role(said.type, author.member)
    require(said.kind == kind, "wrong_kind")
    old = newest is not None and opened.chain.removed_since(record.epoch, newest)
    return Message(message_id(wire), record.epoch, author.member, said, old)


def heads(messages: Iterable[Message]) -> list[bytes]:
    """Ids of the messages that no other one names: the parents of the next message (at most 8, the last ones)."""
    seen = list(messages)
    named = {parent for message in seen for parent in message.content.parents}
    return [message.id for message in seen if message.id not in named][-content.MAX_PARENTS :]


def withheld(messages: Iterable[Message], known: Iterable[bytes] = ()) -> set[bytes]:
    """Parents that did not arrive. Still there when all is fetched, they are the alarm ``withheld``.

    A member without the earlier history does not get what was said before it came: pass those ids as ``known``, or ask
    only for messages of epochs it may read.
    """
    seen = list(messages)
    here = {message.id for message in seen} | set(known)
    return {parent for message in seen for parent in message.content.parents} - here


@dataclass(frozen=True, slots=True)
class _Author:
    member: Member
    sign: bytes


def _author(said: Content, record: EpochRecord, chain: AccountChain | None) -> _Author:
    member = record.members.get(said.author)
    if member is None or chain is None:
        raise ProtocolError("bad_device", "the author is no member")
    device = chain.device_at(said.device, said.position)
    if device is None or said.position < member.position:
        raise ProtocolError("bad_device", "device")
    require(same(said.head, chain.heads[said.position]), "fork", "another chain of the author")
    return _Author(member, device.sign)


def _require_role(kind: str, member: Member) -> None:
    may_end = member.role in {"owner", "professional"}
    require(kind != "end" or may_end, "not_permitted", "only a professional ends a conversation")


def _key_and_nonce(header: bytes, keys: EpochKeys) -> tuple[bytes, bytes]:
    return kdf.key_and_nonce("message", keys.cek, context=header[:_KEYED], salt=header[_KEYED:])
