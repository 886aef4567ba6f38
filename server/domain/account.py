"""Accounts, their holders, and what the operator has checked about a professional."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from server.domain.errors import BadRequestError
from server.domain.ids import AccountId, HolderId

PHARMACIST: Final = "21"
"""Profession code of TRE_G15: the one that patients may write to first (rule 2)."""
_PROFESSION: Final = re.compile(r"[0-9]{2,3}")


@dataclass(frozen=True, slots=True)
class Professional:
    """What an operator has checked. Source: docs/spec/protocol.md 5.4."""

    name: str
    profession: str
    identifier: str


@dataclass(slots=True)
class Account:
    """An account as the server keeps it beside its chain."""

    id: AccountId
    kind: str
    position: int
    head: bytes
    generation: int
    unlocker: bool
    created_at: int
    professional: Professional | None = None
    certificate: bytes | None = None
    accepts_patients: bool = False
    language: str | None = None
    acked: int = 0

    @classmethod
    def arriving(cls, account: AccountId, kind: str) -> Account:
        """Return an account that is about to be stored: of nobody that an operator has checked."""
        return cls(account, kind, position=0, head=b"", generation=1, unlocker=True, created_at=0)

    @property
    def open_pharmacy(self) -> bool:
        """Whether patients may write first (rule 2)."""
        return self.accepts_patients and self.professional is not None and self.professional.profession == PHARMACIST


@dataclass(frozen=True, slots=True)
class Holder:
    """A key pair that can open an account, or could until it was ended."""

    id: HolderId
    account: AccountId
    kind: str
    name: str
    sign: bytes
    active: bool


@dataclass(frozen=True, slots=True)
class Activation:
    """A right to make one professional's account. ``account`` is set once it is used."""

    token_hash: bytes
    professional: Professional
    expires: int
    demo: bool = False
    account: AccountId | None = None


def check_professional(name: str, profession: str, identifier: str) -> Professional:
    """Check what will stand in a certificate. Source: docs/spec/protocol.md 5.4.

    Raises:
        BadRequestError: a name, profession code or RPPS number that cannot be.

    """
    plain = unicodedata.normalize("NFC", name).strip()
    if not 1 <= len(plain.encode()) <= 120 or any(unicodedata.category(c).startswith("C") for c in plain):
        raise BadRequestError("a name has 1 to 120 bytes and no control characters")
    if not _PROFESSION.fullmatch(profession):
        raise BadRequestError("a profession is a code of TRE_G15, two or three digits")
    if len(identifier) != 11 or not identifier.isascii() or not identifier.isdigit() or not luhn(identifier):
        raise BadRequestError("an RPPS number has 11 digits, the last one a Luhn key")
    return Professional(plain, profession, identifier)


def luhn(digits: str) -> bool:
    """Tell whether the last digit is the Luhn key of the others."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + place % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def words(text: str) -> list[str]:
    """Return the words of a name as the directory compares them: no accents, lower case, unique."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    letters = "".join(c for c in plain if not unicodedata.combining(c))
    return sorted(set(re.findall(r"[a-z0-9]+", letters)))
