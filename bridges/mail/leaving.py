"""From a conversation to mail: what others write goes to its correspondents. Source: docs/spec/mail.md 15."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec

from bridges.kit.client import Reading
from bridges.kit.errors import RefusedError
from bridges.kit.log import Line
from bridges.mail.address import Address, read_address
from bridges.mail.composing import Attached, LetterError, compose, compose_receipt, is_writable, stable_id
from bridges.mail.composing import Letter as Written
from bridges.mail.config import Box, Config
from bridges.mail.dossier import Dossier
from bridges.mail.dossier import Made as MadeFiles
from bridges.mail.outgoing import Composed, Outgoing
from bridges.mail.patients import Known, Patients
from bridges.mail.state import State
from bridges.mail.threads import Letter, Thread, Threads
from bridges.mail.voice import Voice

_NUMBERS: Final = 1 << 41  # notes about lines, apart from those about mails (following)
_TOO_LARGE: Final = "Un message n'a pas pu partir avec ses documents : trop volumineux pour le courriel MSSanté."


@dataclass(frozen=True, slots=True)
class Leaving:
    """Turns the lines of conversations into mails of all boxes."""

    config: Config
    state: State
    voice: Voice
    patients: Patients
    threads: Threads
    outgoing: Outgoing
    dossier: Dossier
    joined: Callable[[], None]  # a patient took an invitation: mails that waited for that may be judged

    def waiting(self) -> list[bytes]:
        """Give the conversations whose log, as we hold it, goes further than what became mail."""
        store = self.voice.client.device.store
        return [each for each, carried in self.threads.carried() if store.last_seq(each) > carried]

    async def carry(self, conversation: bytes) -> int:
        """Turn what is new in a conversation into mail, and give how many mails.

        Raises:
            RefusedError, UnreachableError, ProtocolError.

        """
        thread = self.threads.get(conversation)
        box = self.config.named(thread.box) if thread else None
        if thread is None or box is None:
            return 0
        reading = await self.voice.client.look(conversation)
        patient = self._learn_claim(thread, reading)
        count = 0
        for line in reading.log.lines:
            if line.seq > thread.carried and self._is_for_mail(line):
                await self._line(line, thread, box, reading, patient)
                count += 1
        with self.state.together():
            count += self._receipts(thread, box, reading, patient)
            self.threads.carry(conversation, self.voice.client.device.store.last_seq(conversation))
        return count

    def _learn_claim(self, thread: Thread, reading: Reading) -> Known:
        patient = self.patients.get(thread.patient)
        assert patient is not None, "threads name patients that are there"
        members = reading.conversation.opened.chain.members.values()
        account = next((each.id for each in members if each.role == "patient" and each.kind != "invite"), b"")
        if account and not patient.account:
            self.patients.claimed(patient.id, account)
            self.joined()
        return self.patients.get(thread.patient) or patient

    def _is_for_mail(self, line: Line) -> bool:
        """Whether a line is something that somebody else said."""
        said = line.message
        return (
            said is not None and said.author.id != self.voice.client.device.id and said.content.type in {"text", "end"}
        )

    async def _line(self, line: Line, thread: Thread, box: Box, reading: Reading, patient: Known) -> None:
        letter, too_large, made = await self._written(line, thread, box, reading, patient)
        raw, names = self._composed(letter)
        if made.pdf_a == "converted" and not names:  # what came is smaller, and better than no document
            letter, too_large, made = await self._written(line, thread, box, reading, patient, as_it_came=True)
            raw, names = self._composed(letter)
        if too_large or not names:
            await self.voice.note(thread.conversation, _TOO_LARGE, -_NUMBERS - line.seq)
        mail = Composed(letter.message_id, letter.sender, tuple(letter.recipients), raw, asks_dsn=box.receipts)
        kept = Letter(
            conversation=thread.conversation,
            message=line.id,
            seq=line.seq,
            mail_id=letter.message_id,
            came=False,
            subject=letter.subject,
        )
        with self.state.together():
            self.outgoing.add(box.name, mail, conversation=thread.conversation, message=line.id, pdf_a=made.pdf_a)
            self.threads.note(kept)
            if made.document is not None and names:
                self.threads.note_made(line.id, made.document)
            self.threads.carry(thread.conversation, line.seq)

    def _composed(self, letter: Written) -> tuple[bytes, bool]:
        """Make the mail; without its files when they are too much for one. Gives whether they are in it."""
        try:
            return compose(letter), True
        except LetterError as error:
            if error.code != "too_large":
                raise
        return compose(_without_files(letter)), False

    async def _written(
        self, line: Line, thread: Thread, box: Box, reading: Reading, patient: Known, *, as_it_came: bool = False
    ) -> tuple[Written, bool, MadeFiles]:
        assert line.message is not None, "_is_for_mail"
        payload, author = line.message.content.payload, reading.people.name(line.message.author.id)
        if line.message.author.role == "patient":
            author = patient.person.shown if patient.person.birth_name else author
        attached, too_large = await self._attached(thread, line)
        earlier = self.threads.letters(thread.conversation)
        references = [each.mail_id for each in earlier if is_writable(each.mail_id)]
        replaced = payload.get("replaces")
        known = self.threads.made(replaced) if replaced else None
        made = await self.dossier.wrap(reading, line, patient, attached, earlier=known, as_it_came=as_it_came)
        subject = made.subject or f"Re: {earlier[-1].subject if earlier else thread.subject}".replace("Re: Re:", "Re:")
        text = str(payload["text"])
        if line.message.content.type == "end":
            text = f"{author} a terminé la conversation.\n\n{text}".strip()
        if replaced:
            subject = f"[Annule et remplace] {subject}"
        written = Written(
            sender=_sender(box, patient),
            sender_name=self.dossier.shown_name(reading, line) or author,
            recipients=_recipients(thread, box),
            subject=subject,
            text=text + ("\n\n[Documents trop volumineux pour le courriel : à lire dans Pli.]" if too_large else ""),
            sent_at=datetime.fromtimestamp(line.at // 1000, UTC),
            message_id=stable_id(line.id, _sender(box, patient).domain),
            software=self.config.software,
            in_reply_to=references[-1] if references else "",
            references=references,
            asks_receipt=box.receipts,
            no_reply=_no_reply(line, reading),
            codes=made.codes,
            qualified=made.qualified,
            attached=made.attached,
        )
        return written, too_large, made

    async def _attached(self, thread: Thread, line: Line) -> tuple[list[Attached], bool]:
        assert line.message is not None, "_is_for_mail"
        found = list[Attached]()
        for reference in line.message.content.payload.get("attachments", ()):
            try:
                octets = await self.voice.fetch(thread.conversation, reference)
            except RefusedError as refused:
                if refused.code != "attachment_too_large":
                    raise
                return [], True
            found.append(Attached(reference.name, reference.media_type, octets))
        return found, False

    # --- receipts -------------------------------------------------------------------------------------------------

    def _receipts(self, thread: Thread, box: Box, reading: Reading, patient: Known) -> int:
        """Tell senders who asked that the patient has read their mails."""
        members = reading.conversation.opened.chain.members.values()
        upto = max((reading.log.read_upto(each.id) for each in members if each.role == "patient"), default=0)
        owed = self.threads.owed(thread.conversation, upto)
        for letter in owed:
            self._receipt(letter, box, patient)
            self.threads.acquit(letter)
        return len(owed)

    def _receipt(self, letter: Letter, box: Box, patient: Known) -> None:
        target = read_address(letter.asks_receipt)
        name = hashlib.sha256(f"{letter.mail_id}\0{letter.conversation.hex()}".encode()).hexdigest()[:40]
        written = Written(
            sender=_sender(box, patient),
            sender_name=patient.person.shown,
            recipients=[target],
            subject=f"Lu : {letter.subject}",
            text=f"{patient.person.shown} a lu votre message.",
            sent_at=datetime.now(tz=UTC).replace(microsecond=0),
            message_id=f"<pli.read.{name}@{_sender(box, patient).domain}>",
            software=self.config.software,
            automatic=True,
        )
        disposition = "manual-action/MDN-sent-automatically; displayed"
        try:
            raw = compose_receipt(written, original=letter.mail_id, recipient=written.sender, disposition=disposition)
        except LetterError:
            return  # its Message-ID is none that can be written
        self.outgoing.add(box.name, Composed(written.message_id, None, (target,), raw))


def _sender(box: Box, patient: Known) -> Address:
    """Give the address that answers come back to: the patient's own in a domain of ours, else the mailbox."""
    return read_address(f"{patient.person.ins}@{box.operator.domain.lower()}") if box.operator else box.mailbox


def _recipients(thread: Thread, box: Box) -> list[Address]:
    """Give the mailboxes of the correspondents; appended mail lies in the box itself."""
    if box.deliver == "append":
        return [box.mailbox]
    return [read_address(each) for each in dict.fromkeys(writer.answers for writer in thread.writers)]


def _no_reply(line: Line, reading: Reading) -> bool:
    """Whether nobody is to answer: what the message says of it, or what stands where it says nothing."""
    assert line.message is not None, "_is_for_mail"
    word = line.message.content.payload.get("reply")
    return word == "none" or (word == "keep" and reading.log.reply_right(line.seq).state in {"none", "ended"})


def _without_files(letter: Written) -> Written:
    text = letter.text + "\n\n[Documents trop volumineux pour le courriel : à lire dans Pli.]"
    return msgspec.structs.replace(letter, attached=[], codes=[], text=text)
