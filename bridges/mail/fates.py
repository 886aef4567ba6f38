"""What became of a mail at each of its recipients, and the names under which servers report it.

Source: docs/spec/mail.md 17. A mail may be delivered to one recipient and refused for another, in different reports.
"""

import secrets
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from bridges.mail.state import Row, State

Fate = Literal["relayed", "delivered", "failed"]
_RANK: Final[dict[str, int]] = {"relayed": 0, "delivered": 1, "failed": 2}
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS envelopes (message_id TEXT PRIMARY KEY, envelope TEXT NOT NULL UNIQUE) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fates (id INTEGER PRIMARY KEY, message_id TEXT NOT NULL, recipient TEXT NOT NULL,
  fate TEXT NOT NULL, said BLOB NOT NULL, told TEXT NOT NULL DEFAULT '', UNIQUE (message_id, recipient));
CREATE INDEX IF NOT EXISTS fates_to_tell ON fates (id) WHERE told != fate;
"""


@dataclass(frozen=True, slots=True)
class AtRecipient:
    """How far a mail is at one recipient."""

    id: int
    message_id: str
    recipient: str
    fate: Fate
    said: str  # a stable code, a line break, the words of the other side


class Fates:
    """Beside the queue of ``outgoing``; every write is durable when it returns."""

    def __init__(self, state: State, draw: Callable[[], str] = lambda: secrets.token_hex(16)) -> None:
        self._state, self._draw = state, draw
        state.declare(_SCHEMA)

    def envelope(self, message_id: str) -> str:
        """Give the ENVID of a mail (RFC 3461), drawn when it is first asked for.

        The servers on the way hear it and no reader of the mail does: a report that gives it back is from one of them.
        """
        add = "INSERT INTO envelopes VALUES (?, ?) ON CONFLICT (message_id) DO NOTHING"
        self._state.run(add, (message_id, self._draw()))
        row = self._state.one("SELECT envelope FROM envelopes WHERE message_id = ?", (message_id,))
        assert row is not None, "it was just written"
        return str(row[0])

    def of_envelope(self, envelope: str) -> str:
        """Give the Message-ID of the mail that left under an ENVID, or nothing."""
        row = self._state.one("SELECT message_id FROM envelopes WHERE envelope = ?", (envelope,)) if envelope else None
        return str(row[0]) if row else ""

    def note(self, message_id: str, recipient: str, fate: Fate, said: str) -> None:
        """Write down how far a mail is at one recipient; a fate never goes back."""
        query = "SELECT fate FROM fates WHERE message_id = ? AND recipient = ?"
        known = self._state.one(query, (message_id, recipient))
        if known is None or _RANK[fate] > _RANK[known[0]]:
            row = (message_id, recipient, fate, self._state.seal(said.encode()))
            self._state.run(
                "INSERT INTO fates (message_id, recipient, fate, said) VALUES (?,?,?,?)"
                " ON CONFLICT (message_id, recipient) DO UPDATE SET fate = excluded.fate, said = excluded.said",
                row,
            )

    def of(self, message_id: str) -> list[AtRecipient]:
        """Give what is known of a mail, in the order in which its recipients were first heard of."""
        return self._read("message_id = ?", (message_id,))

    def is_at_all(self, message_id: str, recipients: Iterable[str]) -> bool:
        """Whether a mail was delivered to every one of these recipients."""
        there = {each.recipient for each in self.of(message_id) if each.fate == "delivered"}
        return there >= set(recipients)

    def untold(self) -> list[AtRecipient]:
        """Give what the conversations have not been told in words yet; a delivery needs none."""
        return self._read("told != fate AND fate != 'delivered'", ())

    def told(self, fate: AtRecipient) -> None:
        """Remember that it was told, or needs no words."""
        self._state.run("UPDATE fates SET told = ? WHERE id = ?", (fate.fate, fate.id))

    def _read(self, where: str, values: tuple[str, ...]) -> list[AtRecipient]:
        query = f"SELECT id, message_id, recipient, fate, said FROM fates WHERE {where} ORDER BY id"  # noqa: S608  ours
        return [self._fate(row) for row in self._state.all(query, values)]

    def _fate(self, row: Row) -> AtRecipient:
        number, message_id, recipient, fate, said = row
        return AtRecipient(int(number), message_id, recipient, fate, self._state.unseal(bytes(said)).decode())
