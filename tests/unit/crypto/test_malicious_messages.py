"""A server that lies about keys and messages; see ``test_malicious_server`` for accounts and members."""

from dataclasses import replace

import pytest
from scene import NOW, Lies, device, forge, require_refused, resigned, with_member

from crypto import (
    attachment,
    codec,
    content,
    conversation,
    envelope,
    epoch,
    epoch_record,
    hpke,
)
from crypto.epoch import Place, Roster
from crypto.errors import ProtocolError
from crypto.secret import Secret
from crypto.suite import sha256

LIES = Lies()


# --- keys -----------------------------------------------------------------------------------------


@LIES.ending_with("forged_box")
def forged_box(scene, served):
    record = epoch_record.read(served.records[3])
    uk = scene.jean.own.chain.uk
    plain = b"\1" + bytes(64)
    served.boxes[4] = hpke.seal(uk, Place.of(record).info(scene.jean.own.id, sha256(uk)), plain)


@LIES.ending_with("wrong_commit")
def forged_box_that_the_author_signed(scene, served):
    record = epoch_record.read(served.records[3])
    uk = scene.jean.own.chain.uk
    box = hpke.seal(uk, Place.of(record).info(scene.jean.own.id, sha256(uk)), b"\1" + bytes(64))
    members = with_member(served.records[3], scene.jean.own.id, box=sha256(box))
    served.records[3] = forge(served.records[3], scene.claire_own.holder, members=members)
    served.boxes[4] = box


@LIES.ending_with("forged_box")
def boxes_of_two_members_swapped(scene, served):
    served.boxes[4] = scene.epochs[3].boxes[scene.karim.own.id]


@LIES.ending_with("forged_box")
def box_of_an_older_epoch(scene, served):
    served.boxes[4] = served.boxes[3]


@LIES.ending_with("wrong_commit")
def way_back_to_another_history(scene, served):
    newest = scene.epochs[3].opened
    wrong = epoch.EpochKeys(3, Secret(bytes(32)), Secret(bytes(32)))
    backlink = epoch.seal_backlink(newest.id, newest.keys, wrong)
    served.records[3] = forge(served.records[3], scene.claire_own.holder, backlink=backlink)
    served.boxes = {4: served.boxes[4]}


@LIES.ending_with("bad_signature")
def roster_swapped_by_the_server(scene, served):
    roster = epoch_record.read(served.records[2]).draft.roster
    forged = forge(served.records[3], scene.claire_own.holder, roster=roster)
    served.records[3] = resigned(forged, served.records[3])


@LIES.ending_with("open_failed")
def roster_of_another_epoch(scene, served):
    roster = epoch_record.read(served.records[2]).draft.roster
    served.records[3] = forge(served.records[3], scene.claire_own.holder, roster=roster)
    served.envelopes, served.policy = served.envelopes[:1], ("open", None)


# --- messages -------------------------------------------------------------------------------------


@LIES.ending_with("withheld")
def message_withheld(scene, served):
    del served.envelopes[0]


@LIES.ending_with("open_failed")
def message_changed(scene, served):
    wire, kind, newest = served.envelopes[0]
    served.envelopes[0] = (wire[:-1] + bytes([wire[-1] ^ 1]), kind, newest)


@LIES.ending_with("bad_format")
def message_of_another_conversation(scene, served):
    other = conversation.create(
        scene.claire_own, [conversation.seat(scene.jean.own.chain, "patient")], Roster("", {}), at=NOW
    )
    wire = envelope.seal_message(content.words("Bonjour"), scene.claire_own, other.opened, at=NOW)
    served.envelopes.append((wire, "message", 4))


@LIES.ending_with("bad_signature")
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


@LIES.ending_with("bad_device")
def message_of_a_ghost_device(scene, served):
    ghost = replace(scene.claire_own, holder=device("Ghost"))
    said = content.Said(ghost.id, ghost.holder.id, ghost.chain.position, ghost.chain.head)
    written = content.write(content.words("x"), said, at=NOW, parents=())
    opened = scene.epochs[3].opened
    header = b"\1\1" + opened.id[:16] + (4).to_bytes(4) + bytes(32)
    signature = ghost.holder.sign.sign("message", header + opened.chain.head.hash + written)
    wire = envelope.seal_inner(header, opened.keys, codec.pad(written, signature))
    served.envelopes.append((wire, "message", 4))


@LIES.ending_with("unknown_epoch")
def message_of_an_epoch_that_never_was(scene, served):
    wire, kind, newest = served.envelopes[0]
    served.envelopes[0] = (wire[:18] + (9).to_bytes(4) + wire[22:], kind, newest)


@LIES.ending_with("wrong_kind")
def message_told_as_an_end(scene, served):
    wire, _, newest = served.envelopes[3]
    served.envelopes[3] = (wire, "end", newest)


@LIES.ending_with("mirror_mismatch")
def reply_right_withdrawn_by_the_server(scene, served):
    served.policy = ("ended", None)


@LIES.ending_with("mirror_mismatch")
def reply_right_granted_by_the_server(scene, served):
    served.policy = ("open", None)


@LIES.ending_with("mirror_mismatch")
def last_word_of_the_doctor_withheld(scene, served):
    del served.envelopes[3]  # nothing names it yet: only the mirrored right gives the server away


@pytest.mark.parametrize(("lie", "code"), LIES)
def test_a_lie_is_refused(scene, lie, code):
    require_refused(scene, lie, code)


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


def test_a_swapped_file_is_not_shown(scene):
    mine, other = attachment.draw(), attachment.draw()
    sealer = attachment.Sealer(mine, [b"prescription"])
    list(sealer)
    reference = sealer.seals.reference(mine, name="a.pdf", media_type="application/pdf")
    with pytest.raises(ProtocolError) as refused:
        list(attachment.open_stream(reference, attachment.Sealer(other, [b"prescription"])))
    assert refused.value.code == "open_failed"
