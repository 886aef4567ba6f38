"""Invitations in mails (iMIP, RFC 6047), put down for the agenda bridge. Source: docs/spec/mail.md 20.

The two bridges share a folder and nothing else: they may run under two accounts, and one may be absent.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridges.kit.files import write_whole
from bridges.mail.inbox import Taken
from bridges.mail.judging import Verdict, Verdicts
from bridges.mail.reading import Mail, Reading

MAX_BYTES: Final = 1024 * 1024  # of one invitation; a larger one stays in its mail
_BEGIN: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,16}BEGIN:VCALENDAR\r?\n", re.IGNORECASE)
_METHOD: Final = re.compile(
    rb"^METHOD:(REQUEST|REPLY|CANCEL|COUNTER|DECLINECOUNTER|ADD|REFRESH|PUBLISH)\r?$", re.MULTILINE | re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Calendars:
    """Decides as ``inner`` does, and hands over the invitations of trusted mails before a mail is settled."""

    inner: Verdicts
    folder: Path
    trusts: Callable[[str], bool]  # an address of From

    async def decide(self, taken: Taken, reading: Reading) -> Verdict:
        """Decide about a mail. Raises as ``inner``; OSError when the folder is away: the mail is kept aside."""
        verdict = await self.inner.decide(taken, reading)
        mail = reading.mail
        if mail is not None and verdict.fate in {"accepted", "left"} and self.trusts(mail.sender):
            for octets in _invitations(reading):
                self._put(taken, mail, octets)
        return verdict

    def _put(self, taken: Taken, mail: Mail, octets: bytes) -> None:
        """Write the file, then the JSON that says it is whole; the same invitation again has the same name."""
        self.folder.mkdir(mode=0o770, parents=True, exist_ok=True)
        name = hashlib.sha256(mail.message_id.encode() + b"\0" + octets).hexdigest()[:32]
        method = _METHOD.search(octets)
        told = {
            "file": f"{name}.ics",
            "sha256": hashlib.sha256(octets).hexdigest(),
            "method": method[1].decode("ascii").upper() if method else None,
            "box": taken.source.box,
            "sender": mail.sender,
            "recipients": list(taken.source.recipients) or mail.recipients,
            "message_id": mail.message_id,
            "subject": mail.marks.subject,
        }
        write_whole(self.folder / f"{name}.ics", octets)
        write_whole(self.folder / f"{name}.json", json.dumps(told, ensure_ascii=False, indent=1).encode())


def _invitations(reading: Reading) -> Iterator[bytes]:
    """Give each calendar once: mail programs send the same one inline and as a file."""
    seen = set[bytes]()
    for part in reading.parts:
        octets = reading.bodies.get(part.path, b"")
        if len(octets) <= MAX_BYTES and octets not in seen and _BEGIN.match(octets):
            seen.add(octets)
            yield octets
