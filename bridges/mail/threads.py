"""Which mails belong to which conversation, and how far each conversation was carried. Source: docs/spec/mail.md 14."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Final

import msgspec

from bridges.mail.state import Row, State

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS threads (conversation BLOB PRIMARY KEY, box TEXT NOT NULL, patient INTEGER NOT NULL,
  correspondent BLOB NOT NULL, sealed BLOB NOT NULL, carried INTEGER NOT NULL,
  created INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS threads_of ON threads (box, patient, correspondent);
CREATE TABLE IF NOT EXISTS letters (mail_id BLOB NOT NULL, conversation BLOB NOT NULL, message BLOB NOT NULL,
  seq INTEGER NOT NULL, sealed BLOB NOT NULL, owed INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (mail_id, conversation))
  WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS letters_of ON letters (conversation, seq);
CREATE TABLE IF NOT EXISTS documents (document BLOB, conversation BLOB, message BLOB NOT NULL,
  PRIMARY KEY (document, conversation)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS made (message BLOB PRIMARY KEY, sealed BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS begun (mail INTEGER, conversation BLOB, seq INTEGER NOT NULL,
  PRIMARY KEY (mail, conversation)) WITHOUT ROWID;
"""


class Writer(msgspec.Struct, frozen=True):
    """Somebody at a mailbox who is in a conversation. ``answers`` go to the Reply-To when there is one."""

    address: str  # of From
    name: str
    answers: str


class Thread(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that this bridge carries."""

    conversation: bytes
    box: str
    patient: int
    subject: str
    writers: list[Writer]
    carried: int  # the last seq that has been turned into mail


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """A mail and the message it is."""

    conversation: bytes
    message: bytes
    seq: int
    mail_id: str
    came: bool  # from a mailbox; else it went there
    asks_receipt: str = ""  # the address that wants to know when it was read
    subject: str = ""


class MadeDocument(msgspec.Struct, frozen=True):
    """The CDA document that a message of ours left as."""

    id: str
    set_id: str
    version: int


class _About(msgspec.Struct, frozen=True):
    subject: str
    writers: list[Writer]


class Threads:
    """The conversations of all boxes. Ids, addresses and subjects stand hashed or sealed."""

    def __init__(self, state: State, hide: Callable[[str], bytes]) -> None:
        self._state, self._hide = state, hide
        state.declare(_SCHEMA)

    def together(self) -> AbstractContextManager[None]:
        """Make several writes all or none."""
        return self._state.together()

    # --- conversations --------------------------------------------------------------------------------------------

    def add(self, thread: Thread) -> None:
        """Keep a conversation, or who writes in it now."""
        about = self._state.seal(msgspec.json.encode(_About(thread.subject, thread.writers)))
        first = thread.writers[0].address if thread.writers else ""
        row = (
            thread.conversation,
            thread.box,
            thread.patient,
            self._hide(first),
            about,
            thread.carried,
        )
        (newest,) = self._state.one("SELECT coalesce(max(created), 0) + 1 FROM threads") or (1,)
        self._state.run(
            "INSERT INTO threads (conversation, box, patient, correspondent, sealed, carried, created) "
            "VALUES (?,?,?,?,?,?,?) ON CONFLICT (conversation) DO UPDATE SET sealed = excluded.sealed",
            (*row, newest),
        )

    def get(self, conversation: bytes) -> Thread | None:
        """Find a conversation."""
        return self._thread(self._state.one(f"{_COLUMNS} WHERE conversation = ?", (conversation,)))

    def all(self) -> list[Thread]:
        """List them."""
        return [thread for row in self._state.all(f"{_COLUMNS} ORDER BY created") if (thread := self._thread(row))]

    def carried(self) -> list[tuple[bytes, int]]:
        """Give each conversation with the last seq that has been turned into mail."""
        rows = self._state.all("SELECT conversation, carried FROM threads ORDER BY created")
        return [(bytes(conversation), int(seq)) for conversation, seq in rows]

    def of(self, box: str, patient: int, sender: str, subject: str | None) -> list[Thread]:
        """Give the conversations of a sender about a patient, newest first; of one subject, or of any."""
        query = f"{_COLUMNS} WHERE box = ? AND patient = ? AND correspondent = ? ORDER BY created DESC"
        rows = self._state.all(query, (box, patient, self._hide(sender)))
        found = [thread for row in rows if (thread := self._thread(row))]
        return [each for each in found if subject is None or bare(each.subject) == bare(subject)]

    def began(self, box: str, sender: str) -> bool:
        """Whether a conversation of a box began with a mail of this address."""
        query = "SELECT 1 FROM threads WHERE box = ? AND correspondent = ? LIMIT 1"
        return self._state.one(query, (box, self._hide(sender))) is not None

    def carry(self, conversation: bytes, seq: int) -> None:
        """Remember up to where a conversation has been turned into mail."""
        self._state.run("UPDATE threads SET carried = max(carried, ?) WHERE conversation = ?", (seq, conversation))

    def _thread(self, row: Row | None) -> Thread | None:
        if row is None:
            return None
        conversation, box, patient, sealed, carried = row
        about = msgspec.json.decode(self._state.unseal(bytes(sealed)), type=_About)
        return Thread(
            conversation=bytes(conversation),
            box=box,
            patient=int(patient),
            subject=about.subject,
            writers=about.writers,
            carried=int(carried),
        )

    # --- letters --------------------------------------------------------------------------------------------------

    def note(self, letter: Letter, documents: Sequence[str] = ()) -> None:
        """Remember which message a mail is, and which documents came with it."""
        row = (
            self._hide(letter.mail_id),
            letter.conversation,
            letter.message,
            letter.seq,
            self._state.seal(msgspec.json.encode((letter.mail_id, letter.came, letter.asks_receipt, letter.subject))),
            bool(letter.asks_receipt),
        )
        self._state.run("INSERT OR IGNORE INTO letters VALUES (?, ?, ?, ?, ?, ?)", row)
        for document in documents:
            known = (self._hide(document), letter.conversation, letter.message)
            self._state.run("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", known)

    def find(self, mail_id: str) -> list[Letter]:
        """Find the messages of a Message-ID, one a conversation at most."""
        rows = self._state.all(f"{_LETTERS} WHERE mail_id = ?", (self._hide(mail_id),))
        return [self._letter(row) for row in rows]

    def letters(self, conversation: bytes, limit: int = 20) -> list[Letter]:
        """Give the last mails of a conversation, oldest first."""
        query = f"{_LETTERS} WHERE conversation = ? ORDER BY seq DESC LIMIT ?"
        return [self._letter(row) for row in reversed(self._state.all(query, (conversation, limit)))]

    def owed(self, conversation: bytes, upto: int) -> list[Letter]:
        """Give the mails whose sender wants to know that they were read, and has not been told."""
        query = f"{_LETTERS} WHERE conversation = ? AND owed = 1 AND seq <= ? ORDER BY seq"
        return [self._letter(row) for row in self._state.all(query, (conversation, upto))]

    def acquit(self, letter: Letter) -> None:
        """Remember that the sender was told."""
        update = "UPDATE letters SET owed = 0 WHERE mail_id = ? AND conversation = ?"
        self._state.run(update, (self._hide(letter.mail_id), letter.conversation))

    def message_of(self, document: str, conversation: bytes) -> bytes:
        """Give the message that brought a document, or nothing."""
        query = "SELECT message FROM documents WHERE document = ? AND conversation = ?"
        row = self._state.one(query, (self._hide(document), conversation))
        return bytes(row[0]) if row else b""

    def note_made(self, message: bytes, document: MadeDocument) -> None:
        """Remember which document a message left as."""
        self._state.run("INSERT OR REPLACE INTO made VALUES (?, ?)", (message, self._sealed(document)))

    def made(self, message: bytes) -> MadeDocument | None:
        """Give the document that a message left as."""
        row = self._state.one("SELECT sealed FROM made WHERE message = ?", (message,))
        return msgspec.json.decode(self._state.unseal(bytes(row[0])), type=MadeDocument) if row else None

    def _sealed(self, value: msgspec.Struct) -> bytes:
        return self._state.seal(msgspec.json.encode(value))

    def _letter(self, row: Row) -> Letter:
        conversation, message, seq, sealed = row
        mail_id, came, asks, subject = msgspec.json.decode(
            self._state.unseal(bytes(sealed)), type=tuple[str, bool, str, str]
        )
        return Letter(
            conversation=bytes(conversation),
            message=bytes(message),
            seq=int(seq),
            mail_id=mail_id,
            came=came,
            asks_receipt=asks,
            subject=subject,
        )

    # --- a mail on its way into a conversation ----------------------------------------------------------------------

    def begin(self, mail: int, conversation: bytes, seq: int) -> None:
        """Remember that a mail is about to be said in a conversation whose log ends at ``seq``.

        An empty ``conversation``: about to begin one. Numbers below 0 are for what no mail said (``voice``).
        """
        self._state.run("INSERT OR IGNORE INTO begun VALUES (?, ?, ?)", (mail, conversation, seq))

    def begun(self, mail: int, conversation: bytes) -> int | None:
        """Say after which seq an earlier try, that was cut short, was about to put a mail."""
        row = self._state.one("SELECT seq FROM begun WHERE mail = ? AND conversation = ?", (mail, conversation))
        return int(row[0]) if row else None

    def done(self, mail: int) -> None:
        """Forget the try."""
        self._state.run("DELETE FROM begun WHERE mail = ?", (mail,))


_COLUMNS: Final = "SELECT conversation, box, patient, sealed, carried FROM threads"
_LETTERS: Final = "SELECT conversation, message, seq, sealed FROM letters"
_ANSWERS: Final = ("re:", "tr:", "fw:", "fwd:", "rép:", "rep:")


def bare(subject: str) -> str:
    """Give a subject without the marks of answers, to compare."""
    text = " ".join(subject.split()).casefold().replace("[annule et remplace]", "").strip()
    while text.startswith(_ANSWERS):
        text = text.partition(":")[2].strip()
    return text
