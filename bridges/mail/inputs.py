"""What a document is made from: patient, author and file, as a practice's software writes them in JSON.

Source: docs/operate/mail.md. Unknown members are refused: a misspelt trait would be lost in silence.
"""

import re
from datetime import datetime
from typing import Final, Literal, TypeVar

import msgspec
from typing_extensions import override

from bridges.kit.errors import UsageError
from bridges.mail import codes
from bridges.mail.ins import OIDS, check

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ufffe\uffff]")  # the last two: XML has no way to write them
_DATE: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER: Final = re.compile(r"[0-9A-Za-z/]{1,60}")
_OID: Final = re.compile(r"[0-2](?:\.(?:0|[1-9]\d*))+")


def _is_day(text: str) -> bool:
    try:
        return bool(_DATE.fullmatch(text) and datetime.fromisoformat(text))
    except ValueError:
        return False


class _Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, str) and (_CONTROL.search(value) or len(value) > 200):
                raise ValueError(f"{name}: a control character, or over 200 characters")
        self.judge()

    def judge(self) -> None:
        """Raise ValueError for what does not fit together."""


class Subject(_Plain, frozen=True, kw_only=True):
    """The patient: the traits that make an identity qualified."""

    ins: str
    ins_oid: str = "1.2.250.1.213.1.4.8"
    birth_name: str
    given_names: str  # all, between spaces
    first_given_name: str = ""  # the first of given_names when empty
    used_name: str = ""
    birth_date: str  # YYYY-MM-DD
    sex: Literal["F", "M", "U"]
    birth_place: str = ""  # INSEE code

    @override
    def judge(self) -> None:
        verdict = check(self.ins, self.ins_oid)
        if verdict != "good" or self.ins_oid not in OIDS:
            raise ValueError(f"ins: {verdict if verdict != 'good' else 'unknown register'}")
        if not self.birth_name.strip() or not self.given_names.strip():
            raise ValueError("birth_name, given_names: empty")
        if not _is_day(self.birth_date):
            raise ValueError("birth_date: no day written as YYYY-MM-DD")

    @property
    def first(self) -> str:
        return self.first_given_name or self.given_names.split()[0]


class Writer(_Plain, frozen=True, kw_only=True):
    """The professional who signs, and where."""

    id: str  # "8" and the RPPS number; 11 digits alone get the 8
    family_name: str
    given_name: str
    title: str = ""
    specialty: str  # value set J01: G15_10/SM26
    institution: str
    institution_id: str  # "1" and FINESS, "3" and SIRET, "4" and RPPS and rank
    facility: str  # value set J02: SA07
    setting: str = "AMBULATOIRE"  # value set J04

    @override
    def judge(self) -> None:
        if not _NUMBER.fullmatch(self.id) or not _NUMBER.fullmatch(self.institution_id):
            raise ValueError("id, institution_id: letters, digits and / only")
        if not (self.family_name.strip() and self.given_name.strip() and self.institution.strip()):
            raise ValueError("family_name, given_name, institution: empty")
        for name, value in (("specialties", self.specialty), ("facilities", self.facility), ("settings", self.setting)):
            if value not in codes.table(name):
                raise ValueError(f"{value[:40]}: not in the value set of {name}")

    @property
    def national_id(self) -> str:
        return f"8{self.id}" if len(self.id) == 11 and self.id.isdigit() else self.id


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """All that one archive is made from; the same draft gives the same bytes."""

    pdf: bytes
    patient: Subject
    author: Writer
    type: codes.Code
    title: str
    made_at: datetime  # aware
    replaces: str = ""  # id of the document this one takes the place of
    set_id: str = ""  # of the first version; this document is one when empty
    version: int = 1

    def __post_init__(self) -> None:
        if not self.pdf.startswith(b"%PDF-"):
            raise ValueError("pdf: not a PDF")
        if len(self.pdf) > 18 * 1024 * 1024:
            raise ValueError("pdf: over 18 MiB, a mail could not carry it")
        if self.set_id and not _OID.fullmatch(self.set_id):
            raise ValueError("set_id: not an id")
        if self.replaces and not _OID.fullmatch(self.replaces.partition("^")[0]):
            raise ValueError("replaces: not an id")


Read = TypeVar("Read", bound=_Plain)


def read_input(octets: bytes, kind: type[Read]) -> Read:
    """Read JSON; raises UsageError (``usage``) that names the member that is wrong."""
    try:
        return msgspec.json.decode(octets, type=kind)
    except msgspec.DecodeError as error:
        raise UsageError("usage", f"{kind.__name__.lower()}: {error}") from None


def document_type(code: str) -> codes.Code:
    """Find a type of value set J07; raises UsageError (``usage``)."""
    try:
        return codes.table("types")[code]
    except KeyError:
        raise UsageError("usage", f"--type: {code[:40]} is not in value set J07") from None
