"""A CDA R2 level 1 document around a PDF. Source: docs/spec/mail.md 9; order of elements: CDA R2, POCD_MT000040."""

import base64
from datetime import datetime
from typing import Final
from xml.etree.ElementTree import Element  # writes only

from bridges.mail import codes
from bridges.mail.cda import RPPS_ROOT
from bridges.mail.inputs import Draft, Subject, Writer
from bridges.mail.markup import node, write

STRUCTURE_ROOT: Final = "1.2.250.1.71.4.2.2"
_TEMPLATES: Final = ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1", "1.3.6.1.4.1.19376.1.2.20")


def make_cda(draft: Draft, *, document_id: str) -> bytes:
    """Write the document; ``document_id`` is its OID, and that of its set unless the draft names an earlier one."""
    stamp = draft.made_at.strftime("%Y%m%d%H%M%S%z")
    pdf = base64.b64encode(draft.pdf).decode("ascii")
    return write(
        node(
            "ClinicalDocument",
            node("realmCode", code="FR"),
            node("typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040"),
            *(node("templateId", root=root) for root in _TEMPLATES),
            node("id", root=document_id),
            _coded("code", draft.type),
            node("title", draft.title),
            node("effectiveTime", value=stamp),
            _coded("confidentialityCode", codes.table("confidentialities")["N"]),
            node("languageCode", code="fr-FR"),
            node("setId", root=draft.set_id or document_id),
            node("versionNumber", value=str(draft.version)),
            _record_target(draft.patient),
            _author(draft.author, stamp),
            node(
                "custodian", node("assignedCustodian", _organization("representedCustodianOrganization", draft.author))
            ),
            _legal_authenticator(draft.author, stamp),
            _documentation_of(draft.author, draft.made_at),
            _replaced(draft.replaces),
            _component_of(draft.author, draft.made_at),
            node("component", node("nonXMLBody", node("text", pdf, mediaType="application/pdf", representation="B64"))),
            xmlns="urn:hl7-org:v3",
        )
    )


def _coded(name: str, code: codes.Code) -> Element:
    return node(name, code=code.code, codeSystem=code.system, displayName=code.label)


def _record_target(patient: Subject) -> Element:
    place = node("county", patient.birth_place) if patient.birth_place else None
    return node(
        "recordTarget",
        node(
            "patientRole",
            node("id", root=patient.ins_oid, extension=patient.ins),
            node("addr", nullFlavor="UNK"),
            node("telecom", nullFlavor="UNK"),
            node(
                "patient",
                node(
                    "name",
                    node("family", patient.birth_name, qualifier="BR"),
                    node("family", patient.used_name, qualifier="CL") if patient.used_name else None,
                    node("given", patient.given_names),
                    node("given", patient.first, qualifier="BR"),
                ),
                _coded("administrativeGenderCode", _gender(patient.sex)),
                node("birthTime", value=patient.birth_date.replace("-", "")),
                node("birthplace", node("place", node("addr", place))) if place is not None else None,
            ),
        ),
    )


def _gender(sex: str) -> codes.Code:
    return codes.Code(sex, "2.16.840.1.113883.5.1", {"F": "Féminin", "M": "Masculin", "U": "Inconnu"}[sex])


def _who(author: Writer) -> list[Element]:
    names = [node("prefix", author.title)] if author.title else []
    names += [node("family", author.family_name), node("given", author.given_name)]
    return [
        node("id", root=RPPS_ROOT, extension=author.national_id),
        _coded("code", codes.table("specialties")[author.specialty]),
        node("addr", nullFlavor="UNK"),
        node("telecom", nullFlavor="UNK"),
        node("assignedPerson", node("name", *names)),
    ]


def _organization(name: str, author: Writer, *more: Element) -> Element:
    return node(
        name,
        node("id", root=STRUCTURE_ROOT, extension=author.institution_id),
        node("name", author.institution),
        node("telecom", nullFlavor="UNK"),
        node("addr", nullFlavor="UNK"),
        *more,
    )


def _author(author: Writer, stamp: str) -> Element:
    assigned = node("assignedAuthor", *_who(author), _organization("representedOrganization", author))
    return node("author", node("time", value=stamp), assigned)


def _legal_authenticator(author: Writer, stamp: str) -> Element:
    entity = node("assignedEntity", *_who(author), _organization("representedOrganization", author))
    return node("legalAuthenticator", node("time", value=stamp), node("signatureCode", code="S"), entity)


def _documentation_of(author: Writer, made_at: datetime) -> Element:
    setting = _coded("standardIndustryClassCode", codes.table("settings")[author.setting])
    entity = node("assignedEntity", *_who(author), _organization("representedOrganization", author, setting))
    return node(
        "documentationOf",
        node("serviceEvent", _since(made_at), node("performer", entity, typeCode="PRF")),
    )


def _since(made_at: datetime) -> Element:
    return node("effectiveTime", node("low", value=made_at.strftime("%Y%m%d%H%M%S%z")))


def _replaced(document: str) -> Element | None:
    if not document:
        return None
    root, _, extension = document.partition("^")
    attributes = {"root": root, "extension": extension} if extension else {"root": root}
    return node("relatedDocument", node("parentDocument", node("id", **attributes)), typeCode="RPLC")


def _component_of(author: Writer, made_at: datetime) -> Element:
    facility = node("healthCareFacility", _coded("code", codes.table("facilities")[author.facility]))
    return node("componentOf", node("encompassingEncounter", _since(made_at), node("location", facility)))
