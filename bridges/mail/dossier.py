"""Documents of professionals as MSSanté wants them: IHE_XDM.ZIP beside a PDF. Source: docs/spec/mail.md 15."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from bridges.kit.client import Reading
from bridges.kit.log import Line
from bridges.mail import codes
from bridges.mail.composing import Attached, document_name, document_subject
from bridges.mail.inputs import Draft, Subject, Writer
from bridges.mail.patients import Known
from bridges.mail.pdf_a.converting import Converted
from bridges.mail.threads import MadeDocument
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
    document: MadeDocument | None = None  # in the archive
    pdf_a: str = ""  # what became of its PDF (pdf_a.looks.Outcome)


@dataclass(frozen=True, slots=True)
class Dossier:
    """``writers``: professionals for whom archives can be made, by RPPS number, as the practice wrote them.

    ``convert`` makes PDF/A-1 of a PDF, or says why not.
    """

    writers: Mapping[str, Writer]
    convert: Callable[[bytes, datetime], Awaitable[Converted]]

    async def wrap(
        self,
        reading: Reading,
        line: Line,
        patient: Known,
        attached: list[Attached],
        *,
        earlier: MadeDocument | None = None,
        as_it_came: bool = False,
    ) -> Made:
        """Put the PDF that a professional sends into an archive; whatever is missing for one leaves it a plain file.

        ``earlier``: the document that this one takes the place of; it gets the same set and the next version.
        ``as_it_came``: its PDF is not converted, since the mail would grow too large.

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
                made_at = datetime.fromtimestamp(line.at // 1000, UTC)
                pdf = Converted(file.octets, "grew") if as_it_came else await self.convert(file.octets, made_at)
                try:
                    draft = Draft(
                        pdf=pdf.pdf,
                        patient=subject,
                        author=author,
                        type=codes.table("types")[code],
                        title=reference.title or codes.table("types")[code].label,
                        made_at=made_at,
                        replaces=earlier.id if earlier else "",
                        set_id=earlier.set_id if earlier else "",
                        version=earlier.version + 1 if earlier else 1,
                    )
                except ValueError:  # no PDF, or too large for a mail with an archive
                    return Made(attached)
                others = [each for place, each in enumerate(attached) if place != number]
                return _wrapped(draft, others, pdf.outcome)
        return Made(attached)

    def shown_name(self, reading: Reading, line: Line) -> str:
        """Give the name that MSSanté wants a professional to show: title, first name, NAME, structure; or nothing."""
        author = self._author(reading, line)
        if author is None:
            return ""
        words = (author.title, author.given_name, author.family_name.upper(), author.institution)
        return " ".join(filter(None, words))

    def _author(self, reading: Reading, line: Line) -> Writer | None:
        assert line.message is not None, "lines for mail are open"
        certificate = reading.people.certificate(line.message.author.id)
        return self.writers.get(certificate.identifier) if certificate else None


def _wrapped(draft: Draft, others: list[Attached], pdf_a: str) -> Made:
    made = make_xdm(draft)
    pdf = Attached(document_name(draft.type.label, draft.patient, draft.made_at), "application/pdf", draft.pdf)
    return Made(
        attached=[Attached("IHE_XDM.ZIP", "application/zip", made.archive), pdf, *others],
        subject=document_subject(draft.type.label, draft.patient),
        codes=[draft.type.code],
        qualified=True,
        document=MadeDocument(made.document_id, draft.set_id or made.document_id, draft.version),
        pdf_a=pdf_a,
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
