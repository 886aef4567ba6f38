"""METADATA.XML around one document. Source: docs/spec/mail.md 9; IHE ITI volume 3, section 4.2."""

import hashlib
import uuid
from datetime import UTC
from typing import Final
from xml.etree.ElementTree import Element  # writes only

from bridges.mail import codes, metadata
from bridges.mail.cda import RPPS_ROOT
from bridges.mail.cda_making import STRUCTURE_ROOT
from bridges.mail.inputs import Draft, Subject, Writer
from bridges.mail.markup import node, write

_REGISTRY: Final = "urn:oasis:names:tc:ebxml-regrep"
_OURS: Final = "2.25"  # root of the ids that we make
_FORMAT: Final = codes.Code("urn:ihe:iti:xds-sd:pdf:2008", "1.3.6.1.4.1.19376.1.2.3", "PDF dans un CDA de niveau 1")
_CONTENT: Final = codes.Code("07", "1.2.250.1.213.2.2", "Consultation externe")
# The whole table (ASS_X04) is not published where we could read it: types that are not here get no class.
_CLASSES: Final = {
    "18748-4": codes.Code("31", "1.2.250.1.213.1.1.4.1", "Imagerie médicale"),
    **dict.fromkeys(
        ("11502-2", "60568-3", "34112-3", "11488-4", "34874-8", "77436-4", "15507-7", "85208-7", "34794-8", "15508-5"),
        codes.Code("10", "1.2.250.1.213.1.1.4.1", "Compte rendu"),
    ),
}


def has_class(code: str) -> bool:
    """Whether the class of a type is known."""
    return code in _CLASSES


def make_metadata(draft: Draft, cda: bytes, *, document_id: str, uri: str) -> bytes:
    """Write the submission set with its one document entry."""
    package, entry = _uuid(document_id, "set"), _uuid(document_id, "entry")
    return write(
        node(
            "lcm:SubmitObjectsRequest",
            node(
                "rim:RegistryObjectList",
                _entry(draft, cda, entry, document_id, uri),
                _package(draft, package, document_id),
                node(
                    "rim:Classification",
                    id=_uuid(document_id, "node"),
                    classifiedObject=package,
                    classificationNode=f"urn:uuid:{metadata.SET_NODE}",
                ),
                _association(_uuid(document_id, "member"), metadata.MEMBER, package, entry),
                _replacing(draft, entry, document_id),
            ),
            **{"xmlns:lcm": f"{_REGISTRY}:xsd:lcm:3.0", "xmlns:rim": f"{_REGISTRY}:xsd:rim:3.0"},
        )
    )


def oid_of(*words: bytes) -> str:
    """Give an OID under 2.25 (RFC 4122 in a number) that depends on the words alone; 44 characters at most."""
    digest = hashlib.sha256()
    for word in words:
        digest.update(len(word).to_bytes(8, "big") + word)
    return f"{_OURS}.{int.from_bytes(digest.digest()[:16], 'big')}"


def _uuid(document_id: str, what: str) -> str:
    return uuid.uuid5(uuid.NAMESPACE_OID, f"{document_id}:{what}").urn


def _entry(draft: Draft, cda: bytes, entry: str, document_id: str, uri: str) -> Element:
    made = draft.made_at.astimezone(UTC).strftime("%Y%m%d%H%M%S")
    author, patient = draft.author, draft.patient
    hl7_patient = f"{patient.ins}^^^&{patient.ins_oid}&ISO^NH"
    classified = [
        (metadata.TYPE, draft.type),
        (metadata.FORMAT, _FORMAT),
        (metadata.CONFIDENTIALITY, codes.table("confidentialities")["N"]),
        (metadata.FACILITY, codes.table("facilities")[author.facility]),
        (metadata.SETTING, codes.table("settings")[author.setting]),
    ]
    if draft.type.code in _CLASSES:
        classified.insert(0, (metadata.CLASS, _CLASSES[draft.type.code]))
    return node(
        "rim:ExtrinsicObject",
        _slot("URI", uri),
        _slot("creationTime", made),
        _slot("hash", hashlib.sha1(cda, usedforsecurity=False).hexdigest()),
        _slot("languageCode", "fr-FR"),
        _slot("legalAuthenticator", _person(author)),
        _slot("serviceStartTime", made),
        _slot("size", str(len(cda))),
        _slot("sourcePatientId", hl7_patient),
        _slot("sourcePatientInfo", *_patient_info(patient)),
        _name(draft.title),
        _by(author, entry, metadata.AUTHOR),
        *(_classification(entry, scheme, code) for scheme, code in classified),
        _external(entry, metadata.PATIENT, hl7_patient, "XDSDocumentEntry.patientId"),
        _external(entry, metadata.UNIQUE, document_id, "XDSDocumentEntry.uniqueId"),
        id=entry,
        mimeType="text/xml",
        objectType=f"urn:uuid:{metadata.ENTRY}",
        status=f"{_REGISTRY}:StatusType:Approved",
    )


def _package(draft: Draft, package: str, document_id: str) -> Element:
    patient = f"{draft.patient.ins}^^^&{draft.patient.ins_oid}&ISO^NH"
    source, unique = oid_of(draft.author.institution_id.encode()), oid_of(document_id.encode(), b"set")
    return node(
        "rim:RegistryPackage",
        _slot("submissionTime", draft.made_at.astimezone(UTC).strftime("%Y%m%d%H%M%S")),
        _name(draft.title),
        _by(draft.author, package, metadata.SET_AUTHOR),
        _classification(package, metadata.SET_CONTENT, _CONTENT),
        _external(package, metadata.SET_PATIENT, patient, "XDSSubmissionSet.patientId"),
        _external(package, metadata.SET_SOURCE, source, "XDSSubmissionSet.sourceId"),
        _external(package, metadata.SET_UNIQUE, unique, "XDSSubmissionSet.uniqueId"),
        id=package,
        status=f"{_REGISTRY}:StatusType:Approved",
    )


def _association(name: str, kind: str, source: str, target: str) -> Element:
    status = _slot("SubmissionSetStatus", "Original") if kind == metadata.MEMBER else None
    return node("rim:Association", status, id=name, associationType=kind, sourceObject=source, targetObject=target)


def _replacing(draft: Draft, entry: str, document_id: str) -> Element | None:
    """Name the entry that this one takes the place of; only of ours do we know under which name it was sent."""
    if not draft.replaces.startswith(f"{_OURS}."):
        return None
    return _association(_uuid(document_id, "replaces"), metadata.REPLACES, entry, _uuid(draft.replaces, "entry"))


def _slot(name: str, *values: str) -> Element:
    return node("rim:Slot", node("rim:ValueList", *(node("rim:Value", value) for value in values)), name=name)


def _name(text: str) -> Element:
    return node("rim:Name", node("rim:LocalizedString", value=text))


def _classification(about: str, scheme: str, code: codes.Code) -> Element:
    return node(
        "rim:Classification",
        _slot("codingScheme", code.system),
        _name(code.label),
        id=_uuid(about, scheme),
        classifiedObject=about,
        classificationScheme=f"urn:uuid:{scheme}",
        nodeRepresentation=code.code,
    )


def _external(about: str, scheme: str, value: str, name: str) -> Element:
    return node(
        "rim:ExternalIdentifier",
        _name(name),
        id=_uuid(about, scheme),
        registryObject=about,
        identificationScheme=f"urn:uuid:{scheme}",
        value=value,
    )


def _by(author: Writer, about: str, scheme: str) -> Element:
    specialty = codes.table("specialties")[author.specialty]
    institution = f"{_hl7(author.institution)}^^^^^&{STRUCTURE_ROOT}&ISO^IDNST^^^{author.institution_id}"
    return node(
        "rim:Classification",
        _slot("authorPerson", _person(author)),
        _slot("authorInstitution", institution),
        _slot("authorSpecialty", f"{specialty.code}^{_hl7(specialty.label)}^{specialty.system}"),
        id=_uuid(about, scheme),
        classifiedObject=about,
        classificationScheme=f"urn:uuid:{scheme}",
        nodeRepresentation="",
    )


def _person(author: Writer) -> str:
    kind = "EI" if "/" in author.national_id else "IDNPS"
    names = f"{_hl7(author.family_name)}^{_hl7(author.given_name)}"
    return f"{author.national_id}^{names}^^^^^^&{RPPS_ROOT}&ISO^D^^^{kind}"


def _patient_info(patient: Subject) -> list[str]:
    names = [f"PID-5|{_hl7(patient.birth_name)}^{_hl7(patient.first)}^{_hl7(patient.given_names)}^^^^L"]
    if patient.used_name:
        names.append(f"PID-5|{_hl7(patient.used_name)}^{_hl7(patient.first)}^^^^^D")
    born = [f"PID-7|{patient.birth_date.replace('-', '')}", f"PID-8|{patient.sex}"]
    place = [f"PID-11|^^^^^^BDL^^{_hl7(patient.birth_place)}"] if patient.birth_place else []
    return names + born + place


def _hl7(text: str) -> str:
    """Escape the signs that cut HL7 v2 fields."""
    signs = {"\\": "\\E\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\", "|": "\\F\\"}
    return "".join(signs.get(sign, sign) for sign in text)
