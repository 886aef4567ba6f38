"""Mail we write: read back by our reader and by an independent one, the standard library's."""

import email
import email.policy
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.mail.address import Address
from bridges.mail.composing import (
    MAX_MAIL,
    Attached,
    Letter,
    LetterError,
    compose,
    compose_receipt,
    document_name,
    document_subject,
    may_answer,
    stable_id,
)
from bridges.mail.inputs import Subject
from bridges.mail.reading import read

SENT_AT = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
PATIENT = Subject(ins="279035121518989", birth_name="Corse", given_names="Zoé Anne", birth_date="1988-10-12", sex="F")
LETTER = Letter(
    sender=Address("martin", "cabinet.mssante.fr"),
    sender_name="Zoé CORSE",
    recipients=[Address("a", "x.fr"), Address("b", "y.fr")],
    subject="Résultats",
    text="Bonjour,\n.\nFrom ici\né",
    sent_at=SENT_AT,
    message_id=stable_id(b"1", "cabinet.mssante.fr"),
    software="PLI-1",
)
DNT = Address("dr", "x.fr")


def letter(**changes) -> Letter:
    return msgspec.structs.replace(LETTER, **changes)


def ours(octets: bytes):
    reading = read(octets, bodies=True)
    assert (reading.outcome, reading.warnings) == ("accepted", [])
    return reading


def theirs(octets: bytes):
    return email.message_from_bytes(octets, policy=email.policy.default)


def test_both_readers_see_what_was_meant():
    octets = compose(letter(in_reply_to="<1@x>", references=["<0@x>", "<1@x>"], asks_receipt=True, reply_to=DNT))
    mail, other = ours(octets).mail, theirs(octets)
    assert (mail.sender, mail.sender_name, mail.recipients) == (
        "martin@cabinet.mssante.fr",
        "Zoé CORSE",
        ["a@x.fr", "b@y.fr"],
    )
    assert (mail.subject, mail.text) == ("Résultats", "Bonjour,\n.\nFrom ici\né")
    assert (mail.message_id, mail.in_reply_to, mail.references) == (LETTER.message_id, "<1@x>", ["<0@x>", "<1@x>"])
    assert (mail.asks_receipt, mail.reply_to, mail.marks.software) == ("martin@cabinet.mssante.fr", "dr@x.fr", "PLI-1")
    assert other["subject"] == "Résultats"
    assert other["from"].addresses[0].display_name == "Zoé CORSE"
    assert [each.addr_spec for each in other["to"].addresses] == ["a@x.fr", "b@y.fr"]
    assert other.get_content() == "Bonjour,\r\n.\r\nFrom ici\r\né".replace("\r\n", "\n") or "é" in other.get_content()
    assert not other.defects


def test_files_arrive_under_their_names():
    files = [
        Attached("été " + "é" * 60 + ".pdf", "application/pdf", b"%PDF-1.4" + bytes(range(256))),
        Attached("a.txt", "text/plain", b""),
    ]
    octets = compose(letter(attached=files))
    reading = ours(octets)
    assert [(one.name, one.bytes) for one in reading.parts[1:]] == [(files[0].name, 264), ("a.txt", 0)]
    assert reading.bodies["2"] == files[0].octets
    assert [part.get_filename() for part in theirs(octets).iter_attachments()] == [files[0].name, "a.txt"]


def test_the_same_letter_gives_the_same_bytes_and_another_message_another_id():
    assert compose(LETTER) == compose(letter())
    assert stable_id(b"1", "x.fr") == stable_id(b"1", "x.fr") != stable_id(b"2", "x.fr")


HOSTILE = st.text(st.characters() | st.sampled_from('\r\n\x00:<>",=?\\ \u2028\u202e'), max_size=80)


@given(HOSTILE, HOSTILE, HOSTILE, HOSTILE)
def test_no_text_adds_a_field_or_a_part(subject, name, text, file):
    plain = theirs(compose(letter(attached=[Attached("a", "text/plain", b"x")])))
    octets = compose(
        letter(subject=subject, sender_name=name, text=text, attached=[Attached(file, "text/plain", b"x")])
    )
    octets.decode("ascii")
    lines = octets.split(b"\r\n")
    assert max(map(len, lines)) <= 998
    assert not [line for line in lines if b"\r" in line or b"\n" in line or line == b"."]
    assert theirs(octets).keys() == plain.keys()
    assert len(ours(octets).parts) == 2
    assert ours(octets).mail.sender == "martin@cabinet.mssante.fr"


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"recipients": []}, "no_recipient"),
        ({"recipients": [Address("a\r\nRCPT TO:<b", "x.fr")]}, "bad_address"),
        ({"sender": Address("a", "x.fr>\r\nBcc: b@x.fr")}, "bad_address"),
        ({"message_id": "<a@b>\r\nBcc: b@x.fr"}, "bad_id"),
        ({"references": ["nonsense"]}, "bad_id"),
        ({"software": "a\r\nb"}, "bad_field"),
        ({"codes": ["a,b"]}, "bad_field"),
        ({"attached": [Attached("a", "text/x\r\ny", b"")]}, "bad_field"),
        ({"attached": [Attached("a", "text/plain", bytes(MAX_MAIL * 3 // 4))]}, "too_large"),
    ],
)
def test_what_cannot_be_a_mail_is_refused(change, code):
    with pytest.raises(LetterError) as refused:
        compose(letter(**change))
    assert refused.value.code == code


def test_the_marks_of_mssante_are_written_and_read():
    subject = document_subject("ECHOGRAPHIE", PATIENT)
    assert subject == "XDM/1.0/DDM+ECHOGRAPHIE CORSE Zoé 12/10/1988"
    marks = ours(
        compose(letter(subject=subject, codes=["34112-3", "PRESC-BIO"], qualified=True, no_reply=True))
    ).mail.marks
    assert (marks.subject, marks.codes, marks.identity) == (
        "ECHOGRAPHIE CORSE Zoé 12/10/1988",
        ["34112-3", "PRESC-BIO"],
        "O",
    )
    assert (marks.no_reply, marks.has_hidden_subject) == (True, True)
    assert ours(compose(letter(subject="[FIN]"))).mail.marks.ends_conversation
    assert document_name("CR d'examens", PATIENT, SENT_AT) == "20261122_CR-d'examens_CORSE_Zoé.pdf"


def test_a_receipt_is_one_for_both_readers():
    said = "manual-action/MDN-sent-manually; displayed"
    octets = compose_receipt(LETTER, original="<first@x>", recipient=DNT, disposition=said)
    report = ours(octets).mail.report
    assert (report.kind, report.state, report.original, report.recipients) == ("mdn", "read", "<first@x>", ["dr@x.fr"])
    other = theirs(octets)
    assert (other.get_content_type(), other.get_param("report-type")) == (
        "multipart/report",
        "disposition-notification",
    )
    assert not other.defects


@pytest.mark.parametrize(
    ("change", "original", "disposition", "code"),
    [
        ({"asks_receipt": True}, "<a@b>", "manual-action/MDN-sent-manually; displayed", "receipt_of_receipt"),
        ({}, "<a@b>\r\nX: y", "manual-action/MDN-sent-manually; displayed", "bad_id"),
        ({}, "<a@b>", "displayed\r\nX: y", "bad_id"),
    ],
)
def test_a_receipt_that_must_not_be(change, original, disposition, code):
    with pytest.raises(LetterError) as refused:
        compose_receipt(letter(**change), original=original, recipient=DNT, disposition=disposition)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("asked", "returns", "person", "may"),
    [
        ("a@x.fr", "a@x.fr", False, True),
        ("a@x.fr", "b@x.fr", False, False),
        ("a@x.fr", "b@x.fr", True, True),
        ("", "", True, False),
    ],
)
def test_a_machine_answers_only_where_the_mail_came_from(asked, returns, person, may):
    assert may_answer(asked, returns, by_a_person=person) is may
