"""One's own account: making it, letting holders in and out, opening its secrets.

Every change is a ``Growth``: what to send to the server, and the own state after the server took it.
Source: docs/spec/protocol.md 3 to 5.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from crypto import hpke, link, recovery, user_secret
from crypto.account_chain import AccountChain
from crypto.codec import b64
from crypto.errors import require
from crypto.holder import Holder
from crypto.link import Place, UserKey
from crypto.secret import Random, system_random
from crypto.user_secret import UserSecret


@dataclass(frozen=True, slots=True)
class HolderBox:
    """A user secret sealed to a holder."""

    holder: bytes
    generation: int
    box: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class SealedPrevious:
    """The user secret before ``generation``, sealed under that of ``generation``."""

    generation: int
    sealed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OwnAccount:
    """An account from the inside, at one of its holders."""

    chain: AccountChain
    holder: Holder
    secrets: Mapping[int, UserSecret] = field(repr=False)
    """By generation; all of them."""

    @property
    def id(self) -> bytes:
        """The account id, 32 bytes."""
        return self.chain.id

    @property
    def newest_secret(self) -> UserSecret:
        """The secret that own data is sealed under now."""
        return self.secrets[self.chain.generation]

    def opening_key(self, generation: int) -> hpke.OpeningKey:
        """UK of a generation: opens boxes of epochs (``forged_box`` for a generation that never was)."""
        require(generation in self.secrets, "forged_box", "no such generation")
        return self.secrets[generation].opening_key()


@dataclass(frozen=True, slots=True)
class Growth:
    """New links with what must travel beside them, and the account after them."""

    own: OwnAccount
    links: tuple[bytes, ...] = field(repr=False)
    boxes: tuple[HolderBox, ...] = field(default=(), repr=False)
    previous: tuple[SealedPrevious, ...] = field(default=(), repr=False)

    def then(self, later: "Growth") -> "Growth":
        """Join with a growth of ``self.own``: both travel as one."""
        links, boxes = self.links + later.links, self.boxes + later.boxes
        return Growth(later.own, links, boxes, self.previous + later.previous)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """A new account with a second way in, and the code to print."""

    growth: Growth
    recovery_code: recovery.RecoveryCode

    @property
    def own(self) -> OwnAccount:
        """The account from the inside."""
        return self.growth.own


def create(device: Holder, *, at: int, kind: str = "user", random: Random = system_random) -> NewAccount:
    """Make an account at ``device`` with a recovery code as its second holder: two links, two boxes."""
    code = recovery.draw(random)
    first = begin(device, at=at, kind=kind, random=random)
    return NewAccount(first.then(add_holder(first.own, code.holder(), at=at)), code)


def begin(device: Holder, *, at: int, kind: str = "user", random: Random = system_random) -> Growth:
    """Make the genesis alone; a server wants a second holder before it takes the account."""
    secret = user_secret.draw(1, random)
    uk = UserKey(1, secret.opening_key().public)
    body = {"kind": kind, "holder": device.public.plain(), "uk": uk.plain()}
    wire = link.write("genesis", body, Place(), (device,), at=at)
    own = OwnAccount(AccountChain.begin(wire), device, {1: secret})
    return Growth(own, (wire,), (_box(own, device.id, device.enc.public),))


def open_account(
    chain: AccountChain, holder: Holder, newest: HolderBox, previous: Mapping[int, bytes] | None = None
) -> OwnAccount:
    """Open an account with one of its holders.

    Args:
        chain: accepted, and reconciled with what this holder remembers.
        holder: a device, recovery code or passkey.
        newest: the box of the newest generation for this holder.
        previous: by generation g >= 2, the sealed secret of g - 1.

    Raises:
        ProtocolError: ``unknown_signer`` (not an active holder), ``open_failed``, ``forged_box`` (an old generation,
            or a secret that the chain does not name).

    """
    require(holder.id in chain.active_holders, "unknown_signer")
    require(newest.holder == holder.id and newest.generation == chain.generation, "forged_box", "not the newest box")
    generation = newest.generation
    opened = user_secret.open_box(
        holder.enc, newest.box, account=chain.id, generation=generation, holder=holder.id, uk=chain.uk
    )
    secrets = {generation: opened}
    for newer in range(generation, 1, -1):
        sealed = (previous or {}).get(newer)
        require(sealed is not None, "forged_box", "a previous secret is missing")
        assert sealed is not None
        secrets[newer - 1] = secrets[newer].open_previous(chain.id, sealed, chain.uks[newer - 1].enc)
    return OwnAccount(chain, holder, secrets)


def add_holder(own: OwnAccount, added: Holder, *, at: int) -> Growth:
    """Let a new device, recovery code or passkey in: one link with both signatures, one box."""
    grown = _grow(own, "holder_add", {"holder": added.public.plain()}, added, at=at)
    return replace(grown, boxes=(_box(grown.own, added.id, added.enc.public),))


def retire_holder(own: OwnAccount, holder_id: bytes, *, at: int) -> Growth:
    """End a holder that is not suspect (a replaced phone, a reprinted code)."""
    return _grow(own, "holder_retire", {"holder": b64(holder_id)}, at=at)


def revoke_holder(own: OwnAccount, holder_id: bytes, *, at: int, random: Random = system_random) -> Growth:
    """End a lost or stolen holder and rotate the user secret at once: two links, a box for each holder left."""
    revoked = _grow(own, "holder_revoke", {"holder": b64(holder_id)}, at=at)
    return revoked.then(rotate(revoked.own, at=at, random=random))


def rotate(own: OwnAccount, *, at: int, random: Random = system_random) -> Growth:
    """Begin the next generation of the user secret."""
    secret = user_secret.draw(own.chain.generation + 1, random)
    uk = UserKey(secret.generation, secret.opening_key().public)
    grown = _grow(own, "uk_rotate", {"uk": uk.plain()}, at=at)
    after = replace(grown.own, secrets={**own.secrets, secret.generation: secret})
    boxes = tuple(_box(after, each, public.enc) for each, public in after.chain.active_holders.items())
    sealed = SealedPrevious(secret.generation, secret.seal_previous(own.id, own.newest_secret))
    return Growth(after, grown.links, boxes, (sealed,))


def attest(own: OwnAccount, certificate: bytes, *, at: int) -> Growth:
    """Carry a certificate (wire) in the chain."""
    return _grow(own, "attest", {"certificate": b64(certificate)}, at=at)


def add_delegate(own: OwnAccount, account: bytes, *, scope: str, until: int | None, at: int) -> Growth:
    """Name another account a delegate, to ``read`` or ``write``."""
    return _grow(own, "delegate_add", {"account": b64(account), "scope": scope, "until": until}, at=at)


def remove_delegate(own: OwnAccount, account: bytes, *, at: int) -> Growth:
    """End what ``add_delegate`` began."""
    return _grow(own, "delegate_remove", {"account": b64(account)}, at=at)


def _grow(own: OwnAccount, kind: str, body: dict[str, object], *cosigners: Holder, at: int) -> Growth:
    wire = link.write(kind, body, own.chain.next_place, (own.holder, *cosigners), at=at)
    return Growth(replace(own, chain=own.chain.accept(wire)), (wire,))


def _box(own: OwnAccount, holder_id: bytes, enc: bytes) -> HolderBox:
    secret = own.newest_secret
    return HolderBox(holder_id, secret.generation, secret.box_for(own.id, holder_id, enc))
