"""What other software says about a file in a JSON beside it. Source: docs/operate/folder.md."""

from datetime import datetime, timedelta
from typing import Final, Literal

import msgspec

from bridges.mail.patients import Person
from crypto.content import MAX_TEXT, Reply

MAX_FILES: Final = 20
MAX_SIDECAR: Final = 256 * 1024  # bytes
Kind = Literal["prescription", "report", "letter", "image", "other"]


class SidecarError(ValueError):
    """A sidecar that cannot be followed."""


class Sidecar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """To whom, and what. ``conversation``, ``account`` or ``patient`` says to whom, unless the document does."""

    conversation: str = ""
    account: str = ""  # of a patient; with ``patient`` it is remembered for the next time
    patient: Person | None = None
    invite: str = ""  # name on the invitation of a patient who is not known; without it such a patient is refused
    subject: str = ""
    text: str = ""
    reply: str = "open"  # "open", "none", or a day YYYY-MM-DD until which answers are taken
    document: Kind = "other"
    title: str = ""
    files: list[str] = []  # beside the sidecar; without them all of the same name

    @property
    def answers(self) -> Reply:
        """Whether the patient may answer; raises SidecarError."""
        if self.reply == "open":
            return "open"
        if self.reply == "none":
            return "none"
        try:
            day = datetime.strptime(self.reply, "%Y-%m-%d").astimezone() + timedelta(days=1)
        except ValueError:
            raise SidecarError("reply") from None
        return {"until": int(day.timestamp() * 1000)}


def read_sidecar(octets: bytes) -> Sidecar:
    """Read a sidecar; raises SidecarError for what is none, or says two things at once."""
    if len(octets) > MAX_SIDECAR:
        raise SidecarError("too large")
    try:
        read = msgspec.json.decode(octets, type=Sidecar)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SidecarError(str(error)[:200]) from None
    if read.conversation and (read.account or read.patient or read.invite):
        raise SidecarError("conversation beside account, patient or invite")
    if len(read.text.encode()) > MAX_TEXT or len(read.files) > MAX_FILES:
        raise SidecarError("too large")
    if any(not _is_beside(name) for name in read.files) or len(set(read.files)) != len(read.files):
        raise SidecarError("files: plain names, each once")
    _ = read.answers
    return read


def _is_beside(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not {"/", "\\", "\0"} & set(name) and name != ".."
