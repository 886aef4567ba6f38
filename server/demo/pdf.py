"""Writes one page of text as a PDF 1.4: enough for a demonstration's prescription, and nothing more.

Source: ISO 32000-1, 7.5 (file structure), 9.6.2 (standard fonts) and Annex D (WinAnsiEncoding).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

A4: Final = (595, 842)  # points


@dataclass(frozen=True, slots=True)
class Line:
    """One line of text: where its baseline starts, how large, and its grey (0 black to 1 white)."""

    text: str
    x: int
    y: int
    size: int = 11
    bold: bool = False
    grey: float = 0.1


def page(lines: Sequence[Line], *, title: str) -> bytes:
    """Return a one-page A4 document showing ``lines``, in the Latin alphabet of Windows-1252."""
    drawing = b"\n".join(_draw(line) for line in lines)
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R /Lang (fr-FR) >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 6 0 R "
        b"/Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>" % A4,
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing),
        b"<< /Title %s /Producer (Pli) >>" % _text(title),
    )
    return _assemble(objects)


def _assemble(objects: Sequence[bytes]) -> bytes:
    """Number the objects and write the table of where each one starts."""
    file = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    starts = []
    for number, body in enumerate(objects, start=1):
        starts.append(len(file))
        file += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(file)
    file += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    file += b"".join(b"%010d 00000 n \n" % start for start in starts)
    file += b"trailer\n<< /Size %d /Root 1 0 R /Info %d 0 R >>\n" % (len(objects) + 1, len(objects))
    file += b"startxref\n%d\n%%%%EOF\n" % table
    return bytes(file)


def _draw(line: Line) -> bytes:
    font = b"/F2" if line.bold else b"/F1"
    return b"BT %.2f g %s %d Tf %d %d Td %s Tj ET" % (line.grey, font, line.size, line.x, line.y, _text(line.text))


def _text(text: str) -> bytes:
    """Return ``text`` as a literal string. Raises UnicodeEncodeError outside Windows-1252."""
    raw = text.encode("cp1252").replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"(" + raw + b")"
