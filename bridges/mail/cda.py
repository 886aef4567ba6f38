"""The header of a CDA R2 document, read leniently: what is missing is said. Source: docs/spec/mail.md 9."""

import base64
import binascii
import re
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from bridges.mail import codes
from bridges.mail.ins import OIDS, Check, check
from bridges.mail.reasons import QuarantineError
from bridges.mail.tree import Element, parse

RPPS_ROOT: Final = "1.2.250.1.71.4.2.1"
_STAMP: Final = re.compile(r"(\d{4})(\d{2})?(\d{2})?(?:(\d{2})(\d{2})?(\d{2})?)?(?:\.\d+)?([+-]\d{4})?")
_PDFA: Final = re.compile(rb"pdfaid:part(?:>|=[\"'])\s*1")
_FAMILY_ORDER: Final = ("BR", "SP", "", "CL")  # birth name before the name in use


class Patient(msgspec.Struct, frozen=True):
    """Traits as the document gives them."""

    ins: str
    ins_oid: str
    ins_check: Check
    birth_name: str
    given_names: str
    first_given_name: str
    birth_date: str  # YYYY-MM-DD, or shorter, or empty
    sex: str
    birth_place: str  # INSEE code
    other_ids: list[str]

    @property
    def qualified(self) -> bool:
        """Number with its register and key, and the four traits: what X-MSS-INS calls O."""
        traits = (self.birth_name, self.first_given_name, self.birth_date, self.sex)
        return self.ins_check == "good" and self.ins_oid in OIDS and all(traits)


class Author(msgspec.Struct, frozen=True):
    """Who wrote the document."""

    id: str  # "8" and the RPPS number for a doctor
    name: str
    institution: str
    institution_id: str
    specialty: str  # code
    specialty_label: str


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A typed document card; the PDF is in ``Reading.bodies`` under ``pdf_path``."""

    path: str  # where it stands: part number, and the name in the archive
    level: Literal[1, 3]
    id: str
    set_id: str
    version: str
    replaces: list[str]
    code: str
    code_system: str
    label: str
    title: str
    created_at: str  # ISO 8601 as precise as given, or empty
    confidentiality: str
    language: str
    facility: str
    setting: str
    patient: Patient
    qualified: bool
    authors: list[Author]
    pdf_path: str
    pdf_bytes: int
    pdf_a_1: bool
    missing: list[str]
    warnings: list[str]


def read_document(octets: bytes, path: str) -> tuple[Document, bytes]:
    """Read a CDA document.

    Returns:
        the card, and the PDF inside or nothing.

    Raises:
        QuarantineError: of ``tree.parse``, and ``document_broken`` when the root is another one.

    """
    root = parse(octets)
    if root.name != "ClinicalDocument":
        raise QuarantineError("document_broken", "not a ClinicalDocument")
    pdf, warnings = _pdf(root)
    patient = _patient(root.first("recordTarget/patientRole"))
    code = root.first("code")
    known = codes.table("types").get(code.get("code"))
    card = Document(
        path=path,
        level=3 if list(root.all("component/structuredBody")) else 1,
        id=_identifier(root.first("id")),
        set_id=_identifier(root.first("setId")),
        version=root.first("versionNumber").get("value"),
        replaces=_replaced(root),
        code=code.get("code"),
        code_system=code.get("codeSystem"),
        label=known.label if known else code.get("displayName"),
        title=root.first("title").text,
        created_at=moment(root.first("effectiveTime").get("value")),
        confidentiality=root.first("confidentialityCode").get("code"),
        language=root.first("languageCode").get("code"),
        facility=root.first("componentOf/encompassingEncounter/location/healthCareFacility/code").get("code"),
        setting=next((each.get("code") for each in root.first("documentationOf").anywhere(_SETTING)), ""),
        patient=patient,
        qualified=patient.qualified,
        authors=[_author(each) for each in root.all("author")][:20],
        pdf_path=f"{path}#pdf" if pdf else "",
        pdf_bytes=len(pdf),
        pdf_a_1=is_pdf_a_1(pdf),
        missing=_missing(root),
        warnings=warnings + _doubts(root, code, patient, known=known is not None),
    )
    return card, pdf


_SETTING: Final = "standardIndustryClassCode"
_EDITION: Final = "POCD_HD000040"  # CDA release 2


def is_pdf_a_1(pdf: bytes) -> bool:
    """Whether a PDF says that it is PDF/A-1, in readable XMP metadata; says nothing about whether that is true."""
    return bool(_PDFA.search(pdf))


def moment(value: str) -> str:
    """Turn an HL7 time stamp into ISO 8601, as precise as it is; an impossible one gives an empty text."""
    found = _STAMP.fullmatch(value)
    if not found:
        return ""
    year, month, day, hour, minute, second, offset = found.groups()
    try:
        whole = datetime(
            int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC
        )
    except ValueError:
        return ""
    if hour is None:
        return "-".join(filter(None, (year, month, day)))
    return whole.strftime("%Y-%m-%dT%H:%M:%S") + (f"{offset[:3]}:{offset[3:]}" if offset else "")


def _identifier(element: Element) -> str:
    root, extension = element.get("root"), element.get("extension")
    return f"{root}^{extension}" if extension else root


def _replaced(root: Element) -> list[str]:
    related = (each for each in root.all("relatedDocument") if each.get("typeCode") == "RPLC")
    return [_identifier(each.first("parentDocument/id")) for each in related]


def _patient(role: Element) -> Patient:
    ids = [(each.get("extension"), each.get("root")) for each in role.all("id")]
    number, oid = next(((number, oid) for number, oid in ids if oid in OIDS), ("", ""))
    person = role.first("patient")
    name = person.first("name")
    given = {each.get("qualifier"): each.text for each in reversed(list(name.all("given")))}
    return Patient(
        ins=number,
        ins_oid=oid,
        ins_check=check(number, oid),
        birth_name=_family(name),
        given_names=given.get("", "") or " ".join(each.text for each in name.all("given")),
        first_given_name=given.get("BR") or given.get("", "").split(" ")[0],
        birth_date=moment(person.first("birthTime").get("value"))[:10],
        sex=person.first("administrativeGenderCode").get("code"),
        birth_place=person.first("birthplace/place/addr/county").text,
        other_ids=[f"{root}^{number}" for number, root in ids if root not in OIDS and number][:20],
    )


def _family(name: Element) -> str:
    found = {each.get("qualifier"): each.text for each in reversed(list(name.all("family")))}
    return next((found[kind] for kind in _FAMILY_ORDER if found.get(kind)), "")


def _author(author: Element) -> Author:
    assigned = author.first("assignedAuthor")
    name = assigned.first("assignedPerson/name")
    device = assigned.first("assignedAuthoringDevice/softwareName").text
    words = [name.first("prefix").text, name.first("given").text, _family(name)]
    organization = assigned.first("representedOrganization")
    code = assigned.first("code")
    known = codes.table("specialties").get(code.get("code"))
    return Author(
        id=assigned.first("id").get("extension"),
        name=" ".join(filter(None, words)) or device,
        institution=organization.first("name").text,
        institution_id=organization.first("id").get("extension"),
        specialty=code.get("code"),
        specialty_label=known.label if known else code.get("displayName"),
    )


def _pdf(root: Element) -> tuple[bytes, list[str]]:
    """Find the PDF: the body of level 1, or the copy that some level 3 documents carry."""
    places = [*root.all("component/nonXMLBody/text")]
    for media in root.first("component/structuredBody").anywhere("observationMedia"):
        places += media.all("value")
    for place in places:
        if place.get("mediaType") == "application/pdf" and place.get("representation") == "B64":
            try:
                pdf = base64.b64decode("".join(place.pieces))
            except (binascii.Error, ValueError):
                return b"", ["pdf_not_base64"]
            return (pdf, []) if pdf.startswith(b"%PDF-") else (b"", ["pdf_is_none"])
    return b"", []


_NEEDED: Final = [
    "id",
    "code",
    "title",
    "effectiveTime",
    "confidentialityCode",
    "languageCode",
    "setId",
    "versionNumber",
    "recordTarget/patientRole/id",
    "author/assignedAuthor/id",
    "custodian",
    "legalAuthenticator/assignedEntity/id",
    "documentationOf/serviceEvent/effectiveTime",
    "componentOf/encompassingEncounter/location/healthCareFacility/code",
]


def _missing(root: Element) -> list[str]:
    return [path for path in _NEEDED if not list(root.all(path))]


def _doubts(root: Element, code: Element, patient: Patient, *, known: bool) -> list[str]:
    doubts = [] if known or not code.get("code") else ["type_unknown"]
    if root.first("typeId").get("extension") not in {
        "",
        _EDITION,
    }:  # many leave it out; another one is another standard
        doubts.append("edition_unknown")
    if patient.ins_check != "good":
        doubts.append(f"ins_{patient.ins_check}")
    elif OIDS.get(patient.ins_oid) in {"test", "demonstration"}:
        doubts.append("ins_of_a_test")
    return doubts
