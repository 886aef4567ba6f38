"""HL7 v2 messages that carry a CDA document: MDM and ORU, in ER7. Pure. Source: docs/operate/folder.md.

Only what a drop folder needs is read, and nothing is guessed: who it is about, the documents, and whether the sender
keeps them from the patient. The shape of French messages is that of CISIS_CDA_HL7_V2.
"""

import base64
import re
from collections.abc import Iterator
from itertools import islice
from typing import Final, Literal

import msgspec

SEGMENTS: Final = 2000
FIELDS: Final = 100  # of one segment
DOCUMENTS: Final = 20
_EVENTS: Final = {"MDM": {"T01", "T02", "T10"}, "ORU": {"R01"}}
_ESCAPES: Final = {"F": "field", "S": "component", "R": "repetition", "T": "part", "E": "escape"}
_CHARSETS: Final = {
    "UNICODE UTF-8": "utf-8",
    "8859/1": "latin-1",
    "8859/15": "iso8859-15",
    "ASCII": "ascii",
    "": "utf-8",
}
_INS: Final = re.compile(r"1\.2\.250\.1\.213\.1\.4\.(?:8|9|10|11)")

Reason = Literal[
    "hl7_broken", "hl7_charset", "hl7_type", "hl7_too_large", "hl7_deletion", "hidden_from_patient", "not_for_patient",
    "document_missing",
]  # fmt: skip


class Hl7Error(ValueError):
    """A message that is not carried; ``reason`` is stable."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason: Reason = reason


class Message(msgspec.Struct, kw_only=True):
    """What a message says, without its documents."""

    type: str  # "MDM^T02"
    control: str  # MSH-10
    sender: str  # MSH-3 and -4
    version: str
    ins: str = ""
    ins_oid: str = ""
    text: str = ""  # words for the patient
    replaces: bool = False


class Signs(msgspec.Struct, frozen=True):
    """The separators that a message declares for itself."""

    field: str
    component: str
    repetition: str
    escape: str
    part: str


def read(raw: bytes) -> tuple[Message, list[bytes]]:
    """Read one message.

    Returns:
        what it says, and its documents (CDA, as bytes).

    Raises:
        Hl7Error: with its reason.

    """
    segments, signs = _cut(raw)
    head = segments[0]
    kind = _field(head, 8)  # MSH-1 is the separator itself
    name, _, event = kind.partition(signs.component)
    event = event.partition(signs.component)[0]
    if event not in _EVENTS.get(name, set()):
        raise Hl7Error("hl7_deletion" if (name, event) == ("MDM", "T11") else "hl7_type", kind[:40])
    message = Message(
        type=f"{name}^{event}",
        control=_field(head, 9),
        sender=" ".join(filter(None, (_field(head, 2), _field(head, 3)))),
        version=_field(head, 11),
        replaces=event == "T10",
    )
    for segment in segments:
        if segment[0] == "PID":
            message.ins, message.ins_oid = _identity(_field(segment, 3), signs)
    documents = list(islice(_documents(segments, signs, message), DOCUMENTS + 1))
    if not documents:
        raise Hl7Error("document_missing")
    if len(documents) > DOCUMENTS:
        raise Hl7Error("hl7_too_large", "documents")
    return message, documents


def _cut(raw: bytes) -> tuple[list[list[str]], Signs]:
    """Cut a message into segments and fields; the character set stands in MSH-18, in ASCII."""
    body = raw.strip(b"\x0b\x1c\r\n ")
    if not body.startswith(b"MSH") or len(body) < 20:
        raise Hl7Error("hl7_broken", "MSH")
    lines = re.split(rb"\r\n|\r|\n", body)
    if len(lines) > SEGMENTS:
        raise Hl7Error("hl7_too_large", "segments")
    charset = _charset(lines[0])
    try:
        texts = [line.decode(charset) for line in lines if line]
    except UnicodeDecodeError:
        raise Hl7Error("hl7_charset", charset) from None
    signs = _signs(texts[0])
    segments = [text.split(signs.field) for text in texts]
    if any(len(segment) > FIELDS or not re.fullmatch(r"[A-Z][A-Z0-9]{2}", segment[0]) for segment in segments):
        raise Hl7Error("hl7_broken", "segment")
    return segments, signs


def _charset(head: bytes) -> str:
    fields = head.split(head[3:4])
    written = fields[17].decode("ascii", "replace").strip() if len(fields) > 17 else ""
    if written not in _CHARSETS:
        raise Hl7Error("hl7_charset", written[:40])
    return _CHARSETS[written]


def _signs(head: str) -> Signs:
    declared = head[4:].partition(head[3])[0]
    if len(declared) < 4 or len({head[3], *declared[:4]}) != 5 or any(each.isalnum() for each in declared):
        raise Hl7Error("hl7_broken", "separators")
    return Signs(head[3], *declared[:4])


def _field(segment: list[str], number: int) -> str:
    return segment[number] if number < len(segment) else ""


def _identity(field: str, signs: Signs) -> tuple[str, str]:
    """Give the health identity among the identifiers of PID-3."""
    for each in field.split(signs.repetition):
        parts = each.split(signs.component)
        authority = _field(parts, 3).split(signs.part)
        if len(authority) > 1 and _INS.fullmatch(authority[1]):
            return parts[0].strip().upper(), authority[1]
    return "", ""


def _documents(segments: list[list[str]], signs: Signs, message: Message) -> Iterator[bytes]:
    """Give the documents, and note on the way what stands beside them."""
    for segment in segments:
        if segment[0] != "OBX":
            continue
        kind, code, value = _field(segment, 2), _field(segment, 3).split(signs.component)[0], _field(segment, 5)
        if kind == "CWE":
            _obey(code, value.split(signs.component)[0])
        elif kind == "ED" and code.startswith("CORPSMAIL"):
            message.text = message.text if code == "CORPSMAIL_PS" else _content(value, signs).decode("utf-8", "replace")
        elif kind == "ED":
            _note_status(_field(segment, 11), message)
            yield _content(value, signs)


def _note_status(status: str, message: Message) -> None:
    if status == "D":
        raise Hl7Error("hl7_deletion")
    message.replaces = message.replaces or status == "C"


def _obey(code: str, value: str) -> None:
    """Respect what the sender says about who may see the document."""
    if code == "INVISIBLE_PATIENT" and value == "Y":
        raise Hl7Error("hidden_from_patient")
    if code == "DESTMSSANTEPAT" and value == "N":
        raise Hl7Error("not_for_patient")


def _content(value: str, signs: Signs) -> bytes:
    """Give the data of an ED value: base64, or escaped text."""
    parts = value.split(signs.component)
    if len(parts) < 5:
        raise Hl7Error("hl7_broken", "ED")
    encoding, written = parts[3].strip().lower(), parts[4]
    if encoding == "base64":
        try:
            return base64.b64decode("".join(written.split()), validate=True)
        except ValueError:  # binascii.Error is one; a sign beyond ASCII is only that
            raise Hl7Error("hl7_broken", "base64") from None
    return unescape(written, signs).encode()


def unescape(text: str, signs: Signs) -> str:
    """Undo the escapes of ER7; unknown ones are refused, for a document with a gap misleads."""
    pieces = text.split(signs.escape)
    if len(pieces) % 2 == 0:
        raise Hl7Error("hl7_broken", "escape")
    for at in range(1, len(pieces), 2):
        pieces[at] = _unescaped(pieces[at], signs)
    return "".join(pieces)


def _unescaped(word: str, signs: Signs) -> str:
    if word in _ESCAPES:
        return str(getattr(signs, _ESCAPES[word]))
    if word == ".br":
        return "\n"
    if re.fullmatch(r"X(?:[0-9A-Fa-f]{2})+", word):
        try:
            return bytes.fromhex(word[1:]).decode("utf-8")
        except UnicodeDecodeError:
            pass
    raise Hl7Error("hl7_broken", "escape")


_PLAIN: Final = re.compile(r"[A-Za-z0-9 _.&^-]{0,180}")


def acknowledge(raw: bytes, *, accepted: bool, text: str, at: str, number: int) -> bytes:
    """Write the acknowledgement (ACK) of a message, as far as its head can be read; what is unusual in it is left out.

    Args:
        raw: the message.
        accepted: AA, else AE.
        text: ASCII, ours.
        at: YYYYMMDDHHMMSS.
        number: becomes the control id.

    """
    head = raw.strip(b"\x0b\x1c\r\n ").split(b"\r")[0].split(b"\n")[0].decode("ascii", "replace")[:2000]
    fields = head.split("|") if head.startswith("MSH|") else []

    def said(place: int) -> str:
        value = _field(fields, place)
        return value if _PLAIN.fullmatch(value) else ""

    event = said(8).split("^")
    kind = f"ACK^{event[1]}" if len(event) > 1 else "ACK"
    back = "|".join((said(4), said(5), said(2), said(3)))
    lines = (
        rf"MSH|^~\&|{back}|{at}||{kind}|PLI{number}|{said(10) or 'P'}|{said(11) or '2.5'}",
        f"MSA|{'AA' if accepted else 'AE'}|{said(9)}|{text}",
    )
    return "".join(f"{line}\r" for line in lines).encode("ascii", "replace")
