"""A server that lies in every way we could think of, against a client that reads as the specification says.

The server of these tests has everything a server has, and on some attacks a member's device that helps it. Each attack
changes what an honest server would answer; the client must refuse it with the code of the rule that was broken.
"""

from dataclasses import replace

import pytest
from scene import NOW, RPPS, Scene, device

from crypto import (
    account,
    attachment,
    certificate,
    codec,
    content,
    conversation,
    envelope,
    epoch,
    epoch_record,
    holder,
    hpke,
    invitation,
    link,
    passkey,
    sign,
)
from crypto.codec import Signed, b64
from crypto.epoch import Place, Roster
from crypto.errors import ALARMS, ProtocolError
from crypto.secret import Secret
from crypto.suite import sha256


@pytest.fixture(scope="module")
def scene():
    return Scene()


ATTACKS = []


def attack(code):
    """Register an attack and the code with which it must end."""

    def register(function):
        ATTACKS.append(pytest.param(function, code, id=function.__name__))
        return function

    return register


def test_an_honest_server_is_believed(scene):
    texts = [message.content.payload["text"] for message in scene.client().read(scene.served())]
    assert texts == ["Bonjour", "?", "Merci", "Bien"]


@pytest.mark.parametrize(("lie", "code"), ATTACKS)
def test_a_lie_is_refused(scene, lie, code):
    served = scene.served()
    client = lie(scene, served) or scene.client()
    with pytest.raises(ProtocolError) as refused:
        client.read(served)
    assert refused.value.code == code
    assert refused.value.alarm == (code in ALARMS)


def test_there_are_enough_lies():
    assert len(ATTACKS) >= 40


# --- accounts -------------------------------------------------------------------------------------


@attack("unknown_signer")
def ghost_device_signed_by_itself(scene, served):
    ghost, place = device("Ghost"), scene.claire_own.chain.next_place
    served.chains["claire"] = [
        *served.chains["claire"],
        link.write("holder_add", {"holder": ghost.public.plain()}, place, (ghost, ghost), at=NOW),
    ]


@attack("bad_signature")
def ghost_device_in_the_name_of_a_holder(scene, served):
    ghost, place = device("Ghost"), scene.claire_own.chain.next_place
    wire = link.write("holder_add", {"holder": ghost.public.plain()}, place, (ghost, ghost), at=NOW)
    body = codec.encode(codec.decode(Signed.unpack(wire).body) | {"signer": b64(scene.claire_own.holder.id)})
    served.chains["claire"] = [*served.chains["claire"], Signed(body, (ghost.sign.sign("link", body),) * 2).pack()]


@attack("rollback")
def old_head_of_an_account(scene, served):
    served.chains["claire"] = served.chains["claire"][:-1]


@attack("rollback")
def revocation_withheld(scene, served):
    client = scene.client()
    revoked = account.revoke_holder(scene.claire_own, scene.claire.recovery_code.holder().id, at=NOW)
    client.accounts[scene.claire_own.id] = revoked.own.chain
    return client


@attack("fork")
def forked_account_chain(scene, served):
    other = account.retire_holder(scene.claire.own, scene.claire.recovery_code.holder().id, at=NOW)
    served.chains["claire"] = [*served.chains["claire"][:-1], *other.links]


@attack("wrong_member_key")
def another_account_in_a_members_place(scene, served):
    served.chains["karim"] = list(account.create(device(), at=NOW).growth.links)


@attack("forged_box")
def user_secret_of_the_servers_own(scene, served):
    jean, wrong = scene.jean.own, account.user_secret.draw(1)
    box = wrong.box_for(jean.id, jean.holder.id, jean.holder.enc.public)
    served.box = account.HolderBox(jean.holder.id, 1, box)


@attack("forged_box")
def old_generation_of_the_user_secret(scene, served):
    grown = account.rotate(scene.jean.own, at=NOW)
    served.chains["jean"] = [*served.chains["jean"], *grown.links]


@attack("forged_box")
def previous_secret_withheld(scene, served):
    grown = account.rotate(scene.jean.own, at=NOW)
    served.chains["jean"] = [*served.chains["jean"], *grown.links]
    served.box = next(box for box in grown.boxes if box.holder == scene.jean.own.holder.id)


@attack("bad_signature")
def certificate_of_another_registry(scene, served):
    client = scene.client()
    client.registry = sign.SigningKey(holder.new_seed()).public
    return client


@attack("rule")
def stolen_certificate(scene, served):
    place = scene.mallory.own.chain.next_place
    body = {"certificate": b64(scene.certificate)}
    stolen = link.write("attest", body, place, (scene.mallory.own.holder,), at=NOW)
    served.chains["mallory"] = [*served.chains["mallory"], stolen]


@attack("bad_signature")
def certificate_that_a_person_signed_herself(scene, served):
    plain = certificate.Certificate(scene.mallory.own.id, NOW, RPPS, "Dr Mallory", "10", "operator")
    grown = account.attest(scene.mallory.own, certificate.issue(scene.mallory.own.holder.sign, plain), at=NOW)
    served.chains["mallory"] = [*served.chains["mallory"], *grown.links]


# --- who is in the conversation -------------------------------------------------------------------


def forge(record, by, **changes):
    """A record that says something else, signed by ``by``."""
    return epoch_record.write(replace(epoch_record.read(record).draft, **changes), by)


def resigned(forged, original):
    """Another body under the signature of the original."""
    return Signed(Signed.unpack(forged).body, Signed.unpack(original).signatures).pack()


def with_member(record, member, **changes):
    members = epoch_record.read(record).draft.members
    return tuple(replace(each, **changes) if each.id == member else each for each in members)


@attack("bad_signature")
def ghost_member(scene, served):
    members = (
        *epoch_record.read(served.records[3]).draft.members,
        conversation.seat(scene.mallory.own.chain, "member").member,
    )
    forged = forge(served.records[3], scene.claire_own.holder, members=members)
    served.records[3] = resigned(forged, served.records[3])


@attack("bad_device")
def ghost_member_signed_by_a_ghost_device(scene, served):
    members = (
        *epoch_record.read(served.records[3]).draft.members,
        conversation.seat(scene.mallory.own.chain, "member").member,
    )
    served.records[3] = forge(served.records[3], device("Ghost"), members=members)


@attack("not_permitted")
def removed_member_comes_back_by_the_patients_hand(scene, served):
    seats = [conversation.seat(scene.mallory.own.chain, "member")]
    head = epoch_record.read(served.records[3])
    members = (*head.draft.members, seats[0].member)
    place = {"epoch": 5, "previous": head.hash, "author": scene.jean.own.id, "reason": "add"}
    served.records.append(forge(served.records[3], scene.jean.own.holder, members=members, **place))


@attack("not_permitted")
def a_member_makes_itself_owner(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, role="owner")
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)


@attack("wrong_member_key")
def swapped_key_of_a_member(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, key=sha256(scene.mallory.own.chain.uk))
    forged = forge(served.records[3], scene.claire_own.holder, members=members)
    served.records[3] = resigned(forged, served.records[3])


@attack("bad_signature")
def swapped_box_of_a_member(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, box=bytes(32))
    forged = forge(served.records[3], scene.claire_own.holder, members=members)
    served.records[3] = resigned(forged, served.records[3])


@attack("wrong_member_key")
def swapped_key_signed_by_a_colluding_owner(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, key=sha256(scene.mallory.own.chain.uk))
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)


@attack("wrong_member_key")
def head_of_a_member_swapped(scene, served):
    members = with_member(served.records[3], scene.karim.own.id, head=bytes(32))
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)


@attack("stale_key")
def old_user_key_after_a_rotation(scene, served):
    grown = account.rotate(scene.karim.own, at=NOW)
    served.chains["karim"] = [*served.chains["karim"], *grown.links]
    chain = grown.own.chain
    members = with_member(served.records[3], chain.id, position=chain.position, head=chain.head)
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)


@attack("not_next")
def replayed_record(scene, served):
    served.records.append(served.records[2])


@attack("not_next")
def record_withheld(scene, served):
    del served.records[2]


@attack("rollback")
def removal_withheld(scene, served):
    client = scene.client()
    client.chain = scene.epochs[3].opened.chain
    served.records.pop()
    return client


@attack("fork")
def forked_conversation(scene, served):
    other = conversation.rotate(scene.claire_own, scene.epochs[1].opened, at=NOW)
    last = conversation.rotate(scene.claire_own, other.opened, at=NOW)
    served.records[2:] = [other.record, last.record]


@attack("wrong_inviter")
def another_conversation_behind_the_link(scene, served):
    served.inviter = scene.karim.own.id[:16]


@attack("not_permitted")
def claim_with_the_key_of_another_invitation(scene, served):
    other = invitation.draw()
    first = scene.epochs[0].opened
    claim = other.claim(account=scene.jean.own.id, conversation=first.id, previous=first.chain.head.hash)
    served.records[1:] = [forge(served.records[1], scene.jean.own.holder, claim=claim)]


@attack("bad_signature")
def claim_moved_to_another_account(scene, served):
    taken = conversation.claim(scene.jean.own, scene.epochs[0].opened, scene.invited, at=NOW)
    thief = conversation.seat(scene.mallory.own.chain, "patient").member
    members = tuple(
        thief if each.id == scene.jean.own.id else each for each in epoch_record.read(taken.record).draft.members
    )
    forged = forge(taken.record, scene.mallory.own.holder, members=members, author=scene.mallory.own.id)
    served.records[1:] = [forged]


@attack("bad_device")
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


# --- keys -----------------------------------------------------------------------------------------


@attack("forged_box")
def forged_box(scene, served):
    record = epoch_record.read(served.records[3])
    uk = scene.jean.own.chain.uk
    plain = b"\1" + bytes(64)
    served.boxes[4] = hpke.seal(uk, Place.of(record).info(scene.jean.own.id, sha256(uk)), plain)


@attack("wrong_commit")
def forged_box_that_the_author_signed(scene, served):
    record = epoch_record.read(served.records[3])
    uk = scene.jean.own.chain.uk
    box = hpke.seal(uk, Place.of(record).info(scene.jean.own.id, sha256(uk)), b"\1" + bytes(64))
    members = with_member(served.records[3], scene.jean.own.id, box=sha256(box))
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)
    served.boxes[4] = box


@attack("forged_box")
def boxes_of_two_members_swapped(scene, served):
    served.boxes[4] = scene.epochs[3].boxes[scene.karim.own.id]


@attack("forged_box")
def box_of_an_older_epoch(scene, served):
    served.boxes[4] = served.boxes[3]


@attack("wrong_commit")
def way_back_to_another_history(scene, served):
    newest = scene.epochs[3].opened
    wrong = epoch.EpochKeys(3, Secret(bytes(32)), Secret(bytes(32)))
    backlink = epoch.seal_backlink(newest.id, newest.keys, wrong)
    served.records[3] = forge(served.records[3], scene.claire_own.holder, backlink=backlink)
    served.boxes = {4: served.boxes[4]}


@attack("bad_signature")
def roster_swapped_by_the_server(scene, served):
    roster = epoch_record.read(served.records[2]).draft.roster
    forged = forge(served.records[3], scene.claire_own.holder, roster=roster)
    served.records[3] = resigned(forged, served.records[3])


@attack("open_failed")
def roster_of_another_epoch(scene, served):
    roster = epoch_record.read(served.records[2]).draft.roster
    served.records[3] = forge(served.records[3], scene.claire_own.holder, roster=roster)
    served.envelopes, served.policy = served.envelopes[:1], ("open", None)


# --- messages -------------------------------------------------------------------------------------


@attack("withheld")
def message_withheld(scene, served):
    del served.envelopes[0]


@attack("open_failed")
def message_changed(scene, served):
    wire, kind, newest = served.envelopes[0]
    served.envelopes[0] = (wire[:-1] + bytes([wire[-1] ^ 1]), kind, newest)


@attack("bad_format")
def message_of_another_conversation(scene, served):
    other = conversation.create(
        scene.claire_own, [conversation.seat(scene.jean.own.chain, "patient")], Roster("", {}), at=NOW
    )
    wire = envelope.seal_message(content.words("Bonjour"), scene.claire_own, other.opened, at=NOW)
    served.envelopes.append((wire, "message", 4))


@attack("bad_signature")
def moved_signature_from_another_conversation(scene, served):
    """A member takes what Claire signed elsewhere and seals it here, as if she had said it here."""
    other = conversation.create(
        scene.claire_own, [conversation.seat(scene.jean.own.chain, "patient")], Roster("", {}), at=NOW
    )
    wire = envelope.seal_message(content.words("Arrêtez le traitement"), scene.claire_own, other.opened, at=NOW)
    key, nonce = envelope.kdf.key_and_nonce("message", other.opened.keys.cek, context=wire[:22], salt=wire[22:54])
    inner = envelope.aead.unseal(key, nonce, wire[54:], wire[:54])
    header = b"\1\1" + scene.epochs[3].opened.id[:16] + (4).to_bytes(4) + wire[22:54]
    served.envelopes.append((envelope.seal_inner(header, scene.epochs[3].opened.keys, inner), "message", 4))


@attack("bad_device")
def message_of_a_ghost_device(scene, served):
    ghost = replace(scene.claire_own, holder=device("Ghost"))
    said = content.Said(ghost.id, ghost.holder.id, ghost.chain.position, ghost.chain.head)
    written = content.write(content.words("x"), said, at=NOW, parents=())
    opened = scene.epochs[3].opened
    header = b"\1\1" + opened.id[:16] + (4).to_bytes(4) + bytes(32)
    signature = ghost.holder.sign.sign("message", header + opened.chain.head.hash + written)
    wire = envelope.seal_inner(header, opened.keys, codec.pad(written, signature))
    served.envelopes.append((wire, "message", 4))


@attack("unknown_epoch")
def message_of_an_epoch_that_never_was(scene, served):
    wire, kind, newest = served.envelopes[0]
    served.envelopes[0] = (wire[:18] + (9).to_bytes(4) + wire[22:], kind, newest)


@attack("wrong_kind")
def message_told_as_an_end(scene, served):
    wire, _, newest = served.envelopes[3]
    served.envelopes[3] = (wire, "end", newest)


@attack("mirror_mismatch")
def reply_right_withdrawn_by_the_server(scene, served):
    served.policy = ("ended", None)


@attack("mirror_mismatch")
def reply_right_granted_by_the_server(scene, served):
    served.policy = ("open", None)


@attack("mirror_mismatch")
def last_word_of_the_doctor_withheld(scene, served):
    del served.envelopes[3]  # nothing names it yet: only the mirrored right gives the server away


# --- what does not end in a refusal of the whole reading ------------------------------------------


def test_a_message_told_twice_counts_once(scene):
    served = scene.served()
    served.envelopes.append(served.envelopes[0])
    assert len(scene.client().read(served)) == 4


def test_a_message_of_a_removed_member_after_the_removal_carries_a_warning(scene):
    served = scene.served()
    late = envelope.seal_message(content.words("late"), scene.mallory.own, scene.epochs[2].opened, at=NOW)
    served.envelopes.append((late, "message", 4))
    served.policy = ("open", None)  # Mallory was an owner in that epoch
    assert [message.old_epoch for message in scene.client().read(served)] == [False, False, False, False, True]


def test_a_removed_member_opens_nothing_that_follows(scene):
    opened = scene.epochs[3].opened
    theirs = conversation.open_conversation(
        opened.chain,
        opened.accounts,
        scene.mallory.own.id,
        scene.mallory.own.opening_key,
        {3: scene.epochs[2].boxes[scene.mallory.own.id]},
    )
    with pytest.raises(ProtocolError) as refused:
        envelope.open_message(scene.last, theirs, kind="message")
    assert refused.value.code == "unknown_epoch"


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


def test_a_swapped_file_is_not_shown(scene):
    mine, other = attachment.draw(), attachment.draw()
    sealer = attachment.Sealer(mine, [b"prescription"])
    list(sealer)
    reference = sealer.seals.reference(mine, name="a.pdf", media_type="application/pdf")
    with pytest.raises(ProtocolError) as refused:
        list(attachment.open_stream(reference, attachment.Sealer(other, [b"prescription"])))
    assert refused.value.code == "open_failed"


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
