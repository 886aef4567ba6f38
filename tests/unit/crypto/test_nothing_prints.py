"""No object of the package shows a key byte: not printed, not formatted, not in an error, not pickled."""

import base64
import pickle
from dataclasses import fields, is_dataclass

import pytest

from crypto import (
    account,
    attachment,
    content,
    conversation,
    envelope,
    epoch,
    holder,
    invitation,
    kdf,
    passkey,
    recovery,
    sign,
    user_secret,
)
from crypto.epoch import Roster
from crypto.errors import ProtocolError
from crypto.secret import Secret

NOW = 1_790_000_000_000


@pytest.fixture(scope="module")
def world():
    """Every public object, and every byte string that must not be seen (by name)."""
    drawn = []

    def random(size):
        drawn.append(holder.new_seed().reveal()[:size].ljust(size, b"\x5a"))
        return drawn[-1]

    device = holder.from_seed(holder.new_seed(random), kind="device", name="Laptop")
    made = account.create(device, at=NOW, random=random)
    rotated = account.rotate(made.own, at=NOW, random=random)
    invited, typed = invitation.draw(random), invitation.draw_code(random)
    place = conversation.invited_seat(invited.public, "patient", expires=NOW + 1)
    begun = conversation.create(
        rotated.own, [place], Roster("Sujet secret", {invited.member: "Jean Dupont"}), at=NOW, random=random
    )
    file = attachment.draw(random)
    sealer = attachment.Sealer(file, [b"plain"])
    list(sealer)
    reference = sealer.seals.reference(file, name="nom-secret.pdf", media_type="application/pdf", title="Titre secret")
    payload = content.words("Texte secret", attachments=[reference])
    wire = envelope.seal_message(payload, rotated.own, begun.opened, at=NOW, random=bytes)
    stretched = invitation.StretchedCode(bytes(16), Secret(random(32)))
    kept = passkey.Passkey(Secret(random(32)), made.own.id, 1, bytes(32))
    objects = [
        device, device.sign, device.enc, device.public, made, rotated, made.recovery_code, invited, invited.public, typed,
        stretched, invitation.read_link(invited.link("https://pli.example", made.own.id)), begun, begun.opened,
        begun.opened.keys, begun.opened.roster, begun.opened.chain, begun.opened.chain.head, file, sealer, sealer.seals,
        reference, payload, envelope.open_message(wire, begun.opened, kind="message"), kept, rotated.own.newest_secret,
        recovery.draw(random), user_secret.draw(3, random), sign.SigningKey(Secret(random(32))), epoch.draw(9, random),
        Secret(random(32)), attachment.Seeker(reference, bytes(40)), place,
    ]  # fmt: skip
    hidden = {f"draw {number}": value for number, value in enumerate(drawn) if value != file.id}
    seed = Secret(drawn[0])
    hidden |= {"sign seed": kdf.derive("holder/sign", seed), "enc seed": kdf.derive("holder/enc", seed)}
    hidden |= {
        word: word.encode() for word in ("Texte secret", "Sujet secret", "Jean Dupont", "nom-secret", "Titre secret")
    }
    hidden |= {"recovery text": made.recovery_code.text().encode(), "typed text": typed.text().encode()}
    return objects, hidden


def _everything_inside(thing):
    yield thing
    if is_dataclass(thing):
        for each in fields(thing):
            yield from _everything_inside(getattr(thing, each.name))
    elif isinstance(thing, dict):
        for each in thing.values():
            yield from _everything_inside(each)


def _spellings(value):
    yield value.decode("latin-1")
    yield repr(value)[2:-1]
    yield value.hex()
    yield base64.b64encode(value).decode().rstrip("=")
    yield base64.urlsafe_b64encode(value).decode().rstrip("=")
    yield str(list(value))[1:-1]


def test_nothing_prints_a_key_or_a_word(world):
    objects, hidden = world
    for thing in objects:
        told = f"{thing} {thing!r} {[thing]}"
        for name, value in hidden.items():
            for spelled in _spellings(value):
                assert spelled not in told, f"{type(thing).__name__} shows {name}"


def test_no_wrapped_secret_can_be_pickled(world):
    objects, _ = world
    wrapped = [each for thing in objects for each in _everything_inside(thing) if isinstance(each, Secret)]
    assert len(wrapped) > 10
    for each in wrapped:
        with pytest.raises(TypeError):
            pickle.dumps(each)


def test_refusals_say_no_byte_of_what_they_refuse(world):
    _, hidden = world
    for value in hidden.values():
        for read in (recovery.read, invitation.read_code, invitation.read_link):
            with pytest.raises(ProtocolError) as refused:
                read(f"!{value.hex()}!")
            assert value.hex() not in str(refused.value)


def test_secrets_compare_by_value():
    assert Secret(b"a") == Secret(b"a")
    assert Secret(b"a") != Secret(b"b")
    assert Secret(b"a") != b"a"
    assert len({Secret(b"a"), Secret(b"a")}) == 1
    assert len(Secret(b"abc")) == 3
