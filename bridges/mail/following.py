"""What became of the mails we sent: receipts, reports, bounces, acknowledgements. Source: docs/spec/mail.md 17."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from bridges.mail.address import read_address
from bridges.mail.causes import Language, words
from bridges.mail.config import Box
from bridges.mail.fates import AtRecipient, Fate
from bridges.mail.judging import Verdict
from bridges.mail.outgoing import Followed, Outgoing
from bridges.mail.reading import Mail
from bridges.mail.reports import Outcome, Report, cause_of
from bridges.mail.voice import Voice
from crypto.content import MailState
from crypto.mailed import Mailed

_FATES: Final[dict[str, Fate]] = {
    "processed": "delivered",
    "delivered": "delivered",
    "relayed": "relayed",
    "failed": "failed",
}
_STATES: Final[dict[str, MailState]] = {"sent": "handed", "delivered": "delivered", "failed": "failed"}
_OURS: Final = ("recipient_", "directory_")
_SAID: Final = 2000  # characters of the other side's own words that are shown
_NUMBERS: Final = 1 << 40  # notes about mails, apart from those about lines (leaving)
_NUMBERS_OF: Final[dict[Fate, int]] = {"failed": 2 << 40, "relayed": 3 << 40, "delivered": 4 << 40}


@dataclass(frozen=True, slots=True)
class Following:
    """Follows the mails of all boxes."""

    outgoing: Outgoing
    trusts: Callable[[str], bool]  # whether an address is of the trusted space
    language: Language = "fr"

    def take(self, box: Box, mail: Mail) -> Verdict:
        """Judge a report. It counts for a mail of ours alone, and from somebody who can know."""
        report = mail.report
        original = self._original(report) if report else ""
        if report is None or not original:
            return Verdict("left", "report_of_nobody")
        if not self._may_know(box, mail, report, original):
            return Verdict("left", "report_of_a_stranger")
        if report.state == "read":
            return Verdict("report", "read", (lambda: self._write_read(original),))
        return Verdict("report", report.state, (lambda: self._write(original, mail, report),))

    def _original(self, report: Report) -> str:
        """Give the mail of ours that a report is about; what only servers were told says more than what readers see."""
        found = self.outgoing.fates.of_envelope(report.envelope)
        return found or (report.original if self.outgoing.knows(report.original) else "")

    def _may_know(self, box: Box, mail: Mail, report: Report, original: str) -> bool:
        """A receipt comes from a recipient. A server's report gives ENVID back, which readers of the mail never saw.

        Where it does not, a server on the way had no delivery reports: then it can say only that a mail failed, and is
        of the trusted space, of our own mail server, or of a recipient's.
        """
        if report.kind == "mdn":
            return mail.sender in self.outgoing.recipients(original)
        if self.outgoing.fates.of_envelope(report.envelope) == original:
            return True
        return report.state not in {"delivered", "relayed"} and self._is_on_the_way(box, mail.sender, original)

    def _is_on_the_way(self, box: Box, sender: str, original: str) -> bool:
        domain = read_address(sender).domain
        ours = (box.mailbox.domain, box.smtp.host if box.smtp else "", box.operator.hostname if box.operator else "")
        theirs = (read_address(each).domain for each in self.outgoing.recipients(original))
        let_in = box.operator is not None or self.trusts(sender)  # the door of an operator has asked for a certificate
        return let_in or any(_belong_together(domain, each) for each in (*ours, *theirs))

    def _write_read(self, original: str) -> None:
        self.outgoing.report(original, "read", "")

    def _write(self, original: str, mail: Mail, report: Report) -> None:
        """Write down what became of the mail at each recipient, and of the mail as a whole."""
        recipients = self.outgoing.recipients(original)
        failed = None
        for each in _outcomes(mail, report):
            fate, said = _FATES.get(each.state), f"{each.cause}\n{each.said}"
            named = {each.recipient} & recipients or (recipients if len(recipients) == 1 else set[str]())
            for recipient in named if fate else ():
                assert fate is not None
                self.outgoing.fates.note(original, recipient, fate, said)
            failed = said if fate == "failed" and failed is None else failed
        if failed is not None:
            self.outgoing.report(original, "failed", failed)
        elif self.outgoing.fates.is_at_all(original, recipients):
            self.outgoing.report(original, "delivered", "")

    async def tell(self, voice: Voice) -> int:
        """Tell the conversations what became of their mails, and give how many were told.

        Raises:
            RefusedError, UnreachableError, ProtocolError.

        """
        untold = self.outgoing.untold()
        for conversation, mails in _by_conversation(untold).items():
            if conversation:
                await self._tell(voice, conversation, mails)
            for each in mails:
                self.outgoing.told(each.id, each.state)
        fates = self.outgoing.fates.untold()
        for fate in fates:
            await self._tell_fate(voice, fate)
            self.outgoing.fates.told(fate)
        return len(untold) + len(fates)

    async def _tell(self, voice: Voice, conversation: bytes, mails: Sequence[Followed]) -> None:
        """Sign what became of all of them at once, and say in words which did not arrive."""
        states = [(each.message, _mailed(each)) for each in mails if each.state in _STATES]
        await voice.state(conversation, states)
        for mail in mails:
            if mail.state == "read":
                await voice.acknowledge(conversation, mail.message)
            elif mail.state == "failed" and not self._failed_at(mail):
                await voice.note(conversation, failure(mail.recipients, mail.said, self.language), -_NUMBERS - mail.id)

    def _failed_at(self, mail: Followed) -> bool:
        """Whether it is known for whom a mail failed, which is told for each of them."""
        return any(each.fate == "failed" for each in self.outgoing.fates.of(mail.message_id))

    async def _tell_fate(self, voice: Voice, fate: AtRecipient) -> None:
        conversation = self.outgoing.conversation_of(fate.message_id)
        if not conversation:
            return
        number = -_NUMBERS_OF[fate.fate] - fate.id
        if fate.fate == "failed":
            await voice.note(conversation, failure([fate.recipient], fate.said, self.language), number)
        elif not self.outgoing.was_told_about(conversation, fate.recipient):
            await voice.note(conversation, relayed(fate.recipient, self.language), number)


def _outcomes(mail: Mail, report: Report) -> Sequence[Outcome]:
    """Give what a report says of each recipient; one without details, in its own words."""
    text = mail.text[:_SAID]
    if report.outcomes:
        return [each if each.said else msgspec.structs.replace(each, said=text) for each in report.outcomes]
    named = [mail.sender] if report.kind == "mdn" else [each.lower() for each in report.recipients] or [""]
    return [Outcome(each, report.state, report.cause, text) for each in named]


def _belong_together(host: str, domain: str) -> bool:
    return bool(domain) and (f".{host}".endswith(f".{domain}") or f".{domain}".endswith(f".{host}"))


def _by_conversation(mails: Sequence[Followed]) -> dict[bytes, list[Followed]]:
    found: dict[bytes, list[Followed]] = {}
    for each in mails:
        found.setdefault(each.conversation, []).append(each)
    return found


def _mailed(mail: Followed) -> Mailed:
    """Say it as the protocol does; that somebody has read is said by a receipt."""
    state = _STATES[mail.state]
    return Mailed(state, reason_of(mail.said) if state == "failed" else None)


def reason_of(said: str) -> str:
    """Give the stable code of a failure, also where a server said only words."""
    code = said.partition("\n")[0].partition(":")[0]
    return code if words(code, "en") else cause_of(said)


def failure(recipients: Sequence[str], told: str, language: Language = "fr") -> str:
    """Say in a conversation that a mail did not arrive: why, the stable code, and the other side's own words."""
    french = language == "fr"
    cause, _, said = told.partition("\n")
    code = cause.partition(":")[0]
    colon = " : " if french else ": "
    known = words(code, language)
    why = f"{colon}{known}" if known else ""
    stable = f" (code {code})" if code.isdigit() or code.startswith(_OURS) else ""
    heard = f"Réponse de sa messagerie{colon}" if french else f"Its answer{colon}"
    quoted = f"\n\n{heard.rstrip()}\n{said.strip()}" if said.strip() else ""
    head = "Non remis à" if french else "Not delivered to"
    return f"{head} {', '.join(recipients)}{why}{stable}.{quoted}"


def relayed(recipient: str, language: Language = "fr") -> str:
    """Say in a conversation, once for each recipient, that nobody will say whether mails arrive there."""
    if language == "fr":
        return (
            f"Transmis à la messagerie de {recipient}, qui ne confirme pas la remise : « remis à la messagerie » "
            "restera affiché, sauf échec, accusé de lecture ou réponse."
        )
    return (
        f"Passed on to the mail system of {recipient}, which does not confirm delivery: “handed to the mail system” "
        "will stay, unless it fails, is read or is answered."
    )
