"""Which professions write which documents: dated data that an installation may replace. Source: docs/spec/mail.md 16.

The national matrix says who may read a shared record, not who may write a letter; it is no source for this.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Final

from bridges.kit.errors import UsageError
from bridges.mail import codes
from bridges.mail.cda import Document

PATIENT: Final = "EXP_PATIENT"  # code of an author who is the patient
_OF_PATIENTS: Final = ("DOCPAT", "EXPPAT", "74465-6")  # types that patients write: deposits, wishes, questionnaires
_PROFESSION: Final = re.compile(r"G1[56]_(\d{2})(?:/.*)?")  # of TRE_G15, and its students in TRE_G16
_HEADINGS: Final = ["type", "professions", "since", "source"]


@dataclass(frozen=True, slots=True)
class Entitlements:
    """``professions``: type of value set J07 → codes of TRE_G15; a type that is not here is everybody's."""

    professions: Mapping[str, frozenset[str]]

    def allow(self, card: Document) -> bool:
        """Whether somebody among the authors may write it; who cannot be told apart is not refused."""
        verdicts = [self._allows(card.code, each.specialty) for each in card.authors]
        return not verdicts or any(verdicts)

    def _allows(self, type_: str, specialty: str) -> bool:
        if specialty == PATIENT:
            return type_.startswith(_OF_PATIENTS)
        found, named = _PROFESSION.fullmatch(specialty), self.professions.get(type_)
        return found is None or named is None or found[1] in named


def load(path: Path | None) -> Entitlements:
    """Read the table of an installation, or ours; raises UsageError (``file_unreadable``, ``usage``)."""
    try:
        text = (
            path.read_text("utf-8") if path else files(codes.__name__).joinpath("entitlements.tsv").read_text("utf-8")
        )
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
    return Entitlements(dict(_rows(text, path.name if path else "entitlements.tsv")))


def _rows(text: str, name: str) -> Iterator[tuple[str, frozenset[str]]]:
    headings, *lines = text.splitlines() or [""]
    if headings.split("\t") != _HEADINGS:
        raise UsageError("usage", f"{name}: columns {', '.join(_HEADINGS)}")
    for number, line in enumerate(lines, 2):
        cells = line.split("\t")
        if not line:
            continue
        if len(cells) != len(_HEADINGS) or cells[0] not in codes.table("types") or not _is_day(cells[2]):
            raise UsageError("usage", f"{name}: line {number}")
        professions = frozenset(cells[1].split())
        if not professions or any(not re.fullmatch(r"\d{2}", each) for each in professions):
            raise UsageError("usage", f"{name}: line {number}")
        yield cells[0], professions


def _is_day(text: str) -> bool:
    try:
        return bool(date.fromisoformat(text))
    except ValueError:
        return False
