"""The child that reads what lies in a drop folder: ``python -m bridges.folder.worker``.

An HL7 message, an IHE_XDM archive or a CDA document in; a msgpack map of ``Opened`` out.
"""

import sys
from typing import Final

import msgspec

from bridges.folder import hl7
from bridges.folder.hl7 import Hl7Error, Message
from bridges.mail import limits
from bridges.mail.cda import Document, read_document
from bridges.mail.reading import read
from bridges.mail.reasons import QuarantineError
from bridges.mail.worker import prepare
from bridges.sandbox.child import Meter, serve

_STARTS: Final = (b"MSH", b"\x0bMSH")


class Opened(msgspec.Struct, kw_only=True):
    """What a file holds, or why it is not carried."""

    reason: str | None = None
    detail: str = ""
    message: Message | None = None
    documents: list[Document] = []
    warnings: list[str] = []
    bodies: dict[str, bytes] = {}  # ``pdf_path`` of a document → content


def open_file(raw: bytes) -> Opened:
    """Read one file; a refusal is a value here."""
    try:
        if raw.startswith(_STARTS):
            return _open_message(raw)
        reading = read(raw, bodies=True)
    except (QuarantineError, Hl7Error) as error:
        return Opened(reason=error.reason, detail=str(error)[:200])
    except (MemoryError, RecursionError) as error:
        return Opened(reason="too_much_memory", detail=type(error).__name__)
    if reading.reason is None and not reading.documents:
        return Opened(reason="document_missing")
    return Opened(
        reason=reading.reason,
        detail=reading.detail,
        documents=reading.documents,
        warnings=reading.warnings,
        bodies=reading.bodies,
    )


def _open_message(raw: bytes) -> Opened:
    message, documents = hl7.read(raw)
    opened = Opened(message=message)
    for number, octets in enumerate(documents, 1):
        card, pdf = read_document(octets, str(number))
        opened.documents.append(card)
        if pdf:
            opened.bodies[card.pdf_path] = pdf
    return opened


def answer(options: bytes, raw: bytes, meter: Meter) -> bytes:
    """Answer one order; it has no options."""
    del options, meter
    return msgspec.msgpack.encode(open_file(raw))


if __name__ == "__main__":
    prepare()
    serve(sys.stdin.buffer, sys.stdout.buffer, limits.child(), answer)
