"""Identifiers, professionals, invitations and envelope headers: what is read, what is refused."""

from __future__ import annotations

import pytest

from server.domain.account import check_professional, luhn, words
from server.domain.envelope import MAX_ENVELOPE, epoch_of
from server.domain.errors import BadRequestError, DomainError
from server.domain.ids import b64, unb64
from server.domain.invitation import Invitation, InvitationState

CONVERSATION = b"c" * 32


@pytest.mark.parametrize("length", range(40))
def test_bytes_come_back(length):
    value = bytes(range(200, 200 + length))
    assert unb64(b64(value), length) == value
    assert "=" not in b64(value)


@pytest.mark.parametrize("text", ["AA==", "AB", "A", "A A", "AA\n", "+/+/", "é", "AAAA=", " AAAA", "AAA*"])
def test_other_spellings_are_refused(text):
    with pytest.raises(BadRequestError):
        unb64(text)


def test_another_length_is_refused():
    with pytest.raises(BadRequestError):
        unb64(b64(b"a" * 31), 32)


@pytest.mark.parametrize("name", ["", " ", "a" * 121, "a\nb", "a\x00", "\u202eabc"])
def test_a_name_that_cannot_be_in_a_certificate_is_refused(name):
    with pytest.raises(BadRequestError):
        check_professional(name, "10", "10000000009")


@pytest.mark.parametrize("rpps", ["", "1000000000", "100000000090", "10000000000", "1000000000a", "１0000000009"])
def test_an_rpps_number_needs_eleven_digits_and_its_key(rpps):
    with pytest.raises(BadRequestError):
        check_professional("Claire Martin", "10", rpps)


@pytest.mark.parametrize("profession", ["", "1", "1000", "ab", "10 "])
def test_a_profession_is_a_code(profession):
    with pytest.raises(BadRequestError):
        check_professional("Claire Martin", profession, "10000000009")


def test_luhn():
    assert luhn("10000000009")
    assert not any(luhn(f"1000000000{last}") for last in "012345678")


def test_a_name_is_found_without_accents_or_case():
    assert words("Élodie D'Arc-Müller élodie") == ["arc", "d", "elodie", "muller"]


def header(version=1, suite=1, conversation=CONVERSATION, epoch=7, size=400):
    return (bytes([version, suite]) + conversation[:16] + epoch.to_bytes(4, "big")).ljust(size, b"x")


def test_the_epoch_stands_in_the_header():
    assert epoch_of(header(), CONVERSATION) == 7


@pytest.mark.parametrize(
    ("envelope", "code"),
    [
        (header(version=2), "unknown_version"),
        (header(suite=2), "unknown_version"),
        (header(conversation=b"d" * 32), "wrong_conversation"),
        (header(size=53), "bad_format"),
        (b"", "bad_format"),
        (header(size=MAX_ENVELOPE + 1), "envelope_too_large"),
    ],
)
def test_a_header_that_is_not_for_us_is_refused(envelope, code):
    with pytest.raises(DomainError) as refused:
        epoch_of(envelope, CONVERSATION)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("state", "now", "code"),
    [
        (InvitationState.OPEN, 99, None),
        (InvitationState.OPEN, 100, "invitation_expired"),
        (InvitationState.CLAIMED, 99, "invitation_used"),
        (InvitationState.CLAIMED, 101, "invitation_used"),
        (InvitationState.REPLACED, 99, "invitation_replaced"),
        (InvitationState.REFUSED, 99, "invitation_refused"),
        (InvitationState.REFUSED, 101, "invitation_refused"),
    ],
)
def test_an_invitation_is_open_until_it_is_used_replaced_or_over(state, now, code):
    invitation = Invitation(b"i" * 16, CONVERSATION, b"m" * 32, b"s", b"e", 100, state)
    if code is None:
        invitation.require_open(now)
        return
    with pytest.raises(DomainError) as refused:
        invitation.require_open(now)
    assert refused.value.code == code
