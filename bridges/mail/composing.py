"""Mail made new, byte by byte: nothing that was received is ever written again. Source: docs/spec/mail.md 11.

The same ``Letter`` gives the same bytes, so that a repeat after a crash is the same mail with the same Message-ID.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import format_datetime
from typing import Final
from urllib.parse import quote

import msgspec

from bridges.mail.address import Address, read_address
from bridges.mail.files import clean_name
from bridges.mail.inputs import Subject
from bridges.mail.marks import HIDDEN
from bridges.mail.words import one_line

MAX_MAIL: Final = 25 * 1000 * 1000  # bytes; what a patient's box takes, all included
_PLAIN: Final = re.compile(r"[A-Za-z0-9 .,:;!?()\[\]/+_'*-]*")
_ATOMS: Final = re.compile(r"[A-Za-z0-9 _-]*")
_ID: Final = re.compile(r"<[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,200}@[A-Za-z0-9.\[\]:-]{1,200}>")
_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]{1,80}")
_STATUS: Final = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_CODES: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_WORD: Final = 39  # bytes of UTF-8 in one encoded word: 52 signs of base64, under the 75 of RFC 2047


class LetterError(ValueError):
    """A letter that cannot be a mail; ``code`` is stable."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Attached(msgspec.Struct, frozen=True):
    """A file to send along."""

    name: str
    media_type: str
    octets: bytes
    method: str = ""  # of a calendar (RFC 6047): such a part is shown, not only attached


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """All that one mail is made from."""

    sender: Address
    sender_name: str  # "Claire MARTIN"
    recipients: list[Address]
    subject: str
    text: str
    sent_at: datetime  # aware
    message_id: str
    software: str  # X-MSS-NIL: on every mail
    in_reply_to: str = ""
    references: list[str] = []
    reply_to: Address | None = None
    asks_receipt: bool = False
    no_reply: bool = False  # X-MSS-MES: FIN
    codes: list[str] = []  # X-MSS-CODECDA: types of the documents in the archive
    qualified: bool = False  # X-MSS-INS, written only with ``codes``
    automatic: bool = False  # RFC 3834: a machine wrote it, no machine answers
    attached: list[Attached] = []


def compose(letter: Letter) -> bytes:
    """Make the mail.

    Returns:
        at most ``MAX_MAIL`` bytes of ASCII; lines end with CRLF and have 998 bytes at most.

    Raises:
        LetterError: ``no_recipient``, ``bad_address``, ``bad_id``, ``bad_field``, ``too_large``.

    """
    parts = [_text(letter.text), *map(_file, letter.attached)]
    body = parts[0] if len(parts) == 1 else _joined("mixed", parts, letter.message_id)
    return _closed([*_fields(letter), *body])


def compose_receipt(letter: Letter, *, original: str, recipient: Address, disposition: str) -> bytes:
    """Make a read receipt (RFC 8098): ``letter`` holds the human text and goes to who asked for it.

    Args:
        letter: as for ``compose``; its attachments are not sent, so that a receipt stays small.
        original: Message-ID of the mail that was read.
        recipient: whose mailbox it reached.
        disposition: ``manual-action/MDN-sent-manually; displayed``, or one of ``processed``.

    Raises:
        LetterError: as ``compose``, and ``receipt_of_receipt`` when the letter asks for a receipt itself.

    """
    if letter.asks_receipt:
        raise LetterError("receipt_of_receipt")
    if not _ID.fullmatch(original) or not re.fullmatch(r"[\x20-\x7e]{1,200}", disposition):
        raise LetterError("bad_id")
    lines = [
        "Content-Type: message/disposition-notification",
        "",
        "Reporting-UA: Pli",
        f"Final-Recipient: rfc822; {recipient}",
        f"Original-Message-ID: {original}",
        f"Disposition: {disposition}",
    ]
    report = _joined("report; report-type=disposition-notification", [_text(letter.text), lines], letter.message_id)
    return _closed([*_fields(letter), *report])


def compose_bounce(letter: Letter, *, original: str, recipient: Address, status: str, code: str) -> bytes:
    """Make a delivery report (RFC 3464) that says "failed": ``letter`` holds the human text and goes to the sender.

    Args:
        letter: as for ``compose``; its attachments are not sent.
        original: Message-ID of the mail that was not delivered.
        recipient: whom it did not reach.
        status: enhanced status code (RFC 3463).
        code: our stable reason.

    Raises:
        LetterError: as ``compose``.

    """
    if not _STATUS.fullmatch(status) or not _CODES.fullmatch(code):
        raise LetterError("bad_field")
    status_lines = [
        "Content-Type: message/delivery-status",
        "",
        f"Reporting-MTA: dns; {letter.sender.domain}",
        "",
        f"Final-Recipient: rfc822; {_checked(recipient)}",
        "Action: failed",
        f"Status: {status}",
        f"Diagnostic-Code: x-pli; {code}",
    ]
    parts = [_text(letter.text), status_lines]
    if _ID.fullmatch(original):
        parts.append(["Content-Type: text/rfc822-headers", "", f"Message-ID: {original}"])
    return _closed([*_fields(letter), *_joined("report; report-type=delivery-status", parts, letter.message_id)])


def may_answer(asks_receipt: str, return_path: str, *, by_a_person: bool) -> bool:
    """Whether a receipt may go out: a machine answers only where the mail came from, or two machines never stop."""
    return bool(asks_receipt) and (by_a_person or asks_receipt == return_path)


def is_writable(message_id: str) -> bool:
    """Whether a Message-ID that came in can stand in a mail of ours: some are of no form."""
    return bool(_ID.fullmatch(message_id))


def stable_id(message: bytes, domain: str) -> str:
    """Give the Message-ID of a message of a conversation: always the same one."""
    read_address(f"pli@{domain}")
    return f"<pli.{hashlib.sha256(b'pli mail id' + message).hexdigest()[:40]}@{domain}>"


def document_subject(label: str, patient: Subject) -> str:
    """Give the subject of a mail that carries documents, with the prefix that readers hide."""
    year, month, day = patient.birth_date.split("-")
    return f"{HIDDEN}{one_line(label)} {patient.birth_name.upper()} {patient.first} {day}/{month}/{year}"


def document_name(label: str, patient: Subject, done_at: datetime) -> str:
    """Give the file name of the PDF beside an archive."""
    words = (done_at.strftime("%Y%m%d"), one_line(label), patient.birth_name.upper(), patient.first)
    return clean_name("_".join("-".join(word.split()) for word in words) + ".pdf")


def _fields(letter: Letter) -> Iterator[str]:
    if not letter.recipients:
        raise LetterError("no_recipient")
    yield f"Date: {format_datetime(letter.sent_at)}"
    yield f"From: {_phrase(letter.sender_name)}<{_checked(letter.sender)}>"
    yield "To: " + ",\r\n ".join(_checked(each) for each in letter.recipients)
    if letter.reply_to:
        yield f"Reply-To: {_checked(letter.reply_to)}"
    yield f"Subject: {_encoded(one_line(letter.subject, most=250))}"
    yield f"Message-ID: {_known(letter.message_id)}"
    if letter.in_reply_to:
        yield f"In-Reply-To: {_known(letter.in_reply_to)}"
    if letter.references:
        yield "References: " + "\r\n ".join(_known(each) for each in letter.references[-50:])
    if letter.asks_receipt:
        yield f"Disposition-Notification-To: {_checked(letter.sender)}"
    if letter.automatic:
        yield "Auto-Submitted: auto-replied"
    yield from _mssante(letter)
    yield "MIME-Version: 1.0"


def _mssante(letter: Letter) -> Iterator[str]:
    if not _CODES.fullmatch(letter.software) or not all(map(_CODES.fullmatch, letter.codes)):
        raise LetterError("bad_field")
    yield f"X-MSS-NIL: {letter.software}"
    if letter.no_reply:
        yield "X-MSS-MES: FIN"
    if letter.codes:
        yield f"X-MSS-CODECDA: {','.join(letter.codes[:20])}"
        yield f"X-MSS-INS: {'O' if letter.qualified else 'N'}"


def _checked(address: Address) -> str:
    """Addresses come from our grammar; one that was made by hand is read again here."""
    try:
        return str(read_address(str(address)))
    except ValueError:
        raise LetterError("bad_address") from None


def _known(message_id: str) -> str:
    if not _ID.fullmatch(message_id):
        raise LetterError("bad_id")
    return message_id


def _phrase(name: str) -> str:
    """Give the name with a space behind it; none when it holds an address: readers rightly take that for a trick."""
    shown = one_line(name, most=150)
    if not shown or "@" in shown:
        return ""
    return f'"{shown}" ' if _ATOMS.fullmatch(shown) else f"{_encoded(shown, always=True)} "


def _encoded(text: str, *, always: bool = False) -> str:
    """Write as it is when that is safe on one line, else as encoded words of whole characters."""
    if not always and _PLAIN.fullmatch(text) and len(text) <= 900:
        return text
    words, current = [], b""
    for sign in text:
        octets = sign.encode()
        if len(current) + len(octets) > _WORD:
            words.append(current)
            current = b""
        current += octets
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(word).decode()}?=" for word in [*words, current] if word)


def _text(text: str) -> list[str]:
    """Base64: no line of the text can be a dot, a From, or too long."""
    octets = text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "replace")
    return ["Content-Type: text/plain; charset=utf-8", *_base64(octets)]


def _file(file: Attached) -> list[str]:
    if not _TYPE.fullmatch(file.media_type):
        raise LetterError("bad_field")
    if not re.fullmatch(r"[A-Z]{0,20}", file.method):
        raise LetterError("bad_field")
    said = ";\r\n".join(_file_name(clean_name(file.name) or "document"))
    kind = f"{file.media_type}; charset=utf-8; method={file.method}" if file.method else file.media_type
    how = "inline" if file.method else "attachment"
    return [f"Content-Type: {kind}", f"Content-Disposition: {how};\r\n{said}", *_base64(file.octets)]


def _file_name(name: str) -> Iterator[str]:
    """Write RFC 2231 pieces of whole characters: readers that decode each piece alone see the same name."""
    signs = [quote(sign, safe="") for sign in name]
    pieces = ["".join(signs[at : at + 8]) for at in range(0, len(signs), 8)]
    for number, piece in enumerate(pieces):
        mark = "utf-8''" if number == 0 else ""
        yield f" filename*{number}*={mark}{piece}" if len(pieces) > 1 else f" filename*={mark}{piece}"


def _base64(octets: bytes) -> list[str]:
    written = base64.encodebytes(octets).decode("ascii").rstrip("\n").replace("\n", "\r\n")
    return ["Content-Transfer-Encoding: base64", "", written]


def _joined(kind: str, parts: list[list[str]], message_id: str) -> list[str]:
    # No line of a part can be this one: base64 has no "=_", and the fields of parts are ours.
    boundary = f"=_{hashlib.sha256(message_id.encode()).hexdigest()[:40]}"
    lines = [f'Content-Type: multipart/{kind};\r\n boundary="{boundary}"', ""]
    for part in parts:
        lines += [f"--{boundary}", *part]
    return [*lines, f"--{boundary}--"]


def _closed(lines: list[str]) -> bytes:
    octets = ("\r\n".join(lines) + "\r\n").encode("ascii")
    if len(octets) > MAX_MAIL:
        raise LetterError("too_large")
    return octets
