"""What a mail says about an earlier one."""

import pytest

from bridges.mail.reading import read

FIRST = "<first@cabinet.mssante.fr>"


def report(kind: str, block: str, quoted: str = "") -> bytes:
    third = f"--Z\r\nContent-Type: message/rfc822\r\n\r\n{quoted}\r\n" if quoted else ""
    return (
        "From: x@patient.mssante.fr\r\nMessage-ID: <r@x>\r\n"
        f"Content-Type: multipart/report; report-type={kind}; boundary=Z\r\n\r\n"
        f"--Z\r\nContent-Type: text/plain\r\n\r\nwords\r\n"
        f"--Z\r\nContent-Type: message/{kind}\r\n\r\n{block}\r\n{third}--Z--\r\n"
    ).encode()


@pytest.mark.parametrize(
    ("disposition", "state", "automatic", "cause"),
    [
        ("manual-action/MDN-sent-manually; displayed", "read", False, ""),
        ("automatic-action/MDN-sent-automatically; processed", "processed", True, ""),
        ("automatic-action/MDN-sent-automatically; processed/Error: 902^patient inconnu", "failed", True, "902"),
        ("manual-action/MDN-sent-manually; deleted", "unknown", False, ""),
        ("manual-action/MDN-sent-manually; denied", "failed", False, ""),
        ("automatic-action/MDN-sent-automatically; failed", "failed", True, ""),
        ("automatic-action/MDN-sent-automatically; displayed/failure", "failed", True, ""),
        ("automatic-action/MDN-sent-automatically; DISPLAYED", "read", True, ""),
    ],
)
def test_read_receipts(disposition, state, automatic, cause):
    block = f"Final-Recipient: rfc822; p@x.fr\r\nOriginal-Message-ID: {FIRST}\r\nDisposition: {disposition}"
    found = read(report("disposition-notification", block)).mail.report
    assert (found.kind, found.state, found.automatic, found.cause) == ("mdn", state, automatic, cause)
    assert (found.original, found.recipients) == (FIRST, ["p@x.fr"])


@pytest.mark.parametrize(
    ("action", "status", "state", "cause"),
    [
        ("delivered", "2.0.0", "delivered", ""),
        ("relayed", "2.0.0", "relayed", ""),
        ("expanded", "2.0.0", "delivered", ""),
        ("DELAYED", "4.4.1", "delayed", ""),
        ("failed", "5.1.1", "failed", "patient_unknown"),
        ("failed", "5.3.4", "failed", "too_large"),
        ("failed", "5.0.0", "failed", "other"),
    ],
)
def test_delivery_reports(action, status, state, cause):
    block = f"Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; p@x.fr\r\nAction: {action}\r\nStatus: {status}\r\n"
    found = read(report("delivery-status", block, f"From: a@x.fr\r\nMessage-ID: {FIRST}\r\n\r\nbody")).mail.report
    assert (found.kind, found.state, found.cause, found.status) == ("dsn", state, cause, status)
    assert (found.original, found.recipients) == (FIRST, ["p@x.fr"])


def test_of_several_recipients_the_worst_counts():
    block = "X: y\r\n\r\nFinal-Recipient: rfc822;a@x.fr\r\nAction: delivered\r\n\r\nFinal-Recipient: rfc822;b@x.fr\r\nAction: failed\r\n"
    found = read(report("delivery-status", block)).mail.report
    assert (found.state, found.recipients) == ("failed", ["a@x.fr", "b@x.fr"])
    for worse, better in (("failed", "delayed"), ("delayed", "relayed"), ("relayed", "delivered")):
        other = block.replace("delivered", better).replace("failed", worse)
        assert read(report("delivery-status", other)).mail.report.state == worse


def test_a_recipient_is_named_with_or_without_brackets():
    block = "X: y\r\n\r\nFinal-Recipient: rfc822; <A@x.fr>\r\nAction: failed\r\nDiagnostic-Code: smtp;\r\n"
    (only,) = read(report("delivery-status", block)).mail.report.outcomes
    assert (only.recipient, only.said) == ("a@x.fr", "")


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("La boîte est fermée (opposition du patient).", "box_closed"),
        ("Patient introuvable", "patient_unknown"),
        ("Adresse invalide : x@patient.mssante.fr", "address_invalid"),
        ("Votre message est trop volumineux", "too_large"),
        ("Something happened", "other"),
        ("Connection closed by the other side", "other"),
        ("The remote host closed the connection", "other"),
        ("The connection was closed", "other"),
        ("This mailbox is closed", "box_closed"),
        ("Account disabled", "box_closed"),
    ],
)
def test_bounces_in_free_text(text, cause):
    raw = f"From: MAILER-DAEMON@mx.fr\r\nIn-Reply-To: {FIRST}\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n{text}"
    mail = read(raw.encode()).mail
    assert (mail.report.kind, mail.report.state, mail.report.cause) == ("bounce", "failed", cause)
    assert mail.report.original == FIRST
    assert mail.text == text


def test_an_ordinary_mail_is_no_report():
    assert read(b"From: a@x.fr\r\n\r\nPatient introuvable").mail.report is None
    assert read(b"From: chef-postmaster@x.fr\r\n\r\nPatient introuvable").mail.report is None
    signed = b"From: postmaster@x.fr\r\nContent-Type: multipart/signed; boundary=Z\r\n\r\n--Z\r\n\r\nPatient introuvable\r\n--Z--"
    assert read(signed).mail.report is None  # a person's: machines that return mail sign nothing
    for daemon in ("postmaster@x.fr", "Mail <Mailer-Daemon@x.fr>", "MAILER-DAEMON@x.fr (Mail Delivery System)"):
        assert read(f"From: {daemon}\r\n\r\nPatient introuvable".encode()).mail.report.kind == "bounce"


def test_each_recipient_has_its_own_end_under_the_name_that_we_wrote():
    block = (
        "Original-Envelope-Id: 0f+2B0f\r\n\r\nFinal-Recipient: rfc822; boxes@inside.fr\r\nOriginal-Recipient: rfc822;A+2Bb@x.fr\r\n"
        "Action: failed\r\nStatus: 5.2.1\r\nDiagnostic-Code: smtp; 550 5.2.1 nobody\r\n  reads this\r\n\r\n"
        "Final-Recipient: rfc822; c@x.fr\r\nAction: relayed\r\nStatus: 2.0.0\r\n"
    )
    found = read(report("delivery-status", block)).mail.report
    assert found.envelope == "0f+0f"
    first, second = found.outcomes
    assert (first.recipient, first.state, first.cause, first.said) == (
        "a+b@x.fr",
        "failed",
        "box_closed",
        "550 5.2.1 nobody reads this",
    )
    assert (second.recipient, second.state, second.cause) == ("c@x.fr", "relayed", "")


def test_a_bounce_is_about_the_mail_below_not_about_an_address_in_angle_brackets():
    raw = f"From: MAILER-DAEMON@mx.fr\r\n\r\n<p@x.fr>:\r\nno mailbox (#5.1.1)\r\n\r\nReceived: x\r\nMessage-ID: {FIRST}\r\n"
    found = read(raw.encode()).mail.report
    assert (found.original, found.state, found.cause) == (FIRST, "failed", "patient_unknown")


def test_a_warning_is_no_failure():
    raw = f"From: MAILER-DAEMON@mx.fr\r\nIn-Reply-To: {FIRST}\r\n\r\nTHIS IS A WARNING MESSAGE ONLY. Connection refused\r\n"
    found = read(raw.encode()).mail.report
    assert (found.state, found.cause) == ("delayed", "")


def test_a_block_counts_with_a_recipient_or_an_action_and_with_neither_not():
    block = (
        "Reporting-MTA: dns; mx\r\n\r\nFinal-Recipient: rfc822; a@x.fr\r\nStatus: 5.1.1\r\n\r\n"
        "Action: delayed\r\nStatus: 4.4.1\r\n\r\nStatus: 5.2.2\r\nDiagnostic-Code: smtp; full\r\n"
    )
    found = read(report("delivery-status", block)).mail.report
    assert [(each.recipient, each.state, each.cause) for each in found.outcomes] == [
        ("a@x.fr", "unknown", ""),
        ("", "delayed", ""),
    ]
    assert (found.state, found.recipients, found.status, found.cause) == ("delayed", ["a@x.fr"], "5.1.1", "")
    nothing = read(report("delivery-status", "Reporting-MTA: dns; mx\r\n")).mail.report
    assert (nothing.state, nothing.outcomes, nothing.recipients, nothing.status) == ("unknown", [], [], "")


@pytest.mark.parametrize(("written", "found"), [("<no-sign>", ""), ("x <a@b> y", "<a@b>"), ("<a b@c>", ""), ("", "")])
def test_an_id_holds_an_at(written, found):
    block = (
        f"Final-Recipient: rfc822; p@x.fr\r\nOriginal-Message-ID: {written}\r\nDisposition: manual-action; displayed"
    )
    assert read(report("disposition-notification", block)).mail.report.original == found


def test_the_words_about_a_recipient_end_at_500_signs():
    block = f"X: y\r\n\r\nFinal-Recipient: rfc822; p@x.fr\r\nAction: failed\r\nDiagnostic-Code: smtp; {'n' * 501}\r\n"
    (only,) = read(report("delivery-status", block)).mail.report.outcomes
    assert only.said.startswith("n" * 499)
    assert len(only.said) == 500
