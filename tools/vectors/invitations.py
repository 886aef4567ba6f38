"""The group invitations."""

from dataclasses import replace
from typing import Any

from vectors.accounts import IDENTITY, Everything
from vectors.kit import DAY, NOW, Group, drbg
from vectors.world import World, rebody, redraft

from crypto import conversation, epoch_record, invitation
from crypto.codec import b64
from crypto.conversation import Seat, invited_seat
from crypto.epoch import Roster
from crypto.epoch_record import Claim
from crypto.suite import sha256


def invitations_group() -> Group:
    world = World()
    group = Group("invitations", "from a secret to a place (protocol.md 9)", world.shared())
    secret = world.invited.secret.reveal()
    group.ok("derived", "derive", secret=secret)
    group.ok("derived from zeros", "derive", secret=bytes(16))
    url, inviter = "https://pli.example/sub", world.claire.id
    made = group.ok("link", "link", secret=secret, url=url, inviter=inviter)["link"]
    group.ok("link without a last slash", "link", secret=secret, url=url + "/", inviter=inviter)
    group.ok("link read", "read_link", link=made)
    group.ok("link read, with white space around", "read_link", link=f"  {made}\n")
    bad = {
        "another version": made.replace("#1.", "#2."),
        "cut": made[:-1],
        "a character more": made + "A",
        "another path": made.replace("/i#", "/j#"),
        "a part missing": made.rsplit(".", 1)[0],
        "trailing bits": made[:-1] + "_",
        "nothing": "",
    }
    for name, text in bad.items():
        group.refused(f"link: {name}", "bad_code", "read_link", link=text)
    where = {"records": ["create"], "accounts": ["claire"]}
    group.ok("the inviter began it", "require_inviter", **where, inviter=inviter[:16])
    group.refused("somebody else began it", "wrong_inviter", "require_inviter", **where, inviter=world.mallory.id[:16])
    member = world.invited.member
    group.ok("not yet expired", "require_open", **where, member=member, at=NOW + 30 * DAY - 1)
    group.refused("expired", "invitation_expired", "require_open", **where, member=member, at=NOW + 30 * DAY)
    _claims(group, world)
    return group


def _claims(group: Group, world: World) -> None:
    record, device = world.epochs["claim"].record, world.jean.device
    conversation, previous = world.epochs["create"].opened.id, world.epochs["create"].opened.chain.head.hash
    secret = world.invited.secret.reveal()
    group.ok("claim", "claim", secret=secret, account=world.jean.id, conversation=conversation, previous=previous)
    where = {"records": ["create"], "accounts": ["claire", "jean", "mallory"], "settled": False}
    group.ok("claimed", "accept", **where, record=record)
    told = {"account": world.jean.id, "conversation": conversation, "previous": previous}

    def forged(name: str, code: str, **changes: Any) -> None:
        claim = world.invited.claim(**{**told, **changes})
        group.refused(name, code, "accept", **where, record=redraft(record, device, claim=claim))

    forged("claim for another account", "bad_signature", account=world.mallory.id)
    forged("claim for another conversation", "bad_signature", conversation=bytes(32))
    forged("claim at another point", "bad_signature", previous=bytes(32))
    other = invitation.draw(drbg("another invitation"))
    group.refused(
        "claim of another invitation",
        "not_permitted",
        "accept",
        **where,
        record=redraft(record, device, claim=other.claim(**told)),
    )
    swapped = rebody(record, device, lambda body: body["claim"].update(sign=b64(other.public.sign)))
    group.refused("claim with another signing key", "not_permitted", "accept", **where, record=swapped)
    swapped = rebody(record, device, lambda body: body["claim"].update(enc=b64(other.public.enc)))
    group.refused("claim with another sealing key", "not_permitted", "accept", **where, record=swapped)
    flipped = rebody(record, device, lambda body: body["claim"].update(signature=b64(bytes(64))))
    group.refused("claim flipped", "bad_signature", "accept", **where, record=flipped)
    _crooked_places(group, world)
    late = {**where, "records": ["create", "claim"]}
    group.refused("claimed twice", "fork", "accept", **late, record=redraft(record, device, at=NOW + 1))


def _crooked_places(group: Group, world: World) -> None:
    """What only the inviter can do wrong: a place whose keys are weak, or not those of its id."""
    enc, random = world.invited.public.enc, drbg("crooked")
    where = {"accounts": ["claire", "jean", "mallory"], "settled": False}
    weak = invitation.PublicInvitation(bytes(16), IDENTITY, enc)
    seat = invited_seat(weak, "patient", expires=NOW + DAY)
    begun = conversation.create(world.claire.own, [seat], Roster("", {}), at=NOW, random=random)
    group.shared["records"]["weak invitation"] = begun.record
    honest = {"account": world.jean.id, "conversation": begun.opened.id, "previous": begun.opened.id}
    proof = Claim(weak.member, IDENTITY, enc, Everything().sign("claim", b""))
    claimed = _claimed(world, begun.opened.id, begun.record, proof)
    group.refused(
        "claim with a key that signs everything",
        "weak_key",
        "accept",
        **where,
        records=["weak invitation"],
        record=claimed,
    )
    other = invitation.draw(random)
    seat = invited_seat(other.public, "patient", expires=NOW + DAY)
    swapped = Seat(replace(seat.member, key=sha256(enc)), seat.behind)
    begun = conversation.create(world.claire.own, [swapped], Roster("", {}), at=NOW, random=random)
    group.shared["records"]["crooked invitation"] = begun.record
    honest |= {"conversation": begun.opened.id, "previous": begun.opened.id}
    claimed = _claimed(world, begun.opened.id, begun.record, other.claim(**honest))
    group.refused(
        "claim of a place with another sealing key",
        "not_permitted",
        "accept",
        **where,
        records=["crooked invitation"],
        record=claimed,
    )


def _claimed(world: World, begun: bytes, record: bytes, proof: Claim) -> bytes:
    """Jean takes the place of ``proof`` in the conversation that begins with ``record``."""
    draft = epoch_record.read(world.epochs["claim"].record).draft
    taker = next(each for each in draft.members if each.id == world.jean.id)
    kept = [each for each in epoch_record.read(record).draft.members if each.id != proof.invite]
    place = {"conversation": begun, "previous": begun, "members": (*kept, taker)}
    return redraft(world.epochs["claim"].record, world.jean.device, claim=proof, **place)
