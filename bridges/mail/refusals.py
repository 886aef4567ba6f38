"""What a sender is told when a mail did not reach its patient: codes and words. Source: docs/spec/mail.md 16."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bridges.mail.address import Address, read_address
from bridges.mail.composing import (
    Letter,
    LetterError,
    compose,
    compose_bounce,
    compose_receipt,
    is_writable,
    may_answer,
)
from bridges.mail.outgoing import Composed
from bridges.mail.reading import Mail, Reading


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason. ``number`` is the machine acknowledgement (900 to 906), ``status`` that of RFC 3463."""

    code: str
    number: int
    status: str
    label: str  # ASCII, as it stands in an acknowledgement
    words: str


_TABLE: Final = (
    Refusal("patient_unknown", 902, "5.1.1", "Patient inconnu", "Ce patient n'est pas connu ici."),
    Refusal("opposition", 906, "5.2.1", "Opposition du patient", "Ce patient ne veut plus recevoir vos messages."),
    Refusal("closed", 906, "5.2.1", "Boite fermee", "Ce patient a quitté la conversation, ou sa boîte est fermée."),
    Refusal(
        "too_large", 906, "5.3.4", "Message trop volumineux", "Le message dépasse 25 Mo, pièces jointes comprises."
    ),
    Refusal("several_patients", 906, "5.6.0", "Plusieurs patients", "Un message ne concerne qu'un seul patient."),
    Refusal("ins_missing", 903, "5.6.0", "INS absente", "Les documents ne portent pas l'INS du patient."),
    Refusal(
        "ins_differs", 904, "5.6.0", "INS differente", "L'INS ou les traits du document sont ceux d'une autre personne."
    ),
    Refusal(
        "hidden_from_patient",
        906,
        "5.7.1",
        "Document non visible par le patient",
        "Le document est marqué non visible par le patient : il ne lui est pas remis.",
    ),
    Refusal(
        "version_wrong",
        900,
        "5.6.0",
        "Version incorrecte",
        "Le document est d'un format que nous ne lisons pas, ou remplace une version qui n'est plus la dernière.",
    ),
    Refusal(
        "author_not_entitled",
        901,
        "5.7.1",
        "Auteur non habilite",
        "L'auteur n'est pas d'une profession qui produit ce type de document.",
    ),
    Refusal(
        "ins_incomplete",
        905,
        "5.6.0",
        "INS incomplete",
        "Le document seul désigne le patient, et il y manque des traits d'identité (nom de naissance, prénom, date de"
        " naissance, sexe).",
    ),
)
REFUSALS: Final = {each.code: each for each in _TABLE}


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal on its way back: to whom, from which mailbox."""

    refusal: Refusal
    mailbox: Address
    software: str
    at: datetime


def may_tell(mail: Mail) -> bool:
    """Whether a sender is told at all: a machine's mail and a report are never answered, or two machines never stop."""
    told = mail.report is not None or bool(mail.marks.acknowledgement)
    return not (mail.automatic or mail.bulk or told or mail.return_path == "<>")


def needs_a_person(reading: Reading) -> bool:
    """Whether an acknowledgement was asked for at another address than the mail came from.

    Then no machine answers (RFC 8098 2.1): somebody decides who looks into what was kept aside.
    """
    mail = reading.mail
    asked = mail.asks_receipt if mail is not None and reading.documents else ""
    return mail is not None and bool(asked) and not _came_from(mail, asked)


def _came_from(mail: Mail, asked: str) -> bool:
    return may_answer(asked, mail.return_path or mail.sender, by_a_person=False)


def tell(refused: Refused, reading: Reading) -> Composed | None:
    """Make the mail that tells the sender; nothing when nobody may be told.

    A machine acknowledgement where documents were sent (as an MDN when one was asked for), a delivery report otherwise.
    """
    mail = reading.mail
    if mail is None or not may_tell(mail):
        return None
    target = read_address(mail.sender)
    letter = _letter(refused, mail, target, documents=bool(reading.documents))
    try:
        raw = _write(refused, mail, letter, documents=bool(reading.documents))
    except LetterError:
        return None  # its Message-ID is not one that can be written: there is nothing to refer to
    return Composed(letter.message_id, None, (target,), raw)


def _letter(refused: Refused, mail: Mail, target: Address, *, documents: bool) -> Letter:
    why = refused.refusal
    known = hashlib.sha256(f"{mail.message_id}\0{mail.sender}\0{why.code}".encode()).hexdigest()[:40]
    prefix = f"[KO Intégration système !][{why.number}] " if documents else "Non remis : "
    return Letter(
        sender=refused.mailbox,
        sender_name="",
        recipients=[target],
        subject=prefix + mail.subject,
        text=f"Votre message n'a pas été remis.\n{why.words}\n\nCode : {why.code}\nObjet : {mail.marks.subject}\n",
        sent_at=refused.at,
        in_reply_to=mail.message_id if is_writable(mail.message_id) else "",
        message_id=f"<pli.refused.{known}@{refused.mailbox.domain}>",
        software=refused.software,
        automatic=True,
    )


def _write(refused: Refused, mail: Mail, letter: Letter, *, documents: bool) -> bytes:
    why = refused.refusal
    if documents and _came_from(mail, mail.asks_receipt):
        disposition = f"automatic-action/MDN-sent-automatically; processed/Error: {why.number}^{why.label}"
        return compose_receipt(letter, original=mail.message_id, recipient=refused.mailbox, disposition=disposition)
    if documents:
        return compose(letter)
    return compose_bounce(letter, original=mail.message_id, recipient=refused.mailbox, status=why.status, code=why.code)
