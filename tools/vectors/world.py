"""The people of the vectors, and how a liar writes records."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from vectors.kit import DAY, NOW, drbg

from crypto import account, codec, conversation, epoch_record, holder, invitation
from crypto.account import Growth, OwnAccount
from crypto.codec import Signed
from crypto.conversation import NewEpoch
from crypto.epoch import Roster
from crypto.epoch_record import Draft, Member
from crypto.holder import Holder
from crypto.secret import Secret


class Person:
    """An account that grows, with everything that ever was in its chain."""

    def __init__(self, name: str, kind: str = "user") -> None:
        self.random = drbg(name)
        self.seed = self.random(32)
        device = holder.from_seed(Secret(self.seed), kind="device", name="Laptop")
        made = account.create(device, at=NOW, kind=kind, random=self.random)
        self.own, self.code = made.own, made.recovery_code
        self.links: tuple[bytes, ...] = made.growth.links
        self.growths = [made.growth]

    @property
    def id(self) -> bytes:
        """The account id."""
        return self.own.id

    @property
    def device(self) -> Holder:
        """The first device."""
        return self.own.holder

    def grow(self, change: Callable[..., Growth], *given: Any, **more: Any) -> Growth:
        """Apply a function of ``crypto.account``."""
        grown = change(self.own, *given, at=NOW, **more)
        self.own, self.links = grown.own, self.links + grown.links
        self.growths.append(grown)
        return grown

    @property
    def uks(self) -> dict[str, bytes]:
        """User secrets by generation, as the vectors tell them."""
        return {str(g): secret.secret.reveal() for g, secret in self.own.secrets.items()}


class World:
    """Claire (doctor) invites Jean; he takes the place; Karim and Nora come and go."""

    def __init__(self) -> None:
        self.claire, self.karim, self.jean = Person("claire"), Person("karim"), Person("jean")
        self.nora, self.mallory = Person("nora"), Person("mallory")
        self.jean.grow(account.add_delegate, self.nora.id, scope="write", until=None)
        self.invited = invitation.draw(drbg("invitation"))
        self.random = drbg("conversation")
        self.epochs: dict[str, NewEpoch] = {}
        self._live()

    def _live(self) -> None:
        place = conversation.invited_seat(self.invited.public, "patient", expires=NOW + 30 * DAY)
        roster = Roster("Résultats", {self.invited.member: "Jean Dupont"})
        claire, jean = self.claire.own, self.jean.own
        told: dict[str, Any] = {"at": NOW, "random": self.random}
        self.epochs["create"] = now = conversation.create(claire, [place], roster, **told)
        self.epochs["claim"] = now = conversation.claim(jean, now.opened, self.invited, **told)
        pharmacist = conversation.seat(self.karim.own.chain, "professional", history="none")
        self.epochs["add"] = now = conversation.add(claire, now.opened, [pharmacist], **told)
        caregiver = conversation.seat(self.nora.own.chain, "delegate")
        self.epochs["delegate"] = now = conversation.change_delegates(jean, now.opened, seats=[caregiver], **told)
        self.epochs["remove"] = now = conversation.remove(claire, now.opened, [self.karim.id], **told)
        partial = conversation.seat(self.karim.own.chain, "professional", history="partial", earlier=[1, 4])
        self.epochs["partial"] = now = conversation.add(claire, now.opened, [partial], **told)
        self.epochs["rotate"] = conversation.rotate(jean, now.opened, **told)

    @property
    def names(self) -> list[str]:
        """Names of the records, in order."""
        return list(self.epochs)

    @property
    def people(self) -> dict[str, Person]:
        """By name."""
        return {name: getattr(self, name) for name in ("claire", "karim", "jean", "nora", "mallory")}

    def shared(self) -> dict[str, Any]:
        """What cases refer to by name."""
        return {
            "accounts": {name: list(person.links) for name, person in self.people.items()},
            "records": {name: epoch.record for name, epoch in self.epochs.items()},
        }


def redraft(record: bytes, by: Holder, **changes: Any) -> bytes:
    """A record with other values, signed by ``by``."""
    return epoch_record.write(replace(epoch_record.read(record).draft, **changes), by)


def remember(record: bytes, by: Holder, member: bytes, **changes: Any) -> bytes:
    """A record in which one member is written otherwise, signed by ``by``."""
    draft = epoch_record.read(record).draft
    members = (replace(each, **changes) if each.id == member else each for each in draft.members)
    return redraft(record, by, members=tuple(members))


def rebody(record: bytes, by: Holder, change: Callable[[dict[str, Any]], object]) -> bytes:
    """A record whose JSON is changed by hand, signed by ``by``."""
    body = codec.decode(Signed.unpack(record).body)
    change(body)
    encoded = codec.encode(body)
    return Signed(encoded, (by.sign.sign("epoch", encoded),)).pack()


def draft_of(record: bytes) -> Draft:
    """What a record says."""
    return epoch_record.read(record).draft


def member_of(record: bytes, member: bytes) -> Member:
    """A member of a record."""
    return epoch_record.read(record).members[member]


def joined(record: bytes, members: Mapping[bytes, Member] | list[Member]) -> tuple[Member, ...]:
    """The members of a record and more."""
    more = list(members.values()) if isinstance(members, Mapping) else members
    return (*draft_of(record).members, *more)


def without(record: bytes, *gone: bytes) -> tuple[Member, ...]:
    """The members of a record less some."""
    return tuple(each for each in draft_of(record).members if each.id not in gone)


def own_as(own: OwnAccount, device: Holder) -> OwnAccount:
    """The same account at another device."""
    return replace(own, holder=device)
