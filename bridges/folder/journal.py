"""What became of everything that lay in the drop folder. Source: docs/operate/folder.md."""

from dataclasses import dataclass
from typing import Final, Literal

from bridges.mail.state import Row, State

Fate = Literal["taken", "sent", "refused"]
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS items (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, state TEXT NOT NULL,
  conversation BLOB NOT NULL DEFAULT x'', message BLOB NOT NULL DEFAULT x'', seq INTEGER NOT NULL DEFAULT 0,
  read INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS items_of ON items (message);
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One letter. ``conversation`` and ``message`` are set once it is sent."""

    id: int
    state: Fate
    conversation: bytes
    message: bytes
    seq: int
    read: bool  # its receipt was written


class Journal:
    """Every write is durable when it returns."""

    def __init__(self, state: State) -> None:
        self._state = state
        state.declare(_SCHEMA)

    def take(self, digest: bytes) -> Item:
        """Give the item of these contents; a new one when they were never here."""
        self._state.run("INSERT OR IGNORE INTO items (digest, state) VALUES (?, 'taken')", (digest,))
        found = self._read(self._state.one(f"{_COLUMNS} WHERE digest = ?", (digest,)))
        assert found is not None, "just written"
        return found

    def get(self, item: int) -> Item:
        """Give an item that exists."""
        found = self._read(self._state.one(f"{_COLUMNS} WHERE id = ?", (item,)))
        assert found is not None, "taken"
        return found

    def sent(self, item: int, conversation: bytes, message: bytes, seq: int) -> None:
        """Write down where an item was said."""
        update = "UPDATE items SET state = 'sent', conversation = ?, message = ?, seq = ? WHERE id = ?"
        self._state.run(update, (conversation, message, seq, item))

    def refused(self, item: int) -> None:
        """Write down that an item was refused; dropped again, it is tried again."""
        self._state.run("UPDATE items SET state = 'refused' WHERE id = ?", (item,))

    def of_message(self, message: bytes) -> Item | None:
        """Find the item that a message is."""
        return self._read(self._state.one(f"{_COLUMNS} WHERE message = ?", (message,)))

    def was_read(self, item: int) -> None:
        """Write down that the receipt of an item lies in its folder."""
        self._state.run("UPDATE items SET read = 1 WHERE id = ?", (item,))

    def counts(self) -> dict[str, int]:
        """Count the items by state."""
        rows = self._state.all("SELECT state, count(*) FROM items GROUP BY state")
        return {str(state): int(count) for state, count in rows}

    def _read(self, row: Row | None) -> Item | None:
        if row is None:
            return None
        number, state, conversation, message, seq, read = row
        return Item(int(number), state, bytes(conversation), bytes(message), int(seq), bool(read))


_COLUMNS: Final = "SELECT id, state, conversation, message, seq, read FROM items"
