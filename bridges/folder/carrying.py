"""From the drop folder into conversations, each letter once. Source: docs/operate/folder.md."""

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from bridges.folder.config import Config
from bridges.folder.drop import MESSAGES, REFUSED, SENT, Drop, Dropped
from bridges.folder.hl7 import acknowledge
from bridges.folder.journal import Item, Journal
from bridges.folder.letters import Letter, read_letter
from bridges.folder.reasons import RefusalError, explain
from bridges.folder.sandbox import FolderSandbox
from bridges.kit.errors import KitError, RefusedError, UnreachableError, UsageError
from bridges.kit.files import write_whole
from bridges.kit.messages import Draft
from bridges.kit.starting import invitation_of
from bridges.kit.wire import from_text, to_text
from bridges.kit.words import say
from bridges.mail.patients import Known, Patients, Person
from bridges.mail.threads import Letter as Noted
from bridges.mail.threads import Thread, Threads, Writer
from bridges.mail.voice import Voice
from crypto.errors import ProtocolError

BOX: Final = "folder"
_LATER: Final = frozenset({"unauthenticated", "too_many_tries", "internal", "unavailable", "storage_full"})
_FINAL: Final = {"patient_blocked": "opposition", "patient_left": "closed", "not_found": "nobody"}
_DAYS: Final = 30  # of an invitation


@dataclass(frozen=True, slots=True)
class Carrying:
    """Says what lies in the folder, and puts it away with what became of it."""

    config: Config
    drop: Drop
    journal: Journal
    sandbox: FolderSandbox
    voice: Voice
    patients: Patients
    threads: Threads

    async def carry(self, dropped: Dropped) -> None:
        """Carry one letter; the same again changes nothing.

        Raises:
            UnreachableError, RefusedError (one that passes): it stays where it is, for the next look.

        """
        item = self.journal.take(dropped.digest)
        if item.state == "sent":
            return self._put_away(dropped, item, repeat=True)
        try:
            letter = await read_letter(dropped, self.sandbox, production=self.config.production)
            item = await self._send(item, letter)
        except RefusalError as refusal:
            return self._refuse(dropped, item, refusal)
        except RefusedError as refused:
            if refused.code in _LATER:
                raise
            return self._refuse(dropped, item, RefusalError(_FINAL.get(refused.code, refused.code)))
        except UnreachableError:
            raise
        except (KitError, ProtocolError) as error:
            return self._refuse(dropped, item, RefusalError(error.code))
        return self._put_away(dropped, item, repeat=False)

    # --- saying -------------------------------------------------------------------------------------------------------

    async def _send(self, item: Item, letter: Letter) -> Item:
        thread = await self._thread(item.id, letter)
        said = replace(letter.said, replaces=self._replaced(thread, letter))
        place = await self.voice.say(item.id, thread.conversation, said)
        noted = Noted(
            conversation=place.conversation,
            message=place.message,
            seq=place.seq,
            mail_id=f"folder-{item.id}",
            came=True,
        )
        self.threads.note(noted, letter.documents)
        self.journal.sent(item.id, place.conversation, place.message, place.seq)
        self.threads.done(item.id)
        return self.journal.get(item.id)

    def _replaced(self, thread: Thread, letter: Letter) -> bytes:
        for each in (*letter.replaces, *(letter.documents if letter.replaces_earlier else ())):
            if message := self.threads.message_of(each, thread.conversation):
                return message
        return b""

    async def _thread(self, item: int, letter: Letter) -> Thread:
        """Find or begin the conversation of a letter; raises RefusalError."""
        sidecar = letter.sidecar
        if sidecar.conversation:
            conversation = _id(sidecar.conversation)
            return self.threads.get(conversation) or self._keep(conversation, 0, letter.subject, "")
        account = _id(sidecar.account) if sidecar.account else b""
        if letter.person is None:
            if not account:
                raise RefusalError("nobody")
            return await self._with_account(item, 0, account, letter.subject)
        known = self._known(letter.person, account) or await self._invite(item, letter.person, letter)
        if known.status != "known":
            raise RefusalError("opposition" if known.status == "opposed" else "closed")
        if known.account:
            return await self._with_account(item, known.id, known.account, letter.subject)
        return self.threads.get(known.invited) or self._keep(known.invited, known.id, letter.subject, "")

    def _known(self, person: Person, account: bytes) -> Known | None:
        if account:
            self.patients.learn(person, account=account)
        return self.patients.find(person.ins)

    async def _with_account(self, item: int, patient: int, account: bytes, subject: str) -> Thread:
        key = to_text(account)
        if same := self.threads.of(BOX, patient, key, subject):
            return same[0]
        conversation = await self.voice.start(item, account, subject, opening(self.config.owner))
        await self.voice.let_in(conversation, self.config.team)
        return self._keep(conversation, patient, subject, key)

    def _keep(self, conversation: bytes, patient: int, subject: str, key: str) -> Thread:
        thread = Thread(
            conversation=conversation,
            box=BOX,
            patient=patient,
            subject=subject,
            writers=[Writer(key, "", "")],
            carried=0,
        )
        self.threads.add(thread)
        return thread

    async def _invite(self, item: int, person: Person, letter: Letter) -> Known:
        """Begin a conversation with somebody who has no account yet, once; raises RefusalError."""
        name = letter.sidecar.invite or (person.shown if self.config.invite else "")
        if not name:
            raise RefusalError("patient_unknown")
        conversation = await self._begun_invitation(item, letter.subject)
        if conversation is None:
            self.threads.begin(item, b"", 0)
            draft = Draft(opening(self.config.owner))
            invited = await self.voice.client.starting.invite(name, letter.subject, draft, days=_DAYS)
            conversation = invited.started.conversation
        await self.voice.let_in(conversation, self.config.team)
        self.patients.learn(person, invited=conversation)
        known = self.patients.find(person.ins)
        assert known is not None, "just learnt"
        return known

    async def _begun_invitation(self, item: int, subject: str) -> bytes | None:
        """Find the conversation that an interrupted try began: ours, invited to, and of nobody here yet."""
        if self.threads.begun(item, b"") is None:
            return None
        client, taken = self.voice.client, {known.invited for known in self.patients.all()}
        for told in await client.device.api.conversations():
            conversation = bytes(told.conversation)
            if (
                conversation in taken
                or self.threads.get(conversation)
                or not invitation_of(client.device, conversation)[0]
            ):
                continue
            if (await client.conversations.sync(conversation)).roster.subject == subject:
                return conversation
        return None

    # --- putting away -------------------------------------------------------------------------------------------------

    def _put_away(self, dropped: Dropped, item: Item, *, repeat: bool) -> None:
        """Write the result, then move the files: a crash in between writes the same result again."""
        link, code = invitation_of(self.voice.client.device, item.conversation)
        result: dict[str, Any] = {
            "item": item.id,
            "state": "sent",
            "repeat": repeat,
            "conversation": to_text(item.conversation),
            "message": to_text(item.message),
            "invitation_link": link or None,
            "invitation_code": code or None,
        }
        self._tell(dropped, item, SENT, "result", result, text="")
        self.drop.put_away(dropped, SENT, item.id)

    def _refuse(self, dropped: Dropped, item: Item, refusal: RefusalError) -> None:
        reason = {
            "item": item.id,
            "state": "refused",
            "reason": refusal.reason,
            "message": explain(refusal.reason),
            "detail": refusal.detail,
        }
        self.journal.refused(item.id)
        self._tell(dropped, item, REFUSED, "reason", reason, text=refusal.reason)
        self.drop.put_away(dropped, REFUSED, item.id)

    def _tell(self, dropped: Dropped, item: Item, where: str, kind: str, plain: dict[str, Any], *, text: str) -> None:
        folder, stem = self.drop.folder / where, f"{item.id:06}"
        for name, octets in dropped.files.items():
            if name.lower().endswith(tuple(MESSAGES)):
                at = datetime.now(tz=UTC).strftime("%Y%m%d%H%M%S")
                ack = acknowledge(octets, accepted=where == SENT, text=text, at=at, number=item.id)
                write_whole(folder / f"{stem}.ack.hl7", ack)
        write_whole(folder / f"{stem}.{kind}.json", json.dumps(plain, ensure_ascii=False, indent=1).encode())


def opening(owner: str) -> str:
    """Say what the conversation passes through: the first thing that stands in it."""
    return say(
        f"Cette conversation passe par le logiciel de {owner}.\n"
        "Le chiffrement de bout en bout s'arrête à cette passerelle : vos réponses y sont écrites dans un dossier.",
        f"This conversation passes through the software of {owner}.\n"
        "End-to-end encryption ends at this bridge: your answers are written into a folder there.",
    )


def _id(text: str) -> bytes:
    try:
        value = from_text(text)
    except (ValueError, UsageError):
        value = b""
    if len(value) != 32:
        raise RefusalError("nobody", "not an id")
    return value
