"""The keys of an epoch: boxes, the way back to earlier epochs, and what members are called.

Source: docs/spec/protocol.md 6.1 and 6.4 rule 7.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from crypto import aead, codec, hpke, kdf
from crypto.codec import b64
from crypto.conversation_chain import ConversationChain
from crypto.epoch_record import EpochRecord, Member
from crypto.errors import ProtocolError, require
from crypto.schema import Field, binary, exact, listed, require_sorted, text
from crypto.secret import Random, Secret, same, system_random
from crypto.suite import ACCOUNT_ID, KEY, NO_HASH, label, sha256

MAX_PARTIAL: Final = 1000  # epochs in a box


@dataclass(frozen=True, slots=True)
class EpochKeys:
    """CEK_e, and LK_e for whoever may read what came before."""

    epoch: int
    cek: Secret
    lk: Secret | None = None

    @property
    def commit(self) -> bytes:
        """What the record says about ``cek``."""
        return kdf.derive("commit", self.cek)

    @property
    def link_commit(self) -> bytes:
        """What the record says about ``lk``."""
        return kdf.derive("link-commit", self.require_lk())

    def require_lk(self) -> Secret:
        """LK_e (``not_permitted`` without the history)."""
        if self.lk is None:
            raise ProtocolError("not_permitted", "no history")
        return self.lk


Keyring = Mapping[int, EpochKeys]
"""Keys by epoch."""
Opener = Callable[[int], hpke.OpeningKey]
"""Gives the opening key of a generation: ``OwnAccount.opening_key``, or ``Invitation.opening_key`` for 0."""


def draw(epoch: int, random: Random = system_random) -> EpochKeys:
    """Make the keys of an epoch."""
    return EpochKeys(epoch, Secret(random(KEY)), Secret(random(KEY)))


@dataclass(frozen=True, slots=True)
class Place:
    """What a box is bound to beside its member."""

    conversation: bytes
    epoch: int
    previous: bytes
    commit: bytes = field(repr=False)

    @classmethod
    def of(cls, record: EpochRecord) -> "Place":
        """The place of a record's boxes."""
        draft = record.draft
        return cls(draft.conversation or NO_HASH, draft.epoch, draft.previous or NO_HASH, draft.commit)

    def info(self, member: bytes, key: bytes) -> bytes:
        """The HPKE info; ``key`` is the SHA-256 of the member's public key."""
        where = self.conversation + struct.pack(">I", self.epoch)
        return label("epoch-box") + where + member + key + self.previous + self.commit


def seal_box(
    place: Place, member: bytes, enc: bytes, keys: EpochKeys, history: Mapping[int, Secret] | str = "none"
) -> bytes:
    """Seal an epoch's keys to a member's public key ``enc``.

    Args:
        place: where the box belongs.
        member: its id.
        enc: 1,216 bytes.
        keys: of this epoch.
        history: ``"none"``, ``"full"``, or the content keys of 1 to 1,000 earlier epochs.

    """
    if history == "full":
        plain = b"\1" + keys.cek.reveal() + keys.require_lk().reveal()
    elif isinstance(history, str):
        plain = b"\0" + keys.cek.reveal()
    else:
        listed_keys = b"".join(struct.pack(">I", e) + cek.reveal() for e, cek in sorted(history.items()))
        plain = b"\2" + keys.cek.reveal() + struct.pack(">H", len(history)) + listed_keys
    return hpke.seal(enc, place.info(member, sha256(enc)), plain)


def open_box(record: EpochRecord, member: Member, opener: Opener, box: bytes) -> dict[int, EpochKeys]:
    """Open a member's box: the keys of this epoch, and those of a ``partial`` history.

    Raises:
        ProtocolError: ``forged_box``: not the box of the record, or it does not open, or is not of the member's
            history; ``wrong_commit``: other keys than the record commits to.

    """
    require(same(sha256(box), member.box), "forged_box", "not the box of the record")
    key = opener(member.generation)
    require(same(sha256(key.public), member.key), "forged_box", "sealed to another key")
    try:
        plain = key.unseal(Place.of(record).info(member.id, member.key), box)
    except ProtocolError:
        raise ProtocolError("forged_box", "does not open") from None
    keys, earlier = _read_box(plain, record.epoch, member.history)
    _require_commits(keys, record)
    return {**earlier, record.epoch: keys}


def seal_backlink(conversation: bytes, keys: EpochKeys, previous: EpochKeys) -> bytes:
    """Seal the keys of the epoch before under LK of this one: 80 bytes."""
    key, nonce = _backlink_key(conversation, keys)
    return aead.seal(key, nonce, previous.cek.reveal() + previous.require_lk().reveal())


def open_backlink(conversation: bytes, keys: EpochKeys, backlink: bytes, previous: EpochRecord) -> EpochKeys:
    """Open the keys of the epoch before and check them against its record (``wrong_commit``)."""
    key, nonce = _backlink_key(conversation, keys)
    try:
        both = aead.unseal(key, nonce, backlink)
    except ProtocolError:
        raise ProtocolError("wrong_commit", "the backlink does not open") from None
    found = EpochKeys(previous.epoch, Secret(both[:KEY]), Secret(both[KEY:]))
    _require_commits(found, previous)
    return found


def open_epochs(
    chain: ConversationChain, member: bytes, opener: Opener, boxes: Mapping[int, bytes], known: Keyring | None = None
) -> dict[int, EpochKeys]:
    """Open all epochs that a member may read: own boxes, then the way back.

    Args:
        chain: accepted.
        member: own account id, or the member id of an invitation.
        opener: gives the key that a box was sealed to.
        boxes: own boxes by epoch; with a ``full`` history the newest one is enough.
        known: keys opened before; boxes that they make needless are not opened again.

    Raises:
        ProtocolError: ``forged_box``, ``wrong_commit``.

    """
    keyring = dict(known or {})
    for number in sorted(boxes, reverse=True):
        if number in keyring and keyring[number].lk:
            continue  # reached on the way back; a key from a partial list is no reason to skip a box
        record = chain.record(number)
        me = record.members.get(member)
        require(me, "forged_box", "a box for somebody who is no member")
        assert me
        opened = open_box(record, me, opener, boxes[number])
        _require_partial(opened, chain)
        keyring |= {key: keys for key, keys in opened.items() if keys.lk or key not in keyring}
        _walk_back(chain, keyring, number)
    return keyring


def _walk_back(chain: ConversationChain, keyring: dict[int, EpochKeys], newest: int) -> None:
    for number in range(newest, 1, -1):
        keys, earlier = keyring[number], keyring.get(number - 1)
        if keys.lk is None or (earlier and earlier.lk):
            return
        backlink = chain.record(number).draft.backlink
        assert backlink is not None
        keyring[number - 1] = open_backlink(chain.id, keys, backlink, chain.record(number - 1))


def _require_partial(opened: Keyring, chain: ConversationChain) -> None:
    for number, keys in opened.items():
        require(same(keys.commit, chain.record(number).draft.commit), "wrong_commit", "partial history")


def _require_commits(keys: EpochKeys, record: EpochRecord) -> None:
    require(same(keys.commit, record.draft.commit), "wrong_commit")
    if keys.lk is not None:
        require(same(keys.link_commit, record.draft.link_commit), "wrong_commit")


def _read_box(plain: bytes, epoch: int, history: str) -> tuple[EpochKeys, dict[int, EpochKeys]]:
    kind, cek, rest = plain[:1], Secret(plain[1 : 1 + KEY]), plain[1 + KEY :]
    require(len(cek) == KEY and kind == {"none": b"\0", "full": b"\1", "partial": b"\2"}[history], "forged_box", "form")
    if history == "partial":
        return EpochKeys(epoch, cek), _read_partial(rest, epoch)
    require(len(rest) == (KEY if history == "full" else 0), "forged_box", "length")
    return EpochKeys(epoch, cek, Secret(rest) if rest else None), {}


def _read_partial(rest: bytes, epoch: int) -> dict[int, EpochKeys]:
    require(len(rest) >= 2, "forged_box", "length")
    (count,) = struct.unpack_from(">H", rest)
    require(1 <= count <= MAX_PARTIAL and len(rest) == 2 + count * (4 + KEY), "forged_box", "length")
    rows = [rest[i : i + 4 + KEY] for i in range(2, len(rest), 4 + KEY)]
    numbers = [int.from_bytes(row[:4]) for row in rows]
    require(all(a < b for a, b in pairwise([0, *numbers, epoch])), "forged_box", "epochs")
    return {number: EpochKeys(number, Secret(row[4:])) for number, row in zip(numbers, rows, strict=True)}


def _backlink_key(conversation: bytes, keys: EpochKeys) -> tuple[bytes, bytes]:
    context = conversation + struct.pack(">I", keys.epoch)
    return kdf.key_and_nonce("backlink", keys.require_lk(), context=context)


@dataclass(frozen=True, slots=True)
class Roster:
    """The subject, and what members are called who have no certificate."""

    subject: str = field(repr=False)
    people: Mapping[bytes, str] = field(repr=False)
    """Names by member id."""

    def plain(self) -> dict[str, Any]:
        """As it stands in the sealed roster."""
        people = [{"member": b64(member), "name": name} for member, name in self.people.items()]
        return {"people": sorted(people, key=lambda each: each["member"]), "subject": self.subject}


def seal_roster(keys: EpochKeys, roster: Roster) -> bytes:
    """Seal the roster of an epoch, padded."""
    plain = codec.encode(roster.plain())
    _read_roster(plain)  # nobody could open it otherwise
    key, nonce = _roster_key(keys)
    return aead.seal(key, nonce, codec.pad(plain), keys.commit)


def open_roster(keys: EpochKeys, record: EpochRecord) -> Roster:
    """Open the roster of a record (``open_failed``, ``bad_format``)."""
    key, nonce = _roster_key(keys)
    padded = aead.unseal(key, nonce, record.draft.roster, record.draft.commit)
    return _read_roster(codec.unpad(padded)[0])


def _roster_key(keys: EpochKeys) -> tuple[bytes, bytes]:
    return kdf.key_and_nonce("roster", keys.cek, context=struct.pack(">I", keys.epoch))


def _read_roster(plain: bytes) -> Roster:
    fields = exact(codec.decode(plain), _ROSTER)
    rows = fields["people"]
    require_sorted([row["member"] for row in rows])
    return Roster(fields["subject"], {row["member"]: row["name"] for row in rows})


def _person(value: object) -> dict[str, Any]:
    return exact(value, {"member": binary(ACCOUNT_ID), "name": text(120)})


_ROSTER: Final[Mapping[str, Field]] = {"people": listed(_person, high=64), "subject": text(200)}
