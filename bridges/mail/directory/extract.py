"""The free extract of mailboxes (``Extraction_Correspondance_MSSante``): text, one mailbox a line, between ``|``.

Source: docs/spec/mail.md 22. Columns are found by their heading: their order and their number have changed before.
"""

import io
import re
import unicodedata
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from bridges.mail.address import AddressError, read_address
from bridges.mail.directory.entries import Entry, cut, kind_of, rpps

LINE: Final = 16_384  # bytes of one line
LINES: Final = 3_000_000
WHOLE: Final = 1 << 30  # bytes, unpacked
_STAMP: Final = re.compile(r"_(\d{12})(?:\d{2})?\.(?:txt|csv|zip)\Z", re.IGNORECASE)
_ADELI: Final = "0"  # type of a personal number that is not given any more
_HEADINGS: Final = {
    "type de bal": "kind",
    "adresse bal": "address",
    "type identifiant pp": "id_type",
    "identifiant pp": "id",
    "identification nationale pp": "national",
    "identification structure": "structure",
    "nom d exercice": "family",
    "prenom d exercice": "given",
    "code profession": "profession",
    "raison sociale structure bal": "place",
    "enseigne commerciale structure bal": "sign",
    "liste rouge": "red",
}


class ExtractError(ValueError):
    """Not such a file; the text is one word and, where it helps, the line."""


@dataclass(slots=True)
class Extract:
    """A file being read: ``dropped`` counts the lines that gave no entry, by reason."""

    made_at: datetime | None  # as the name of the file says
    entries: Iterator[Entry]
    dropped: dict[str, int] = field(default_factory=dict)


@contextmanager
def opened(path: Path) -> Iterator[Extract]:
    """Open an extract, as text or in the ZIP in which it is published.

    Raises:
        ExtractError: ``no_column_adresse_bal``, ``not_utf_8``, ``too_large``, ``archive``; also while it is read.
        OSError.

    """
    with path.open("rb") as stream:
        if stream.read(4) == b"PK\x03\x04":
            stream.seek(0)
            with _unpacked(stream) as (inner, name):
                yield _read(inner, name)
        else:
            stream.seek(0)
            yield _read(stream, path.name)


@contextmanager
def _unpacked(stream: IO[bytes]) -> Iterator[tuple[IO[bytes], str]]:
    try:
        with zipfile.ZipFile(stream) as archive:
            files = [each for each in archive.infolist() if not each.is_dir()]
            if len(files) != 1 or files[0].flag_bits & 1:
                raise ExtractError("archive")
            with archive.open(files[0]) as inner:
                yield inner, files[0].filename
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ExtractError("archive") from error


def _read(stream: IO[bytes], name: str) -> Extract:
    lines = _lines(stream)
    headings = next(lines, "").removeprefix("\ufeff").split("|")
    places = {column: at for at, each in enumerate(headings) if (column := _HEADINGS.get(_plain(each)))}
    if "address" not in places:
        raise ExtractError("no_column_adresse_bal")
    extract = Extract(_stamp(name), iter(()))
    extract.entries = _entries(lines, places, extract.dropped)
    return extract


def _lines(stream: IO[bytes]) -> Iterator[str]:
    total = 0
    buffered = io.BufferedReader(stream) if isinstance(stream, io.RawIOBase) else stream
    for number in range(1, LINES + 1):
        octets = buffered.readline(LINE + 1)
        total += len(octets)
        if len(octets) > LINE or total > WHOLE:
            raise ExtractError(f"too_large line {number}")
        if not octets:
            return
        try:
            yield octets.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError:
            raise ExtractError(f"not_utf_8 line {number}") from None
    raise ExtractError("too_large lines")


def _entries(lines: Iterator[str], places: dict[str, int], dropped: dict[str, int]) -> Iterator[Entry]:
    for line in lines:
        cells = line.split("|")
        row = {name: cells[at].strip() for name, at in places.items() if at < len(cells)}
        made = _entry(row) if line else "empty"
        if isinstance(made, Entry):
            yield made
        else:
            dropped[made] = dropped.get(made, 0) + 1


def _entry(row: dict[str, str]) -> Entry | str:
    """Give the entry of a line, or why it is none."""
    try:
        address = read_address(row.get("address", "")).identity
    except AddressError:
        return "not_an_address"
    if row.get("red", "").lower() in {"o", "oui", "true", "1"}:
        return "red_list"
    if row.get("id_type") == _ADELI:
        return "adeli"
    kind = kind_of(row.get("kind", ""))
    person = rpps(row.get("id", "")) or rpps(row.get("national", ""))
    place = cut(row.get("place") or row.get("sign") or "")
    name = cut(f"{row.get('given', '')} {row.get('family', '').upper()}".strip())
    return Entry(
        address=address,
        kind=kind,
        owner=person or cut(row.get("national") or row.get("structure") or "")[:40],
        name=name or place,
        place=place,
        profession=cut(row.get("profession", ""))[:20],
    )


def _plain(heading: str) -> str:
    """Compare headings without accents, case and signs: all three differ between editions."""
    bare = "".join(each for each in unicodedata.normalize("NFD", heading) if not unicodedata.combining(each))
    return " ".join(re.sub(r"[^a-z0-9]+", " ", bare.casefold()).split())


def _stamp(name: str) -> datetime | None:
    found = _STAMP.search(name)
    try:
        return datetime.strptime(found[1], "%Y%m%d%H%M").replace(tzinfo=UTC) if found else None
    except ValueError:
        return None
