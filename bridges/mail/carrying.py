"""From a judged mail to its conversation, its refusal or its report. Source: docs/spec/mail.md 14 to 16."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from bridges.kit.errors import KitError, RefusedError, UnreachableError
from bridges.mail.composing import may_answer
from bridges.mail.config import Box, Config
from bridges.mail.inbox import Taken
from bridges.mail.judging import Undecided, Verdict
from bridges.mail.outgoing import Outgoing
from bridges.mail.patients import Known, Patients
from bridges.mail.reading import Mail, Reading
from bridges.mail.refusals import REFUSALS, Refused, may_tell, needs_a_person, tell
from bridges.mail.saying import Said, TooManyFilesError, say, subject_of
from bridges.mail.sorting import Elsewhere, Route, Sorting
from bridges.mail.threads import Letter, Thread, Threads, Writer
from bridges.mail.versions import Versions
from bridges.mail.voice import LATER, Place, Voice, opening
from crypto.errors import ProtocolError

TOLD_A_DAY: Final = 20  # refusals of mails without documents that one address is told; then somebody looks
_DAY: Final = 86_400.0
_FINAL: Final = {"patient_blocked": "opposition", "patient_left": "closed"}
Clock = Callable[[], datetime]


def now() -> datetime:
    """Give the time of this machine."""
    return datetime.now(tz=UTC).replace(microsecond=0)


class NotJoinedError(Exception):
    """The patient has not taken the invitation yet, and its conversation is somebody else's."""


@dataclass(frozen=True, slots=True)
class Carrying:
    """Decides about the mails of all boxes, and does it."""

    config: Config
    sorting: Sorting
    voice: Voice
    patients: Patients
    threads: Threads
    outgoing: Outgoing
    reports: Callable[[Box, Mail], Verdict]
    versions: Versions
    clock: Clock = now

    async def decide(self, taken: Taken, reading: Reading) -> Verdict:
        """Carry one mail; the same again changes nothing. Raises ``Undecided`` while the server is away."""
        box, mail = self.config.named(taken.source.box), reading.mail
        assert mail is not None, "only what could be read is decided"
        if box is None:
            return Verdict("quarantined", "box_unknown")
        route = self.sorting.sort(box, taken, reading)
        if isinstance(route, Elsewhere):
            return self._elsewhere(route, box, reading, mail)
        try:
            return await self._carry(taken, box, route, reading, mail)
        except UnreachableError as error:
            raise Undecided(error.code) from error
        except RefusedError as refused:
            return self._refused(refused, box, reading)
        except (KitError, ProtocolError) as error:
            return Verdict("quarantined", f"conversation_{error.code}")

    def touches(self, taken: Taken, reading: Reading) -> frozenset[bytes] | None:
        """Give the conversations that a mail continues or refers to; None when it begins one, or ends several."""
        box, mail = self.config.named(taken.source.box), reading.mail
        if box is None or mail is None:
            return frozenset()
        if mail.marks.ends_conversation:
            return None
        named = {letter.conversation for each in _names(mail) for letter in self.threads.find(each)}
        route = self.sorting.sort(box, taken, reading)
        if isinstance(route, Elsewhere):
            return frozenset(named)
        return frozenset({*named, route.thread.conversation}) if route.thread else None

    def _elsewhere(self, where: Elsewhere, box: Box, reading: Reading, mail: Mail) -> Verdict:
        if where.how == "report":
            return self.reports(box, mail)
        if where.how == "refused":
            return self._refuse(where.reason, box, reading)
        return Verdict(where.how, where.reason)

    def _refuse(self, code: str, box: Box, reading: Reading) -> Verdict:
        mail = reading.mail
        if mail is not None and may_tell(mail) and (needs_a_person(reading) or self._goes_round(mail, reading)):
            return Verdict("quarantined", f"untold_{code}")  # nobody would know: a person looks at it
        refused = Refused(REFUSALS[code], box.mailbox, self.config.software, self.clock())
        answer = tell(refused, reading)
        if answer is None:
            return Verdict("refused", code)
        return Verdict("refused", code, (lambda: self.outgoing.add(box.name, answer),))

    def _goes_round(self, mail: Mail, reading: Reading) -> bool:
        """Whether a machine that does not say so may be answering our refusals, each of them with a new mail.

        Software that sends documents is told about each: it has thousands, and asks for that.
        """
        if any(map(self.outgoing.is_of_a_machine, _names(mail))):
            return True
        return not reading.documents and self.outgoing.reports_to(mail.sender, _DAY) >= TOLD_A_DAY

    def _refused(self, refused: RefusedError, box: Box, reading: Reading) -> Verdict:
        if refused.code in LATER:
            raise Undecided(refused.code) from refused
        if refused.code in _FINAL:
            return self._refuse(_FINAL[refused.code], box, reading)
        return Verdict("quarantined", f"conversation_{refused.code}")

    # --- into a conversation ----------------------------------------------------------------------------------------

    async def _carry(self, taken: Taken, box: Box, route: Route, reading: Reading, mail: Mail) -> Verdict:
        try:
            thread = route.thread or await self._begin(taken, box, route.patient, mail)
            said = say(reading, box, replaces=self._replaced(thread, reading, mail))
        except NotJoinedError:
            return Verdict("quarantined", "patient_not_joined")
        except TooManyFilesError:
            return Verdict("quarantined", "too_many_files")
        place = await self.voice.say(taken.id, thread.conversation, said)
        places = [place, *(await self._end_others(taken, thread, said, mail) if said.ends else [])]
        return Verdict("accepted", None, (lambda: self._keep(taken, thread, places, reading, mail),))

    async def _begin(self, taken: Taken, box: Box, patient: Known, mail: Mail) -> Thread:
        writer, subject = _writer(mail), subject_of(mail)
        if patient.invited and self.threads.get(patient.invited) is None:  # its conversation is nobody's yet
            await self.voice.let_in(patient.invited, self.config.team)
            before = (await self.voice.client.conversations.sync(patient.invited)).detail.last_seq
            return self._thread(patient.invited, box, patient, writer, subject=subject, carried=before)
        account = patient.account or await self._came(patient)
        if not account:
            return self._same_writer(box, patient, writer)
        conversation = await self.voice.start(taken.id, account, subject, opening(box, writer))
        await self.voice.let_in(conversation, self.config.team)
        return self._thread(conversation, box, patient, writer, subject=subject, carried=0)

    async def _came(self, patient: Known) -> bytes:
        """Look whether an invited patient has come meanwhile."""
        account = await self.voice.patient_in(patient.invited) if patient.invited else b""
        if account:
            self.patients.claimed(patient.id, account)
        return account

    def _same_writer(self, box: Box, patient: Known, writer: Writer) -> Thread:
        """Give the conversation of the invitation to the writer who has it; anybody else waits."""
        thread = self.threads.get(patient.invited)
        if thread is None or thread.box != box.name or thread.writers[0].address != writer.address:
            raise NotJoinedError
        return thread

    def _thread(
        self, conversation: bytes, box: Box, patient: Known, writer: Writer, *, subject: str, carried: int
    ) -> Thread:
        thread = Thread(
            conversation=conversation,
            box=box.name,
            patient=patient.id,
            subject=subject,
            writers=[writer],
            carried=carried,
        )
        self.threads.add(thread)
        return thread

    def _replaced(self, thread: Thread, reading: Reading, mail: Mail) -> bytes:
        """Find the message that a correction takes the place of: by document, else by the mail it refers to."""
        for document in (each for card in reading.documents for each in card.replaces):
            if message := self.threads.message_of(document, thread.conversation):
                return message
        if mail.marks.replaces:
            for mail_id in (mail.in_reply_to, *reversed(mail.references)):
                for letter in self.threads.find(mail_id) if mail_id else []:
                    if letter.came and letter.conversation == thread.conversation:
                        return letter.message
        return b""

    async def _end_others(self, taken: Taken, thread: Thread, said: Said, mail: Mail) -> list[Place]:
        """``[FIN]`` takes away the right to answer to all earlier mails of its sender, in every conversation."""
        others = self.threads.of(thread.box, thread.patient, mail.sender, None)
        found = [each for each in others if each.conversation != thread.conversation]
        return [await self.voice.say(taken.id, each.conversation, said) for each in found]

    def _keep(self, taken: Taken, thread: Thread, places: list[Place], reading: Reading, mail: Mail) -> None:
        """Write down what was said where; runs in the transaction that settles the mail."""
        self.threads.add(replace_writer(thread, _writer(mail)))
        documents = [each for card in reading.documents for each in {card.id, card.set_id} if each]
        for place in places:
            letter = Letter(
                conversation=place.conversation,
                message=place.message,
                seq=place.seq,
                mail_id=mail.message_id,
                came=True,
                asks_receipt=self._asked(thread, mail),
                subject=mail.marks.subject,
            )
            self.threads.note(letter, documents)
        self.versions.took(box_name=thread.box, patient=thread.patient, sender=mail.sender, cards=reading.documents)
        if mail.sender in self.outgoing.recipients(mail.in_reply_to):
            self.outgoing.report(mail.in_reply_to, "read", "")  # who answers has read
        self.threads.done(taken.id)

    def _asked(self, thread: Thread, mail: Mail) -> str:
        """Give the address that is told when the patient has read it: where the mail came from, nobody else."""
        box = self.config.named(thread.box)
        same = may_answer(mail.asks_receipt, mail.return_path or mail.sender, by_a_person=False)
        return mail.asks_receipt if box and box.receipts and same else ""


def replace_writer(thread: Thread, writer: Writer) -> Thread:
    """Let the newest Reply-To and name of a writer count; a new writer comes behind."""
    same = [writer if each.address == writer.address else each for each in thread.writers]
    writers = same if any(each.address == writer.address for each in same) else [*same, writer]
    return msgspec.structs.replace(thread, writers=writers)


def _names(mail: Mail) -> set[str]:
    return {each for each in (mail.in_reply_to, *mail.references) if each}


def _writer(mail: Mail) -> Writer:
    return Writer(mail.sender, mail.sender_name, mail.reply_to or mail.sender)
