"""An invitation: a place in a conversation for somebody who has no account yet.

Source: docs/spec/protocol.md 9.
"""

import re
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from crypto import aead, holder, hpke, kdf
from crypto import sign as signing
from crypto.codec import b64, tidy, unb64
from crypto.epoch_record import Claim, Member
from crypto.errors import ProtocolError, require
from crypto.secret import Random, Secret, same, system_random
from crypto.suite import INVITATION_ID, digest, sha256

SECRET: Final = 16  # bytes
PREFIX: Final = 16  # bytes of the inviting account's id that travel with the secret
ALPHABET: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_LINK: Final = re.compile(r"([^#]+)/i#1\.([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{22})")
_CODE_LENGTH: Final = 12  # characters, without the check character


@dataclass(frozen=True, slots=True)
class PublicInvitation:
    """What the server and the members know of an invitation."""

    id: bytes
    sign: bytes
    enc: bytes = field(repr=False)

    @property
    def member(self) -> bytes:
        """The member id of the place it keeps: 32 bytes."""
        return member_id(self.sign, self.enc)

    def require_strong(self) -> None:
        """Refuse weak keys (``weak_key``)."""
        signing.require_strong(self.sign)
        hpke.require_strong(self.enc)


@dataclass(frozen=True, slots=True)
class Invitation:
    """The private side: whoever has the secret."""

    secret: Secret
    keys: holder.Holder

    @property
    def public(self) -> PublicInvitation:
        """What the server may know."""
        return PublicInvitation(self.id, self.keys.sign.public, self.keys.enc.public)

    @property
    def id(self) -> bytes:
        """The id under which the server keeps it: 16 bytes."""
        return kdf.derive("invite/id", self.secret, length=INVITATION_ID)

    @property
    def member(self) -> bytes:
        """The member id of the place it keeps."""
        return self.public.member

    def opening_key(self, generation: int) -> hpke.OpeningKey:
        """Opens the invite's boxes; its generation is 0 (``forged_box`` for another)."""
        require(generation == 0, "forged_box", "an invite has no generations")
        return self.keys.enc

    def claim(self, *, account: bytes, conversation: bytes, previous: bytes) -> Claim:
        """Prove, to everybody who reads the record, that ``account`` holds this invitation."""
        signature = self.keys.sign.sign("claim", account + conversation + previous + self.member)
        return Claim(self.member, self.public.sign, self.public.enc, signature)

    def refuse(self, *, conversation: bytes) -> bytes:
        """Prove that whoever holds this invitation wants no account: 64 bytes."""
        return self.keys.sign.sign("refuse", conversation + self.member)

    def link(self, public_url: str, inviter: bytes) -> str:
        """The link to hand over: a secret. ``inviter`` is the inviting account's id."""
        return f"{public_url.rstrip('/')}/i#1.{b64(self.secret.reveal())}.{b64(inviter[:PREFIX])}"


def draw(random: Random = system_random) -> Invitation:
    """Make an invitation."""
    return from_secret(Secret(random(SECRET)))


def from_secret(secret: Secret) -> Invitation:
    """Derive an invitation from its 16 bytes."""
    keys = holder.from_seed(kdf.derive_secret("invite/seed", secret), kind="device", name="")
    return Invitation(secret, keys)


def member_id(sign: bytes, enc: bytes) -> bytes:
    """``H("invite", sign || enc)``."""
    return digest("invite", sign + enc)


def verify_claim(claim: Claim, place: Member, *, account: bytes, conversation: bytes, previous: bytes) -> None:
    """Verify that the claim was made with the keys of ``place``, for this account at this point of this conversation.

    Raises:
        ProtocolError: ``not_permitted``: keys of another invitation; ``weak_key``; ``bad_signature``.

    """
    require(same(member_id(claim.sign, claim.enc), place.id), "not_permitted", "keys of another invitation")
    require(same(sha256(claim.enc), place.key), "not_permitted", "keys of another invitation")
    signing.require_strong(claim.sign)
    data = account + conversation + previous + place.id
    require(signing.verify(claim.sign, "claim", data, claim.signature), "bad_signature", "claim")


def verify_refusal(public: PublicInvitation, signature: bytes, *, conversation: bytes) -> None:
    """Verify that a refusal was signed with the keys of this invitation.

    Raises:
        ProtocolError: ``weak_key``; ``bad_signature``.

    """
    signing.require_strong(public.sign)
    data = conversation + public.member
    require(signing.verify(public.sign, "refuse", data, signature), "bad_signature", "refusal")


def require_open(place: Member, *, at: int) -> None:
    """Refuse an invite that is past its time (``invitation_expired``); the server asks, with its clock."""
    require(place.expires is None or at < place.expires, "invitation_expired")


@dataclass(frozen=True, slots=True)
class Carried:
    """What a link or a typed code carries."""

    invitation: Invitation
    inviter: bytes
    """First 16 bytes of the inviting account's id; see ``conversation.require_inviter``."""
    url: str | None = None


def read_link(link: str) -> Carried:
    """Read an invitation link.

    Raises:
        ProtocolError: ``bad_code``: not a link of this form.

    """
    found = _LINK.fullmatch(link.strip())
    if not found:
        raise ProtocolError("bad_code", "not an invitation link")
    try:
        secret, inviter = unb64(found[2], SECRET), unb64(found[3], PREFIX)
    except ProtocolError:
        raise ProtocolError("bad_code", "not an invitation link") from None
    return Carried(from_secret(Secret(secret)), inviter, found[1])


@dataclass(frozen=True, slots=True)
class TypedCode:
    """Twelve characters that a person types from a letter."""

    characters: Secret

    def text(self) -> str:
        """``XXXX-XXXX-XXXX-X``. This is a secret: show it, never log it."""
        twelve = self.characters.reveal().decode()
        return f"{twelve[:4]}-{twelve[4:8]}-{twelve[8:]}-{_check(twelve)}"

    def stretch(self, salt: bytes) -> "StretchedCode":
        """Stretch with the ``code_salt`` of the server (16 bytes): Argon2id, 64 MiB, three passes; about 0.2 s."""
        argon = Argon2id(salt=salt, length=48, iterations=3, lanes=1, memory_cost=65_536)
        stretched = argon.derive(self.characters.reveal())
        return StretchedCode(stretched[:16], Secret(stretched[16:]))


@dataclass(frozen=True, slots=True)
class StretchedCode:
    """Where the server keeps the box (16 bytes), and what opens it."""

    locator: bytes
    key: Secret

    def seal(self, invitation: Invitation, inviter: bytes) -> bytes:
        """Put the invitation's secret into a box of 48 bytes."""
        key, nonce = kdf.key_and_nonce("code/box", self.key)
        return aead.seal(key, nonce, invitation.secret.reveal() + inviter[:PREFIX], invitation.id)

    def unseal(self, invitation_id: bytes, box: bytes) -> Carried:
        """Take the invitation out (``open_failed``; ``bad_format`` if it is not the one of that id)."""
        key, nonce = kdf.key_and_nonce("code/box", self.key)
        plain = aead.unseal(key, nonce, box, invitation_id)
        require(len(plain) == SECRET + PREFIX, "bad_format", "code box")
        found = from_secret(Secret(plain[:SECRET]))
        require(same(found.id, invitation_id), "bad_format", "the box of another invitation")
        return Carried(found, plain[SECRET:])


def draw_code(random: Random = system_random) -> TypedCode:
    """Make a typed code from 60 random bits (8 bytes are drawn, the last 4 bits are not used)."""
    number = int.from_bytes(random(8)) >> 4
    return TypedCode(Secret("".join(ALPHABET[number >> 5 * i & 31] for i in reversed(range(_CODE_LENGTH))).encode()))


def read_code(typed: str) -> TypedCode:
    """Read a code as a person types it.

    Raises:
        ProtocolError: ``bad_code``: other characters or another length; ``bad_check``: a typing error.

    """
    spelled = tidy(typed)
    require(len(spelled) == _CODE_LENGTH + 1 and set(spelled) <= set(ALPHABET), "bad_code", "13 letters and digits")
    require(_check(spelled[:_CODE_LENGTH]) == spelled[_CODE_LENGTH], "bad_check")
    return TypedCode(Secret(spelled[:_CODE_LENGTH].encode()))


def _check(twelve: str) -> str:
    return ALPHABET[digest("code/check", twelve.encode())[0] >> 3]
