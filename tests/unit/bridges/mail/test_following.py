"""What a report may change: who may know, at which recipient, and what the conversation is told."""

from pathlib import Path

import msgspec
import pytest

from bridges.mail.address import read_address
from bridges.mail.config import Box, Login, Server
from bridges.mail.fates import Fates
from bridges.mail.following import Following, reason_of
from bridges.mail.lmtp_service import Operator
from bridges.mail.outgoing import Composed, Outgoing
from bridges.mail.reading import read

DR, KARIM = "dr@chu.mssante.fr", "karim@clinique.example"
ID = "<pli.1@cabinet.example>"
BOX = Box(
    name="cabinet",
    address="pli@cabinet.example",
    owner="Cabinet",
    smtp=Server(host="smtp.operator.example", login=Login(user="pli")),
)


@pytest.fixture
def outgoing(state):
    return Outgoing(state)


@pytest.fixture
def following(outgoing):
    return Following(outgoing, trusts=lambda address: address.endswith("mssante.fr"))


def leave(outgoing: Outgoing, *recipients: str, message_id: str = ID) -> str:
    """Have a mail leave; gives its ENVID."""
    mail = Composed(message_id, read_address(BOX.address), tuple(map(read_address, recipients)), b"x", asks_dsn=True)
    outgoing.add("cabinet", mail, conversation=b"c", message=b"m")
    (leased,) = outgoing.due("cabinet")
    outgoing.sent(leased.id)
    return leased.mail.envelope


def dsn(sender: str, *ends: tuple[str, str], envelope: str = "", original: str = ID, words: str = "550 5.1.1 no"):
    blocks = "".join(
        f"\r\nFinal-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: 5.0.0\r\nDiagnostic-Code: smtp; {words.format(recipient)}\r\n"
        for recipient, action in ends
    )
    named = f"Original-Envelope-Id: {envelope}\r\n" if envelope else ""
    return _mail(sender, "delivery-status", f"Reporting-MTA: dns; x\r\n{named}{blocks}", original)


def mdn(sender: str, disposition: str):
    said = f"Final-Recipient: rfc822; {sender}\r\nOriginal-Message-ID: {ID}\r\nDisposition: {disposition}\r\n"
    return _mail(sender, "disposition-notification", said, ID)


def _mail(sender: str, kind: str, block: str, original: str):
    raw = (
        f"From: <{sender}>\r\nContent-Type: multipart/report; report-type={kind}; boundary=Z\r\n\r\n--Z\r\n\r\nun texte\r\n"
        f"--Z\r\nContent-Type: message/{kind}\r\n\r\n{block}\r\n"
        f"--Z\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {original}\r\n--Z--\r\n"
    )
    mail = read(raw.encode()).mail
    assert mail is not None
    return mail


def take(following: Following, mail, box: Box = BOX) -> tuple[str, str]:
    verdict = following.take(box, mail)
    for write in verdict.effects:
        write()
    return verdict.fate, verdict.reason


def said(outgoing: Outgoing) -> list[tuple[str, str]]:
    return [(each.state, each.said) for each in outgoing.untold()]


def fates(outgoing: Outgoing) -> list[tuple[str, str]]:
    return [(each.recipient, each.fate) for each in outgoing.fates.of(ID)]


@pytest.mark.parametrize(
    ("sender", "action", "verdict"),
    [
        ("mailer-daemon@mx.voleur.example", "failed", ("left", "report_of_a_stranger")),
        ("mailer-daemon@x.mssante.fr", "failed", ("report", "failed")),  # the trusted space
        ("mailer-daemon@x.mssante.fr", "delayed", ("report", "delayed")),
        ("mailer-daemon@x.mssante.fr", "delivered", ("left", "report_of_a_stranger")),  # a reader could say it as well
        ("mailer-daemon@x.mssante.fr", "relayed", ("left", "report_of_a_stranger")),
        ("mailer-daemon@cabinet.example", "failed", ("report", "failed")),  # the domain of our box
        ("mailer-daemon@mx.cabinet.example", "failed", ("report", "failed")),
        ("mailer-daemon@operator.example", "failed", ("report", "failed")),  # of our submission server
        ("mailer-daemon@mx.clinique.example", "failed", ("report", "failed")),  # of a recipient
        ("mailer-daemon@xclinique.example", "failed", ("left", "report_of_a_stranger")),
        ("mailer-daemon@clinique.example.voleur.example", "failed", ("left", "report_of_a_stranger")),
    ],
)
def test_without_envid_a_report_counts_from_the_way_and_for_bad_news(following, outgoing, sender, action, verdict):
    leave(outgoing, KARIM)
    assert take(following, dsn(sender, (KARIM, action))) == verdict


def test_behind_the_door_of_an_operator_a_certificate_was_asked_for(following, outgoing):
    leave(outgoing, KARIM)
    box = msgspec.structs.replace(BOX, operator=Operator(domain="patients.example", whitelist=Path(), authority=Path()))
    report = dsn("mailer-daemon@mx.autre.example", (KARIM, "failed"))
    assert take(following, report) == ("left", "report_of_a_stranger")
    assert take(following, report, box) == ("report", "failed")


def test_who_gives_envid_back_is_a_server_wherever_it_is(following, outgoing):
    envelope = leave(outgoing, KARIM)
    other = leave(outgoing, KARIM, message_id="<pli.2@cabinet.example>")
    stranger = "mailer-daemon@mx.voleur.example"
    assert take(following, dsn(stranger, (KARIM, "delivered"), envelope="0" * 32)) == ("left", "report_of_a_stranger")
    # The ENVID says which mail it is, whatever else the report names.
    assert take(following, dsn(stranger, (KARIM, "delivered"), envelope=other)) == ("report", "delivered")
    assert fates(outgoing) == []
    assert take(following, dsn(stranger, (KARIM, "delivered"), envelope=envelope, original="")) == (
        "report",
        "delivered",
    )
    assert fates(outgoing) == [(KARIM, "delivered")]
    assert len({envelope, other}) == 2
    assert outgoing.fates.envelope(ID) == envelope


def test_a_report_about_no_mail_of_ours_is_left(following, outgoing):
    leave(outgoing, DR)
    report = dsn("mailer-daemon@x.mssante.fr", (DR, "failed"), original="<else@x.fr>", envelope="0" * 32)
    assert take(following, report) == ("left", "report_of_nobody")
    ordinary = read(f"From: <{DR}>\r\n\r\nx".encode()).mail
    assert take(following, ordinary) == ("left", "report_of_nobody")


def test_mailboxes_do_not_differ_by_case(following, outgoing):
    leave(outgoing, "Dr.Leroy@CHU.mssante.fr")
    assert take(following, mdn("dr.leroy@chu.mssante.fr", "manual-action/MDN-sent-manually; displayed"))[0] == "report"


@pytest.mark.parametrize(
    ("disposition", "verdict", "progress"),
    [
        ("manual-action/MDN-sent-manually; displayed", "read", "read"),
        ("automatic-action/MDN-sent-automatically; processed", "processed", "delivered"),
        ("automatic-action/MDN-sent-automatically; processed/Error: 904^INS", "failed", "failed"),
        ("manual-action/MDN-sent-manually; deleted", "unknown", "sent"),
    ],
)
def test_a_receipt_counts_from_a_recipient_alone(following, outgoing, disposition, verdict, progress):
    leave(outgoing, DR)
    assert take(following, mdn("dr2@chu.mssante.fr", disposition)) == ("left", "report_of_a_stranger")
    assert [each for each, _ in said(outgoing)] == ["sent"]
    assert take(following, mdn(DR, disposition)) == ("report", verdict)
    assert [each for each, _ in said(outgoing)] == [progress]


def test_a_mail_is_delivered_when_it_is_at_all_of_them_and_failed_when_at_one_it_is_not(following, outgoing):
    envelope = leave(outgoing, DR, KARIM)
    daemon = "mailer-daemon@mx.example.org"
    take(following, dsn(daemon, (DR, "delivered"), envelope=envelope))
    assert [each for each, _ in said(outgoing)] == ["sent"]
    take(following, dsn(daemon, (KARIM, "relayed"), envelope=envelope))
    assert [each for each, _ in said(outgoing)] == ["sent"]
    take(following, dsn(daemon, (KARIM.upper(), "delivered"), envelope=envelope, words="250 ok"))
    assert [each for each, _ in said(outgoing)] == ["delivered"]
    assert outgoing.fates.untold() == []
    take(following, dsn(daemon, (DR, "relayed"), (KARIM, "failed"), envelope=envelope))
    assert said(outgoing) == [("failed", "patient_unknown\n550 5.1.1 no")]
    assert fates(outgoing) == [(DR, "delivered"), (KARIM, "failed")]
    assert [(each.recipient, each.said) for each in outgoing.fates.untold()] == [
        (KARIM, "patient_unknown\n550 5.1.1 no")
    ]
    outgoing.fates.told(outgoing.fates.untold()[0])
    assert outgoing.fates.untold() == []
    assert outgoing.was_told_about(b"c", KARIM)
    assert not outgoing.was_told_about(b"c", DR)
    assert not outgoing.was_told_about(b"other", KARIM)


def test_another_name_of_the_only_recipient_is_that_recipient(following, outgoing):
    envelope = leave(outgoing, DR)
    take(following, dsn("mailer-daemon@x.example", ("boites@inside.example", "failed"), envelope=envelope))
    assert fates(outgoing) == [(DR, "failed")]


def test_of_several_recipients_another_name_is_none_of_them_but_a_failure(following, outgoing):
    envelope = leave(outgoing, DR, KARIM)
    take(following, dsn("mailer-daemon@x.example", ("boites@inside.example", "failed"), envelope=envelope))
    assert fates(outgoing) == []
    assert [each for each, _ in said(outgoing)] == ["failed"]


def test_a_delay_changes_nothing(following, outgoing):
    envelope = leave(outgoing, DR)
    assert take(following, dsn("mailer-daemon@x.example", (DR, "delayed"), envelope=envelope)) == ("report", "delayed")
    assert ([each for each, _ in said(outgoing)], fates(outgoing)) == (["sent"], [])


def test_a_failure_without_words_of_its_own_has_those_of_the_mail(following, outgoing):
    envelope = leave(outgoing, DR)
    take(following, dsn("mailer-daemon@x.example", (DR, "failed"), envelope=envelope, words=""))
    assert said(outgoing)[0][1].endswith("\nun texte")


def test_of_several_failures_the_first_is_that_of_the_mail(following, outgoing):
    envelope = leave(outgoing, DR, KARIM)
    report = dsn("mailer-daemon@x.example", (KARIM, "failed"), (DR, "failed"), envelope=envelope, words="550 no {}")
    take(following, report)
    assert said(outgoing) == [("failed", f"other\n550 no {KARIM}")]
    assert [each.said for each in outgoing.fates.untold()] == [f"other\n550 no {KARIM}", f"other\n550 no {DR}"]


def test_a_bounce_in_free_text_names_its_recipients_as_it_likes(following, outgoing):
    leave(outgoing, DR, KARIM)
    text = f"Message-ID: {ID}\r\n{DR.upper()} est inconnu\r\n" + "x" * 5000
    take(following, read(f"From: postmaster@x.mssante.fr\r\n\r\n{text}".encode()).mail)
    assert fates(outgoing) == [(DR, "failed")]
    assert len(said(outgoing)[0][1]) < 2100


class Voice:
    """Notes what a conversation is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, object]] = []
        self.numbers = set[int]()

    async def state(self, _, states) -> None:
        self.told += [("state", each.state) for _, each in states]

    async def acknowledge(self, _, message) -> None:
        self.told.append(("read", message))

    async def note(self, _, text, number) -> None:
        assert number not in self.numbers, "a note of this number was said before, and would be passed over"
        self.numbers.add(number)
        self.told.append(("note", text.partition(" :")[0].partition(",")[0]))


async def test_a_conversation_is_told_each_thing_once(following, outgoing):
    voice, daemon = Voice(), "mailer-daemon@x.example"
    envelope = leave(outgoing, DR, KARIM)
    assert (await following.tell(voice), voice.told) == (1, [("state", "handed")])
    take(following, dsn(daemon, (DR, "relayed"), (KARIM, "failed"), envelope=envelope))
    assert await following.tell(voice) == 3
    failed, relayed = ("note", f"Non remis à {KARIM}"), ("note", f"Transmis à la messagerie de {DR}")
    assert voice.told[1:] == [("state", "failed"), relayed, failed]
    second = leave(outgoing, DR, KARIM, message_id="<pli.2@cabinet.example>")
    take(following, dsn(daemon, (DR, "relayed"), (KARIM, "failed"), envelope=second))
    await following.tell(voice)
    assert voice.told[4:] == [("state", "failed"), failed]  # that DR's server reports nothing was said before
    take(following, dsn(daemon, (DR, "failed"), envelope=envelope))
    await following.tell(voice)
    assert voice.told[6:] == [("note", f"Non remis à {DR}")]
    assert (await following.tell(voice), len(voice.told)) == (0, 7)


async def test_a_mail_that_was_read_is_acknowledged(following, outgoing):
    voice = Voice()
    leave(outgoing, DR)
    take(following, mdn(DR, "manual-action/MDN-sent-manually; displayed"))
    assert (await following.tell(voice), voice.told) == (1, [("read", b"m")])


def test_an_envid_is_drawn_once_and_known_again(state):
    drawn = iter(("a" * 32, "b" * 32, "c" * 32))
    kept = Fates(state, lambda: next(drawn))
    assert [kept.envelope(ID), kept.envelope(ID), kept.envelope("<2@x>")] == ["a" * 32, "a" * 32, "c" * 32]
    assert (kept.of_envelope("c" * 32), kept.of_envelope(""), kept.of_envelope("0")) == ("<2@x>", "", "")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("box_full\n552 quota", "box_full"),
        ("recipient_inactive: since May", "recipient_inactive"),
        ("904\nINS", "904"),
        ("550 5.1.1 unknown user", "patient_unknown"),
        ("nonsense", "other"),
        ("", "other"),
    ],
)
def test_a_failure_has_a_stable_code_also_where_a_server_said_only_words(text, code):
    assert reason_of(text) == code


@pytest.mark.parametrize("fate", ["relayed", "delivered", "failed"])
def test_a_fate_told_twice_keeps_its_first_words(outgoing, fate):
    outgoing.fates.note(ID, DR, fate, "other\nthe first")
    outgoing.fates.note(ID, DR, fate, "other\nthe second")
    assert [(each.fate, each.said) for each in outgoing.fates.of(ID)] == [(fate, "other\nthe first")]
