"""What a real Postfix reports about our mails, read by the running bridge and said in real conversations.

The submission server, the mailboxes and another operator's server are those of `tests/fakes/mailhost*.py`.
"""

import asyncio
import imaplib
import tempfile
import time
from pathlib import Path

import pytest

from bridges.mail.carrying import replace_writer
from bridges.mail.threads import Writer
from crypto.codec import unb64
from tests.fakes.mail_bridge import INS, JEAN, make_home, running_bridge, soon
from tests.fakes.mailhost import HOSPITAL, PRACTICE, MailHost, needs_mailhost, queue_is_empty
from tests.fakes.mailhost_elsewhere import SILENT, TALKING, Elsewhere
from tests.integration.test_mail_carrying import mine, payloads

pytestmark = needs_mailhost
BOX = f"pli@{PRACTICE}"
NOBODY = f"personne@{HOSPITAL}"
QUOTA = """
protocol lmtp {
  mail_plugins = quota
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=100K
}
"""
BOXES = [f"{name}@{domain}" for name, domain in (("plein", HOSPITAL), ("dr", SILENT))]


@pytest.fixture(scope="module")
def host():
    with tempfile.TemporaryDirectory(prefix="mail") as folder:
        made = MailHost(Path(folder))
        boxes = made.folder / "etc" / "boxes"
        boxes.write_text(boxes.read_text() + "".join(f"{each}:{{PLAIN}}secret\n" for each in BOXES))
        dovecot = made.folder / "etc" / "dovecot.conf"
        dovecot.write_text(dovecot.read_text() + QUOTA)
        elsewhere = Elsewhere(made)
        try:
            made.start()
            elsewhere.start()
            put(made, f"plein@{HOSPITAL}", b"Subject: x\r\n\r\n" + (b"x" * 70 + b"\r\n") * 2000)
            made.elsewhere = elsewhere
            yield made
        finally:
            elsewhere.stop()
            made.stop()


def put(host: MailHost, address: str, raw: bytes) -> None:
    """Lay a mail into a box, as its owner may: no server looks at it."""
    with host.mailbox(address) as box:
        assert box.append("INBOX", None, imaplib.Time2Internaldate(time.time()), raw)[0] == "OK"


def configuration(host: MailHost, folder: Path, more: str = "") -> Path:
    (folder / "password").write_text("secret\n")
    (folder / "password").chmod(0o600)
    ca = host.folder / "etc" / "authority.pem"
    login = f'ca_file = "{ca}"\nlogin = {{ user = "{BOX}", password_file = "password" }}'
    (folder / "bridge.toml").write_text(
        f"""
home = "home"
state = "state"
every = 0.2
trust = {{ senders = ["{HOSPITAL}", "{SILENT}", "{TALKING}"] }}
[[box]]
name = "cabinet"
address = "{BOX}"
owner = "Cabinet du Sud"
{more}
[box.imap]
host = "localhost"
port = {host.port("2993")}
security = "tls"
{login}
[box.smtp]
host = "localhost"
port = {host.port("2587")}
security = "starttls"
{login}
"""
    )
    return folder / "bridge.toml"


@pytest.fixture
async def bridge(server, people, host, tmp_path):
    """A running bridge over an empty mailbox, and its only patient. No report of an earlier test is under way any more."""
    for spool in (host.folder / "spool", host.elsewhere.folder / "spool"):
        await soon(lambda spool=spool: queue_is_empty(spool), f"an empty queue in {spool}")
    with host.mailbox(BOX) as box:
        box.store("1:*", "+FLAGS", "\\Deleted") if int(box.select("INBOX")[1][0]) else None
        box.expunge()
    jean = await people(await (await people("Claire Martin")).invite())
    await make_home(server, tmp_path / "home")
    async with running_bridge(configuration(host, tmp_path)) as desk:
        desk.patients.learn(JEAN, account=jean.id)
        await soon(lambda: any(life.condition == "idle" for life in desk.lives.all() if life.part == "mailbox"), "IMAP")
        yield desk, jean


def written_by(*senders: str, reply_to: str = "") -> list[bytes]:
    """Mails of one conversation, each of another writer; all name the first."""
    stamp = f"{time.time_ns()}"
    return [
        (
            f"From: Dr <{sender}>\r\nTo: pli+{INS}@{PRACTICE}\r\nSubject: Consultation {stamp}\r\n"
            f"Message-ID: <{stamp}.{number}@x>\r\n{f'Reply-To: {reply_to}' if reply_to else 'X-A: b'}\r\n\r\nBonjour\r\n"
        ).encode()
        for number, sender in enumerate(senders)
    ]


async def asked(host, bridge, *senders: str) -> tuple[bytes, bytes]:
    """Let somebody write from a box, the patient answer; give the conversation and that answer."""
    desk, jean = bridge
    for raw in written_by(*senders):
        await asyncio.to_thread(put, host, BOX, raw)
    (conversation,) = await soon(lambda: mine(jean), "a conversation")
    await soon(lambda: desk.inbox.counts("cabinet").get("accepted") == len(senders), "all mails are in")
    return conversation, unb64((await jean.say(conversation, "Une question", None))["id"])


async def states(jean, conversation) -> list[tuple[bytes, str, str | None]]:
    said = [each for each in await payloads(jean, conversation) if each["type"] == "mailed"]
    return [state for each in said for state in each["states"]]


async def stated(jean, conversation, *wanted: str | None):
    """Wait until this was stated of the newest message that anything is stated of."""

    async def found():
        return next((each for each in await states(jean, conversation) if each[1:] == wanted), None)

    return (await soon(found, f"{wanted}"))[0]


async def noted(jean, conversation, words: str) -> str:
    async def found():
        return next((each for each in await jean.read(conversation) if words in each), None)

    return await soon(found, words)


async def reports(desk, count: int) -> list[str]:
    """What became of the reports that came."""

    def found():
        rows = desk.state.all("SELECT reason FROM mails WHERE state = 'report' ORDER BY id")
        return [row[0] for row in rows] if len(rows) >= count else None

    return await soon(found, f"{count} reports")


@pytest.mark.parametrize(
    ("sender", "reason", "words"),
    [
        (f"personne@{HOSPITAL}", "patient_unknown", "l'adresse n'existe pas"),
        (f"plein@{HOSPITAL}", "box_full", "la boîte est pleine"),
        (f"personne@{TALKING}", "patient_unknown", "l'adresse n'existe pas"),
    ],
)
async def test_a_refusal_is_a_failure_with_its_reason_in_words(host, bridge, sender, reason, words):
    desk, jean = bridge
    conversation, message = await asked(host, bridge, sender)
    assert await stated(jean, conversation, "failed", reason) == message
    note = await noted(jean, conversation, "Non remis")
    assert note.startswith(f"Non remis à {sender} : {words}.")
    assert "mail system at host" not in note  # what the server said, not the letter around it
    assert set(await reports(desk, 1)) <= {"failed", "delivered", "relayed"}


@pytest.mark.parametrize("sender", [f"dr@{SILENT}", f"karim@{HOSPITAL}"])
async def test_what_goes_on_without_reports_stays_handed_and_that_is_said_once(host, bridge, sender):
    """Over SMTP to a server without DSN; over LMTP to Dovecot, which has none: Postfix says `relayed` of both."""
    desk, jean = bridge
    conversation, message = await asked(host, bridge, sender)
    assert await reports(desk, 1) == ["relayed"]
    assert await stated(jean, conversation, "handed", None) == message
    note = await noted(jean, conversation, f"Transmis à la messagerie de {sender}, qui ne confirme pas la remise")
    await jean.say(conversation, "Une autre", None)
    await reports(desk, 2)
    await soon(lambda: desk.outgoing.fates.untold() == [], "all is told")
    assert (await jean.read(conversation)).count(note) == 1
    assert {each[1:] for each in await states(jean, conversation)} == {("handed", None)}


async def test_what_a_server_put_into_a_mailbox_is_delivered(host, bridge):
    desk, jean = bridge
    conversation, message = await asked(host, bridge, f"dr@{TALKING}")
    assert await stated(jean, conversation, "delivered", None) == message
    assert await reports(desk, 1) == ["delivered"]


async def test_a_bounce_behind_a_server_that_reports_nothing_is_a_failure_all_the_same(host, bridge):
    desk, jean = bridge
    conversation, message = await asked(host, bridge, f"personne@{SILENT}")
    assert await stated(jean, conversation, "failed", "patient_unknown") == message
    assert sorted(await reports(desk, 2)) == ["failed", "relayed"]
    bounce = next(each for each in host.mails(BOX) if b"Action: failed" in each)
    assert b"Original-Envelope-Id" not in bounce


async def test_of_two_recipients_each_has_its_own_end(host, bridge):
    desk, jean = bridge
    conversation, first = await asked(host, bridge, f"karim@{HOSPITAL}")
    assert await stated(jean, conversation, "handed", None) == first
    desk.threads.add(replace_writer(desk.threads.get(conversation), Writer(NOBODY, "", NOBODY)))
    second = unb64((await jean.say(conversation, "À vous deux", None))["id"])
    note = await noted(jean, conversation, "Non remis")
    assert note.startswith(f"Non remis à {NOBODY} :")
    assert await stated(jean, conversation, "failed", "patient_unknown") == second


def report(original: str, *, action="failed", status="5.1.1", envelope="", sender="MAILER-DAEMON@mx.voleur.example"):
    """A delivery report that a stranger wrote; all of it is as it should be but who wrote it."""
    named = f"Original-Envelope-Id: {envelope}\r\n" if envelope else ""
    return (
        f"Return-Path: <>\r\nFrom: Mail Delivery System <{sender}>\r\nTo: {BOX}\r\n"
        f"Message-ID: <{time.time_ns()}@mx.voleur.example>\r\nSubject: Undelivered Mail Returned to Sender\r\n"
        "MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=Z\r\n\r\n"
        f"--Z\r\n\r\nsorry\r\n--Z\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n{named}\r\n"
        f"Final-Recipient: rfc822; dr@{SILENT}\r\nAction: {action}\r\nStatus: {status}\r\n"
        f"--Z\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {original}\r\n--Z--\r\n"
    ).encode()


def free_text(original: str, sender: str, words: str) -> bytes:
    """A bounce as qmail writes it: for people, with addresses in angle brackets and the mail below."""
    return (
        f"Return-Path: <>\r\nFrom: MAILER-DAEMON@{sender}\r\nTo: {BOX}\r\nSubject: failure notice\r\n"
        f"Message-ID: <{time.time_ns()}@{sender}>\r\n\r\nHi. This is the qmail-send program at {sender}.\r\n{words}\r\n\r\n"
        f"<dr@{SILENT}>:\r\nSorry, no mailbox here by that name. (#5.1.1)\r\n\r\n--- Below this line is a copy.\r\n\r\n"
        f"Return-Path: <{BOX}>\r\nFrom: Anne <{BOX}>\r\nMessage-ID: {original}\r\nSubject: x\r\n\r\nUne question\r\n"
    ).encode()


async def fate_of(desk, host, raw: bytes) -> tuple[str, str]:
    """Lay a mail into the mailbox; give what the bridge made of it."""
    before = desk.state.one("SELECT max(id) FROM mails")[0]
    await asyncio.to_thread(put, host, BOX, raw)
    found = "SELECT state, reason FROM mails WHERE id > ? AND reason IS NOT NULL AND reason NOT IN ('relayed')"
    return await soon(lambda: desk.state.one(found, (before,)), "its fate")


async def test_a_forged_report_changes_nothing_and_a_servers_free_text_does(host, bridge):
    desk, jean = bridge
    conversation, message = await asked(host, bridge, f"dr@{SILENT}")
    await reports(desk, 1)
    (original,) = desk.state.one("SELECT message_id FROM outgoing ORDER BY id DESC LIMIT 1")
    envelope = desk.outgoing.fates.envelope(original)
    stranger = ("left", "report_of_a_stranger")
    assert await fate_of(desk, host, report(original)) == stranger  # who answers knows the Message-ID
    assert await fate_of(desk, host, report(original, envelope="0" * 32)) == stranger
    assert await fate_of(desk, host, free_text(original, "mx.voleur.example", "")) == stranger
    said = report(original, action="delivered", status="2.0.0", sender=f"MAILER-DAEMON@mx.{SILENT}")
    assert await fate_of(desk, host, said) == stranger  # without ENVID nobody can say that
    assert await fate_of(desk, host, report("<else@x>", envelope="0" * 32)) == ("left", "report_of_nobody")
    waits = free_text(original, f"mx.{SILENT}", "THIS IS A WARNING MESSAGE ONLY")
    assert await fate_of(desk, host, waits) == ("report", "delayed")
    assert await stated(jean, conversation, "handed", None) == message
    assert len(await states(jean, conversation)) == 1
    assert await fate_of(desk, host, free_text(original, f"mx.{SILENT}", "")) == ("report", "failed")
    assert await stated(jean, conversation, "failed", "patient_unknown") == message
    assert "no mailbox here by that name" in await noted(jean, conversation, f"Non remis à dr@{SILENT}")
    assert envelope not in "".join(map(str, host.mails(f"dr@{SILENT}")))  # no reader of the mail ever sees it
