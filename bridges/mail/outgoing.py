"""Mail on its way out: kept before the first try, sent under one Message-ID, followed until its end.

Source: docs/spec/mail.md 15. A row is leased to one sender at a time; a lease that was never answered ends by itself,
and the mail goes again, the same bytes with the same Message-ID.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from bridges.mail.address import Address, read_address
from bridges.mail.fates import Fates
from bridges.mail.state import Row, State

Progress = Literal["queued", "sent", "delivered", "read", "failed"]
LEASE: Final = 300.0  # seconds that a sender may take for one mail
PAUSES: Final = (30.0, 120.0, 600.0, 1800.0, 3600.0)  # seconds before the next try; the last one again and again
GIVE_UP: Final = 5 * 86_400.0  # seconds after which a mail that nobody takes has failed (RFC 5321 4.5.4.1)
_RANK: Final[dict[str, int]] = {"queued": 0, "sent": 1, "delivered": 2, "read": 3, "failed": 3}
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS outgoing (id INTEGER PRIMARY KEY, box TEXT NOT NULL, message_id TEXT NOT NULL UNIQUE,
  sealed BLOB NOT NULL, sender TEXT NOT NULL, recipients TEXT NOT NULL, dsn INTEGER NOT NULL, conversation BLOB,
  message BLOB, state TEXT NOT NULL DEFAULT 'queued', attempts INTEGER NOT NULL DEFAULT 0, made REAL NOT NULL,
  next_at REAL NOT NULL, lease REAL NOT NULL DEFAULT 0, said BLOB, noted TEXT NOT NULL DEFAULT 'queued');
CREATE INDEX IF NOT EXISTS to_send ON outgoing (box, next_at) WHERE state = 'queued';
CREATE INDEX IF NOT EXISTS mails_of ON outgoing (message);
CREATE INDEX IF NOT EXISTS answers_to ON outgoing (recipients, made) WHERE sender = '';
CREATE TABLE IF NOT EXISTS outgoing_pdf (message_id TEXT PRIMARY KEY, box TEXT NOT NULL, outcome TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Composed:
    """A mail as it will travel. ``sender`` is also the envelope's; "" for reports, which nobody may answer."""

    message_id: str  # with its brackets
    sender: Address | None
    recipients: tuple[Address, ...]
    raw: bytes
    asks_dsn: bool = False  # NOTIFY=SUCCESS,FAILURE,DELAY where the server offers DSN (RFC 3461)
    envelope: str = ""  # ENVID: what a report about it gives back; hexadecimal, said to servers alone


@dataclass(frozen=True, slots=True)
class Leased:
    """A mail that the caller, and nobody else, may send now."""

    id: int
    mail: Composed
    attempts: int  # how often somebody began to send it before, also without an end


@dataclass(frozen=True, slots=True)
class Followed:
    """How far a mail of a conversation is."""

    id: int
    message_id: str
    box: str
    conversation: bytes
    message: bytes
    recipients: tuple[str, ...]
    state: Progress
    said: str  # what the other side said, as it came


class Outgoing:
    """The mails of all boxes that are to leave. Every write is durable when it returns."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251  the default clock
        self._state, self._clock = state, clock
        self.fates = Fates(state)
        state.declare(_SCHEMA)

    def add(
        self, box: str, mail: Composed, *, conversation: bytes = b"", message: bytes = b"", pdf_a: str = ""
    ) -> None:
        """Put a mail in the queue; one of the same Message-ID is there already and stays as it is.

        ``pdf_a``: what became of the PDF of its archive, for those who look after the bridge.
        """
        now = self._clock()
        row = (
            box,
            mail.message_id,
            self._state.seal(mail.raw),
            str(mail.sender or ""),
            "\n".join(map(str, mail.recipients)),
            mail.asks_dsn,
            conversation,
            message,
            now,
            now,
        )
        with self._state.together():
            self._state.run(
                "INSERT INTO outgoing (box, message_id, sealed, sender, recipients, dsn, conversation, message, made,"
                " next_at) VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT (message_id) DO NOTHING",
                row,
            )
            if pdf_a:
                self._state.run(
                    "INSERT INTO outgoing_pdf VALUES (?,?,?) ON CONFLICT (message_id) DO NOTHING",
                    (mail.message_id, box, pdf_a),
                )

    def knows(self, message_id: str) -> bool:
        """Whether a mail of this Message-ID is ours."""
        return self._state.one("SELECT 1 FROM outgoing WHERE message_id = ?", (message_id,)) is not None

    def is_of_a_machine(self, message_id: str) -> bool:
        """Whether a mail of this Message-ID is a report or refusal of ours, which nobody may answer."""
        query = "SELECT 1 FROM outgoing WHERE message_id = ? AND sender = ''"
        return self._state.one(query, (message_id,)) is not None

    def reports_to(self, recipient: str, seconds: float) -> int:
        """Count the reports and refusals that an address was sent lately."""
        query = "SELECT count(*) FROM outgoing WHERE sender = '' AND recipients = ? AND made > ?"
        row = self._state.one(query, (recipient, self._clock() - seconds))
        return int(row[0]) if row else 0

    def recipients(self, message_id: str) -> frozenset[str]:
        """Give whom a mail of ours went to, in lower case."""
        row = self._state.one("SELECT recipients FROM outgoing WHERE message_id = ?", (message_id,))
        return frozenset(row[0].lower().split("\n")) if row else frozenset()

    def conversation_of(self, message_id: str) -> bytes:
        """Give the conversation that a mail of ours is from; nothing for reports and answers of machines."""
        row = self._state.one("SELECT conversation FROM outgoing WHERE message_id = ?", (message_id,))
        return bytes(row[0] or b"") if row else b""

    def was_told_about(self, conversation: bytes, recipient: str) -> bool:
        """Whether a conversation has heard before how mails fare at a recipient."""
        query = """SELECT 1 FROM fates JOIN outgoing USING (message_id) WHERE outgoing.conversation = ?
          AND fates.recipient = ? AND fates.told != ''"""
        return self._state.one(query, (conversation, recipient)) is not None

    def due(self, box: str, limit: int = 20) -> list[Leased]:
        """Lease the mails of a box whose time has come, oldest first."""
        now = self._clock()
        query = """SELECT id, message_id, sealed, sender, recipients, dsn, attempts FROM outgoing WHERE box = ?
          AND state = 'queued' AND next_at <= ? AND lease <= ? ORDER BY id LIMIT ?"""
        with self._state.together():
            rows = self._state.all(query, (box, now, now, limit))
            for row in rows:
                lease = "UPDATE outgoing SET lease = ?, attempts = attempts + 1 WHERE id = ?"
                self._state.run(lease, (now + LEASE, row[0]))
            return [self._leased(row) for row in rows]

    def _leased(self, row: Row) -> Leased:
        number, message_id, sealed, sender, recipients, dsn, attempts = row
        mail = Composed(
            message_id,
            read_address(sender) if sender else None,
            tuple(map(read_address, recipients.split("\n"))),
            self._state.unseal(bytes(sealed)),
            bool(dsn),
            self.fates.envelope(message_id) if dsn else "",
        )
        return Leased(int(number), mail, int(attempts))

    def release(self, box: str) -> None:
        """End the leases of a sender that is no more: one process owns this file, and it has just begun."""
        self._state.run("UPDATE outgoing SET lease = 0 WHERE box = ? AND state = 'queued'", (box,))

    def sent(self, mail: int) -> None:
        """Write down that the next server has taken it; its bytes are not needed any more.

        After a try whose end is unknown, a report may have said more already.
        """
        state = "CASE state WHEN 'queued' THEN 'sent' ELSE state END"
        self._state.run(f"UPDATE outgoing SET state = {state}, lease = 0, sealed = x'' WHERE id = ?", (mail,))  # noqa: S608

    def failed(self, mail: int, *, permanent: bool, text: str) -> None:
        """Write down a refusal in its own words: for good, or until the next try; a report knows better."""
        row = self._state.one("SELECT attempts, made FROM outgoing WHERE id = ?", (mail,))
        attempts, made = row or (0, 0.0)
        now = self._clock()
        ends = permanent or now - made > GIVE_UP
        pause = PAUSES[min(max(attempts, 1), len(PAUSES)) - 1]
        self._state.run(
            "UPDATE outgoing SET state = ?, said = ?, lease = 0, next_at = ? WHERE id = ? AND state = 'queued'",
            ("failed" if ends else "queued", self._state.seal(text.encode()), now + pause, mail),
        )

    def report(self, message_id: str, progress: Progress, text: str) -> Followed | None:
        """Take a report about a mail of ours; a state never goes back. Nothing when we never sent such a mail."""
        found = self._find(message_id)
        if found is None:
            return None
        if _RANK[progress] > _RANK[found.state]:
            update = "UPDATE outgoing SET state = ?, said = ? WHERE id = ?"
            self._state.run(update, (progress, self._state.seal(text.encode()), found.id))
        return self._find(message_id)

    def _find(self, message_id: str) -> Followed | None:
        row = self._state.one(f"{_FOLLOWED} WHERE message_id = ?", (message_id,))
        return self._followed(row) if row else None

    def untold(self) -> list[Followed]:
        """Give the mails whose state the conversation has not been told yet."""
        rows = self._state.all(f"{_FOLLOWED} WHERE state != noted AND state != 'queued' ORDER BY id")
        return [self._followed(row) for row in rows]

    def told(self, mail: int, progress: Progress) -> None:
        """Remember that the conversation knows."""
        self._state.run("UPDATE outgoing SET noted = ? WHERE id = ?", (progress, mail))

    def counts(self, box: str) -> dict[str, int]:
        """Count the mails of a box by state."""
        query = "SELECT state, count(*) FROM outgoing WHERE box = ? GROUP BY state"
        return {str(state): int(count) for state, count in self._state.all(query, (box,))}

    def pdf_counts(self, box: str) -> dict[str, int]:
        """Count the PDFs of archives of a box by what became of them (``pdf_a.looks.Outcome``)."""
        query = "SELECT outcome, count(*) FROM outgoing_pdf WHERE box = ? GROUP BY outcome"
        return {str(outcome): int(count) for outcome, count in self._state.all(query, (box,))}

    def _followed(self, row: Row) -> Followed:
        number, message_id, box, conversation, message, recipients, state, said = row
        words = self._state.unseal(bytes(said)).decode() if said else ""
        return Followed(
            id=int(number),
            message_id=message_id,
            box=box,
            conversation=bytes(conversation or b""),
            message=bytes(message or b""),
            recipients=tuple(recipients.split("\n")),
            state=state,
            said=words,
        )


_FOLLOWED: Final = "SELECT id, message_id, box, conversation, message, recipients, state, said FROM outgoing"
