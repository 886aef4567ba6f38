"""Names of FHIR that are spoken with agendas of France. Source: docs/spec/agenda-partners.md 5.

SAS stands on FR Core 1.1.0, GAP on 2.0.1, and newer drafts differ again: all are read, one is written per partner.
"""

from dataclasses import dataclass
from typing import Final, Literal

from bridges.agenda.provider import Mode

PERSONS: Final = "urn:oid:1.2.250.1.71.4.2.1"  # national identifiers of professionals, with a prefix
STRUCTURES: Final = "urn:oid:1.2.250.1.71.4.2.2"
ACTS: Final = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
VISITS: Final = "http://terminology.hl7.org/CodeSystem/v2-0276"  # ROUTINE, WALKIN
PARTICIPATIONS: Final = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType"
AUDIENCES: Final = "https://mos.esante.gouv.fr/NOS/TRE_R314-TypeCreneau/FHIR/TRE-R314-TypeCreneau"
SPECIALTIES: Final = "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
SAS: Final = "http://sas.fr/fhir/StructureDefinition/"

Audience = Literal["PUBLIC", "PRO", "SNP"]

CODE_OF: Final = {Mode.PRACTICE: "AMB", Mode.HOME: "HH", Mode.REMOTE: "VR"}
MODE_OF: Final = {code: mode for mode, code in CODE_OF.items()}

JSON: Final = "application/fhir+json"
JSON_OF_SAS: Final = "application/json+fhir"  # as the guide writes it


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """How one version of FR Core names things."""

    identifier_types: str  # code system of IDNPS, IDNST…
    operator: str  # extension that names who booked
    profile: str  # of an appointment


CORE_1: Final = Core(
    identifier_types="http://interopsante.org/fhir/CodeSystem/fr-v2-0203",
    operator="http://interopsante.org/fhir/StructureDefinition/FrAppointmentOperator",
    profile=SAS + "FrAppointmentSAS",
)
CORE_2: Final = Core(
    identifier_types="https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203",
    operator="https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-appointment-operator",
    profile="https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-appointment",
)
CORES: Final = {"1.1": CORE_1, "2.0": CORE_2}
OPERATORS: Final = frozenset({CORE_1.operator, CORE_2.operator})
ENTERER: Final = "ENT"  # the participant that newer drafts put in the extension's place
