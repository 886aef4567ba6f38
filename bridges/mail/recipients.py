"""Whom a mail may go to: nobody, unless there is a reason. The last thing asked before a mail leaves.

Source: docs/spec/mail.md 22.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from bridges.mail.address import Address, read_address
from bridges.mail.causes import words
from bridges.mail.config import Box, Config
from bridges.mail.directory.standing import Directory, Verdict
from bridges.mail.inbox import Taken
from bridges.mail.judging import Verdict as Judged
from bridges.mail.judging import Verdicts
from bridges.mail.outgoing import Composed, Outgoing
from bridges.mail.reading import Mail, Reading
from bridges.mail.state import State
from bridges.mail.submission import RefusedError, Sent, Submission
from bridges.mail.threads import Threads, Writer

CALENDAR: Final = "<pli.calendar."
"""Beginning of the Message-ID of what the agenda bridge sends: to addresses of a list that the practice wrote."""
AWAY: Final = "directory_unavailable"
REFUSED: Final[dict[Verdict, str]] = {
    "inactive": "recipient_inactive",
    "ambiguous": "recipient_ambiguous",
    "too_old": "directory_too_old",
    "unlisted": "recipient_not_in_directory",
}
NOT_TRUSTED: Final = "recipient_not_trusted"
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS heard (box TEXT, address BLOB, PRIMARY KEY (box, address)) WITHOUT ROWID;
"""


class Heard:
    """The addresses that wrote to a box through the trusted channel, under a keyed hash."""

    def __init__(self, state: State, hide: Callable[[str], bytes]) -> None:
        self._state, self._hide = state, hide
        state.declare(_SCHEMA)

    def note(self, box: str, addresses: set[str]) -> None:
        """Remember them."""
        for address in addresses:
            self._state.run("INSERT OR IGNORE INTO heard VALUES (?, ?)", (box, self._hide(address)))

    def knows(self, box: str, address: str) -> bool:
        """Whether this address wrote to this box."""
        query = "SELECT 1 FROM heard WHERE box = ? AND address = ?"
        return self._state.one(query, (box, self._hide(address))) is not None


def speaks_for(sender: str, address: str) -> bool:
    """Whether a sender may name an address for answers: its own domain vouches for both, no other does."""
    return bool(address) and read_address(sender).domain == read_address(address).domain


@dataclass(frozen=True, slots=True)
class Listening:
    """Decides as ``inner`` does, and remembers who wrote, in the transaction that settles the mail."""

    inner: Verdicts
    config: Config
    trusts: Callable[[str], bool]
    heard: Heard

    async def decide(self, taken: Taken, reading: Reading) -> Judged:
        """Decide about a mail. Raises as ``inner``."""
        verdict = await self.inner.decide(taken, reading)
        mail, box = reading.mail, self.config.named(taken.source.box)
        if mail is None or box is None or not (box.operator or self.trusts(mail.sender)):
            return verdict
        named = _named(mail)
        return replace(verdict, effects=(*verdict.effects, lambda: self.heard.note(box.name, named)))


def _named(mail: Mail) -> set[str]:
    others = (mail.reply_to, mail.asks_receipt, mail.return_path.removeprefix("<>"))
    return {mail.sender, *(each for each in others if speaks_for(mail.sender, each))}


@dataclass(frozen=True, slots=True)
class Recipients:
    """Judges the recipients of the mails of all boxes."""

    config: Config
    trusts: Callable[[str], bool]
    threads: Threads
    outgoing: Outgoing
    heard: Heard
    directory: Directory

    async def refused(self, box: Box, mail: Composed) -> dict[Address, str]:
        """Give the recipients that a mail may not go to, with a code of docs/spec/errors.md.

        Raises:
            RefusedError: ``directory_unavailable``, temporary: nobody can say now.

        """
        if mail.message_id.startswith(CALENDAR):
            return {}
        conversation = self.outgoing.conversation_of(mail.message_id)
        thread = self.threads.get(conversation) if conversation else None
        writers = thread.writers if thread else []
        codes = {each: await self._code(box, each, writers, answer=not conversation) for each in mail.recipients}
        return {address: code for address, code in codes.items() if code}

    async def _code(self, box: Box, address: Address, writers: list[Writer], *, answer: bool) -> str:
        identity = address.identity
        wrote = self._heard(box, identity) if answer else _wrote(writers, identity)
        let_in = wrote and box.operator is not None  # its certificate was asked for at the door
        if not (let_in or self._is_ours(box, address) or self.trusts(identity)):
            return NOT_TRUSTED
        if wrote:  # what we hold may say that the mailbox is closed; nobody is asked about who wrote to us
            closed = self.directory.held(identity) == "inactive"
            return REFUSED["inactive"] if closed else ""
        standing = await self.directory.standing(identity)
        if standing.verdict in {"unlisted", "too_old"} and standing.trouble:
            raise RefusedError("temporary", 0, f"{AWAY}: {standing.trouble}")
        return REFUSED.get(standing.verdict, "")

    def _heard(self, box: Box, identity: str) -> bool:
        return self.heard.knows(box.name, identity) or self.threads.began(box.name, identity)

    def _is_ours(self, box: Box, address: Address) -> bool:
        return address.domain in {box.mailbox.domain, *self.config.own_domains}


def _wrote(writers: list[Writer], identity: str) -> bool:
    """Whether an address wrote in a conversation, or is where a writer of the same domain wants the answers."""
    return any(
        identity == each.address or (identity == each.answers and speaks_for(each.address, each.answers))
        for each in writers
    )


@dataclass(frozen=True, slots=True)
class Guarded:
    """A way out that asks first. What one recipient may not have, the others still get."""

    way: Submission
    box: Box
    recipients: Recipients

    async def send(self, mail: Composed) -> Sent:
        """Send one mail to whom it may go; raises RefusedError."""
        refused = await self.recipients.refused(self.box, mail)
        left = tuple(each for each in mail.recipients if each not in refused)
        if not left:
            raise RefusedError("permanent", 0, next(iter(refused.values())))
        sent = await self.way.send(replace(mail, recipients=left))
        language = self.recipients.config.language
        ours = ((each, 550, f"{code}: {words(code, language)}") for each, code in refused.items())
        return replace(sent, refused=(*sent.refused, *ours))

    async def close(self) -> None:
        """Leave; never fails."""
        await self.way.close()
