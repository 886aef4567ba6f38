"""What the bytes of a PDF tell without reading it: why it must stay as it is, and whether a conversion is whole.

None of this is a validator: it finds what would make a conversion lose something. Source: docs/spec/mail.md 23.
"""

import re
from typing import Final, Literal

from bridges.mail.cda import is_pdf_a_1

Outcome = Literal[
    "declared",
    "converted",
    "off",
    "no_program",
    "too_large",
    "encrypted",
    "signed",
    "has_files",
    "has_form",
    "broken",
    "too_slow",
    "died",
    "differs",
    "grew",
]
"""What became of a PDF. The first two are PDF/A-1, all others are the bytes that came."""

LARGEST: Final = 18 * 1024 * 1024  # bytes in and out: more does not fit into a mail (Draft)

# Streams, their dictionaries and signatures never lie inside another stream, so they can be seen in any PDF; a form
# that lies in a compressed object stream cannot, and is made flat.
_KEPT: Final[tuple[tuple[re.Pattern[bytes], Outcome], ...]] = (
    (re.compile(rb"/Encrypt\s*(?:<<|\d+\s+\d+\s+R)"), "encrypted"),
    (re.compile(rb"/ByteRange\s*\["), "signed"),
    (re.compile(rb"/EmbeddedFile"), "has_files"),
    (re.compile(rb"/XFA\b"), "has_form"),
)
_PAGES_SAID: Final = re.compile(rb"^Processing pages 1 through (\d+)\.", re.MULTILINE)
_PAGE: Final = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_FONT: Final = re.compile(rb"/Type\s*/FontDescriptor\b")
_PROGRAM: Final = re.compile(rb"/FontFile[23]?\b")
# The converter mends what is damaged, or draws with another font, and goes on; then we rather send what came.
_GUESSED: Final = re.compile(
    rb"The following errors were encountered|\*{4} (?:Error|ERROR|A font missing)|Attempting to load a substitute font"
)
_NEEDED: Final = (b"pdfaid:conformance='B'", b"/OutputIntents", b"/GTS_PDFA1")


def reason_to_keep(pdf: bytes) -> Outcome | None:
    """Say why a PDF goes as it is: PDF/A-1 already, or a conversion would take something away from it."""
    if len(pdf) > LARGEST:
        return "too_large"
    if is_pdf_a_1(pdf):
        return "declared"
    return next((outcome for mark, outcome in _KEPT if mark.search(pdf)), None)


def judge(made: bytes, said: bytes) -> Outcome:
    """Compare a conversion with what the converter said of the original: ``converted`` when nothing is missing."""
    if len(made) > LARGEST:
        return "grew"
    if _GUESSED.search(said):
        return "broken"
    whole = made.startswith(b"%PDF-1.4") and is_pdf_a_1(made) and all(each in made for each in _NEEDED)
    if not whole or _KEPT[0][0].search(made):
        return "broken"
    if len(_FONT.findall(made)) > len(_PROGRAM.findall(made)):
        return "broken"  # a font that is not inside
    pages = _PAGES_SAID.search(said)
    same = pages is not None and int(pages[1]) == len(_PAGE.findall(made)) > 0
    return "converted" if same else "differs"
