"""What lies in the folder as a letter: to whom, and what it says. Source: docs/operate/folder.md."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridges.folder.drop import MESSAGES, Dropped
from bridges.folder.reasons import RefusalError
from bridges.folder.sandbox import FolderSandbox
from bridges.folder.sidecar import Sidecar
from bridges.folder.worker import Opened
from bridges.kit.files import media_type, safe_name
from bridges.mail.cda import Document
from bridges.mail.ins import OIDS
from bridges.mail.ins import check as check_ins
from bridges.mail.patients import Person, contradicts
from bridges.mail.reading import Reading
from bridges.mail.saying import MAX_FILES, File, Said, card_words, files_of
from bridges.mail.words import one_line
from crypto.content import MAX_TEXT

_READ: Final = MESSAGES | {".zip", ".xml"}
_REAL: Final = {"nir", "nia"}
_SUBJECT: Final = 200  # bytes


@dataclass(frozen=True, slots=True)
class Letter:
    """A letter, ready to be said."""

    sidecar: Sidecar
    person: Person | None
    subject: str
    said: Said
    documents: tuple[str, ...]  # ids, by which a later one replaces them
    replaces: tuple[str, ...]
    replaces_earlier: bool  # HL7 says so without naming which


async def read_letter(dropped: Dropped, sandbox: FolderSandbox, *, production: bool) -> Letter:
    """Open the files in the child and put a letter together; raises RefusalError."""
    if dropped.reason:
        raise RefusalError(dropped.reason, dropped.detail)
    sidecar, documents, files, texts = dropped.sidecar or Sidecar(), list[Document](), list[File](), [""]
    replaces_earlier = False
    for name, octets in dropped.files.items():
        if Path(name).suffix.lower() not in _READ:
            files.append(_plain(name, octets, sidecar))
            continue
        opened = await sandbox.open(octets)
        _check(opened)
        documents += opened.documents
        files += _of_documents(opened)
        if opened.message is not None:
            texts.append(opened.message.text)
            replaces_earlier = replaces_earlier or opened.message.replaces
    person = _person(sidecar, documents, production=production)
    text = _text([sidecar.text, *texts, *map(card_words, documents)])
    files = list({file.sha256: file for file in reversed(files)}.values())[::-1]
    if len(files) > MAX_FILES:
        raise RefusalError("too_many_files")
    if not text and not files:
        raise RefusalError("empty")
    return Letter(
        sidecar,
        person,
        _subject(sidecar, documents, files),
        Said(text, tuple(files), sidecar.answers),
        tuple(dict.fromkeys(each for card in documents for each in (card.id, card.set_id) if each)),
        tuple(each for card in documents for each in card.replaces),
        replaces_earlier,
    )


def _check(opened: Opened) -> None:
    if opened.reason is not None:
        raise RefusalError(opened.reason, opened.detail)
    if "hidden_from_patient" in opened.warnings:
        raise RefusalError("hidden_from_patient")


def _of_documents(opened: Opened) -> list[File]:
    reading = Reading(outcome="accepted", documents=opened.documents, bodies=opened.bodies)
    return files_of(reading)[0]


def _plain(name: str, octets: bytes, sidecar: Sidecar) -> File:
    kind = media_type(name, octets[:16])
    meant = "image" if kind.startswith("image/") else sidecar.document
    return File(safe_name(name), kind, octets, meant, one_line(sidecar.title, most=100))


def _person(sidecar: Sidecar, documents: list[Document], *, production: bool) -> Person | None:
    """Give the patient that sidecar and documents agree on; raises RefusalError."""
    numbers = {card.patient.ins for card in documents if card.patient.ins}
    if len(numbers) > 1:
        raise RefusalError("several_patients")
    person = sidecar.patient or (_of_card(documents[0]) if numbers else None)
    if person is None:
        return None
    if numbers - {person.ins.upper()} or any(contradicts(person, card.patient) for card in documents):
        raise RefusalError("patient_differs")
    real = not production or OIDS.get(person.ins_oid) in _REAL
    if check_ins(person.ins.upper(), person.ins_oid) != "good" or not real:
        raise RefusalError("ins_wrong")
    return person


def _of_card(card: Document) -> Person:
    traits = card.patient
    return Person(
        ins=traits.ins.upper(),
        ins_oid=traits.ins_oid,
        birth_name=traits.birth_name,
        first_name=traits.first_given_name,
        birth_date=traits.birth_date,
        sex=traits.sex,
    )


def _text(parts: list[str]) -> str:
    text = "\n\n".join(part.strip() for part in parts if part.strip())
    if len(text.encode()) > MAX_TEXT:
        raise RefusalError("too_large", "text")
    return text


def _subject(sidecar: Sidecar, documents: list[Document], files: list[File]) -> str:
    named = [sidecar.subject, sidecar.title, *(card.title or card.label for card in documents)]
    named += [Path(file.name).stem for file in files]
    found = next((line for each in named if (line := one_line(each, most=150))), "Document")
    return found.encode()[:_SUBJECT].decode("utf-8", "ignore")
