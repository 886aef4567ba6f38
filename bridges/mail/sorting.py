"""Where a mail belongs: which patient, which conversation, or why none. Source: docs/spec/mail.md 14."""

from dataclasses import dataclass
from typing import Final, Literal

from bridges.mail import ins
from bridges.mail.address import Address, read_address
from bridges.mail.cda import Document
from bridges.mail.composing import MAX_MAIL
from bridges.mail.config import Box, Config
from bridges.mail.entitlements import Entitlements
from bridges.mail.inbox import Taken
from bridges.mail.ins import OIDS
from bridges.mail.outgoing import Outgoing
from bridges.mail.patients import Known, Patients, contradicts
from bridges.mail.reading import Mail, Reading
from bridges.mail.threads import Thread, Threads
from bridges.mail.versions import Versions

_REAL: Final = {"nir", "nia"}


@dataclass(frozen=True, slots=True)
class Route:
    """A patient of ours, and the conversation that the mail continues, if any."""

    patient: Known
    thread: Thread | None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """Not into a conversation. ``refused`` tells the sender; ``left`` leaves it to the person whose mailbox it is."""

    how: Literal["refused", "left", "quarantined", "own", "report"]
    reason: str


@dataclass(frozen=True, slots=True)
class Sorting:
    """Sorts the mails of all boxes."""

    config: Config
    patients: Patients
    threads: Threads
    outgoing: Outgoing
    trusted: frozenset[str] | None  # domains of the signed list; None: those of the configuration
    versions: Versions
    entitlements: Entitlements

    def sort(self, box: Box, taken: Taken, reading: Reading) -> Route | Elsewhere:
        """Say where a mail goes."""
        mail = reading.mail
        assert mail is not None, "only what could be read is sorted"
        if self.outgoing.knows(mail.message_id):
            return Elsewhere("own", "own")
        if mail.report is not None or mail.marks.acknowledgement:
            return Elsewhere("report", "report")
        if refusal := self._refuse_sender(box, mail, len(taken.raw)):
            return refusal
        return self._patient(box, taken, reading, mail)

    def _refuse_sender(self, box: Box, mail: Mail, size: int) -> Elsewhere | None:
        if mail.automatic:
            return Elsewhere("left", "automatic")
        if box.operator is None and not self.trusts(mail.sender):  # with one, the door has asked for the certificate
            return Elsewhere("quarantined", "sender_not_trusted")  # no bounce: the sender may be somebody's victim
        if mail.marks.from_patient:
            return Elsewhere("left", "from_citizen_service")
        return Elsewhere("refused", "too_large") if size > MAX_MAIL else None

    def trusts(self, sender: str) -> bool:
        """Whether an address is of a trusted domain."""
        return is_trusted(read_address(sender).domain, self.trusted, self.config.trust.senders)

    def _patient(self, box: Box, taken: Taken, reading: Reading, mail: Mail) -> Route | Elsewhere:
        addressed = self._addressed(taken, box, mail)
        written = {card.patient.ins for card in reading.documents if self._counts(card)}
        numbers = addressed | written
        threads = self._answered(box, mail)
        if len(numbers) > 1:
            return Elsewhere("refused", "several_patients" if max(len(addressed), len(written)) > 1 else "ins_differs")
        if not numbers and not threads:
            return self._nobody(box, reading)
        known = self.patients.find(next(iter(numbers))) if numbers else self.patients.get(threads[0].patient)
        if known is None:
            explicit = bool(addressed) or box.unknown == "bounce"
            return Elsewhere("refused" if explicit else "left", "patient_unknown")
        if threads and threads[0].patient != known.id:
            return Elsewhere("refused", "ins_differs")
        if not addressed and not threads and _is_incomplete(reading, mail):
            return Elsewhere("refused" if box.unknown == "bounce" else "left", "ins_incomplete")
        return self._judged(known, threads, reading, box, mail)

    def _judged(self, known: Known, threads: list[Thread], reading: Reading, box: Box, mail: Mail) -> Route | Elsewhere:
        if known.status != "known":
            return Elsewhere("refused", "opposition" if known.status == "opposed" else "closed")
        if code := self._document(known, reading, box, mail):
            return Elsewhere("refused", code)
        if threads:
            return Route(known, threads[0])
        ends = mail.marks.ends_conversation  # everything this sender began, whatever its subject
        same = self.threads.of(box.name, known.id, mail.sender, None if ends else mail.marks.subject)
        if ends and not same:
            return Elsewhere("left", "nothing_to_end")
        return Route(known, same[0] if same else None)

    def _document(self, known: Known, reading: Reading, box: Box, mail: Mail) -> str:
        """Say why the documents of a mail are refused, or nothing."""
        if "hidden_from_patient" in reading.warnings:
            return "hidden_from_patient"
        if any(contradicts(known.person, card.patient) for card in reading.documents):
            return "ins_differs"
        if not all(map(self.entitlements.allow, reading.documents)):
            return "author_not_entitled"
        unread = "metadata_edition_unknown" in reading.warnings
        if unread or any("edition_unknown" in card.warnings for card in reading.documents):
            return "version_wrong"
        current = self.versions.are_current(
            box_name=box.name, patient=known.id, sender=mail.sender, cards=reading.documents
        )
        return "" if current else "version_wrong"

    def _nobody(self, box: Box, reading: Reading) -> Elsewhere:
        if box.unknown == "leave":
            return Elsewhere("left", "no_patient")
        return Elsewhere("refused", "ins_missing" if reading.documents else "patient_unknown")

    def _counts(self, card: Document) -> bool:
        real = not self.config.production or OIDS.get(card.patient.ins_oid) in _REAL
        return card.patient.ins_check == "good" and real

    def _addressed(self, taken: Taken, box: Box, mail: Mail) -> set[str]:
        """Give the numbers in patient addresses: of the envelope where there is one, else of To and Cc."""
        given = map(read_address, taken.source.recipients or mail.recipients)
        return {number for each in given if (number := self.patients.number_of(each) or _behind_plus(each, box))}

    def _answered(self, box: Box, mail: Mail) -> list[Thread]:
        """Give the conversation that a mail answers, if its sender is in it, newest reference first.

        A stranger who knows a Message-ID is not: such a mail is sorted by its patient alone.
        """
        for mail_id in (mail.in_reply_to, *reversed(mail.references)):
            letters = self.threads.find(mail_id) if mail_id else []
            found = [thread for each in letters if (thread := self.threads.get(each.conversation))]
            mine = [thread for thread in found if thread.box == box.name and _writes(thread, mail.sender, box)]
            if mine:
                return mine
        return []


def is_trusted(domain: str, listed: frozenset[str] | None, senders: tuple[str, ...]) -> bool:
    """Whether a domain is of the signed list; without one, whether it is a configured domain or below one."""
    if listed is not None:
        return domain in listed
    return any(domain == each or domain.endswith(f".{each}") for each in senders)


def _is_incomplete(reading: Reading, mail: Mail) -> bool:
    """Whether nothing but an identity with missing traits says who the patient is: a number alone cannot be checked."""
    unqualified = any(not card.qualified for card in reading.documents) or "traits_missing" in reading.warnings
    return bool(reading.documents) and (unqualified or mail.marks.identity == "N")


def _behind_plus(address: Address, box: Box) -> str:
    """Give the number in ``box+number@domain``, for software that must name a patient without a document."""
    base, _, number = address.local.upper().rpartition("+")
    ours = address.domain == box.mailbox.domain and base == box.mailbox.local.upper()
    return number if ours and ins.check(number, "") == "good" else ""


def _writes(thread: Thread, sender: str, box: Box) -> bool:
    known = {address for each in thread.writers for address in (each.address, each.answers)}
    return sender in known or sender == box.mailbox.identity
