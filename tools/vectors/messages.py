"""The group messages."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from vectors import mail_words, reply_words
from vectors.kit import NOW, Group, drbg, flip
from vectors.world import Person, World

from crypto import account, codec, content, envelope
from crypto.account import OwnAccount
from crypto.codec import b64
from crypto.content import Attachment, Payload, Said
from crypto.conversation import NewEpoch
from crypto.epoch import EpochKeys
from crypto.suite import TAG

EVERYBODY = ["claire", "karim", "jean", "nora", "mallory"]
FILE = Attachment(
    id=bytes(range(16)),
    key=bytes(range(32)),
    media_type="application/pdf",
    name="ordonnance.pdf",
    sealed_sha256=bytes(32),
    sealed_size=1056,
    sha256=bytes(range(32, 64)),
    size=1000,
    title="Ordonnance",
    document="prescription",
)


class Desk:
    """Makes envelopes, honest and otherwise, and the cases that open them."""

    def __init__(self, group: Group, world: World) -> None:
        self.group, self.world = group, world
        self.random = drbg("messages")

    def keys(self, *epochs: int) -> list[dict[str, Any]]:
        """Content keys of the conversation, as the vectors tell them."""
        keyring = self.world.epochs["rotate"].opened.keyring
        return [_plain(keyring[number]) for number in epochs or sorted(keyring)]

    def given(self, wire: bytes, kind: str = "message", **more: Any) -> dict[str, Any]:
        """A case that opens ``wire``."""
        base = {"accounts": EVERYBODY, "records": self.world.names, "keys": self.keys(), "newest": None}
        return {**base, "envelope": wire, "kind": kind, **more}

    def seal(self, who: Person, payload: Payload, epoch: str = "rotate", **more: Any) -> bytes:
        """An honest envelope."""
        opened = self.world.epochs[epoch].opened
        return envelope.seal_message(payload, who.own, opened, at=NOW, random=self.random, **more)

    def forge(
        self,
        own: OwnAccount,
        payload: Payload,
        said: Said | None = None,
        *,
        epoch: str = "rotate",
        record: bytes | None = None,
        content_bytes: bytes | None = None,
        header: bytes | None = None,
    ) -> bytes:
        """An envelope that says what it likes, signed by the device of ``own``."""
        opened = self.world.epochs[epoch].opened
        said = said or Said(own.id, own.holder.id, own.chain.position, own.chain.head)
        written = content_bytes if content_bytes is not None else content.write(payload, said, at=NOW, parents=())
        header = header or _header(self.world.epochs[epoch]) + self.random(32)
        signature = own.holder.sign.sign("message", header + (record or opened.chain.head.hash) + written)
        return envelope.seal_inner(header, opened.keys, codec.pad(written, signature))


def _header(epoch: NewEpoch) -> bytes:
    return b"\1\1" + epoch.opened.id[:16] + epoch.opened.chain.epoch.to_bytes(4)


def _plain(keys: EpochKeys) -> dict[str, Any]:
    return {"epoch": keys.epoch, "cek": keys.cek.reveal(), "lk": keys.lk.reveal() if keys.lk else None}


def messages_group() -> Group:
    world = World()
    group = Group("messages", "envelopes, contents, and what is computed from the log (protocol.md 7)", world.shared())
    desk = Desk(group, world)
    _good(desk)
    _sealed(desk)
    _broken(desk)
    _lies(desk)
    _contents(group, world)
    _inner(desk)
    _log(group, world)
    return group


def _good(desk: Desk) -> None:
    group, world = desk.group, desk.world
    claire, jean = world.claire, world.jean
    first = desk.seal(claire, content.words("Bonjour, é 😀", reply="open"))
    parent = envelope.message_id(first)
    group.ok("text", "open", **desk.given(first))
    answer = desk.seal(jean, content.words("Merci", attachments=[FILE], replaces=parent), parents=[parent, bytes(32)])
    group.ok("text with a file and parents", "open", **desk.given(answer))
    group.ok("text until a time", "open", **desk.given(desk.seal(claire, content.words("", reply={"until": NOW + 1}))))
    group.ok(
        "receipt", "open", **desk.given(desk.seal(jean, content.receipt(parent, opened=[(parent, FILE.id)])), "receipt")
    )
    group.ok("end", "open", **desk.given(desk.seal(claire, content.end("Guéri")), "end"))
    group.ok("profile", "open", **desk.given(desk.seal(jean, content.profile("Jean D."))))
    group.ok("delegate writes", "open", **desk.given(desk.seal(world.nora, content.words("Sa fille"))))
    grown = replace(jean.own, chain=account.rotate(jean.own, at=NOW, random=drbg("later")).own.chain)
    group.shared["accounts"]["jean, later"] = [
        *jean.links,
        account.rotate(jean.own, at=NOW, random=drbg("later")).links[0],
    ]
    ahead = envelope.seal_message(content.words("x"), grown, world.epochs["rotate"].opened, at=NOW, random=desk.random)
    later = ["claire", "karim", "jean, later", "nora", "mallory"]
    group.ok("author further in its chain", "open", **desk.given(ahead, accounts=later))
    group.refused("author further than known", "bad_device", "open", **desk.given(ahead))
    unknown = desk.forge(claire.own, Payload("poll", {"question": "?"}))
    group.ok("type of a later version", "open", **desk.given(unknown))
    group.ok(
        "payload with more keys",
        "open",
        **desk.given(desk.forge(claire.own, Payload("profile", {"colour": 1, "name": "x"}))),
    )
    old = desk.seal(jean, content.words("before"), "add")
    group.ok("older epoch, not asked", "open", **desk.given(old))
    group.ok("older epoch, nobody removed", "open", **desk.given(old, newest=4))
    group.ok("older epoch after a removal", "open", **desk.given(old, newest=5))
    group.ok("the newest epoch", "open", **desk.given(first, newest=7))
    for size in (0, 1, 100, 1000, 4000, 65_536):
        wire = desk.seal(claire, content.words("x" * size))
        if size < 4001:
            group.ok(f"text of {size} bytes", "open", **desk.given(wire))


def _sealed(desk: Desk) -> None:
    group, world = desk.group, desk.world
    for who, name in ((world.claire, "rotate"), (world.jean, "claim")):
        said = Said(who.id, who.device.id, who.own.chain.position, who.own.chain.head)
        written = content.write(content.words("scellé", reply=None), said, at=NOW, parents=())
        keys = _plain(world.epochs[name].opened.keys)
        given = {"seed": who.seed, "record": name, "keys": keys, "salt": desk.random(32), "content": written}
        sealed = group.ok(f"sealed in {name}, byte for byte", "seal", **given)
        group.ok(f"opened in {name}", "open", **desk.given(codec.unb64(sealed["envelope"])))


def _broken(desk: Desk) -> None:
    group = desk.group
    wire = desk.seal(desk.world.jean, content.words("Bonjour"))
    flips = {"salt": 30, "first byte of the body": 54, "tag": -1}
    for name, at in flips.items():
        group.refused(f"flipped: {name}", "open_failed", "open", **desk.given(flip(wire, at)))
    group.refused("flipped: version", "bad_format", "open", **desk.given(flip(wire, 0, 1)))
    group.refused("flipped: suite", "bad_format", "open", **desk.given(flip(wire, 1, 1)))
    group.refused("flipped: conversation", "bad_format", "open", **desk.given(flip(wire, 5)))
    group.refused("flipped: epoch to another known one", "open_failed", "open", **desk.given(flip(wire, 21, 1)))
    group.refused("epoch that is not known", "unknown_epoch", "open", **desk.given(flip(wire, 20, 0)))
    group.refused("epoch 0", "unknown_epoch", "open", **desk.given(wire[:18] + bytes(4) + wire[22:]))
    group.refused("epoch whose key is not known", "unknown_epoch", "open", **desk.given(wire, keys=desk.keys(1, 2)))
    for length in (0, 1, 53, 54, 69):
        group.refused(f"cut to {length}", "bad_format", "open", **desk.given(wire[:length]))
    for length in (70, 200, len(wire) - 1):
        group.refused(f"cut to {length}", "open_failed", "open", **desk.given(wire[:length]))
    group.refused("a byte after", "open_failed", "open", **desk.given(wire + b"\0"))
    wrong = [{**desk.keys(7)[0], "cek": bytes(32)}]
    group.refused("another content key", "open_failed", "open", **desk.given(wire, keys=wrong))


def _lies(desk: Desk) -> None:
    group, world = desk.group, desk.world
    claire, jean, karim, mallory = world.claire, world.jean, world.karim, world.mallory
    said = Said(jean.id, jean.device.id, jean.own.chain.position, jean.own.chain.head)
    text = content.words("x")

    def refused(name: str, code: str, wire: bytes, kind: str = "message", **more: Any) -> None:
        group.refused(name, code, "open", **desk.given(wire, kind, **more))

    refused("signed by somebody else", "bad_signature", desk.forge(claire.own, text, said))
    refused(
        "device of somebody else", "bad_device", desk.forge(claire.own, text, replace(said, device=claire.device.id))
    )
    refused("author is no member", "bad_device", desk.forge(mallory.own, text))
    refused("author was removed", "bad_device", desk.forge(karim.own, text, epoch="remove"))
    refused("author before it came", "bad_device", desk.forge(karim.own, text, epoch="claim"))
    paper = replace(jean.own, holder=jean.code.holder())
    refused("signed by a recovery code", "bad_device", desk.forge(paper, text))
    refused(
        "position before the record's",
        "bad_device",
        desk.forge(jean.own, text, replace(said, position=1, head=jean.own.chain.heads[1])),
    )
    refused("position beyond the chain", "bad_device", desk.forge(jean.own, text, replace(said, position=9)))
    refused("another head", "fork", desk.forge(jean.own, text, replace(said, head=bytes(32))))
    refused(
        "signed for another epoch's record",
        "bad_signature",
        desk.forge(jean.own, text, record=world.epochs["claim"].opened.chain.head.hash),
    )
    header = _header(world.epochs["rotate"]) + bytes(32)
    good = desk.forge(jean.own, text, header=header)
    moved = _moved_signature(desk, header)
    group.ok("the message whose signature is moved", "open", **desk.given(good))
    refused("signature moved under another salt", "bad_signature", moved)
    refused("patient ends", "not_permitted", desk.forge(jean.own, content.end()), "end")
    refused("delegate ends", "not_permitted", desk.forge(world.nora.own, content.end()), "end")
    refused("text as receipt", "wrong_kind", desk.seal(jean, text), "receipt")
    refused("receipt as message", "wrong_kind", desk.seal(jean, content.receipt(bytes(32))))
    refused("mailed as message", "wrong_kind", desk.seal(jean, content.mailed([(bytes(32), "handed", None)])))
    refused("end as message", "wrong_kind", desk.seal(claire, content.end()))
    refused("profile as end", "wrong_kind", desk.seal(claire, content.profile("x")), "end")
    refused("unknown type as receipt", "wrong_kind", desk.forge(claire.own, Payload("poll", {})), "receipt")


def _moved_signature(desk: Desk, header: bytes) -> bytes:
    """Content and signature of one envelope, sealed again by a member under a salt of its own."""
    jean, newest = desk.world.jean, desk.world.epochs["rotate"].opened
    said = Said(jean.id, jean.device.id, jean.own.chain.position, jean.own.chain.head)
    written = content.write(content.words("x"), said, at=NOW, parents=())
    signature = jean.device.sign.sign("message", header + newest.chain.head.hash + written)
    return envelope.seal_inner(flip(header, -1), newest.keys, codec.pad(written, signature))


def _inner(desk: Desk) -> None:
    """What a member can put into a well-sealed envelope."""
    group, world = desk.group, desk.world
    jean, newest = world.jean, world.epochs["rotate"].opened
    said = Said(jean.id, jean.device.id, jean.own.chain.position, jean.own.chain.head)
    written = content.write(content.words("x"), said, at=NOW, parents=())
    header = _header(world.epochs["rotate"]) + desk.random(32)
    signature = jean.device.sign.sign("message", header + newest.chain.head.hash + written)
    padded = codec.pad(written, signature)
    inners = {
        "padding not zero": flip(padded, -1),
        "padding too short": padded[:-1],
        "padding too long": padded + bytes(16),
        "length beyond the end": b"\0\0\xff\xff" + padded[4:],
        "no room for a signature": len(padded).to_bytes(4) + padded[4:],
        "empty inner": b"",
        "three bytes": bytes(3),
        "no content": codec.pad(b"", signature),
        "not canonical": codec.pad(written.replace(b'"v":1', b'"v": 1'), signature),
        "a key twice": codec.pad(written[:-1] + b',"v":1}', signature),
        "not JSON": codec.pad(b"\xff" * 20, signature),
    }
    for name, inner in inners.items():
        group.refused(
            f"inner: {name}", "bad_format", "open", **desk.given(envelope.seal_inner(header, newest.keys, inner))
        )
    assert len(padded) + TAG + envelope.HEADER == len(envelope.seal_inner(header, newest.keys, padded))


def _contents(group: Group, world: World) -> None:
    jean = world.jean
    said = Said(jean.id, jean.device.id, jean.own.chain.position, jean.own.chain.head)
    text = codec.decode(content.write(content.words("x", attachments=[FILE]), said, at=NOW, parents=()))

    def written(**changes: Any) -> bytes:
        return codec.encode({**text, **changes})

    def payload(kind: str = "text", /, **changes: Any) -> bytes:
        return codec.encode({**text, "type": kind, "payload": {**text["payload"], **changes}})

    def attached(**changes: Any) -> bytes:
        return payload(attachments=[{**FILE.plain(), **changes}])

    group.ok("content", "content", content=written())
    group.ok("content of an unknown type", "content", content=written(type="poll", payload={}))
    group.ok("a text that keeps the reply right", "content", content=payload(reply="keep"))
    group.ok("largest text", "content", content=payload(attachments=[], text="x" * 2000))
    mail_words.add_contents(group, written)
    one, other = sorted([b64(bytes(32)), b64(b"\xff" * 32)])
    bad = {
        "version 2": written(v=2),
        "a key too many": written(more=1),
        "type with a capital": written(type="Text"),
        "payload not an object": written(payload=[]),
        "a checkpoint": written(checkpoint={}),
        "negative time": written(at=-1),
        "parents not sorted": written(parents=[other, one]),
        "a parent twice": written(parents=[one, one]),
        "nine parents": written(parents=sorted(b64(bytes([i]) * 32) for i in range(9))),
        "device id too long": written(device=b64(bytes(17))),
        "unknown reply": payload(reply="maybe"),
        "reply as boolean": payload(reply=True),
        "reply with a key too many": payload(reply={"until": 1, "more": 1}),
        "reply until text": payload(reply={"until": "tomorrow"}),
        "text missing": codec.encode({**text, "payload": {"attachments": [], "reply": None, "replaces": None}}),
        "text too long": payload(text="x" * 65_537),
        "replaces too short": payload(replaces=b64(bytes(31))),
        "21 attachments": payload(attachments=[FILE.plain()] * 21),
        "attachment with a key too many": attached(more=1),
        "attachment without name": attached(name=""),
        "attachment named ..": attached(name=".."),
        "attachment with a slash": attached(name="a/b"),
        "attachment with a backslash": attached(name="a\\b"),
        "attachment with a NUL": attached(name="a\0b"),
        "attachment with a C1 control": attached(name="a\x85b"),
        "attachment name too long": attached(name="é" * 128),
        "attachment key too short": attached(key=b64(bytes(16))),
        "attachment of negative size": attached(size=-1),
        "unknown kind of document": attached(document="selfie"),
        "title too long": attached(title="é" * 101),
        "receipt without upto": written(type="receipt", payload={"opened": []}),
        "receipt of 65 files": written(
            type="receipt", payload={"opened": [{"attachment": b64(bytes(16)), "message": one}] * 65, "upto": one}
        ),
        "empty name": written(type="profile", payload={"name": ""}),
        "name too long": written(type="profile", payload={"name": "é" * 61}),
        "end without text": written(type="end", payload={}),
    }
    for name, data in bad.items():
        group.refused(f"content: {name}", "bad_format", "content", content=data)


def _log(group: Group, world: World) -> None:
    claire, jean = world.claire, world.jean
    counter = iter(range(1, 1000))

    def entry(
        who: Person, role: str, payload: Payload, *, at: int = NOW, parents: tuple[bytes, ...] = ()
    ) -> dict[str, Any]:
        seq = next(counter)
        said = Said(who.id, who.device.id, 1, bytes(32))
        written = content.write(payload, said, at=at, parents=parents)
        return {"id": bytes([seq]) * 32, "seq": seq, "role": role, "content": written}

    def doctor(payload: Payload, **more: Any) -> dict[str, Any]:
        return entry(claire, "owner", payload, **more)

    def patient(payload: Payload, **more: Any) -> dict[str, Any]:
        return entry(jean, "patient", payload, **more)

    at = {"at": NOW}
    opened = doctor(content.words("a", reply="open"))
    closed = doctor(content.words("b", reply="none"))
    until = doctor(content.words("c", reply={"until": NOW + 5}))
    ended = doctor(content.end())
    group.ok("nothing said", "reply_right", log=[], **at)
    group.ok("open", "reply_right", log=[opened], **at)
    group.ok("null means open", "reply_right", log=[closed, doctor(content.words("d"))], **at)
    group.ok("none", "reply_right", log=[opened, closed], **at)
    group.ok("until, before", "reply_right", log=[until], at=NOW + 4)
    group.ok("until, at the time", "reply_right", log=[until], at=NOW + 5)
    group.ok("ended", "reply_right", log=[opened, ended], **at)
    group.ok("ended and open again", "reply_right", log=[ended, opened], **at)
    group.ok("a patient grants nothing", "reply_right", log=[closed, patient(content.words("x", reply="open"))], **at)
    group.ok("a profile changes nothing", "reply_right", log=[closed, doctor(content.profile("Dr"))], **at)
    reply_words.add(group, doctor, patient, {"open": opened, "none": closed, "ended": ended})
    group.ok("mirrored", "reply_right", log=[until], **at, mirror={"reply": "until", "until": NOW + 5})
    lies: Mapping[str, dict[str, Any]] = {
        "open for none": {"reply": "open", "until": None},
        "another time": {"reply": "until", "until": NOW + 6},
    }
    group.refused(
        "mirror: open for none", "mirror_mismatch", "reply_right", log=[closed], **at, mirror=lies["open for none"]
    )
    group.refused(
        "mirror: another time", "mirror_mismatch", "reply_right", log=[until], **at, mirror=lies["another time"]
    )
    group.refused(
        "mirror: open for ended", "mirror_mismatch", "reply_right", log=[ended], **at, mirror=lies["open for none"]
    )
    seen = patient(content.receipt(closed["id"]), at=NOW + 7)
    again = patient(content.receipt(until["id"]), at=NOW + 9)
    group.ok("read", "readers", log=[opened, closed, seen, again], message=opened["id"])
    group.ok("read later", "readers", log=[opened, closed, until, seen, again], message=until["id"])
    group.ok("not read", "readers", log=[opened, closed, until, seen], message=until["id"])
    group.ok("one's own receipt", "readers", log=[opened, doctor(content.receipt(opened["id"]))], message=opened["id"])
    mail_words.add_log(group, doctor, patient)
    first = patient(content.words("first"))
    second = patient(content.words("second", replaces=first["id"]))
    forged = doctor(content.words("third", replaces=first["id"]))
    group.ok("replaced by its author", "replaced", log=[first, second, forged])
    group.ok("replaced by another", "replaced", log=[first, forged])
    child = patient(content.words("x"), parents=(opened["id"],))
    group.ok("parents are there", "withheld", log=[opened, child])
    group.ok("two heads", "withheld", log=[opened, closed, child])
    group.refused("a parent is missing", "withheld", "withheld", log=[child])
