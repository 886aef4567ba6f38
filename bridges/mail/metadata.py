"""METADATA.XML of an IHE XDM archive: an ebRIM SubmitObjectsRequest, read leniently. Source: docs/spec/mail.md 9."""

from typing import Final

import msgspec

from bridges.mail.tree import Element, parse

# Identifiers of IHE ITI volume 3, section 4.2.5.2, all under urn:uuid:
SET_PATIENT: Final = "6b5aea1a-874d-4603-a4bc-96a0a7b38446"
SET_SOURCE: Final = "554ac39e-e3fe-47fe-b233-965d2a147832"
SET_UNIQUE: Final = "96fdda7c-d067-4183-912e-bf5ee74998a8"
SET_NODE: Final = "a54d6aa5-d40d-43f9-88c5-b4633d873bdd"
SET_AUTHOR: Final = "a7058bb9-b4e4-4307-ba5b-e3f0ab85e12d"
SET_CONTENT: Final = "aa543740-bdda-424e-8c96-df4873be8500"
ENTRY: Final = "7edca82f-054d-47f2-a032-9b2a5b5186c1"
AUTHOR: Final = "93606bcf-9494-43ec-9b4e-a7748d1a838d"
CLASS: Final = "41a5887f-8865-4c09-adf7-e362475b143a"
TYPE: Final = "f0306f51-975f-434e-a61c-c59651d33983"
FORMAT: Final = "a09d5840-386c-46f2-b5ad-9c3699a4309d"
CONFIDENTIALITY: Final = "f4f85eac-e6cb-4883-b524-f2705394840f"
FACILITY: Final = "f33fb8ac-18af-42cc-ae0e-ed0b0bdb91e1"
SETTING: Final = "cccf5598-8b07-4b77-a05e-ae952c785ead"
PATIENT: Final = "58a6f841-87b3-4a3e-92fd-a8ffeff98427"
UNIQUE: Final = "2e82c1f6-a085-4c72-9da3-8640a32e42ab"
MEMBER: Final = "urn:oasis:names:tc:ebxml-regrep:AssociationType:HasMember"
REPLACES: Final = "urn:ihe:iti:2007:AssociationType:RPLC"


class Entry(msgspec.Struct, frozen=True):
    """One document entry, its values as written; empty where the file says nothing."""

    uri: str  # relative to METADATA.XML
    title: str
    media_type: str
    type_code: str
    class_code: str
    format_code: str
    confidentiality: list[str]
    patient_id: str
    unique_id: str
    created_at: str
    sha1: str  # hex; a check against damage, not against people
    size: int | None
    traits_missing: bool  # it describes the patient, and leaves out name, birth date or sex


class Submission(msgspec.Struct, frozen=True):
    """One submission set."""

    unique_id: str
    source_id: str
    patient_id: str
    submitted_at: str
    entries: list[Entry]
    replaces: list[str]  # ids of the documents that one of these takes the place of
    edition_3: bool  # ebRIM 3.0, as IHE XDM has it; the older 2.1 keeps its entries in another list


def read_metadata(octets: bytes) -> Submission:
    """Read METADATA.XML; raises QuarantineError of ``tree.parse``."""
    root = parse(octets)
    package = next(root.anywhere("RegistryPackage"), Element("", {}))
    replacing = (each for each in root.anywhere("Association") if each.get("associationType") == REPLACES)
    return Submission(
        unique_id=_external(package, SET_UNIQUE),
        source_id=_external(package, SET_SOURCE),
        patient_id=_external(package, SET_PATIENT),
        submitted_at=_slot(package, "submissionTime"),
        entries=[_entry(each) for each in root.anywhere("ExtrinsicObject")],
        replaces=[each.get("targetObject") for each in replacing],
        edition_3=next(root.anywhere("LeafRegistryObjectList"), None) is None,
    )


def _entry(entry: Element) -> Entry:
    size = _slot(entry, "size")
    return Entry(
        uri=_slot(entry, "URI"),
        title=entry.first("Name/LocalizedString").get("value"),
        media_type=entry.get("mimeType"),
        type_code=_classified(entry, TYPE),
        class_code=_classified(entry, CLASS),
        format_code=_classified(entry, FORMAT),
        confidentiality=[each.get("nodeRepresentation") for each in _classifications(entry, CONFIDENTIALITY)],
        patient_id=_external(entry, PATIENT),
        unique_id=_external(entry, UNIQUE),
        created_at=_slot(entry, "creationTime"),
        sha1=_slot(entry, "hash").lower(),
        size=int(size) if size.isascii() and size.isdigit() and len(size) < 12 else None,
        traits_missing=_traits_missing(entry),
    )


def _traits_missing(entry: Element) -> bool:
    """Look into sourcePatientInfo (PID-5, PID-7, PID-8), where there is one."""
    slots = [each for each in entry.all("Slot") if each.get("name").lower() == "sourcepatientinfo"]  # both are written
    fields = dict(value.text.partition("|")[::2] for slot in slots for value in slot.all("ValueList/Value"))
    return bool(fields) and not all(fields.get(name, "").strip("^ ") for name in ("PID-5", "PID-7", "PID-8"))


def _slot(element: Element, name: str) -> str:
    slots = (each for each in element.all("Slot") if each.get("name") == name)
    return next((value.text for slot in slots for value in slot.all("ValueList/Value")), "")


def _classifications(element: Element, scheme: str) -> list[Element]:
    return [each for each in element.all("Classification") if _uuid(each.get("classificationScheme")) == scheme]


def _classified(element: Element, scheme: str) -> str:
    return next((each.get("nodeRepresentation") for each in _classifications(element, scheme)), "")


def _external(element: Element, scheme: str) -> str:
    found = (each for each in element.all("ExternalIdentifier") if _uuid(each.get("identificationScheme")) == scheme)
    return next((each.get("value") for each in found), "")


def _uuid(text: str) -> str:
    return text.lower().removeprefix("urn:uuid:")
