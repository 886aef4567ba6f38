"""Calendars by mail (iMIP, RFC 6047): handed to the agenda bridge, and sent for it. Source: docs/spec/mail.md 20.

The two bridges share a folder and nothing else: they may run apart, and one may be absent.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bridges.kit.files import write_whole
from bridges.mail.address import AddressError, read_address
from bridges.mail.composing import Attached, LetterError, compose
from bridges.mail.composing import Letter as Written
from bridges.mail.config import Box, Config
from bridges.mail.inbox import Taken
from bridges.mail.judging import Verdict, Verdicts
from bridges.mail.outgoing import Composed, Outgoing
from bridges.mail.reading import Mail, Reading
from bridges.mail.recipients import CALENDAR

MAX_BYTES: Final = 360 * 1024  # of one calendar, so that its file has 512 KiB at most; a larger one stays in its mail
AT_ONCE: Final = 200  # letters sent in one round
IN, OUT, ASIDE = "in", "out", "aside"
_METHODS: Final = "REQUEST|REPLY|CANCEL|COUNTER|DECLINECOUNTER|ADD|REFRESH|PUBLISH"
_BEGIN: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,16}BEGIN:VCALENDAR\r?\n", re.IGNORECASE)
_METHOD: Final = re.compile(rb"^METHOD:(%b)\r?$" % _METHODS.encode(), re.MULTILINE | re.IGNORECASE)
_SUBJECTS: Final = {
    "REQUEST": "Rendez-vous",
    "CANCEL": "Rendez-vous annulé",
    "COUNTER": "Rendez-vous : autre proposition",
}


class Letter(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """One file of the folder."""

    sender: str  # address; of what came: that of From
    recipient: str
    method: str
    calendar: str  # base64 of the calendar
    message_id: str = ""
    verified: bool = False  # of what came: that its domain answers for the sender


@dataclass(frozen=True, slots=True)
class Calendars:
    """Decides as ``inner`` does, and hands over the calendars of trusted mails before a mail is settled."""

    inner: Verdicts
    folder: Path
    trusts: Callable[[str], bool]  # an address of From

    async def decide(self, taken: Taken, reading: Reading) -> Verdict:
        """Decide about a mail. Raises as ``inner``; OSError when the folder is away: the mail is kept aside."""
        verdict = await self.inner.decide(taken, reading)
        mail = reading.mail
        if mail is not None and verdict.fate in {"accepted", "left"} and self.trusts(mail.sender):
            for octets in _calendars(reading):
                self._put(taken, mail, octets)
        return verdict

    def _put(self, taken: Taken, mail: Mail, octets: bytes) -> None:
        """Write the file; the same calendar of the same mail has the same name."""
        folder = _made(self.folder, IN)
        method = _METHOD.search(octets)
        letter = Letter(
            sender=mail.sender,
            recipient=next(iter(taken.source.recipients or mail.recipients), ""),
            method=method[1].decode("ascii").upper() if method else "",
            calendar=base64.b64encode(octets).decode("ascii"),
            message_id=mail.message_id,
            verified=True,
        )
        name = hashlib.sha256(mail.message_id.encode() + b"\0" + octets).hexdigest()[:32]
        write_whole(folder / f"{name}.json", msgspec.json.encode(letter))


def _calendars(reading: Reading) -> Iterator[bytes]:
    """Give each calendar once: mail programs send the same one inline and as a file."""
    seen = set[bytes]()
    for part in reading.parts:
        octets = reading.bodies.get(part.path, b"")
        if len(octets) <= MAX_BYTES and octets not in seen and _BEGIN.match(octets):
            seen.add(octets)
            yield octets


@dataclass(frozen=True, slots=True)
class Invitations:
    """Sends what the agenda bridge wants to be sent, from the box whose address it names."""

    config: Config
    folder: Path
    outgoing: Outgoing

    def collect(self) -> int:
        """Put what waits into the queue and give how much; the same letter again is the same mail."""
        waiting = sorted(_made(self.folder, OUT).glob("*.json"))[:AT_ONCE]
        for path in waiting:
            reason = self._queue(path)
            if reason is None:
                path.unlink(missing_ok=True)
            else:
                path.replace(_made(self.folder, ASIDE) / f"{reason}-{path.name}")
        return len(waiting)

    def _queue(self, path: Path) -> str | None:
        """Queue one letter, or give the reason why it is kept aside."""
        try:
            octets = path.read_bytes()
            letter = msgspec.json.decode(octets, type=Letter)
            box = next((each for each in self.config.box if each.mailbox.identity == letter.sender.lower()), None)
            if box is None:
                return "no_box"
            self.outgoing.add(box.name, self._composed(box, letter, hashlib.sha256(octets).hexdigest()))
        except (msgspec.DecodeError, AddressError, LetterError, ValueError):
            return "unreadable"
        return None

    def _composed(self, box: Box, letter: Letter, digest: str) -> Composed:
        calendar, recipient = base64.b64decode(letter.calendar, validate=True), read_address(letter.recipient)
        if not re.fullmatch(_METHODS, letter.method) or not _BEGIN.match(calendar):
            raise ValueError("no calendar")
        written = Written(
            sender=box.mailbox,
            sender_name=box.owner,
            recipients=[recipient],
            subject=_SUBJECTS.get(letter.method, "Rendez-vous"),
            text="Un rendez-vous est joint à ce message.",
            sent_at=datetime.now(tz=UTC).replace(microsecond=0),
            message_id=f"{CALENDAR}{digest[:40]}@{box.mailbox.domain}>",
            software=self.config.software,
            attached=[Attached("invitation.ics", "text/calendar", calendar, letter.method)],
        )
        return Composed(written.message_id, written.sender, (recipient,), compose(written))


def _made(folder: Path, name: str) -> Path:
    made = folder / name
    made.mkdir(mode=0o700, parents=True, exist_ok=True)
    return made
