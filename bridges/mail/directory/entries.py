"""One mailbox as the national directory (Annuaire Santé) knows it. Source: docs/spec/mail.md 22."""

import re
from typing import Final, Literal

import msgspec

from bridges.mail.words import one_line

Kind = Literal["PER", "ORG", "APP", "CAB", ""]
"""Value set TRE_R257: of a person, an organisation, a software, a practice; empty where the source does not say."""
Source = Literal["api", "extract", "verified"]
KINDS: Final[tuple[Kind, ...]] = ("PER", "ORG", "APP", "CAB")
_RPPS: Final = re.compile(r"8?(\d{11})")
_LINE: Final = 200  # characters of a name


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A mailbox and one who has it. The same address may stand in several entries."""

    address: str  # lower case, of our grammar
    kind: Kind = ""
    owner: str = ""  # RPPS number of 11 digits, else the national id of a structure, else empty
    name: str = ""
    place: str = ""  # name of the structure
    profession: str = ""  # code of TRE_G15, "10" for a doctor
    active: bool = True


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """An entry, where it is from and when it was last seen there."""

    entry: Entry
    source: Source
    seen_at: float  # seconds since 1970; of an extract, when it was made
    by: str = ""  # verified: who looked
    note: str = ""  # verified: how


def rpps(text: str) -> str:
    """Give the 11 digits of an RPPS number, written alone or as IDNPS with an 8 before them; else an empty text.

    Its Luhn key is not judged: real cards and public examples carry numbers that fail it.
    """
    found = _RPPS.fullmatch(text.strip())
    return found[1] if found else ""


def kind_of(text: object) -> Kind:
    """Give a code of TRE_R257, or the empty one for what is none."""
    return next((each for each in KINDS if each == str(text).strip().upper()), "")


def cut(text: object) -> str:
    """Give one line that can be shown."""
    return one_line(str(text), most=_LINE)
