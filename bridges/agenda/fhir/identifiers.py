"""National identifiers and their prefixes, the most frequent mistake. Source: docs/spec/agenda-partners.md 5.1."""

import re
from typing import Final, Literal

RPPS: Final = re.compile(r"8\d{11}")
ADELI: Final = re.compile(r"0[0-9AB]{9}")
PHONE: Final = re.compile(r"\+\d{6,15}")

Structure = Literal["finess", "siret", "rpps-rank", "adeli-practice"]
STRUCTURES: Final[dict[Structure, tuple[str, re.Pattern[str]]]] = {
    "adeli-practice": ("0", re.compile(r"0[0-9AB]{9,12}")),
    "finess": ("1", re.compile(r"1[0-9AB]{9}")),
    "siret": ("3", re.compile(r"3\d{14}")),
    "rpps-rank": ("4", re.compile(r"4\d{11,16}")),
}


def person(text: str) -> str:
    """Give the national identifier of a professional, prefixed; raises ValueError.

    ``10100050075`` and ``810100050075`` are the same RPPS; nine signs are an ADELI number.
    """
    plain = re.sub(r"\s", "", text).upper()
    if re.fullmatch(r"\d{11}", plain):
        return "8" + plain
    if re.fullmatch(r"[0-9AB]{9}", plain):
        return "0" + plain
    if RPPS.fullmatch(plain) or ADELI.fullmatch(plain):
        return plain
    raise ValueError("neither an RPPS nor an ADELI number")


def structure(kind: Structure, text: str) -> str:
    """Give the national identifier of a structure, prefixed; raises ValueError."""
    prefix, form = STRUCTURES[kind]
    plain = re.sub(r"\s", "", text).upper()
    for each in (plain, prefix + plain):
        if form.fullmatch(each):
            return each
    raise ValueError(f"not a number of {kind}")


def is_structure(text: str) -> bool:
    """Say whether this is the prefixed identifier of a structure."""
    return any(form.fullmatch(text) for _, form in STRUCTURES.values())


def phone(text: str) -> str:
    """Give a French or international number as ``+33XXXXXXXXX``; raises ValueError."""
    plain = re.sub(r"[\s.()-]", "", text)
    found = "+33" + plain[1:] if re.fullmatch(r"0[1-9]\d{8}", plain) else re.sub(r"^00", "+", plain)
    if not PHONE.fullmatch(found):
        raise ValueError("not a phone number")
    return found
