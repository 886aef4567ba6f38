"""What holds for every input: nothing changed is accepted, everything written is read."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from crypto import (
    account,
    attachment,
    codec,
    content,
    conversation,
    envelope,
    holder,
    invitation,
    passkey,
    recovery,
    user_secret,
)
from crypto.account_chain import AccountChain
from crypto.conversation_chain import ConversationChain
from crypto.epoch import Roster
from crypto.errors import ProtocolError
from crypto.secret import Secret

NOW = 1_790_000_000_000
quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
keys = st.from_regex(r"\A[a-z][a-z0-9_]{0,5}\Z")
integers = st.integers(-(2**53) + 1, 2**53 - 1)
values = st.recursive(
    st.none() | st.booleans() | integers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
objects = st.dictionaries(keys, values, max_size=5)


@pytest.fixture(scope="module")
def claire():
    return account.create(holder.from_seed(Secret(bytes(32)), kind="device", name="Laptop"), at=NOW)


@pytest.fixture(scope="module")
def begun(claire):
    return conversation.create(claire.own, [], Roster("Résultats", {}), at=NOW)


def _attempt(read, *given):
    """What ``read`` gives, or the code of its refusal."""
    try:
        return read(*given), None
    except ProtocolError as refused:
        return None, refused.code


def _flipped(data, wire):
    at = data.draw(st.integers(0, len(wire) * 8 - 1))
    changed = bytearray(wire)
    changed[at // 8] ^= 1 << at % 8
    return bytes(changed)


@given(objects)
def test_what_is_encoded_decodes_to_the_same(value):
    assert codec.decode(codec.encode(value)) == value


@given(st.binary(max_size=60))
def test_whatever_decodes_has_one_spelling(data):
    value, code = _attempt(codec.decode, data)
    assert code == "bad_format" or codec.encode(value) == data


@given(objects, st.data())
def test_a_changed_byte_of_json_is_refused_or_means_something_else(value, data):
    wire = codec.encode(value)
    read, code = _attempt(codec.decode, _flipped(data, wire))
    assert code == "bad_format" or read != value


@given(st.binary(max_size=80))
def test_b64_round_trip(data):
    assert codec.unb64(codec.b64(data)) == data


@given(st.text(st.sampled_from("AQgw-_=+/ \n"), max_size=9))
def test_whatever_unb64_reads_has_one_spelling(text):
    read, code = _attempt(codec.unb64, text)
    assert code == "bad_format" or codec.b64(read) == text


@given(st.binary(max_size=300), st.lists(st.binary(min_size=64, max_size=64), min_size=1, max_size=2))
def test_the_signed_form_has_one_spelling(body, signatures):
    wire = codec.Signed(body, tuple(signatures)).pack()
    assert codec.Signed.unpack(wire) == codec.Signed(body, tuple(signatures))
    for cut in range(len(wire)):
        with pytest.raises(ProtocolError):
            codec.Signed.unpack(wire[:cut])


def test_a_body_too_long_is_refused():
    wire = codec.Signed(bytes(codec.MAX_BODY + 1), (bytes(64),)).pack()
    with pytest.raises(ProtocolError) as refused:
        codec.Signed.unpack(wire)
    assert refused.value.code == "bad_format"


@given(st.integers(2, 10**9))
def test_padme_grows_a_little_and_never_shrinks(length):
    padded = codec.padme(length)
    assert length <= padded <= length * 1.12 + 1
    assert codec.padme(padded) == padded
    assert codec.padme(length + 1) >= padded


@given(st.binary(max_size=600), st.binary(min_size=64, max_size=64), st.data())
def test_padding_has_one_spelling(said, trailer, data):
    padded = codec.pad(said, trailer)
    assert codec.unpad(padded, 64) == (said, trailer)
    read, code = _attempt(codec.unpad, _flipped(data, padded), 64)
    assert code == "bad_format" or read != (said, trailer)


@given(st.binary(min_size=16, max_size=16))
def test_recovery_code_round_trip(raw):
    code = recovery.RecoveryCode(Secret(raw))
    assert recovery.read(code.text()) == code


@given(st.binary(min_size=16, max_size=16), st.data())
def test_a_mistyped_recovery_code_is_told(raw, data):
    text = recovery.RecoveryCode(Secret(raw)).text().replace("-", "")
    at = data.draw(st.integers(0, 25))
    other = data.draw(st.sampled_from(recovery.ALPHABET))
    assume(other != text[at])
    read, code = _attempt(recovery.read, text[:at] + other + text[at + 1 :])
    # One in 1,024 times the ten check bits agree by chance, and the code is simply another one.
    assert code in {"bad_check", "bad_code"} or read.secret.reveal() != raw


@given(st.binary(min_size=8, max_size=8))
def test_invitation_code_round_trip(raw):
    code = invitation.draw_code(lambda _: raw)
    assert invitation.read_code(code.text().lower()) == code


@given(st.binary(min_size=16, max_size=16), st.binary(min_size=32, max_size=32))
@settings(deadline=None, max_examples=15)
def test_invitation_link_round_trip(secret, inviter):
    invited = invitation.from_secret(Secret(secret))
    carried = invitation.read_link(invited.link("https://pli.example/", inviter))
    assert carried.invitation.secret == invited.secret
    assert (carried.inviter, carried.url) == (inviter[:16], "https://pli.example")


@quick
@given(st.data())
def test_any_flipped_bit_of_a_link_is_refused(claire, data):
    which = data.draw(st.sampled_from([0, 1]))
    links = list(claire.growth.links)
    links[which] = _flipped(data, links[which])
    with pytest.raises(ProtocolError):
        AccountChain.replay(links)


@quick
@given(st.data())
def test_any_flipped_bit_of_a_record_is_refused(claire, begun, data):
    with pytest.raises(ProtocolError):
        ConversationChain.replay([_flipped(data, begun.record)], {claire.own.id: claire.own.chain})


@quick
@given(st.data())
def test_any_flipped_bit_of_a_box_is_refused(claire, begun, data):
    box = _flipped(data, begun.boxes[claire.own.id])
    chain, own = begun.opened.chain, claire.own
    with pytest.raises(ProtocolError) as refused:
        conversation.open_conversation(chain, begun.opened.accounts, own.id, own.opening_key, {1: box})
    assert refused.value.code == "forged_box"


@quick
@given(texts, st.data())
def test_any_flipped_bit_of_an_envelope_is_refused(claire, begun, text, data):
    wire = envelope.seal_message(content.words(text), claire.own, begun.opened, at=NOW)
    assert envelope.open_message(wire, begun.opened, kind="message").content.payload["text"] == text
    with pytest.raises(ProtocolError):
        envelope.open_message(_flipped(data, wire), begun.opened, kind="message")


@quick
@given(st.data())
def test_any_flipped_bit_of_a_user_secret_box_is_refused(claire, data):
    first = claire.growth.boxes[0]
    changed = replace(first, box=_flipped(data, first.box))
    with pytest.raises(ProtocolError):
        account.open_account(claire.own.chain, claire.own.holder, changed)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=64), st.data())
def test_any_flipped_bit_of_a_passkey_blob_is_refused(prf, credential, data):
    kept = passkey.Passkey(Secret(bytes(32)), bytes(32), 1, bytes(32))
    blob = passkey.wrap(kept, prf=Secret(prf), credential=credential)
    assert passkey.unwrap(blob, prf=Secret(prf), credential=credential) == kept
    with pytest.raises(ProtocolError):
        passkey.unwrap(_flipped(data, blob), prf=Secret(prf), credential=credential)


@given(st.text(max_size=20), st.binary(max_size=100), st.data())
def test_own_data_opens_under_its_name_only(name, kept, data):
    assume(not any("\ud800" <= each <= "\udfff" for each in name))
    secret = user_secret.draw(1)
    sealed = secret.seal_own(name, kept)
    assert secret.open_own(name, sealed) == kept
    for bad_name, bad in ((name + "x", sealed), (name, _flipped(data, sealed))):
        with pytest.raises(ProtocolError):
            secret.open_own(bad_name, bad)


@given(st.lists(st.binary(max_size=70_000), max_size=4), st.data())
@settings(deadline=None, max_examples=25)
def test_files_survive_any_chunking_and_no_flipped_bit(chunks, data):
    file = attachment.draw()
    sealer = attachment.Sealer(file, chunks)
    sealed = b"".join(sealer)
    reference = sealer.seals.reference(file, name="f", media_type="text/plain")
    assert len(sealed) == attachment.sealed_size(len(b"".join(chunks))) == reference.sealed_size
    cut = data.draw(st.integers(0, len(sealed)))
    assert b"".join(attachment.open_stream(reference, [sealed[:cut], sealed[cut:]])) == b"".join(chunks)
    with pytest.raises(ProtocolError) as refused:
        list(attachment.open_stream(reference, [_flipped(data, sealed)]))
    assert refused.value.code == "open_failed"


@given(st.binary(max_size=400))
def test_bytes_from_anywhere_are_refused_with_a_code(junk):
    for read in (AccountChain.begin, lambda wire: ConversationChain.replay([wire], {}), content.read):
        assert _attempt(read, junk)[1] == "bad_format"
    _, code = _attempt(envelope.read_header, junk)
    assert code == "bad_format" or len(junk) >= 70
