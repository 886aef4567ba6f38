"""One file of a stranger, read or kept aside. Pure: bytes in, values out. Source: docs/spec/mail.md 2 to 9."""

import hashlib
import re
from typing import Final, Literal

import msgspec

from bridges.mail import files, limits, marks, reports, tnef
from bridges.mail.address import Mailbox, read_list, read_sender
from bridges.mail.cda import Document, read_document
from bridges.mail.headers import Fields
from bridges.mail.parts import Cutter, Node, text_of
from bridges.mail.reasons import QuarantineError, Reason
from bridges.mail.words import has_hidden_line, one_line
from bridges.mail.xdm import open_xdm

_OLD_MARKS: Final = ("x-autoreply", "x-autorespond", "x-autoresponder")  # what machines wrote before RFC 3834
_MESSAGE_ID: Final = re.compile(r"<[^<>\s]{1,990}>")
_ARCHIVE: Final = re.compile(r"ihe_xdm.*\.zip", re.IGNORECASE)
_XML: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:\?xml|!DOCTYPE\s|[A-Za-z:]*ClinicalDocument[\s>])")


class Part(msgspec.Struct, frozen=True):
    """One part that holds something."""

    path: str  # "1.2", as IMAP numbers parts
    type: str
    name: str  # cleaned, or empty
    bytes: int  # decoded
    disposition: str  # inline, attachment
    handling: str  # show, download, refuse


class Mail(msgspec.Struct, frozen=True, kw_only=True):
    """What the fields of a mail say."""

    sender: str  # local@domain of the one From
    sender_name: str  # empty when it pretends to be another address
    reply_to: str
    recipients: list[str]
    subject: str
    date: str
    message_id: str  # as written; ``sha256:…@raw`` of the whole file when it has none of use
    in_reply_to: str
    references: list[str]
    asks_receipt: str  # the address to answer to, or empty
    return_path: str  # of the envelope: local@domain, "<>" for none (a report), empty when nobody wrote it down
    automatic: bool  # RFC 3834: nothing may be answered by a machine
    bulk: bool  # of a list, for many, or of an older machine: not answered by a machine either
    marks: marks.Marks
    report: reports.Report | None
    text: str


class Reading(msgspec.Struct, kw_only=True):
    """What became of a file."""

    outcome: Literal["accepted", "quarantined"]
    reason: Reason | None = None
    detail: str = ""
    digest: str = ""  # SHA-256 of the file, hex: with the Message-ID it tells a repeat from another mail
    mail: Mail | None = None
    parts: list[Part] = []
    documents: list[Document] = []
    warnings: list[str] = []
    bodies: dict[str, bytes] = {}  # path of a part, or ``pdf_path`` of a document → content


def set_aside(reason: Reason, detail: str = "", digest: str = "") -> Reading:
    """Say that a file is kept aside."""
    return Reading(outcome="quarantined", reason=reason, detail=detail, digest=digest)


def read(raw: bytes, *, bodies: bool = False) -> Reading:
    """Read a mail, an IHE_XDM archive or a CDA document; a refusal is a value here.

    Args:
        raw: at most ``limits.RAW`` bytes.
        bodies: whether the contents of attachments and PDFs are wanted too.

    """
    digest = hashlib.sha256(raw).hexdigest()
    try:
        if len(raw) > limits.RAW:
            return set_aside("too_large", f"over {limits.RAW} B", digest)
        if not raw.strip():
            return set_aside("empty", digest=digest)
        reading = _read(raw, digest)
    except QuarantineError as error:
        return set_aside(error.reason, error.detail, digest)
    except (MemoryError, RecursionError) as error:
        return set_aside("too_much_memory", type(error).__name__, digest)
    if not bodies:
        reading.bodies = {}
    return reading


def _read(raw: bytes, digest: str) -> Reading:
    reading = Reading(outcome="accepted", digest=digest)
    if raw.startswith(b"PK\x03\x04"):
        _open_archive(reading, raw, "1")
    elif _XML.match(raw):
        _open_document(reading, raw, "1")
    else:
        _read_mail(reading, raw)
    return reading


def _read_mail(reading: Reading, raw: bytes) -> None:
    root = _cut(raw)
    root.fields.require_once()
    reading.mail = _mail(root, reading)
    for node in root.walk():
        _take_part(reading, node.path, node.name, node.media_type, node.body(), disposition=node.disposition)
    if len({card.patient.ins for card in reading.documents}) > 1:
        reading.warnings.append("several_patients")


def _take_part(reading: Reading, path: str, name: str, said: str, body: bytes, *, disposition: str) -> None:
    if len(reading.parts) >= limits.PARTS:
        raise QuarantineError("too_many_parts", f"over {limits.PARTS}")
    media_type = files.kind(body, said)
    reading.parts.append(Part(path, media_type, name, len(body), disposition, files.handling(name, media_type)))
    if said not in (media_type, "application/octet-stream"):
        reading.warnings.append("type_differs")
    reading.bodies[path] = body
    if media_type == "application/zip" and _ARCHIVE.fullmatch(name):
        _open_archive(reading, body, path)
    if said in tnef.TYPES:
        for number, inside in enumerate(tnef.read_files(body), 1):
            inner = files.clean_name(inside.name)
            _take_part(
                reading, f"{path}.{number}", inner, "application/octet-stream", inside.octets, disposition="attachment"
            )


def _cut(raw: bytes) -> Node:
    try:
        return Cutter(raw).cut()
    except QuarantineError as error:
        if error.reason == "header_broken" and error.detail == "line 1":
            raise QuarantineError("not_a_mail") from None
        raise


def _mail(root: Node, reading: Reading) -> Mail:
    fields, text = root.fields, text_of(root)
    sender = read_sender(fields.all("from"))
    if has_hidden_line(fields.first("from")):
        raise QuarantineError("sender_hidden_line")
    if has_hidden_line(fields.first("subject")):
        reading.warnings.append("subject_hidden_line")
    return Mail(
        sender=sender.address.identity,
        sender_name=_honest_name(sender, reading),
        reply_to=_first_address(fields, "reply-to"),
        recipients=_recipients(fields, reading),
        subject=one_line(fields.first("subject")),
        date=one_line(fields.first("date"), most=100),
        message_id=(_ids(fields, "message-id") or [f"<sha256.{reading.digest}@raw.invalid>"])[0],
        in_reply_to=(_ids(fields, "in-reply-to") or [""])[0],
        references=_ids(fields, "references")[-limits.REFERENCES :],
        asks_receipt=_first_address(fields, "disposition-notification-to"),
        return_path=_return_path(fields),
        automatic=fields.first("auto-submitted").lower().partition(";")[0].strip() not in {"", "no"},
        bulk=_is_bulk(fields),
        marks=marks.read(fields, sender.address),
        report=reports.read(root, fields, text),
        text=text,
    )


def _honest_name(sender: Mailbox, reading: Reading) -> str:
    """A name that shows another address than the real one is how people are deceived."""
    name = one_line(sender.name, most=200)
    if "@" in name.lower().replace(sender.address.identity, ""):
        reading.warnings.append("sender_name_is_an_address")
        return ""
    return name


def _recipients(fields: Fields, reading: Reading) -> list[str]:
    good, bad = read_list(",".join(fields.all("to") + fields.all("cc")))
    if bad:
        reading.warnings.append("recipient_unreadable")
    return list(dict.fromkeys(each.address.identity for each in good))


def _first_address(fields: Fields, name: str) -> str:
    good, bad = read_list(fields.first(name))
    return good[0].address.identity if good and not bad else ""


def _return_path(fields: Fields) -> str:
    said = fields.first("return-path").strip()
    return "<>" if said == "<>" else _first_address(fields, "return-path")


def _is_bulk(fields: Fields) -> bool:
    """Look at what mailing lists, mass mailings and machines older than RFC 3834 write (RFC 3834 2; RFC 2919)."""
    precedence = fields.first("precedence").strip().lower()
    if precedence in {"bulk", "junk", "list", "auto_reply"} or fields.first("list-id").strip():
        return True
    said = set(re.split(r"[\s,]+", fields.first("x-auto-response-suppress").lower()))  # MS-OXCMAIL 2.1.3.2.12
    return bool(said & {"all", "oof", "autoreply"}) or any(fields.first(each).strip() for each in _OLD_MARKS)


def _ids(fields: Fields, name: str) -> list[str]:
    return _MESSAGE_ID.findall(fields.first(name))


def _open_archive(reading: Reading, octets: bytes, path: str) -> None:
    opened = open_xdm(octets, path)
    reading.documents += opened.documents
    reading.warnings += opened.warnings
    reading.bodies |= opened.pdfs


def _open_document(reading: Reading, octets: bytes, path: str) -> None:
    card, pdf = read_document(octets, path)
    reading.documents.append(card)
    if pdf:
        reading.bodies[card.pdf_path] = pdf
