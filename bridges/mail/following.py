"""What became of the mails we sent: receipts, reports, bounces, acknowledgements. Source: docs/spec/mail.md 17."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from bridges.mail.causes import Language, words
from bridges.mail.config import Box
from bridges.mail.judging import Verdict
from bridges.mail.outgoing import Followed, Outgoing, Progress
from bridges.mail.reading import Mail
from bridges.mail.reports import Report, cause_of
from bridges.mail.voice import Voice
from crypto.content import MailState
from crypto.mailed import Mailed

_PROGRESS: Final[dict[str, Progress]] = {
    "read": "read",
    "processed": "delivered",
    "delivered": "delivered",
    "failed": "failed",
}
_STATES: Final[dict[str, MailState]] = {"sent": "handed", "delivered": "delivered", "failed": "failed"}
_OURS: Final = ("recipient_", "directory_")
_SAID: Final = 2000  # characters of the other side's own words that are shown
_NUMBERS: Final = 1 << 40  # notes about mails, apart from those about lines (leaving)


@dataclass(frozen=True, slots=True)
class Following:
    """Follows the mails of all boxes."""

    outgoing: Outgoing
    language: Language = "fr"

    def take(self, box: Box, mail: Mail) -> Verdict:
        """Judge a report. It counts for a mail of ours alone, and from somebody who can know."""
        del box
        report = mail.report
        progress = _PROGRESS.get(report.state) if report else None
        if report is None or not self.outgoing.knows(report.original):
            return Verdict("left", "report_of_nobody")
        if not self._may_know(report, mail):
            return Verdict("left", "report_of_a_stranger")
        if progress is None:
            return Verdict("report", report.state)
        said = f"{report.cause}\n{mail.text[:_SAID]}"
        return Verdict("report", report.state, (lambda: self._write(report.original, progress, said),))

    def _write(self, original: str, progress: Progress, said: str) -> None:
        self.outgoing.report(original, progress, said)

    def _may_know(self, report: Report, mail: Mail) -> bool:
        """A person's or a software's report comes from a recipient; a server's from any server on the way."""
        if report.kind != "mdn":
            return True
        return mail.sender in self.outgoing.recipients(report.original)

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
        return len(untold)

    async def _tell(self, voice: Voice, conversation: bytes, mails: Sequence[Followed]) -> None:
        """Sign what became of all of them at once, and say in words which did not arrive."""
        states = [(each.message, _mailed(each)) for each in mails if each.state in _STATES]
        await voice.state(conversation, states)
        for mail in mails:
            if mail.state == "read":
                await voice.acknowledge(conversation, mail.message)
            elif mail.state == "failed":
                await voice.note(conversation, failure(mail, self.language), -_NUMBERS - mail.id)


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


def failure(mail: Followed, language: Language = "fr") -> str:
    """Say in a conversation that a mail did not arrive: why, the stable code, and the other side's own words."""
    french = language == "fr"
    cause, _, said = mail.said.partition("\n")
    code = cause.partition(":")[0]
    colon = " : " if french else ": "
    known = words(code, language)
    why = f"{colon}{known}" if known else ""
    stable = f" (code {code})" if code.isdigit() or code.startswith(_OURS) else ""
    heard = f"Réponse de sa messagerie{colon}" if french else f"Its answer{colon}"
    quoted = f"\n\n{heard.rstrip()}\n{said.strip()}" if said.strip() else ""
    head = "Non remis à" if french else "Not delivered to"
    return f"{head} {', '.join(mail.recipients)}{why}{stable}.{quoted}"
