"""What a mail becomes: message, end, correction, refusal, report. Real conversations, mails written by hand."""

from email.message import EmailMessage

import msgspec
import pytest

from bridges.kit import attachments
from bridges.kit.client import client
from bridges.kit.messages import Draft as Words
from bridges.mail import carrying
from bridges.mail.inbox import Source
from bridges.mail.patients import Person
from bridges.mail.xdm import open_xdm
from crypto import envelope, invitation
from crypto.codec import b64, unb64
from tests.fakes.mail_archives import AUTHOR, PDF, archive, hidden
from tests.fakes.mail_bridge import BOX, INS, JEAN, LEROY, configuration, desk_of, mail, make_home, sent, take
from tests.fakes.peer import Letter, Peer

OTHER = "248039263001064"


@pytest.fixture
async def bridge(server, people, tmp_path):
    """A bridge that is worked by hand, and its only patient."""
    claire = await people("Claire Martin")
    jean = await people(await claire.invite())
    await make_home(server, tmp_path / "home")
    async with desk_of(configuration(tmp_path)) as desk:
        desk.patients.learn(JEAN, account=jean.id)
        yield desk, jean


async def mine(jean) -> list[bytes]:
    """The conversations of the bridge, oldest first."""
    shown = (await jean.ask("GET", "/v1/conversations"))["conversations"]
    return [unb64(each["conversation"]) for each in reversed(shown)][1:]


async def policy(jean, conversation) -> str:
    shown = (await jean.ask("GET", "/v1/conversations"))["conversations"]
    return next(each["policy"]["reply"] for each in shown if unb64(each["conversation"]) == conversation)


def with_files(
    *files: tuple[str, bytes], number: int = 1, fields: str = "", to: str = "pli@cabinet.mssante.fr"
) -> bytes:
    """A mail with attachments, made by the standard library."""
    made = EmailMessage()
    made["From"], made["To"], made["Message-ID"] = f"Dr Leroy <{LEROY}>", to, f"<x{number}@chu.mssante.fr>"
    made["Subject"] = "XDM/1.0/DDM+Echographie CORSE Anne 28/03/1979"
    for line in fields.splitlines():
        name, _, value = line.partition(": ")
        made[name] = value
    made.set_content("Voir le document.")
    for name, octets in files:
        kind = ("application", "zip") if name.endswith("ZIP") else ("application", "pdf")
        made.add_attachment(octets, *kind, filename=name)
    return made.as_bytes()


async def payloads(jean: Peer, conversation: bytes) -> list[dict]:
    """The payloads of all texts, opened."""
    opened, found = await jean.refresh(conversation), []
    for event in await jean.events(conversation, after=0, limit=200):
        if event["type"] == "envelope" and event["envelope"]:
            message = envelope.open_message(unb64(event["envelope"]), opened, kind=event["kind"])
            found.append({"id": message.id, "type": message.content.type, **message.content.payload})
    return found


async def test_an_archive_becomes_a_document_with_its_card(bridge):
    desk, jean = bridge
    octets, _ = archive()
    assert await take(desk, with_files(("IHE_XDM.ZIP", octets), ("CR.pdf", PDF + b"9"))) == [("accepted", None)]
    (conversation,) = await mine(jean)
    said = (await payloads(jean, conversation))[-1]
    assert "Auteur : DR Paul LEROY, CHU du Nord" in said["text"]
    assert "Patient : CORSE Anne 1979-03-28 (INS qualifiée)" in said["text"]
    assert "Code : 18748-4" in said["text"]
    assert "Voir le document." in said["text"]
    (document,) = said["attachments"]  # the archive and the copy of its PDF are one document
    assert (document.media_type, document.document) == ("application/pdf", "report")
    assert (said["via"]["owner"], said["via"]["from"], said["via"]["lead"]) == ("Cabinet du Sud", LEROY, 2)
    (card,) = said["via"]["cards"]
    assert (card["attachment"], card["code"], card["qualified"]) == (b64(document.id), "18748-4", "yes")
    assert card["authors"] == "DR Paul LEROY, CHU du Nord"
    assert document.title == "Echographie · DR Paul LEROY, CHU du Nord · 2026-11-20"


async def test_a_correction_replaces_the_message_with_the_earlier_document(bridge):
    desk, jean = bridge
    first, document = archive()
    second, _ = archive(replaces=document, hour=10)
    await take(desk, with_files(("IHE_XDM.ZIP", first)))
    await take(desk, with_files(("IHE_XDM.ZIP", second), number=2))
    (conversation,) = await mine(jean)
    _, before, after = await payloads(jean, conversation)
    assert after["replaces"] == before["id"]
    again = "In-Reply-To: <x2@chu.mssante.fr>\r\n"
    await take(desk, mail("Texte corrigé", number=3, subject="[Annule et remplace] Retour", fields=again))
    assert (await payloads(jean, conversation))[-1]["replaces"] == after["id"]


async def test_fin_takes_away_the_right_to_answer_and_a_later_mail_gives_it_back(bridge):
    desk, jean = bridge
    await take(desk, mail(subject="Un"), mail(number=2, subject="Deux"))
    one, two = await mine(jean)
    no_reply = mail("Sans réponse", number=3, subject="Un", fields="X-MSS-MES: FIN\r\n")
    assert await take(desk, no_reply) == [("accepted", None)]
    assert (await policy(jean, one), await policy(jean, two)) == ("none", "open")
    fin = mail("", number=4, subject="[FIN]", fields="In-Reply-To: <2@chu.mssante.fr>\r\n")
    assert await take(desk, fin) == [("accepted", None)]
    assert (await policy(jean, one), await policy(jean, two)) == ("ended", "ended")
    await take(desk, mail("Encore un mot", number=5, subject="Deux"))
    assert (await policy(jean, one), await policy(jean, two)) == ("ended", "open")
    assert len(await mine(jean)) == 2


async def test_fin_without_a_reference_ends_what_there_is_and_begins_nothing(bridge):
    desk, jean = bridge
    assert await take(desk, mail("", subject="[FIN]")) == [("left", "nothing_to_end")]
    await take(desk, mail(number=2, subject="Un"))
    assert await take(desk, mail("", number=3, subject="[FIN]")) == [("accepted", None)]
    (one,) = await mine(jean)
    assert await policy(jean, one) == "ended"


async def test_a_message_id_of_no_form_stops_no_answer(bridge):
    desk, jean = bridge
    strange = mail().replace(b"<1@chu.mssante.fr>", b"<a(b)@[odd]{}>")
    assert await take(desk, strange, mail(number=2)) == [("accepted", None), ("accepted", None)]
    (conversation,) = await mine(jean)
    await jean.say(conversation, "Merci", None)
    await desk.pass_once()
    (answer,) = sent(desk)
    assert answer["References"] == "<2@chu.mssante.fr>"


async def test_nobody_is_told_where_nobody_listens(bridge):
    desk, jean = bridge
    await take(desk, mail())
    (conversation,) = await mine(jean)
    await jean.say(conversation, "Une question", None)
    await desk.pass_once()
    (question,) = sent(desk)
    await jean.ask("POST", f"/v1/conversations/{b64(conversation)}/leave")
    assert await take(desk, bounce_of(question["Message-ID"])) == [("report", "failed")]
    assert desk.outgoing.untold() == []


REFUSED = {
    "patient_unknown": (mail(to=f"{OTHER}@patients.cabinet.mssante.fr"), "5.1.1"),
    "too_large": (mail("x" * 25_100_000), "5.3.4"),
    "several_patients": (
        mail(to=f"pli+{INS}@cabinet.mssante.fr, pli+{OTHER}@cabinet.mssante.fr"),
        "5.6.0",
    ),
}


@pytest.mark.parametrize("code", REFUSED)
async def test_who_writes_to_the_wrong_place_is_told_once(bridge, code):
    desk, jean = bridge
    raw, status = REFUSED[code]
    assert await take(desk, raw) == [("refused", code)]
    (told,) = sent(desk)
    assert told["To"] == LEROY
    assert told["Auto-Submitted"] == "auto-replied"
    assert told.get_content_type() == "multipart/report"
    assert f"Code : {code}" in told.get_payload(0).get_content()
    assert f"Status: {status}" in told.get_payload(1).as_string()
    assert "<1@chu.mssante.fr>" in told.as_string()
    desk.keep(raw + b"\r\n", Source("cabinet"))
    await desk.pass_once()
    assert sent(desk) == []
    assert await mine(jean) == []


async def test_a_machine_gets_its_acknowledgement(bridge):
    desk, _ = bridge
    octets, _ = archive(OTHER)
    asked = f"Disposition-Notification-To: {LEROY}\r\n"
    assert await take(desk, with_files(("IHE_XDM.ZIP", octets), fields=asked)) == [("refused", "patient_unknown")]
    (told,) = sent(desk)
    assert told["Subject"].startswith("[KO Intégration système !][902] XDM/1.0/DDM+Echographie")
    assert "processed/Error: 902^Patient inconnu" in told.get_payload(1).as_string()
    octets, _ = archive(birth_date="1980-01-01")
    assert await take(desk, with_files(("IHE_XDM.ZIP", octets), number=2)) == [("refused", "ins_differs")]
    (told,) = sent(desk)
    assert told["Subject"].startswith("[KO Intégration système !][904]")
    assert told.get_content_type() == "text/plain"


async def test_a_document_that_is_hidden_from_the_patient_is_not_shown_to_the_patient(bridge):
    desk, jean = bridge
    octets, _ = archive()
    assert await take(desk, with_files(("IHE_XDM.ZIP", hidden(octets)))) == [("refused", "hidden_from_patient")]
    (told,) = sent(desk)
    assert told["Subject"].startswith("[KO Intégration système !][906]")
    assert await mine(jean) == []


async def test_machines_and_reports_are_never_answered(bridge):
    desk, _ = bridge
    elsewhere = f"{OTHER}@patients.cabinet.mssante.fr"
    assert await take(
        desk,
        mail(number=1, to=elsewhere, fields="Auto-Submitted: auto-replied\r\n"),
        mail(number=2, to=elsewhere, fields="Return-Path: <>\r\n"),
        mail(number=3, sender="mailer-daemon@chu.mssante.fr"),
    ) == [("left", "automatic"), ("refused", "patient_unknown"), ("left", "report_of_nobody")]
    assert sent(desk) == []


@pytest.mark.parametrize(
    "fields",
    ["X-Autoreply: yes\r\n", "Precedence: auto_reply\r\n", "X-Auto-Response-Suppress: DR, OOF, AutoReply\r\n"],
)
async def test_older_marks_of_machines_count_too(bridge, fields):
    desk, _ = bridge
    elsewhere = f"{OTHER}@patients.cabinet.mssante.fr"
    assert await take(desk, mail(to=elsewhere, fields=fields)) == [("refused", "patient_unknown")]
    assert sent(desk) == []


async def test_whoever_answers_a_refusal_is_not_refused_aloud_again(bridge):
    desk, _ = bridge
    elsewhere = f"{OTHER}@patients.cabinet.mssante.fr"
    await take(desk, mail(number=1, to=elsewhere))
    (told,) = sent(desk)
    for number, field in enumerate(("In-Reply-To", "References"), 2):
        holidays = mail("Absent", number=number, to=BOX, fields=f"{field}: {told['Message-ID']}\r\n")
        assert await take(desk, holidays) == [("quarantined", "untold_patient_unknown")]
    assert sent(desk) == []


async def test_a_machine_that_hides_what_it_is_gets_an_end_of_answers(bridge):
    desk, _ = bridge
    elsewhere = f"{OTHER}@patients.cabinet.mssante.fr"
    many = [mail(number=number, to=elsewhere) for number in range(carrying.TOLD_A_DAY)]
    assert set(await take(desk, *many)) == {("refused", "patient_unknown")}
    one_more = mail(number=98, to=elsewhere)
    assert await take(desk, one_more) == [("quarantined", "untold_patient_unknown")]
    assert len(desk.outgoing.due("cabinet", limit=100)) == carrying.TOLD_A_DAY
    assert await take(desk, mail(number=99, to=elsewhere, sender="autre@chu.mssante.fr")) == [
        ("refused", "patient_unknown")
    ]


async def test_strangers_are_kept_aside_and_can_be_let_in_later(bridge):
    desk, jean = bridge
    await take(desk, mail())
    stranger = mail("Envoyez-moi tout", number=2, sender="x@evil.example", fields="In-Reply-To: <1@chu.mssante.fr>\r\n")
    assert await take(desk, stranger) == [("quarantined", "sender_not_trusted")]
    colleague = mail("Je m'invite", number=3, sender="y@autre.mssante.fr", to="pli@cabinet.mssante.fr",
                     fields="In-Reply-To: <1@chu.mssante.fr>\r\n")  # fmt: skip
    assert (await take(desk, colleague))[0][0] == "refused"  # knows a Message-ID, is not in the conversation
    (conversation,) = await mine(jean)
    assert len(await jean.read(conversation)) == 2


async def test_opposition_is_told_as_such(bridge):
    desk, _ = bridge
    await take(desk, mail())
    desk.patients.set_status(desk.patients.find(INS).id, "opposed")
    assert await take(desk, mail(number=2)) == [("refused", "opposition")]
    assert "ne veut plus recevoir" in sent(desk)[0].get_payload(0).get_content()


async def test_a_patient_who_left_gets_nothing_and_the_sender_knows(bridge):
    desk, jean = bridge
    await take(desk, mail())
    (conversation,) = await mine(jean)
    await jean.ask("POST", f"/v1/conversations/{b64(conversation)}/leave")
    assert await take(desk, mail(number=2)) == [("refused", "closed")]
    assert "Code : closed" in sent(desk)[0].get_payload(0).get_content()


async def test_reports_reach_the_conversation(bridge):
    desk, jean = bridge
    await take(desk, mail())
    (conversation,) = await mine(jean)
    said = await jean.say(conversation, "Une question", None)
    await desk.pass_once()
    (question,) = sent(desk)
    assert question["To"] == LEROY
    assert question["Disposition-Notification-To"]
    read = receipt_for(question["Message-ID"], "displayed", sender="voleur@chu.mssante.fr")
    assert await take(desk, read) == [("left", "report_of_a_stranger")]
    assert await take(desk, receipt_for(question["Message-ID"], "displayed")) == [("report", "read")]
    receipts = [each for each in await payloads(jean, conversation) if each["type"] == "receipt"]
    assert receipts[-1]["upto"] == unb64(said["id"])
    await jean.say(conversation, "Une autre", None)
    await desk.pass_once()
    (other,) = sent(desk)
    assert await take(desk, bounce_of(other["Message-ID"])) == [("report", "failed")]
    note = (await jean.read(conversation))[-1]
    assert note.startswith(f"Non remis à {LEROY} : la boîte est pleine.")
    assert note.endswith("Réponse de sa messagerie :\n552 5.2.2 quota full")
    await desk.pass_once()
    assert (await jean.read(conversation))[-1] == note


async def test_who_answers_has_read(bridge):
    desk, jean = bridge
    await take(desk, mail())
    (conversation,) = await mine(jean)
    said = await jean.say(conversation, "Une question", None)
    await desk.pass_once()
    (question,) = sent(desk)
    assert [each for each in await payloads(jean, conversation) if each["type"] == "receipt"] == []
    await take(desk, mail("Oui", number=2, fields=f"In-Reply-To: {question['Message-ID']}\r\n"))
    (receipt,) = [each for each in await payloads(jean, conversation) if each["type"] == "receipt"]
    assert receipt["upto"] == unb64(said["id"])


def receipt_for(message_id: str, disposition: str, sender: str = LEROY) -> bytes:
    return (
        f"From: {sender}\r\nTo: pli@cabinet.mssante.fr\r\nMessage-ID: <r{abs(hash(sender))}@chu.mssante.fr>\r\nSubject: Lu\r\n"
        'MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\nLu.\r\n--b\r\nContent-Type: message/disposition-notification\r\n\r\n"
        f"Final-Recipient: rfc822; {LEROY}\r\nOriginal-Message-ID: {message_id}\r\n"
        f"Disposition: manual-action/MDN-sent-manually; {disposition}\r\n--b--\r\n"
    ).encode()


def bounce_of(message_id: str) -> bytes:
    return (
        "From: MAILER-DAEMON@chu.mssante.fr\r\nTo: pli@cabinet.mssante.fr\r\nMessage-ID: <d@chu.mssante.fr>\r\n"
        "Subject: Undelivered\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n\r\n'
        "--b\r\nContent-Type: text/plain\r\n\r\n552 5.2.2 mailbox full\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
        f"Reporting-MTA: dns; chu\r\n\r\nFinal-Recipient: rfc822; {LEROY}\r\nAction: failed\r\nStatus: 5.2.2\r\n"
        "Diagnostic-Code: smtp; 552 5.2.2 quota full\r\n"
        f"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nMessage-ID: {message_id}\r\n--b--\r\n"
    ).encode()


async def test_mail_waits_until_an_invited_patient_has_come(bridge, server):
    desk, _ = bridge
    paul = Person(ins=OTHER, birth_name="DUPONT", first_name="Paul")
    async with desk.voice.alone():
        invited = await desk.client.starting.invite("Paul DUPONT", "Messages", Words("Bienvenue"), days=30)
    desk.patients.learn(paul, invited=bytes(invited.started.conversation))
    conversation = bytes(invited.started.conversation)
    to = f"pli+{OTHER}@cabinet.mssante.fr"
    first, other = mail("Premier", to=to), mail("Autre", number=2, to=to, sender="labo@bio.mssante.fr", subject="Bilan")
    assert await take(desk, first, other) == [("accepted", None), ("quarantined", "patient_not_joined")]
    held = invitation.read_link(invited.link).invitation
    peer = await Peer.claim(server, Letter(conversation, invited.link, invited.code, held, 1), "Paul Dupont")
    await desk.pass_once()
    await desk.pass_once()
    assert desk.inbox.counts("cabinet") == {"accepted": 2}
    shown = (await peer.ask("GET", "/v1/conversations"))["conversations"]
    assert len(shown) == 2
    await peer.close()


async def test_a_professional_of_the_team_sends_a_document_as_an_archive(server, people, tmp_path):
    jean = await people(await (await people("Claire Martin")).invite())
    await make_home(server, tmp_path / "home")
    theirs = await make_home(server, tmp_path / "claire", "Claire Martin")
    async with client(theirs, server=None, ask=str, tell=print) as claire:
        number = claire.device.directory.certificate(claire.device.id).identifier
        writer = msgspec.json.decode(msgspec.json.encode(AUTHOR), type=dict)
        table = "\n".join(f'{name} = "{value}"' for name, value in (writer | {"id": number}).items())
        top = f'team = ["{b64(claire.device.id)}"]\n[writer.{number}]\n{table}'
        async with desk_of(configuration(tmp_path, top=top)) as desk:
            desk.patients.learn(JEAN, account=jean.id)
            await take(desk, mail())
            (conversation,) = await mine(jean)
            (tmp_path / "ordonnance.pdf").write_bytes(PDF)
            document = attachments.inspect(tmp_path / "ordonnance.pdf", "prescription", 10**6)
            await claire.messages.send(conversation, Words("Voici l'ordonnance.", [document]))
            await desk.pass_once()
            (letter,) = sent(desk)
    assert letter["From"].addresses[0].display_name == "DR Paul LEROY CHU du Nord"
    assert letter["Subject"] == "XDM/1.0/DDM+Prescription de produits de santé CORSE Anne 28/03/1979"
    assert (letter["X-MSS-CODECDA"], letter["X-MSS-INS"]) == ("57833-6", "O")
    assert letter["References"] == "<1@chu.mssante.fr>"
    files = {part.get_filename(): part.get_content() for part in letter.iter_attachments()}
    assert sorted(files) == [next(name for name in files if name.endswith(".pdf")), "IHE_XDM.ZIP"]
    (card,) = open_xdm(files["IHE_XDM.ZIP"], "1").documents
    assert (card.code, card.patient.ins, card.authors[0].id) == ("57833-6", INS, f"8{number}")
    assert PDF in files.values()


async def test_what_breaks_us_is_kept_aside_and_replayed(bridge, monkeypatch):
    desk, jean = bridge
    with monkeypatch.context() as broken:
        broken.setattr(carrying, "say", lambda *_, **__: 1 / 0)
        assert await take(desk, mail()) == [("quarantined", "internal_ZeroDivisionError")]
    ((number, box, _, reason),) = desk.inbox.set_aside()
    assert (box, reason) == ("cabinet", "internal_ZeroDivisionError")
    assert desk.inbox.replay("cabinet", number) == 1
    await desk.pass_once()
    (conversation,) = await mine(jean)
    assert len(await jean.read(conversation)) == 2
