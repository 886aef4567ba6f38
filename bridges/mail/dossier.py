"""Documents of professionals as MSSanté wants them: IHE_XDM.ZIP beside a PDF. Source: docs/spec/mail.md 15."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bridges.kit.client import Reading
from bridges.kit.log import Line
from bridges.mail import codes
from bridges.mail.composing import Attached, document_name, document_subject
from bridges.mail.inputs import Draft, Subject, Writer
from bridges.mail.patients import Known
from bridges.mail.xdm_making import make_xdm

TYPES: Final[Mapping[str, str]] = {"prescription": "57833-6", "report": "11488-4", "letter": "34133-9"}
"""Kind of a document in Pli (protocol.md 8.3) → type of value set J07. Others travel as plain attachments."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a mail carries, and the marks that go with it."""

    attached: list[Attached]
    subject: str = ""
    codes: list[str] = field(default_factory=list)
    qualified: bool = False


@dataclass(frozen=True, slots=True)
class Dossier:
    """``writers``: professionals for whom archives can be made, by RPPS number, as the practice wrote them."""

    writers: Mapping[str, Writer]

    def wrap(self, reading: Reading, line: Line, patient: Known, attached: list[Attached]) -> Made:
        """Put the PDF that a professional sends into an archive; whatever is missing for one leaves it a plain file.

        One document a mail, as its subject names one; the first that has a type counts.
        """
        assert line.message is not None, "lines for mail are open"
        author, subject = self._author(reading, line), _subject(patient)
        if author is None or subject is None:
            return Made(attached)
        references = line.message.content.payload["attachments"]
        for number, (reference, file) in enumerate(zip(references, attached, strict=False)):
            code = TYPES.get(reference.document or "")
            if code and file.media_type == "application/pdf":
                return _wrapped(
                    file,
                    number,
                    attached,
                    Draft(
                        pdf=file.octets,
                        patient=subject,
                        author=author,
                        type=codes.table("types")[code],
                        title=reference.title or codes.table("types")[code].label,
                        made_at=datetime.fromtimestamp(line.at // 1000, UTC),
                    ),
                )
        return Made(attached)

    def _author(self, reading: Reading, line: Line) -> Writer | None:
        assert line.message is not None, "lines for mail are open"
        certificate = reading.people.certificate(line.message.author.id)
        return self.writers.get(certificate.identifier) if certificate else None


def _wrapped(file: Attached, number: int, attached: list[Attached], draft: Draft) -> Made:
    archive = make_xdm(draft).archive
    pdf = Attached(document_name(draft.type.label, draft.patient, draft.made_at), file.media_type, file.octets)
    others = [each for place, each in enumerate(attached) if place != number]
    return Made(
        attached=[Attached("IHE_XDM.ZIP", "application/zip", archive), pdf, *others],
        subject=document_subject(draft.type.label, draft.patient),
        codes=[draft.type.code],
        qualified=True,
    )


def _subject(patient: Known) -> Subject | None:
    """Give the patient of an archive; nothing while traits are missing: an archive of half an identity misleads."""
    person = patient.person
    try:
        return Subject(
            ins=person.ins,
            ins_oid=person.ins_oid,
            birth_name=person.birth_name,
            given_names=person.first_name,
            birth_date=person.birth_date,
            sex=person.sex if person.sex in {"F", "M"} else "U",  # type: ignore[arg-type]  # one of the three
        )
    except ValueError:
        return None
