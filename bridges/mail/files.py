"""Names and kinds of files from strangers: what a name may hold, and what is only ever downloaded."""

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Final

from bridges.mail import limits
from bridges.mail.words import one_line

# Programs by name: shown, kept, never opened by the bridge or offered for opening.
_PROGRAMS: Final = frozenset(
    [
        "exe",
        "com",
        "scr",
        "pif",
        "bat",
        "cmd",
        "vbs",
        "vbe",
        "js",
        "jse",
        "wsf",
        "wsh",
        "ps1",
        "msi",
        "msp",
        "hta",
        "cpl",
        "jar",
        "lnk",
        "reg",
        "dll",
        "sh",
        "app",
        "apk",
        "iso",
        "img",
        "vhd",
    ]
)
_ACTIVE: Final = frozenset(["svg", "svgz", "html", "htm", "xhtml", "xht", "mht", "mhtml", "xml", "xsl", "xslt", "swf"])
_FORBIDDEN: Final = re.compile(r'[/\\:*?"<>|]')
_DEVICES: Final = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)(?:\..*)?", re.IGNORECASE)
_MAGIC: Final = (
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
)


def clean_name(name: str) -> str:
    """Give a name for display and for a disk: one line, no folder, no device, at most ``limits.FILE_NAME``."""
    # Compatibility forms first: a fullwidth solidus becomes one that the next step takes out.
    shown = _FORBIDDEN.sub("_", one_line(unicodedata.normalize("NFKC", name), most=limits.FIELD)).strip(". ")
    if _DEVICES.fullmatch(shown):
        shown = f"_{shown}"
    if len(shown) <= limits.FILE_NAME:
        return shown
    suffix = PurePosixPath(shown).suffix[:10]
    return shown[: limits.FILE_NAME - len(suffix)] + suffix


def kind(octets: bytes, said: str) -> str:
    """Give the type that the first bytes show, else the one that was said."""
    return next((each for magic, each in _MAGIC if octets.startswith(magic)), said)


def handling(name: str, media_type: str) -> str:
    """Say what may be done with a file: ``show``, ``download`` (never opened in the page) or ``refuse`` (a program)."""
    suffix = PurePosixPath(name.lower()).suffix.lstrip(".")
    if suffix in _PROGRAMS or media_type in {"application/x-msdownload", "application/x-executable"}:
        return "refuse"
    if suffix in _ACTIVE:
        return "download"
    shown = {"application/pdf", "image/png", "image/jpeg", "text/plain"}
    return "show" if media_type in shown else "download"
