"""A server that lies in every way we could think of, against a client that reads as the specification says.

The server of these tests has everything a server has, and on some attacks a member's device that helps it. Each attack
changes what an honest server would answer; the client must refuse it with the code of the rule that was broken.
"""

from dataclasses import replace

import pytest
from scene import NOW, RPPS, Lies, device, forge, require_refused, resigned, with_member

from crypto import (
    account,
    certificate,
    codec,
    conversation,
    epoch_record,
    holder,
    invitation,
    link,
    passkey,
    sign,
)
from crypto.codec import Signed, b64
from crypto.errors import ProtocolError
from crypto.secret import Secret
from crypto.suite import sha256

LIES = Lies()


# --- accounts -------------------------------------------------------------------------------------


@LIES.ending_with("unknown_signer")
def ghost_device_signed_by_itself(scene, served):
    ghost, place = device("Ghost"), scene.claire_own.chain.next_place
    served.chains["claire"] = [
        *served.chains["claire"],
        link.write("holder_add", {"holder": ghost.public.plain()}, place, (ghost, ghost), at=NOW),
    ]


@LIES.ending_with("bad_signature")
def ghost_device_in_the_name_of_a_holder(scene, served):
    ghost, place = device("Ghost"), scene.claire_own.chain.next_place
    wire = link.write("holder_add", {"holder": ghost.public.plain()}, place, (ghost, ghost), at=NOW)
    body = codec.encode(codec.decode(Signed.unpack(wire).body) | {"signer": b64(scene.claire_own.holder.id)})
    served.chains["claire"] = [*served.chains["claire"], Signed(body, (ghost.sign.sign("link", body),) * 2).pack()]


@LIES.ending_with("rollback")
def old_head_of_an_account(scene, served):
    served.chains["claire"] = served.chains["claire"][:-1]


@LIES.ending_with("rollback")
def revocation_withheld(scene, served):
    client = scene.client()
    revoked = account.revoke_holder(scene.claire_own, scene.claire.recovery_code.holder().id, at=NOW)
    client.accounts[scene.claire_own.id] = revoked.own.chain
    return client


@LIES.ending_with("fork")
def forked_account_chain(scene, served):
    other = account.retire_holder(scene.claire.own, scene.claire.recovery_code.holder().id, at=NOW)
    served.chains["claire"] = [*served.chains["claire"][:-1], *other.links]


@LIES.ending_with("wrong_member_key")
def another_account_in_a_members_place(scene, served):
    served.chains["karim"] = list(account.create(device(), at=NOW).growth.links)


@LIES.ending_with("forged_box")
def user_secret_of_the_servers_own(scene, served):
    jean, wrong = scene.jean.own, account.user_secret.draw(1)
    box = wrong.box_for(jean.id, jean.holder.id, jean.holder.enc.public)
    served.box = account.HolderBox(jean.holder.id, 1, box)


@LIES.ending_with("forged_box")
def old_generation_of_the_user_secret(scene, served):
    grown = account.rotate(scene.jean.own, at=NOW)
    served.chains["jean"] = [*served.chains["jean"], *grown.links]


@LIES.ending_with("forged_box")
def previous_secret_withheld(scene, served):
    grown = account.rotate(scene.jean.own, at=NOW)
    served.chains["jean"] = [*served.chains["jean"], *grown.links]
    served.box = next(box for box in grown.boxes if box.holder == scene.jean.own.holder.id)


@LIES.ending_with("bad_signature")
def certificate_of_another_registry(scene, served):
    client = scene.client()
    client.registry = sign.SigningKey(holder.new_seed()).public
    return client


@LIES.ending_with("rule")
def stolen_certificate(scene, served):
    place = scene.mallory.own.chain.next_place
    body = {"certificate": b64(scene.certificate)}
    stolen = link.write("attest", body, place, (scene.mallory.own.holder,), at=NOW)
    served.chains["mallory"] = [*served.chains["mallory"], stolen]


@LIES.ending_with("bad_signature")
def certificate_that_a_person_signed_herself(scene, served):
    plain = certificate.Certificate(scene.mallory.own.id, NOW, RPPS, "Dr Mallory", "10", "operator")
    grown = account.attest(scene.mallory.own, certificate.issue(scene.mallory.own.holder.sign, plain), at=NOW)
    served.chains["mallory"] = [*served.chains["mallory"], *grown.links]


# --- who is in the conversation -------------------------------------------------------------------


@LIES.ending_with("bad_signature")
def ghost_member(scene, served):
    members = (
        *epoch_record.read(served.records[3]).draft.members,
        conversation.seat(scene.mallory.own.chain, "member").member,
    )
    forged = forge(served.records[3], scene.claire_own.holder, members=members)
    served.records[3] = resigned(forged, served.records[3])


@LIES.ending_with("bad_device")
def ghost_member_signed_by_a_ghost_device(scene, served):
    members = (
        *epoch_record.read(served.records[3]).draft.members,
        conversation.seat(scene.mallory.own.chain, "member").member,
    )
    served.records[3] = forge(served.records[3], device("Ghost"), members=members)


@LIES.ending_with("not_permitted")
def removed_member_comes_back_by_the_patients_hand(scene, served):
    seats = [conversation.seat(scene.mallory.own.chain, "member")]
    head = epoch_record.read(served.records[3])
    members = (*head.draft.members, seats[0].member)
    place = {"epoch": 5, "previous": head.hash, "author": scene.jean.own.id, "reason": "add"}
    served.records.append(forge(served.records[3], scene.jean.own.holder, members=members, **place))


@LIES.ending_with("not_permitted")
def a_member_makes_itself_owner(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, role="owner")
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)


@LIES.ending_with("wrong_member_key")
def swapped_key_of_a_member(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, key=sha256(scene.mallory.own.chain.uk))
    forged = forge(served.records[3], scene.claire_own.holder, members=members)
    served.records[3] = resigned(forged, served.records[3])


@LIES.ending_with("bad_signature")
def swapped_box_of_a_member(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, box=bytes(32))
    forged = forge(served.records[3], scene.claire_own.holder, members=members)
    served.records[3] = resigned(forged, served.records[3])


@LIES.ending_with("wrong_member_key")
def swapped_key_signed_by_a_colluding_owner(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, key=sha256(scene.mallory.own.chain.uk))
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)


@LIES.ending_with("wrong_member_key")
def head_of_a_member_swapped(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, head=bytes(32))
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)


@LIES.ending_with("stale_key")
def old_user_key_after_a_rotation(scene, served):
    grown = account.rotate(scene.karim.own, at=NOW)
    served.chains["karim"] = [*served.chains["karim"], *grown.links]
    chain = grown.own.chain
    members = with_member(served.records[3], chain.id, position=chain.position, head=chain.head)
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)


@LIES.ending_with("not_next")
def replayed_record(scene, served):
    served.records.append(served.records[2])


@LIES.ending_with("not_next")
def record_withheld(scene, served):
    del served.records[2]


@LIES.ending_with("rollback")
def removal_withheld(scene, served):
    client = scene.client()
    client.chain = scene.epochs[3].opened.chain
    served.records.pop()
    return client


@LIES.ending_with("fork")
def forked_conversation(scene, served):
    other = conversation.rotate(scene.claire_own, scene.epochs[1].opened, at=NOW)
    last = conversation.rotate(scene.claire_own, other.opened, at=NOW)
    served.records[2:] = [other.record, last.record]


@LIES.ending_with("wrong_inviter")
def another_conversation_behind_the_link(scene, served):
    served.inviter = scene.karim.own.id[:16]


@LIES.ending_with("not_permitted")
def claim_with_the_key_of_another_invitation(scene, served):
    other = invitation.draw()
    first = scene.epochs[0].opened
    claim = other.claim(account=scene.jean.own.id, conversation=first.id, previous=first.chain.head.hash)
    served.records[1:] = [forge(served.records[1], scene.jean.own.holder, claim=claim)]


@LIES.ending_with("bad_signature")
def claim_moved_to_another_account(scene, served):
    taken = conversation.claim(scene.jean.own, scene.epochs[0].opened, scene.invited, at=NOW)
    thief = conversation.seat(scene.mallory.own.chain, "patient").member
    members = tuple(
        thief if each.id == scene.jean.own.id else each for each in epoch_record.read(taken.record).draft.members
    )
    forged = forge(taken.record, scene.mallory.own.holder, members=members, author=scene.mallory.own.id)
    served.records[1:] = [forged]


@LIES.ending_with("bad_device")
def stolen_phone_after_the_revocation(scene, served):
    phone = device("Stolen")
    with_phone = account.add_holder(scene.claire_own, phone, at=NOW)
    revoked = account.revoke_holder(with_phone.own, phone.id, at=NOW)
    served.chains["claire"] = [*served.chains["claire"], *with_phone.links, *revoked.links]
    known = {**scene.epochs[3].opened.accounts, scene.claire_own.id: revoked.own.chain}
    rotated = conversation.rotate(revoked.own, replace(scene.epochs[3].opened, accounts=known), at=NOW)
    head = rotated.opened.chain.head
    back = forge(rotated.record, phone, epoch=6, previous=head.hash, members=head.draft.members)
    served.records += [rotated.record, back]


@pytest.mark.parametrize(("lie", "code"), LIES)
def test_a_lie_is_refused(scene, lie, code):
    require_refused(scene, lie, code)


def test_an_honest_server_is_believed(scene):
    texts = [message.content.payload["text"] for message in scene.client().read(scene.served())]
    assert texts == ["Bonjour", "?", "Merci", "Bien"]


def test_a_swapped_invitation_key_reaches_no_box(scene):
    waiting = scene.epochs[0].opened
    swapped = replace(waiting, invitations={scene.invited.member: invitation.draw().public})
    with pytest.raises(ProtocolError) as refused:
        conversation.rotate(scene.claire_own, swapped, at=NOW)
    assert refused.value.code == "wrong_member_key"
    assert refused.value.alarm


def test_a_passkey_remembers_how_far_the_account_was(scene):
    chain = scene.claire_own.chain
    kept = passkey.Passkey(Secret(bytes(32)), chain.id, chain.position, chain.head)
    kept.require_not_older(chain)
    with pytest.raises(ProtocolError) as refused:
        kept.require_not_older(scene.claire.own.chain)
    assert refused.value.code == "rollback"
    forked = account.retire_holder(scene.claire.own, scene.claire.recovery_code.holder().id, at=NOW).own.chain
    with pytest.raises(ProtocolError) as refused:
        kept.require_not_older(forked)
    assert refused.value.code == "fork"


def test_a_new_record_of_a_revoked_device_is_not_admitted_by_a_server(scene):
    phone = device("Stolen")
    with_phone = account.add_holder(scene.claire_own, phone, at=NOW)
    known = {**scene.epochs[3].opened.accounts, scene.claire_own.id: with_phone.own.chain}
    stolen = conversation.rotate(
        replace(with_phone.own, holder=phone), replace(scene.epochs[3].opened, accounts=known), at=NOW
    )
    revoked = account.revoke_holder(with_phone.own, phone.id, at=NOW).own.chain
    chain = scene.epochs[3].opened.chain
    with pytest.raises(ProtocolError) as refused:
        chain.accept(stolen.record, {**known, revoked.id: revoked})
    assert refused.value.code == "bad_device"
    assert chain.accept(stolen.record, {**known, revoked.id: revoked}, settled=True).epoch == 5
