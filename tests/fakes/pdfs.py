"""PDFs written by hand, as small as they can be: fonts that are not inside, pages with transparency, what must be kept."""

import shutil
import subprocess

import pytest

needs_ghostscript = pytest.mark.skipif(shutil.which("gs") is None, reason="Ghostscript is not installed")
_PAGES = 6  # number of the first page's object


def pdf(*pages: str, catalog: str = "", more: bytes = b"") -> bytes:
    """A PDF of pages that say something in Helvetica, which is not inside; a page that begins with ~ is half transparent.

    ``catalog``: more of the catalog. ``more``: after the objects.
    """
    kids = " ".join(f"{_PAGES + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        "<</ca 0.5>>",
        "<</ca 1>>",
    ]
    for number, words in enumerate(pages):
        state = 4 if words.startswith("~") else 5
        stream = f"/G gs 1 0 0 rg 50 50 200 200 re f 0 g BT /F 18 Tf 60 300 Td ({words.lstrip('~')}) Tj ET"
        resources = f"<</Font<</F 3 0 R>>/ExtGState<</G {state} 0 R>>>>"
        page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {_PAGES + 1 + 2 * number} 0 R/Resources{resources}>>"
        objects += [page, f"<</Length {len(stream)}>>\nstream\n{stream}\nendstream"]
    made, places = bytearray(b"%PDF-1.4\n"), []
    for number, body in enumerate(objects, 1):
        places.append(len(made))
        made += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    made += more
    start = len(made)
    made += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    made += b"".join(b"%010d 00000 n \n" % place for place in places)
    made += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(made)


def told(program: str, path, *options: str) -> str:
    """What a program of another origin says of a file."""
    return subprocess.run([program, *options, str(path)], capture_output=True, text=True, check=True, timeout=60).stdout
