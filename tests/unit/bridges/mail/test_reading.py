"""A mail of a stranger: what is shown of it, and why it is kept aside."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.mail import limits
from bridges.mail.html import to_text
from bridges.mail.reading import read
from bridges.mail.reasons import REASONS
from bridges.mail.words import decode_words, one_line

HEAD = "From: Dr Martin <martin@cabinet.mssante.fr>\r\nTo: a@x.fr\r\nMessage-ID: <1@x>\r\n"
PATIENT = "279035121518989@patient.mssante.fr"


def mail(*fields: str, body: str = "bonjour", head: str = HEAD) -> bytes:
    return (head + "".join(f"{field}\r\n" for field in fields) + "\r\n" + body).encode()


def accepted(raw: bytes):
    reading = read(raw, bodies=True)
    assert reading.outcome == "accepted", (reading.reason, reading.detail)
    return reading


def parts(*each: str, kind: str = "mixed") -> bytes:
    body = "".join(f"--Z\r\n{part}\r\n" for part in each) + "--Z--\r\n"
    return mail(f"Content-Type: multipart/{kind}; boundary=Z", body=body)


def test_a_plain_mail():
    reading = accepted(
        mail("Subject: =?utf-8?q?R=C3=A9sultats?= de =?utf-8?b?Qg==?=", "In-Reply-To: <0@x>", "References: <8@x> <0@x>")
    )
    assert reading.mail.sender == "martin@cabinet.mssante.fr"
    assert reading.mail.sender_name == "Dr Martin"
    assert reading.mail.subject == "Résultats de B"
    assert reading.mail.text == "bonjour"
    assert (reading.mail.message_id, reading.mail.in_reply_to) == ("<1@x>", "<0@x>")
    assert reading.mail.references == ["<8@x>", "<0@x>"]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "empty"),
        (b"\x00\x01\x02", "not_a_mail"),
        (b"<html>PK", "not_a_mail"),
        (mail("From: evil@attacker.example"), "sender_several"),
        (mail(head="To: a@x.fr\r\n"), "sender_missing"),
        (mail("Subject: a\rBcc: b@x.fr"), "header_control"),
        (mail("Subject: a\x00"), "header_control"),
        (mail("Subject: a", "Subject: b"), "header_twice"),
        (mail("Content-Type: text/plain", "Content-Type: text/html"), "header_twice"),
        (mail("no field"), "header_broken"),
        (mail("X-A: " + "a" * limits.HEADER_BLOCK), "header_too_large"),
        (mail(*["X-A: b"] * (limits.FIELDS + 1)), "header_too_large"),
        (mail("Cc: " + "b@x.fr," * limits.RECIPIENTS), "too_many_recipients"),
        (mail("Content-Type: multipart/mixed"), "boundary_broken"),
        (mail("Content-Type: multipart/mixed; boundary=Z", body="no part"), "boundary_broken"),
        (parts(*["\r\nx"] * (limits.PARTS + 1)), "too_many_parts"),
        (mail(head="From: =?utf-8?b?RHIgTQ0KQmNjOiBldmlsQHguZXhhbXBsZQ==?= <m@x.fr>\r\n"), "sender_hidden_line"),
    ],
)
def test_kept_aside(raw, reason):
    reading = read(raw)
    assert (reading.outcome, reading.reason) == ("quarantined", reason)
    assert reading.mail is None
    assert not reading.bodies


def test_nesting_ends():
    raw = HEAD.encode()
    for level in range(limits.DEPTH + 1):
        raw += f"Content-Type: multipart/mixed; boundary=b{level}x\r\n\r\n--b{level}x\r\n".encode()
    assert read(raw + b"\r\nx").reason == "too_deep"


def test_a_name_that_shows_another_address_is_not_shown():
    reading = accepted(mail(head='From: "martin@cabinet.mssante.fr" <evil@attacker.example>\r\n'))
    assert reading.mail.sender == "evil@attacker.example"
    assert reading.mail.sender_name == ""
    assert reading.warnings == ["sender_name_is_an_address"]


def test_an_encoded_line_break_stays_on_its_line():
    reading = accepted(mail("Subject: =?utf-8?q?a=0D=0ABcc=3A_evil=40x=2Efr?="))
    assert reading.mail.subject == "a Bcc: evil@x.fr"
    assert "subject_hidden_line" in reading.warnings


def test_a_mail_without_an_id_has_one_that_stays():
    one, again = accepted(mail(head="From: a@x.fr\r\n")), accepted(mail(head="From: a@x.fr\r\n"))
    other = accepted(mail(head="From: a@x.fr\r\n", body="other"))
    assert one.mail.message_id == again.mail.message_id != other.mail.message_id


def test_the_digest_tells_two_mails_of_one_id_apart():
    assert accepted(mail(body="a")).digest != accepted(mail(body="b")).digest


def test_attachments_come_with_their_bytes():
    reading = accepted(
        parts(
            "Content-Type: text/plain; charset=iso-8859-15\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n10 =A4",
            'Content-Type: application/pdf; name="x.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\nJVBE\r\nRi0xLjQ',
        )
    )
    assert reading.mail.text == "10 €"
    assert [(one.path, one.type, one.name, one.bytes, one.handling) for one in reading.parts] == [
        ("1", "text/plain", "", 4, "show"),
        ("2", "application/pdf", "x.pdf", 8, "show"),
    ]
    assert reading.bodies["2"] == b"%PDF-1.4"


@pytest.mark.parametrize(
    ("disposition", "name", "handling"),
    [
        ('filename="../../etc/passwd"', "_.._etc_passwd", "download"),
        ("filename*=utf-8''a%0D%0ASet-Cookie%3A%20x=1.txt", "a Set-Cookie_ x=1.txt", "download"),
        ("filename*=utf-8''ordonnance%E2%80%AEfdp.exe", "ordonnancefdp.exe", "refuse"),
        ("filename*1*=%A9.txt; filename*0*=utf-8''t%C3", "té.txt", "download"),
        ("filename*0*=utf-8''%C3%A9; filename*1=t; filename*2*=%C3%A9.pdf", "été.pdf", "download"),
        ('filename="=?utf-8?q?=C3=A9t=C3=A9.svg?="', "été.svg", "download"),
        (f'filename="{"a" * 10000}.pdf"', "a" * (limits.FILE_NAME - 4) + ".pdf", "download"),
        ('filename="con.txt"', "_con.txt", "download"),
    ],
)
def test_file_names(disposition, name, handling):
    part = f"Content-Type: application/octet-stream\r\nContent-Disposition: attachment; {disposition}\r\n\r\nx"
    (found,) = accepted(parts(part)).parts
    assert (found.name, found.handling) == (name, handling)


def test_a_program_called_a_picture_is_refused():
    part = "Content-Type: image/png; name=a.png\r\nContent-Transfer-Encoding: base64\r\n\r\nTVqQAAMAAAA="
    reading = accepted(parts(part))
    assert reading.parts[0].handling == "refuse"
    assert "type_differs" in reading.warnings


def test_mails_inside_mails_and_far_bodies_stay_closed():
    inner = 'Content-Type: message/external-body; access-type=URL; URL="http://127.0.0.1:1/"\r\n\r\nContent-Type: text/plain\r\n\r\n'
    whole = "Content-Type: message/rfc822\r\n\r\nFrom: other@x.fr\r\nSubject: inner\r\n\r\nhidden words"
    reading = accepted(parts("\r\nouter", inner, whole))
    assert reading.mail.text == "outer"
    assert [one.type for one in reading.parts] == ["text/plain", "message/external-body", "message/rfc822"]


def test_of_two_versions_the_plain_one_is_shown():
    raw = parts("Content-Type: text/html\r\n\r\n<b>html</b>", "\r\nplain", kind="alternative")
    assert accepted(raw).mail.text == "plain"


def test_html_alone_becomes_words():
    html = (
        "<html><head><title>t</title><style>p{}</style></head><body onload=x()><h1>Bonjour</h1><p>Voici&nbsp;:</p>"
        "<ul><li>un</li><li>deux</li></ul><script>alert(1)</script><svg><text>s</text></svg>"
        '<a href="http://evil.example/">https://good.fr</a> <a href="javascript:x()">y</a><img src="http://t/p.gif">'
    )
    shown = accepted(mail("Content-Type: text/html", body=html)).mail.text
    assert shown == to_text(html)
    assert "Bonjour" in shown
    assert "- deux" in shown
    assert "https://good.fr <http://evil.example/>" in shown
    assert not [bad for bad in ("alert", "javascript", "<script", "p{}", "p.gif") if bad in shown]


def test_nul_and_controls_are_not_in_the_text():
    assert accepted(mail(body="a\x00b\x1b[31mc\u202ed")).mail.text == "ab[31mcd"


def test_a_word_bomb_costs_little():
    assert len(one_line("=?utf-8?q?a?= " * 20000)) == limits.SUBJECT
    assert decode_words("=?utf-8?q?a?= " * 300).count("=?") == 300 - limits.ENCODED_WORDS


@pytest.mark.parametrize("charset", ["zlib", "rot13", "utf-7", "hex", "nonsense", "punycode", "\u00e9"])
def test_only_character_sets_are_character_sets(charset):
    assert accepted(mail(f"Content-Type: text/plain; charset={charset}", body="+ADw-")).mail.text == "+ADw-"
    assert accepted(mail(f"Content-Type: text/plain; charset={charset}", body="+ADw-été")).mail.text == "+ADw-été"


@pytest.mark.parametrize(
    ("field", "mark", "value"),
    [
        ("Subject: [FIN]", "ends_conversation", True),
        ("Subject: [fin]", "ends_conversation", False),
        ("Subject: Re: [FIN]", "ends_conversation", False),
        ("X-MSS-MES: FIN", "no_reply", True),
        ("X-MSS-MES: fin", "no_reply", False),
        ("Subject: [Annule et remplace] XDM/1.0/DDM+CR CORSE", "replaces", True),
        ("Subject: XDM/1.0/DDM+ECHO CORSE FIGATELLIX 12/10/1988", "subject", "ECHO CORSE FIGATELLIX 12/10/1988"),
        ("Subject: Re: XDM/1.0/DDM+ECHO", "subject", "Re: ECHO"),
        ("Subject: [KO Intégration système !][902] XDM/1.0/DDM+ECHO", "acknowledgement", "902"),
        ("Subject: [Erreur d'intégration !][906] ECHO", "acknowledgement", "906"),
        ("X-MSS-CODECDA: 34112-3,PRESC-BIO", "codes", ["34112-3", "PRESC-BIO"]),
        ("X-MSS-INS: O", "identity", "O"),
        ("X-MSS-INS: yes", "identity", ""),
        ("X-MSS-NIL: 1234-AB", "software", "1234-AB"),
    ],
)
def test_marks_of_mssante(field, mark, value):
    assert getattr(accepted(mail(field)).mail.marks, mark) == value


@pytest.mark.parametrize(
    ("sender", "is_patient"),
    [(PATIENT, True), (PATIENT.replace("989", "988"), False), (PATIENT.replace("patient.", "patient.evil."), False)],
)
def test_a_patient_is_known_by_the_whole_address(sender, is_patient):
    assert accepted(mail(head=f"From: {sender}\r\n")).mail.marks.from_patient is is_patient


def test_reasons_are_stable():
    assert {"sender_several", "too_deep", "xml_doctype", "archive_unsafe", "too_slow"} <= REASONS


@given(st.binary(max_size=400))
def test_any_bytes_have_an_outcome(octets):
    for raw in (
        octets,
        HEAD.encode() + octets,
        HEAD.encode() + b"Content-Type: multipart/mixed; boundary=Z\r\n\r\n--Z\r\n" + octets,
    ):
        reading = read(raw, bodies=True)
        assert reading.outcome == "accepted" or reading.reason in REASONS
