"""A hospital colleague who never leaves the mail program, and a patient who never leaves the browser.

Everything between them is real, and configured as docs/operate/mail.md says: swaks speaks to nginx and Postfix as another
hospital's mail server does, the bridge is `pli-bridge mail`, the answers lie in a Dovecot mailbox and are read by imaplib.
"""

import email
import email.policy
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from tests.fakes.mailhost import HOSPITAL, PATIENTS, MailHost, needs_mailhost, until
from tests.journeys.people import PHONE, Person, last_message
from tests.journeys.support import BIN, Server, Terminal, luhn, write_pdf

INS = "279035121518989"  # test number of ANS
JEANNE, KARIM = f"{INS}@{PATIENTS}", f"karim@{HOSPITAL}"
TRAITS = {"ins": INS, "birth_name": "CORSE", "given_names": "Anne", "birth_date": "1979-03-28", "sex": "F"}
AUTHOR = {
    "id": "99700367909",
    "family_name": "HADDAD",
    "given_name": "Karim",
    "title": "DR",
    "specialty": "G15_10/SM26",
    "institution": "CHU du Nord",
    "institution_id": "499700367909006",
    "facility": "SA01",
}


class Bridge:
    """`pli-bridge mail` in operator mode for the patients of one domain."""

    def __init__(self, server: Server, host: MailHost) -> None:
        folder = host.folder / "bridge"
        self.home = Terminal(folder / "home", server.url)
        self.config, self._log = host.folder / "etc" / "bridge.toml", folder / "log"
        link = server.add_professional("Passerelle du CHU du Nord", "10", luhn("9990000077"))
        self.home.run("account", "create", "--link", link)
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *words: str) -> dict:
        return self.home.run("mail", *words, "--config", self.config)

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [BIN / "pli-bridge", "mail", "--config", self.config]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(30)

    def said(self) -> str:
        return self._log.read_text()


@pytest.fixture
def host() -> Iterator[MailHost]:
    with tempfile.TemporaryDirectory(prefix="mail") as folder:
        made = MailHost(Path(folder))
        try:
            made.start()
            yield made
        finally:
            made.stop()


@pytest.fixture
def bridge(server: Server, host: MailHost) -> Iterator[Bridge]:
    made = Bridge(server, host)
    yield made
    made.stop()


def colleague_writes(host: MailHost, folder: Path, text: str, **fields: str) -> None:
    """Send a mail with an IHE_XDM archive, made by another program than ours, over real SMTP."""
    write_pdf(folder / "report.pdf", "COMPTE RENDU - Echographie normale")
    (folder / "patient.json").write_text(json.dumps(TRAITS))
    (folder / "author.json").write_text(json.dumps(AUTHOR))
    given = {"pdf": "report.pdf", "patient": "patient.json", "author": "author.json", "out": "IHE_XDM.ZIP"}
    words = [word for name, value in given.items() for word in (f"--{name}", folder / value)]
    title = ("--type", "18748-4", "--title", "Echographie", "--json")
    subprocess.run(
        [BIN / "pli-bridge", "mail", "xdm", "build", *words, *title], check=True, capture_output=True, timeout=60
    )
    mail = EmailMessage(policy=email.policy.SMTP)
    mail["From"], mail["To"], mail["Message-ID"] = f"Dr Karim Haddad <{KARIM}>", JEANNE, "<1@hopital.example>"
    mail["Subject"] = "XDM/1.0/DDM+Echographie CORSE Anne 28/03/1979"
    mail["Disposition-Notification-To"] = KARIM
    for name, value in fields.items():
        mail[name] = value
    mail.set_content(text)
    mail.add_attachment((folder / "IHE_XDM.ZIP").read_bytes(), "application", "zip", filename="IHE_XDM.ZIP")
    code, said = host.swaks("--from", KARIM, "--to", JEANNE, peer=host.hospital, body=mail.as_bytes())
    assert code == 0, said


def join(who: Person, link: str) -> None:
    """Take an invitation in which nothing is to be answered yet, up to its conversation."""
    who.page.goto(link)
    who.press(re.compile("^(Répondre à |Ouvrir )"))
    who.sees("Code de secours Pli")
    who.page.get_by_label(re.compile("J.ai mis mon code de secours à l.abri")).first.check()
    who.press("Continuer")
    later, log = who.page.get_by_role("button", name="Plus tard"), who.page.get_by_role("log")
    later.or_(log).first.wait_for()
    if later.is_visible():
        later.click()
    log.wait_for()


def mailbox(host: MailHost) -> list[EmailMessage]:
    """What the colleague's mail program shows."""
    return [email.message_from_bytes(raw, policy=email.policy.default) for raw in host.mails(KARIM)]


def answers(host: MailHost, words: str) -> list[EmailMessage]:
    found = [mail for mail in mailbox(host) if mail.get_content_type() != "multipart/report"]
    return [mail for mail in found if words in mail.get_body(("plain",)).get_content()]


def receipts(host: MailHost) -> list[str]:
    reports = [mail for mail in mailbox(host) if mail.get_param("report-type") == "disposition-notification"]
    return [
        part.as_string() for mail in reports for part in mail.iter_parts() if part.get_content_maintype() == "message"
    ]


@pytest.mark.browser
@pytest.mark.slow
@needs_mailhost
def test_a_colleague_writes_by_mail_and_the_patient_answers_in_the_browser(
    bridge: Bridge, host: MailHost, person: Callable[..., Person], tmp_path: Path
) -> None:
    traits = ("--birth-name", "CORSE", "--first-name", "Anne", "--birth-date", "1979-03-28", "--sex", "F")
    invitation = bridge.run("patients", "add", "--ins", INS, *traits)
    anne = person(PHONE)
    join(anne, invitation["invitation_link"])
    bridge.start()
    until(lambda: "en marche" in bridge.said() or "is running" in bridge.said(), "the bridge")

    # The colleague's mail reaches her as words, a document card and a PDF.
    colleague_writes(host, tmp_path, "Bonjour, voici le compte rendu de votre examen.")
    last_message(anne, "voici le compte rendu de votre examen").wait_for()
    anne.sees(re.compile("Courriel MSSanté de Dr Karim Haddad"))
    anne.sees(re.compile("chiffrement de bout en bout s.arrête"))
    anne.sees(re.compile("Chiffré jusqu.à la boîte MSSanté"))
    anne.sees(re.compile("Echographie"))
    anne.press(re.compile("^Ouvrir .*[Ee]chographie"))
    anne.page.get_by_role("dialog").get_by_text(re.compile("Page 1 sur 1|COMPTE RENDU")).first.wait_for()
    anne.page.keyboard.press("Escape")

    # He learns that she has read it, as any mail program shows it.
    until(lambda: receipts(host), f"the read receipt\n{bridge.said()}")
    (receipt,) = receipts(host)
    assert "Original-Message-ID: <1@hopital.example>" in receipt
    assert re.search(r"Disposition: .*; displayed", receipt)

    # Her answer lies in his mailbox, from her own address, as an answer to his mail.
    anne.write("Merci docteur. Dois-je revenir ?")
    anne.press(re.compile("^Envoyer à"))
    until(lambda: answers(host, "Dois-je revenir"), f"the answer\n{bridge.said()}")
    (answer,) = answers(host, "Dois-je revenir")
    assert (answer["From"].addresses[0].addr_spec, answer["In-Reply-To"]) == (JEANNE, "<1@hopital.example>")
    assert answer["From"].addresses[0].display_name == "Anne CORSE"
    assert "XDM" not in str(answer["Subject"])

    # He answers from his mail program, to her address: it goes on in the same conversation.
    reply = EmailMessage(policy=email.policy.SMTP)
    reply["From"], reply["To"], reply["Message-ID"] = f"Dr Karim Haddad <{KARIM}>", JEANNE, "<2@hopital.example>"
    reply["Subject"], reply["In-Reply-To"], reply["References"] = (
        "Re: Echographie",
        answer["Message-ID"],
        answer["Message-ID"],
    )
    reply.set_content("Oui, dans six mois.")
    code, said = host.swaks("--from", KARIM, "--to", JEANNE, peer=host.hospital, body=reply.as_bytes())
    assert code == 0, said
    last_message(anne, "Oui, dans six mois").wait_for()
    last_message(anne, "voici le compte rendu de votre examen").wait_for()
    assert len(answers(host, "Dois-je revenir")) == 1
