"""IHE_XDM.ZIP, opened: each document entry with the CDA it names. Source: docs/spec/mail.md 9."""

import hashlib
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from bridges.mail.archive import read_archive
from bridges.mail.cda import Document, read_document
from bridges.mail.metadata import Entry, Submission, read_metadata
from bridges.mail.reasons import QuarantineError
from bridges.mail.words import one_line


@dataclass(frozen=True, slots=True)
class Opened:
    """What an archive holds."""

    submissions: list[Submission]
    documents: list[Document]
    pdfs: dict[str, bytes]  # Document.pdf_path → content
    warnings: list[str]


def open_xdm(octets: bytes, path: str) -> Opened:
    """Open an archive that says it is one of IHE XDM.

    Raises:
        QuarantineError: of ``read_archive`` and ``parse``; ``document_missing`` when METADATA.XML, or a document it
            names, is not there. One broken part makes the whole archive one to keep aside: half a file misleads.

    """
    held = read_archive(octets)
    places = {name.casefold(): name for name in held}
    found = [name for key, name in places.items() if key.startswith("ihe_xdm/") and key.endswith("/metadata.xml")]
    if not found:
        raise QuarantineError("document_missing", "no METADATA.XML")
    opened = Opened([], [], {}, [])
    for name in sorted(found):
        submission = read_metadata(held[name])
        opened.submissions.append(submission)
        if not submission.edition_3:
            opened.warnings.append("metadata_edition_unknown")
        for entry in submission.entries:
            _add(opened, entry, _target(entry.uri, name, places), held, path)
    if len({card.patient.ins for card in opened.documents}) > 1:
        opened.warnings.append("several_patients")
    return opened


def _target(uri: str, metadata: str, places: dict[str, str]) -> str:
    """Find the file an entry names: relative to its METADATA.XML, inside the archive, case ignored."""
    uri = uri.replace("\\", "/")  # as in names of the archive
    wanted = posixpath.normpath(posixpath.join(posixpath.dirname(metadata), uri))
    name = places.get(wanted.casefold())
    if not uri or uri.startswith("/") or ".." in uri.split("/") or ":" in uri:
        raise QuarantineError("archive_unsafe", "URI")
    if name is None:
        raise QuarantineError("document_missing", "a document of METADATA.XML")
    return name


def _add(opened: Opened, entry: Entry, name: str, held: dict[str, bytes], path: str) -> None:
    octets = held[name]
    where = f"{path}/{one_line(name)}"
    opened.warnings.extend(_about_file(entry, octets))
    if "xml" not in entry.media_type and octets.startswith(b"%PDF-"):
        opened.warnings.append("document_is_no_cda")
        return
    card, pdf = read_document(octets, where)
    opened.warnings.extend(_about_card(entry, card))
    opened.documents.append(card)
    if pdf:
        opened.pdfs[card.pdf_path] = pdf


def _about_file(entry: Entry, octets: bytes) -> Iterator[str]:
    if entry.size is not None and entry.size != len(octets):
        yield "size_differs"
    if entry.sha1 and entry.sha1 != hashlib.sha1(octets, usedforsecurity=False).hexdigest():
        yield "hash_differs"


def _about_card(entry: Entry, card: Document) -> Iterator[str]:
    if entry.type_code and entry.type_code != card.code:
        yield "type_differs"
    if card.patient.ins and entry.patient_id and entry.patient_id.partition("^")[0] != card.patient.ins:
        yield "patient_differs"
    if entry.traits_missing:
        yield "traits_missing"
    if "INVISIBLE_PATIENT" in entry.confidentiality:
        yield "hidden_from_patient"
