"""Operations of the groups messages and attachments."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vectors.perform_conversation import accounts_of, read_keys, records_of

from crypto import attachment, codec, content, envelope, epoch_record, holder, mailed, reply_right
from crypto.attachment import FileKey, Sealer, Seeker
from crypto.codec import b64, unb64
from crypto.conversation import Opened
from crypto.conversation_chain import ConversationChain
from crypto.envelope import Message
from crypto.epoch_record import Member
from crypto.errors import require
from crypto.secret import Secret
from crypto.suite import NO_HASH

Plain = dict[str, Any]


def _seal(given: Plain, shared: Plain) -> Plain:
    device = holder.from_seed(Secret(unb64(given["seed"])), kind="device", name="")
    record = epoch_record.read(unb64(shared["records"][given["record"]]))
    keys = read_keys(given["keys"])
    prefix = (record.draft.conversation or record.hash)[:16]
    header = b"\1\1" + prefix + record.epoch.to_bytes(4) + unb64(given["salt"])
    written = unb64(given["content"])
    content.read(written)
    signature = device.sign.sign("message", header + record.hash + written)
    wire = envelope.seal_inner(header, keys, codec.pad(written, signature))
    return {"envelope": wire, "id": envelope.message_id(wire)}


def _open(given: Plain, shared: Plain) -> Plain:
    accounts = accounts_of(given, shared)
    chain = ConversationChain.replay(records_of(given, shared), accounts)
    keyring = {keys["epoch"]: read_keys(keys) for keys in given["keys"]}
    opened = Opened(chain, keyring, accounts)
    message = envelope.open_message(unb64(given["envelope"]), opened, kind=given["kind"], newest=given["newest"])
    said = message.content
    return {
        "id": message.id,
        "epoch": message.epoch,
        "author": said.author,
        "role": message.author.role,
        "type": said.type,
        "at": said.at,
        "parents": list(said.parents),
        "known": said.known,
        "old_epoch": message.old_epoch,
    }


def _content(given: Plain, _: Plain) -> Plain:
    said = content.read(unb64(given["content"]))
    return {"type": said.type, "known": said.known, "kind": said.kind}


def _log(given: Plain) -> list[tuple[int, Message]]:
    log = []
    for entry in given["log"]:
        said = content.read(unb64(entry["content"]))
        author = Member(said.author, "user", entry["role"], "full", NO_HASH, 0, 1, NO_HASH, NO_HASH)
        log.append((entry["seq"], Message(unb64(entry["id"]), 1, author, said, old_epoch=False)))
    return log


def _reply_right(given: Plain, _: Plain) -> Plain:
    right = reply_right.compute(message for _, message in _log(given))
    if given.get("mirror"):
        right.require_mirrored(given["mirror"]["reply"], given["mirror"]["until"])
    return {
        "reply": right.state,
        "until": right.until,
        "by": right.by,
        "may_reply": right.may_reply(at=given["at"]),
    }


def _readers(given: Plain, _: Plain) -> Plain:
    log = {message.id: (seq, message) for seq, message in _log(given)}
    found = reply_right.readers(log, unb64(given["message"]))
    return {"readers": [{"member": each.member, "at": each.at} for each in found]}


def _mailed(given: Plain, _: Plain) -> Plain:
    messages = [message for _, message in _log(given)]
    found = [
        {"message": target, "bridge": bridge, "state": said.state, "reason": said.reason}
        for target, states in mailed.compute(messages).items()
        for bridge, said in states.items()
    ]
    return {"mailed": found, "bridges": sorted(map(b64, mailed.bridges(messages)))}


def _replaced(given: Plain, _: Plain) -> Plain:
    found = reply_right.replaced(message for _, message in _log(given))
    return {"replaced": [{"old": old, "new": new} for old, new in found.items()]}


def _withheld(given: Plain, _: Plain) -> Plain:
    require(not envelope.withheld(message for _, message in _log(given)), "withheld")
    return {"heads": envelope.heads(message for _, message in _log(given))}


def plaintext(size: int) -> bytes:
    """The test file of that size: byte i is (7 i + i // 251) mod 256."""
    return bytes((7 * i + i // 251) & 255 for i in range(size))


def _sealed(given: Plain, data: bytes) -> tuple[content.Attachment, bytes]:
    draws = iter((unb64(given["salt"]), unb64(given["prefix"])))
    file = FileKey(unb64(given["id"]), Secret(unb64(given["key"])))
    sealer = Sealer(file, [data], lambda _: next(draws))
    sealed = b"".join(sealer)
    return sealer.seals.reference(file, name="file", media_type="application/octet-stream"), sealed


def _seal_file(given: Plain, _: Plain) -> Plain:
    reference, sealed = _sealed(given, plaintext(given["size"]))
    told = {"sealed": sealed} if len(sealed) < 1000 else {}
    return {
        "sealed_size": len(sealed),
        "sealed_sha256": reference.sealed_sha256,
        "sha256": reference.sha256,
        **told,
    }


_CHANGES: dict[str, Callable[[bytes, Any], bytes]] = {
    "none": lambda sealed, _: sealed,
    "cut": lambda sealed, length: sealed[:length],
    "flip": lambda sealed, at: sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :],
    "append": lambda sealed, more: sealed + bytes(more),
    "swap": lambda sealed, pair: _swap(sealed, *pair),
    "drop": lambda sealed, number: sealed[: number * 65_536] + sealed[(number + 1) * 65_536 :],
    "repeat": lambda sealed, number: sealed[: (number + 1) * 65_536] + sealed[number * 65_536 :],
}


def _swap(sealed: bytes, one: int, other: int) -> bytes:
    pieces = [sealed[i : i + 65_536] for i in range(0, len(sealed), 65_536)]
    pieces[one], pieces[other] = pieces[other], pieces[one]
    return b"".join(pieces)


def _open_file(given: Plain, _: Plain) -> Plain:
    reference, sealed = _sealed(given, plaintext(given["size"]))
    changed = _CHANGES[given["change"]](sealed, given["by"])
    told = {key: unb64(value) if isinstance(value, str) else value for key, value in given["told"].items()}
    opened = b"".join(attachment.open_stream(replace(reference, **told), [changed]))
    assert opened == plaintext(given["size"])
    return {"sha256": reference.sha256}


def _segment(given: Plain, _: Plain) -> Plain:
    reference, sealed = _sealed(given, plaintext(given["size"]))
    number = given["segment"]
    start, end = attachment.sealed_range(number, len(sealed))
    seeker = Seeker(reference, sealed[:40])
    piece = seeker.open_segment(number, sealed[start + given["shift"] : end + given["shift"]])
    offset = attachment.plain_offset(number)
    assert piece == plaintext(given["size"])[offset : offset + len(piece)]
    return {"start": start, "end": end, "offset": offset, "length": len(piece)}


def _sizes(given: Plain, _: Plain) -> Plain:
    return {
        "segments": attachment.segments(given["size"]),
        "sealed_size": attachment.sealed_size(given["size"]),
    }


OPERATIONS = {
    "messages": {
        "seal": _seal,
        "open": _open,
        "content": _content,
        "reply_right": _reply_right,
        "readers": _readers,
        "mailed": _mailed,
        "replaced": _replaced,
        "withheld": _withheld,
    },
    "attachments": {"sizes": _sizes, "seal": _seal_file, "open": _open_file, "segment": _segment},
}
