"""The group backlinks: boxes, the way back, rosters."""

from typing import Any

from vectors.kit import NOW, Group, drbg, flip
from vectors.world import Person, World, redraft, remember

from crypto import aead, codec, conversation, epoch, hpke, kdf
from crypto.codec import b64
from crypto.epoch import EpochKeys, Place, Roster
from crypto.epoch_record import read
from crypto.secret import Secret
from crypto.suite import sha256

EVERYBODY = ["claire", "karim", "jean", "nora", "mallory"]
LONG = 50


def backlinks_group() -> Group:
    world = World()
    group = Group("backlinks", "boxes of epochs, the way back, rosters (protocol.md 6.1, 6.4 rule 7)", world.shared())
    names = world.names
    base: dict[str, Any] = {"accounts": EVERYBODY, "records": names, "invitation": None}
    boxes = {name: world.epochs[name].boxes for name in names}

    def mine(person: Person, *which: str) -> dict[str, Any]:
        found = {str(names.index(name) + 1): boxes[name][person.id] for name in which}
        return {**base, "member": person.id, "uks": person.uks, "boxes": found}

    group.ok("full history from the newest box", "open_epochs", **mine(world.jean, "rotate"))
    group.ok("the newest two boxes", "open_epochs", **mine(world.claire, "partial", "rotate"))
    group.ok("no history: own epochs only", "open_epochs", **mine(world.karim, "add", "delegate"))
    group.ok("no history, then a partial one", "open_epochs", **mine(world.karim, "add", "partial"))
    group.ok(
        "partial history, both boxes: each has its own list", "open_epochs", **mine(world.karim, "partial", "rotate")
    )
    group.ok("partial history, later box", "open_epochs", **mine(world.karim, "rotate"))
    invite = {**base, "records": ["create"], "member": world.invited.member, "uks": {}}
    invite |= {"invitation": world.invited.secret.reveal(), "boxes": {"1": boxes["create"][world.invited.member]}}
    group.ok("invitation", "open_epochs", **invite)
    _forged(group, world, mine)
    _sealed(group, world)
    _rosters(group, world)
    _long(group)
    return group


def _forged(group: Group, world: World, mine: Any) -> None:
    jean, claire = world.jean, world.claire
    newest = mine(jean, "rotate")
    box = newest["boxes"]["7"]
    group.refused("box flipped", "forged_box", "open_epochs", **{**newest, "boxes": {"7": flip(box, -1)}})
    swapped = {"7": world.epochs["rotate"].boxes[claire.id]}
    group.refused("box of another member", "forged_box", "open_epochs", **{**newest, "boxes": swapped})
    old = {"7": world.epochs["partial"].boxes[jean.id]}
    group.refused("box of another epoch", "forged_box", "open_epochs", **{**newest, "boxes": old})
    group.refused("another secret", "forged_box", "open_epochs", **{**newest, "uks": claire.uks})
    group.refused("no member", "forged_box", "open_epochs", **{**newest, "member": world.mallory.id})
    keys = world.epochs["rotate"].opened.keys
    full = keys.cek.reveal() + keys.require_lk().reveal()
    random = drbg("forged boxes")
    other = random(32)
    _box_case(group, world, "another content key", "wrong_commit", b"\1" + other + full[32:])
    _box_case(group, world, "another link key", "wrong_commit", b"\1" + full[:32] + other)
    _box_case(group, world, "less history than the record says", "forged_box", b"\0" + full[:32])
    _box_case(group, world, "unknown first byte", "forged_box", b"\3" + full)
    _box_case(group, world, "too long", "forged_box", b"\1" + full + b"\0")
    _box_case(group, world, "empty", "forged_box", b"")
    _partial_cases(group, world, full[:32])
    _backlink_cases(group, world)


def _box_case(group: Group, world: World, name: str, code: str, plain: bytes, *, whose: str = "jean") -> None:
    """A well-sealed box with wrong content, named by a record that its author signed."""
    person = world.people[whose]
    record = world.epochs["rotate"].record
    parsed = read(record)
    uk = person.own.chain.uk
    box = hpke.seal(uk, Place.of(parsed).info(person.id, sha256(uk)), plain)
    forged = remember(record, world.jean.device, person.id, box=sha256(box))
    label = f"forged: {name}"
    group.shared["records"][label] = forged
    given = {"accounts": EVERYBODY, "records": [*world.names[:-1], label], "invitation": None}
    group.refused(name, code, "open_epochs", **given, member=person.id, uks=person.uks, boxes={"7": box})


def _partial_cases(group: Group, world: World, cek: bytes) -> None:
    rows = {number: keys.cek.reveal() for number, keys in world.epochs["rotate"].opened.keyring.items()}

    def listed(*numbers: int, count: int | None = None) -> bytes:
        told = b"".join(number.to_bytes(4) + rows.get(number, bytes(32)) for number in numbers)
        return b"\2" + cek + (len(numbers) if count is None else count).to_bytes(2) + told

    cases = {
        "partial: nothing listed": listed(),
        "partial: not ascending": listed(4, 1),
        "partial: twice the same": listed(1, 1),
        "partial: the epoch itself": listed(1, 7),
        "partial: epoch 0": listed(0),
        "partial: wrong count": listed(1, count=2),
        "partial: too many": listed(*range(1, 7), count=1001),
        "partial: cut": listed(1)[:-1],
    }
    for name, plain in cases.items():
        _box_case(group, world, name, "forged_box", plain, whose="karim")
    wrong = b"\2" + cek + b"\0\1" + (1).to_bytes(4) + bytes(32)
    _box_case(group, world, "partial: another key of an earlier epoch", "wrong_commit", wrong, whose="karim")


def _backlink_cases(group: Group, world: World) -> None:
    record, jean = world.epochs["rotate"].record, world.jean
    newest = world.epochs["rotate"].opened
    earlier = newest.keyring[6]
    random = drbg("forged backlinks")
    other = EpochKeys(6, Secret(random(32)), earlier.lk)
    other_link = EpochKeys(6, earlier.cek, Secret(random(32)))
    forged = {
        "backlink flipped": flip(read(record).draft.backlink or b"", 0),
        "backlink to another content key": epoch.seal_backlink(newest.id, newest.keys, other),
        "backlink to another link key": epoch.seal_backlink(newest.id, newest.keys, other_link),
        "backlink of another conversation": epoch.seal_backlink(bytes(32), newest.keys, earlier),
    }
    for name, backlink in forged.items():
        label = f"forged: {name}"
        group.shared["records"][label] = redraft(record, jean.device, backlink=backlink)
        given = {"accounts": EVERYBODY, "records": [*world.names[:-1], label], "invitation": None}
        boxes = {"7": world.epochs["rotate"].boxes[jean.id]}
        group.refused(name, "wrong_commit", "open_epochs", **given, member=jean.id, uks=jean.uks, boxes=boxes)


def _plain(keys: EpochKeys) -> dict[str, Any]:
    return {"epoch": keys.epoch, "cek": keys.cek.reveal(), "lk": keys.lk.reveal() if keys.lk else None}


def _sealed(group: Group, world: World) -> None:
    opened = world.epochs["rotate"].opened
    group.ok("commits", "commits", keys=_plain(opened.keys))
    both = {"keys": _plain(opened.keys), "previous": _plain(opened.keyring[6])}
    group.ok("backlink sealed", "seal_backlink", conversation=opened.id, **both)
    blind = {**_plain(opened.keys), "lk": None}
    group.refused(
        "backlink without the link key",
        "not_permitted",
        "seal_backlink",
        conversation=opened.id,
        keys=blind,
        previous=both["previous"],
    )
    group.refused("commits without the link key", "not_permitted", "commits", keys=blind)


def _rosters(group: Group, world: World) -> None:
    created = world.epochs["create"].opened
    keys = _plain(created.keys)
    people = [{"member": world.invited.member, "name": "Jean Dupont"}]
    group.ok("roster", "open_roster", record="create", roster=None, keys=keys)
    group.ok("roster sealed", "seal_roster", keys=keys, subject="Résultats", people=people)
    group.ok("empty roster sealed", "seal_roster", keys=keys, subject="", people=[])
    many = [{"member": bytes([i]) * 32, "name": f"{i}" * 60} for i in range(20)]
    group.ok("long roster sealed", "seal_roster", keys=keys, subject="é" * 100, people=many)
    group.refused("subject too long", "bad_format", "seal_roster", keys=keys, subject="é" * 101, people=[])
    group.refused(
        "name too long", "bad_format", "seal_roster", keys=keys, subject="", people=[{**people[0], "name": "é" * 61}]
    )
    key, nonce = kdf.key_and_nonce("roster", created.keys.cek, context=(1).to_bytes(4))
    entry = {"member": b64(bytes(32)), "name": "x"}
    later = {"member": b64(b"\xff" * 32), "name": "y"}

    def refused(name: str, padded: bytes, code: str = "bad_format") -> None:
        sealed = aead.seal(key, nonce, padded, created.keys.commit)
        group.refused(name, code, "open_roster", record="create", roster=sealed, keys=keys)

    refused("roster: a name twice", codec.pad(codec.encode({"people": [entry, entry], "subject": ""})))
    refused("roster: not sorted", codec.pad(codec.encode({"people": [later, entry], "subject": ""})))
    refused("roster: a key too many", codec.pad(codec.encode({"people": [], "subject": "", "more": 1})))
    refused("roster: padding not zero", flip(codec.pad(codec.encode({"people": [], "subject": ""})), -1))
    refused("roster: not padded", codec.pad(codec.encode({"people": [], "subject": ""}))[:64])
    wire = read(world.epochs["create"].record).draft.roster
    group.refused("roster flipped", "open_failed", "open_roster", record="create", roster=flip(wire, 0), keys=keys)
    other = {**keys, "cek": bytes(32)}
    group.refused("roster under another key", "open_failed", "open_roster", record="create", roster=None, keys=other)


def _long(group: Group) -> None:
    """Fifty epochs of one author; the newest box opens them all."""
    lone, random = Person("lone"), drbg("long conversation")
    now = conversation.create(lone.own, [], Roster("", {}), at=NOW, random=random)
    epochs = [now]
    while len(epochs) < LONG:
        now = conversation.rotate(lone.own, now.opened, at=NOW, random=random)
        epochs.append(now)
    names = [f"long {number}" for number in range(1, LONG + 1)]
    group.shared["accounts"]["lone"] = lone.links
    group.shared["records"] |= dict(zip(names, (each.record for each in epochs), strict=True))
    given = {"accounts": ["lone"], "records": names, "member": lone.id, "uks": lone.uks, "invitation": None}
    group.ok("fifty epochs back", "open_epochs", **given, boxes={str(LONG): now.boxes[lone.id]})
    last = EpochKeys(LONG, now.opened.keys.cek)
    uk = lone.own.chain.uk
    blind = hpke.seal(uk, Place.of(now.opened.chain.head).info(lone.id, sha256(uk)), b"\0" + last.cek.reveal())
    record = remember(now.record, lone.device, lone.id, box=sha256(blind), history="none")
    group.shared["records"]["long 50, blind"] = record
    stopped = {**given, "records": [*names[:-1], "long 50, blind"], "boxes": {str(LONG): blind}}
    group.refused("history taken away", "not_permitted", "open_epochs", **stopped)
