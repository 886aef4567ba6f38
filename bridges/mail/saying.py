"""A mail as a message of a conversation: words, files, document cards. Pure. Source: docs/spec/mail.md 14."""

import hashlib
from dataclasses import dataclass
from typing import Any, Final

from bridges.kit.files import safe_name
from bridges.mail import tnef
from bridges.mail.cda import Document
from bridges.mail.config import Box
from bridges.mail.reading import Mail, Part, Reading
from bridges.mail.words import one_line
from crypto.content import MAX_TEXT, Reply

MAX_FILES: Final = 20
_TITLE: Final = 200  # bytes
_SUBJECT: Final = 200  # bytes
_LINE: Final = 300  # bytes of one thing on a card
_KINDS: Final = (
    ("prescription", ("prescription", "ordonnance", "dispensation")),
    ("letter", ("lettre", "courrier", "demande")),
    ("report", ("compte rendu", "cr ", "compte-rendu", "synthèse", "résultat", "biologie", "imagerie", "bilan")),
)
_ARCHIVE: Final = "application/zip"


@dataclass(frozen=True, slots=True)
class File:
    """A document to send along, in memory."""

    name: str
    media_type: str
    octets: bytes
    document: str | None  # kind of the protocol (8.3)
    title: str

    @property
    def sha256(self) -> bytes:
        """Digest of the content."""
        return hashlib.sha256(self.octets).digest()


@dataclass(frozen=True, slots=True)
class Said:
    """What a mail says in a conversation."""

    text: str
    files: tuple[File, ...]
    reply: Reply
    via: dict[str, Any] | None = None  # where it came from (docs/spec/mail.md 21); the cards name files by place
    replaces: bytes = b""  # the message this one takes the place of
    ends: bool = False  # [FIN]


class TooManyFilesError(ValueError):
    """More files than a message can carry."""


def subject_of(mail: Mail) -> str:
    """Give the subject of a conversation, 1 to 200 bytes."""
    return _cut(one_line(mail.marks.subject), _SUBJECT) or "Message MSSanté"


def say(reading: Reading, box: Box, *, replaces: bytes = b"") -> Said:
    """Turn a mail that came to a box into a message.

    Raises:
        TooManyFilesError: more than ``MAX_FILES``.

    """
    mail = reading.mail
    assert mail is not None, "only what could be read is said"
    files, refused = files_of(reading)
    if len(files) > MAX_FILES:
        raise TooManyFilesError
    lead = [_header(mail), *map(card_words, reading.documents)]
    text = "\n\n".join(filter(None, (*lead, mail.text.strip(), *map(_refused, refused))))
    via = _via(reading, mail, box, len(lead))
    if len(text.encode()) > MAX_TEXT:
        files = [*files, File("message.txt", "text/plain", mail.text.encode(), "letter", "Texte complet du message")]
        text = _cut(text, MAX_TEXT - 100) + "\n\n[…] La suite est dans le fichier joint message.txt."
    reply: Reply = "none" if mail.marks.no_reply else "open"
    return Said(text, tuple(files), reply, via, replaces, ends=mail.marks.ends_conversation)


def _via(reading: Reading, mail: Mail, box: Box, lead: int) -> dict[str, Any]:
    """Say where a message came from. ``attachment`` holds the place of its file until that has an id (``voice``)."""
    cards, place = list[dict[str, Any]](), 0
    for card in reading.documents:
        has_file = bool(card.pdf_path and reading.bodies.get(card.pdf_path))
        cards.append(
            {
                "attachment": place if has_file else None,
                "authors": _cut(_authors(card), _LINE),
                "code": _cut(card.code, _LINE),
                "date": card.created_at[:10],
                "label": _cut(card.label, _LINE),
                "patient": _cut(_traits(card), _LINE),
                "qualified": "yes" if card.qualified else "no",
            }
        )
        place += has_file
    return {
        "kind": "mail",
        "box": box.address,
        "owner": _cut(box.owner, _LINE),
        "from": mail.sender,
        "name": _cut(mail.sender_name, _LINE),
        "lead": min(lead, MAX_FILES),
        "cards": cards[:MAX_FILES],
    }


def _traits(card: Document) -> str:
    patient = card.patient
    return " ".join(filter(None, (patient.birth_name.upper(), patient.first_given_name, patient.birth_date)))


def _header(mail: Mail) -> str:
    who = f"{mail.sender_name} <{mail.sender}>" if mail.sender_name else mail.sender
    return f"De : {who}, par MSSanté"


def card_words(card: Document) -> str:
    """Say what a document is, from whom and about whom."""
    traits = _traits(card)
    state = "INS qualifiée" if card.qualified else "INS non qualifiée"
    lines = [
        f"Document : {' — '.join(dict.fromkeys(filter(None, (card.label, card.title))))}",
        f"Auteur : {_authors(card)}",
        f"Patient : {traits} ({state})" if traits else "",
        f"Date : {card.created_at}" if card.created_at else "",
        f"Code : {card.code}" if card.code else "",
        "Annule et remplace un document précédent." if card.replaces else "",
    ]
    return "\n".join(filter(None, lines))


def _authors(card: Document) -> str:
    named = (", ".join(filter(None, (each.name, each.institution))) for each in card.authors[:3])
    return " ; ".join(filter(None, named)) or "non précisé"


def _refused(part: Part) -> str:
    return f"Pièce jointe non transmise (programme) : {part.name or part.path}"


def files_of(reading: Reading) -> tuple[list[File], list[Part]]:
    """Give the PDFs of the documents, then the other attachments; a copy of such a PDF stands once."""
    files = [
        File(_pdf_name(card), "application/pdf", octets, _kind(card), _title(card))
        for card in reading.documents
        if card.pdf_path and (octets := reading.bodies.get(card.pdf_path))
    ]
    known = {file.sha256 for file in files}
    refused = list[Part]()
    for part in reading.parts:
        octets = reading.bodies.get(part.path, b"")
        if part.disposition != "attachment" or not octets or _is_opened(part, reading):
            continue
        if part.handling == "refuse":
            refused.append(part)
        elif hashlib.sha256(octets).digest() not in known:
            kind = "image" if part.type.startswith("image/") else "other"
            files.append(File(safe_name(part.name or f"piece-{part.path}"), part.type, octets, kind, ""))
    return files, refused


def _is_opened(part: Part, reading: Reading) -> bool:
    """Whether all that a container holds stands beside it.

    In cards with their PDFs for an archive; one with structured data alone is passed on. As files for winmail.dat,
    whose words, which are not read, stand in the mail too unless that says nothing.
    """
    if part.type in tnef.TYPES:
        stands = any(each.path.startswith(f"{part.path}.") for each in reading.parts)
        return stands and reading.mail is not None and bool(reading.mail.text.strip())
    inside = [card for card in reading.documents if card.path.startswith(f"{part.path}/")]
    whole = bool(inside) and "document_is_no_cda" not in reading.warnings  # else it holds files that have no card
    return part.type == _ARCHIVE and whole and all(card.pdf_path for card in inside)


def _kind(card: Document) -> str:
    label = f"{card.label} ".lower()
    return next((kind for kind, words in _KINDS if any(word in label for word in words)), "other")


def _title(card: Document) -> str:
    names = _authors(card) if card.authors else ""
    return _cut(" · ".join(filter(None, (card.title or card.label, names, card.created_at[:10]))), _TITLE)


def _pdf_name(card: Document) -> str:
    stem = "-".join(one_line(card.title or card.label, most=60).split()) or "document"
    return safe_name(f"{card.created_at[:10]}_{stem}.pdf".lstrip("_"))


def _cut(text: str, limit: int) -> str:
    """Cut at a whole character."""
    return text.encode()[:limit].decode("utf-8", "ignore").strip()
