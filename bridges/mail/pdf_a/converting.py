"""PDF into PDF/A-1b by Ghostscript, a program beside us that is never linked. Source: docs/spec/mail.md 23.

Whatever happens to it, the document goes: as it came, with the reason.
"""

import asyncio
import hashlib
import shutil
import tempfile
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from bridges.mail.cda import is_pdf_a_1
from bridges.mail.pdf_a import looks, srgb
from bridges.mail.pdf_a.looks import Outcome
from bridges.sandbox.running import SAID, Share, run

_MIB: Final = 1024 * 1024
SHARE: Final = Share(cpu=20, wall=60.0, address_space=768 * _MIB, file_size=64 * _MIB, open_files=64)
SAID_MOST: Final = 256 * 1024  # bytes that are read of what the program printed
_SIGNALS: Final[dict[int, Outcome]] = {-24: "too_slow", -25: "grew"}  # SIGXCPU, SIGXFSZ: by what it was ended
_OPTIONS: Final = (
    "-dSAFER",
    "-dBATCH",
    "-dNOPAUSE",
    "-dPDFSTOPONERROR",  # a file that must be guessed at stays as it is
    "-sDEVICE=pdfwrite",
    "-dPDFA=1",
    "-dPDFACompatibilityPolicy=1",
    "-dEmbedAllFonts=true",
    "-sColorConversionStrategy=RGB",
    "-r300",  # of pages with transparency, which become an image
    # An image of a body is not to lose detail: what is compressed anew is compressed without loss.
    "-dAutoFilterColorImages=false",
    "-dAutoFilterGrayImages=false",
    "-dColorImageFilter=/FlateEncode",
    "-dGrayImageFilter=/FlateEncode",
    "-dDownsampleColorImages=false",
    "-dDownsampleGrayImages=false",
    "-dDownsampleMonoImages=false",
)
_DEFINITION: Final = """%!
[/_objdef {{icc}} /type /stream /OBJ pdfmark
[{{icc}} <</N 3>> /PUT pdfmark
[{{icc}} <{profile}> /PUT pdfmark
[/_objdef {{intent}} /type /dict /OBJ pdfmark
[{{intent}} <</Type /OutputIntent /S /GTS_PDFA1 /OutputConditionIdentifier (sRGB)>> /PUT pdfmark
[{{intent}} <</DestOutputProfile {{icc}}>> /PUT pdfmark
[{{Catalog}} <</OutputIntents [{{intent}}]>> /PUT pdfmark
"""


@dataclass(frozen=True, slots=True)
class Converted:
    """A PDF to send, and what became of the one that came."""

    pdf: bytes
    outcome: Outcome


def program() -> str | None:
    """Find Ghostscript; nothing where it is not installed."""
    return shutil.which("gs")


async def version() -> str:
    """Say which Ghostscript converts; nothing where there is none, or none that starts."""
    ghostscript = program()
    if ghostscript is None:
        return ""
    with tempfile.TemporaryDirectory(prefix="pli-pdf-a-") as private:
        try:
            code = await run((ghostscript, "--version"), Path(private), SHARE, {})
        except (OSError, TimeoutError):
            return ""
        said = (Path(private) / SAID).read_text("ascii", "replace").strip()
    return f"ghostscript {said[:20]}" if code == 0 else ""


def converter(folder: Path, *, wanted: bool) -> Callable[[bytes, datetime], Awaitable[Converted]]:
    """Give what converts for a bridge; its documents lie in ``folder`` meanwhile."""

    async def ask(pdf: bytes, moment: datetime) -> Converted:
        if not wanted:
            return Converted(pdf, "declared" if is_pdf_a_1(pdf) else "off")
        return await convert(pdf, moment, folder=folder)

    return ask


async def convert(pdf: bytes, moment: datetime, *, share: Share = SHARE, folder: Path | None = None) -> Converted:
    """Make a PDF/A-1b of a PDF, or give it back with the reason why not; never raises for what the PDF holds.

    The same PDF and moment (seconds count) give the same bytes under one version of Ghostscript. ``folder``: where the
    document lies in clear meanwhile, in a folder of its own; else where temporary files go.
    """
    kept = await asyncio.to_thread(looks.reason_to_keep, pdf)
    ghostscript = program()
    if kept or ghostscript is None:
        return Converted(pdf, kept or "no_program")
    try:
        if folder is not None:
            await asyncio.to_thread(folder.mkdir, 0o700, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="pli-pdf-a-", dir=folder, ignore_cleanup_errors=True) as private:
            made, outcome = await _run(ghostscript, pdf, moment, Path(private), share)
    except OSError:  # a full disk, for instance: the document goes all the same
        made, outcome = b"", "died"
    return Converted(made if outcome == "converted" else pdf, outcome)


async def _run(ghostscript: str, pdf: bytes, moment: datetime, folder: Path, share: Share) -> tuple[bytes, Outcome]:
    name = uuid.UUID(bytes=hashlib.sha256(pdf).digest()[:16], version=5)
    made = folder / f"{name}.pdf"  # Ghostscript makes the identifier of a file of its name and the moment
    await asyncio.to_thread(_prepare, folder, pdf)
    ids = (f"-sDocumentUUID={name}", f"-sInstanceUUID={name}")
    command = (ghostscript, *_OPTIONS, *ids, f"-sOutputFile={made.name}", "definition.ps", "came.pdf")
    # Dates of the document are those of the moment; temporary files stay in the folder.
    environment = {"SOURCE_DATE_EPOCH": str(int(moment.timestamp())), "TEMP": str(folder), "TMPDIR": str(folder)}
    try:
        code = await run(command, folder, share, environment)
    except TimeoutError:
        return b"", "too_slow"
    if code:
        return b"", _why(code)
    return await asyncio.to_thread(_result, made, folder / SAID)


def _prepare(folder: Path, pdf: bytes) -> None:
    (folder / "came.pdf").write_bytes(pdf)
    (folder / "definition.ps").write_text(_DEFINITION.format(profile=srgb.profile().hex()), "ascii")


def _result(made: Path, said: Path) -> tuple[bytes, Outcome]:
    try:
        with said.open("rb") as words:
            octets = made.read_bytes()
            return octets, looks.judge(octets, words.read(SAID_MOST))
    except OSError:
        return b"", "broken"


def _why(code: int) -> Outcome:
    return _SIGNALS.get(code, "died") if code < 0 else "broken"
