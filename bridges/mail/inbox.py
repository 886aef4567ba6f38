"""Mail that was taken: never lost, never twice. Contents are sealed. Source: docs/spec/mail.md 12."""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal

from bridges.kit.local_file import ConstraintError
from bridges.mail.imap import Look
from bridges.mail.recognising import Recognising
from bridges.mail.state import Row, State

Fate = Literal["taken", "accepted", "quarantined", "repeat", "refused", "left", "report", "own"]
"""``taken``: nobody has judged it. ``refused``: its sender is told. ``left``: not for us, it stays in the mailbox."""
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS mails (id INTEGER PRIMARY KEY, box TEXT NOT NULL, validity INTEGER NOT NULL,
  uid INTEGER NOT NULL, digest BLOB NOT NULL, envelope BLOB NOT NULL, sealed BLOB NOT NULL, state TEXT NOT NULL,
  reason TEXT, likeness BLOB, marked INTEGER NOT NULL DEFAULT 0, UNIQUE (box, validity, uid));
CREATE UNIQUE INDEX IF NOT EXISTS one_of_a_kind ON mails (box, likeness) WHERE state = 'accepted';
CREATE INDEX IF NOT EXISTS waiting ON mails (state) WHERE state = 'taken';
CREATE INDEX IF NOT EXISTS bytes_of ON mails (box, digest);
"""
_REPEATED: Final = "WHERE box = ? AND validity NOT IN (?, 0) AND state = 'repeat' AND sealed = x''"
_BEFORE: Final = "before"  # reason of mails that lay in a box when the bridge first saw it
_NO_VALIDITY: Final = 0  # of mail that did not come out of an IMAP box: its numbers are ours


@dataclass(frozen=True, slots=True)
class Source:
    """Where a mail came from. ``sender`` and ``recipients`` are those of the SMTP envelope, where there is one."""

    box: str  # name in the configuration
    validity: int = _NO_VALIDITY  # UIDVALIDITY of the IMAP folder
    uid: int = 0  # UID in it, from 1; 0: not from an IMAP box
    sender: str = ""
    recipients: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """A mail that is on the disk. ``new`` is false when the same bytes for the same recipients were there already."""

    id: int
    new: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """One mail with where it came from."""

    id: int
    source: Source
    raw: bytes


class Inbox:
    """The mails that were taken. Every write is durable when it returns."""

    def __init__(self, state: State) -> None:
        self._state = state
        state.declare(_SCHEMA)
        self._recognising = Recognising(state)

    def keep(self, raw: bytes, source: Source, look: Look | None = None) -> Kept:
        """Keep a mail as it came, before anybody looks into it; the same one again changes nothing.

        From an IMAP box it is the same when its number is; otherwise when bytes and recipients are. Bytes that we hold
        under another UIDVALIDITY are a ``repeat`` at once.
        """
        digest, envelope = _digest(raw, source), "\n".join((source.sender, *source.recipients)).encode()
        with self._state.together():
            if known := self._known(source, digest):
                return Kept(int(known[0]), new=False)
            if source.uid and self._is_held_elsewhere(source, digest):
                return Kept(
                    self._note(source.box, source.validity, look or Look(source.uid, 0, 0, b""), "repeat"), new=False
                )
            uid = source.uid or self._next_number(source.box)
            row = (source.box, source.validity, uid, digest, self._state.seal(envelope), self._state.seal(raw))
            insert = (
                "INSERT INTO mails (box, validity, uid, digest, envelope, sealed, state) VALUES (?,?,?,?,?,?,'taken')"
            )
            self._state.run(insert, row)
            number = self._newest()
            if look is not None:
                self._recognising.remember(number, look)
        return Kept(number, new=True)

    def _newest(self) -> int:
        (number,) = self._state.one("SELECT last_insert_rowid()") or (0,)
        return int(number)

    def _is_held_elsewhere(self, source: Source, digest: bytes) -> bool:
        query = "SELECT 1 FROM mails WHERE box = ? AND digest = ? AND validity NOT IN (?, 0)"
        return self._state.one(query, (source.box, digest, source.validity)) is not None

    def _known(self, source: Source, digest: bytes) -> Row | None:
        if source.uid:
            query = "SELECT id FROM mails WHERE box = ? AND validity = ? AND uid = ?"
            return self._state.one(query, (source.box, source.validity, source.uid))
        query = "SELECT id FROM mails WHERE box = ? AND validity = 0 AND digest = ?"
        return self._state.one(query, (source.box, digest))

    def _next_number(self, box: str) -> int:
        return self.last(box, _NO_VALIDITY) + 1

    def last(self, box: str, validity: int) -> int:
        """Give the highest UID that was taken; mails are taken in rising order, so none below it is missing."""
        query = "SELECT coalesce(max(uid), 0) FROM mails WHERE box = ? AND validity = ?"
        (found,) = self._state.one(query, (box, validity)) or (0,)
        return int(found)

    def note_too_large(self, box: str, validity: int, look: Look) -> None:
        """Keep in mind that a mail over the limit was seen; it stays on the server."""
        with self._state.together():
            self._note(box, validity, look, "quarantined", "too_large")

    def _note(self, box: str, validity: int, look: Look, state: Fate, reason: str | None = None) -> int:
        """Keep in mind a mail of which we hold no bytes. What lay there before the bridge is not marked either."""
        self._state.run(
            "INSERT INTO mails (box, validity, uid, digest, envelope, sealed, state, reason, marked) "
            "VALUES (?, ?, ?, x'', x'', x'', ?, ?, ?) ON CONFLICT (box, validity, uid) DO NOTHING",
            (box, validity, look.uid, state, reason, reason == _BEFORE),
        )
        number = self._newest()
        self._recognising.remember(number, look)
        return number

    # --- mailboxes that begin, and begin again --------------------------------------------------------------------

    def is_new(self, box: str) -> bool:
        """Whether nothing was ever taken from a box."""
        return self._state.one("SELECT 1 FROM mails WHERE box = ? LIMIT 1", (box,)) is None

    def begin(self, box: str, validity: int, looks: list[Look]) -> None:
        """Leave what lies in a mailbox: it came before the bridge. All of it or nothing is written down."""
        with self._state.together():
            for look in looks or [Look(0, 0, 0, b"")]:  # number 0: seen, and empty
                self._note(box, validity, look, "left", _BEFORE)

    def is_rebuilt(self, box: str, validity: int) -> bool:
        """Whether a box had other numbers before: what it shows may be old."""
        query = "SELECT 1 FROM mails WHERE box = ? AND validity NOT IN (?, 0) LIMIT 1"
        return self._state.one(query, (box, validity)) is not None

    def retire(self, box: str, validity: int) -> None:
        """Let the numbers of a box count no more, which began again under the same UIDVALIDITY."""
        query = "SELECT min(coalesce(min(validity), 0), 0) - 1 FROM mails WHERE box = ?"
        (retired,) = self._state.one(query, (box,)) or (-1,)
        self._state.run("UPDATE mails SET validity = ? WHERE box = ? AND validity = ?", (retired, box, validity))

    def recognise(self, box: str, validity: int, look: Look) -> bool:
        """Note a mail that a rebuilt box shows again; false for one that we have never seen."""
        with self._state.together():
            earlier = self._recognising.earlier(box, validity, look)
            if earlier is None:
                return False
            moved = "UPDATE mails SET validity = ?, uid = ? WHERE id = ? AND reason = ?"
            if self._state.run(moved, (validity, look.uid, earlier, _BEFORE)):
                self._recognising.remember(earlier, look)
            else:
                self._note(box, validity, look, "repeat")
        return True

    def forget_repeats(self, box: str, validity: int) -> None:
        """Forget what older numbers of a box repeated: a server may change them at every look."""
        looks = f"DELETE FROM looks WHERE mail IN (SELECT id FROM mails {_REPEATED})"  # noqa: S608  words of our own
        with self._state.together():
            self._state.run(looks, (box, validity))
            self._state.run(f"DELETE FROM mails {_REPEATED}", (box, validity))  # noqa: S608

    # --- judging --------------------------------------------------------------------------------------------------

    def next(self, box: str, after: int = 0) -> Taken | None:
        """Give the oldest mail that nobody has judged, behind the mail ``after``."""
        query = "SELECT id FROM mails WHERE state = 'taken' AND box = ? AND id > ? ORDER BY id LIMIT 1"
        row = self._state.one(query, (box, after))
        return self.show(int(row[0])) if row else None

    def show(self, mail: int) -> Taken | None:
        """Give one mail, whatever became of it; nothing when we hold no bytes of it."""
        query = "SELECT box, validity, uid, envelope, sealed FROM mails WHERE id = ? AND sealed != x''"
        row = self._state.one(query, (mail,))
        if row is None:
            return None
        sender, *recipients = self._state.unseal(bytes(row[3])).decode().split("\n")
        source = Source(str(row[0]), int(row[1]), int(row[2]), sender, tuple(recipients))
        return Taken(mail, source, self._state.unseal(bytes(row[4])))

    def is_repeat(self, box: str, *, message_id: str, digest: str) -> bool:
        """Whether a mail of the same Message-ID and the same bytes was accepted already."""
        query = "SELECT 1 FROM mails WHERE box = ? AND likeness = ? AND state = 'accepted'"
        return self._state.one(query, (box, likeness_of(message_id, digest))) is not None

    def settle(self, mail: int, reason: str | None, *, message_id: str, digest: str, fate: Fate | None = None) -> Fate:
        """Write down what became of a mail.

        A mail with the Message-ID and the bytes of an accepted one is a ``repeat``: boxes are rebuilt, and then all
        their mails come again under another UIDVALIDITY.
        """
        likeness = likeness_of(message_id, digest)
        chosen: Fate = fate or ("accepted" if reason is None else "quarantined")
        update = "UPDATE mails SET state = ?, reason = ?, likeness = ? WHERE id = ?"
        try:
            self._state.run(update, (chosen, reason, likeness, mail))
        except ConstraintError:
            chosen = "repeat"
            self._state.run(update, (chosen, None, likeness, mail))
        return chosen

    def replay(self, box: str, mail: int | None = None) -> int:
        """Let the mails kept aside that we hold be judged again, after a repair; gives how many."""
        again = "UPDATE mails SET state = 'taken' WHERE state = 'quarantined' AND sealed != x'' AND box = ?"
        if mail is None:
            return self._state.run(again, (box,))
        return self._state.run(f"{again} AND id = ?", (box, mail))

    def retry(self, reason: str) -> int:
        """Let the mails kept aside for one reason be judged again; gives how many."""
        update = "UPDATE mails SET state = 'taken' WHERE state = 'quarantined' AND reason = ? AND sealed != x''"
        return self._state.run(update, (reason,))

    def set_aside(self) -> list[tuple[int, str, int, str]]:
        """List the mails kept aside: id, box, UID, reason."""
        query = "SELECT id, box, uid, reason FROM mails WHERE state = 'quarantined' ORDER BY id"
        return [(int(number), str(box), int(uid), str(why)) for number, box, uid, why in self._state.all(query)]

    def unmarked(self, box: str, validity: int) -> list[int]:
        """Give the UIDs that are settled here but not marked on the server yet."""
        query = "SELECT uid FROM mails WHERE box = ? AND validity = ? AND marked = 0 AND state != 'taken' ORDER BY uid"
        return [int(row[0]) for row in self._state.all(query, (box, validity))]

    def mark(self, box: str, validity: int, uids: list[int]) -> None:
        """Remember that the server knows."""
        with self._state.together():
            for uid in uids:
                update = "UPDATE mails SET marked = 1 WHERE box = ? AND validity = ? AND uid = ?"
                self._state.run(update, (box, validity, uid))

    def counts(self, box: str) -> dict[str, int]:
        """Count the mails of a box by state, without those that lay there before."""
        query = "SELECT state, count(*) FROM mails WHERE box = ? AND reason IS NOT ? GROUP BY state"
        return {str(state): int(count) for state, count in self._state.all(query, (box, _BEFORE))}


def likeness_of(message_id: str, digest: str) -> bytes:
    """Give what makes two mails the same one: Message-ID and bytes (docs/spec/mail.md 4)."""
    return hashlib.sha256(f"{message_id}\0{digest}".encode()).digest()


def _digest(raw: bytes, source: Source) -> bytes:
    return hashlib.sha256("\0".join(sorted(source.recipients)).encode() + b"\0\0" + raw).digest()
