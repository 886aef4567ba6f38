"""Which version of a document is the last one. Source: docs/spec/mail.md 16.

A series is what one domain says about one patient in one box under one setId: nobody can end the series of another.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bridges.mail.address import read_address
from bridges.mail.cda import Document
from bridges.mail.state import State

_SCHEMA = """
CREATE TABLE IF NOT EXISTS series (series BLOB PRIMARY KEY, version INTEGER NOT NULL, document BLOB NOT NULL)
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS superseded (document BLOB PRIMARY KEY, successor BLOB NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class _Named:
    series: bytes  # nothing for a document without setId
    version: int
    document: bytes
    replaces: tuple[bytes, ...]


class Versions:
    """The newest version of each document that was taken; names stand under a keyed hash."""

    def __init__(self, state: State, hide: Callable[[str], bytes]) -> None:
        self._state, self._hide = state, hide
        state.declare(_SCHEMA)

    def are_current(self, *, box_name: str, patient: int, sender: str, cards: Sequence[Document]) -> bool:
        """Whether no document is an earlier version, or replaces one that was replaced already.

        The same document again is current; so is one whose number did not grow but that names the last one as replaced.
        """
        return all(self._is_current(self._named(box_name, patient, sender, card)) for card in cards)

    def _is_current(self, named: _Named) -> bool:
        for earlier in named.replaces:
            row = self._state.one("SELECT successor FROM superseded WHERE document = ?", (earlier,))
            if row and bytes(row[0]) != named.document:
                return False
        row = self._state.one("SELECT version, document FROM series WHERE series = ?", (named.series,))
        if row is None or bytes(row[1]) == named.document or bytes(row[1]) in named.replaces:
            return True
        return named.version >= int(row[0])

    def took(self, *, box_name: str, patient: int, sender: str, cards: Sequence[Document]) -> None:
        """Remember what was taken."""
        for card in cards:
            named = self._named(box_name, patient, sender, card)
            for earlier in named.replaces:
                self._state.run("INSERT OR IGNORE INTO superseded VALUES (?, ?)", (earlier, named.document))
            if named.series:
                row = (named.series, named.version, named.document)
                self._state.run("INSERT OR REPLACE INTO series VALUES (?, ?, ?)", row)

    def _named(self, box_name: str, patient: int, sender: str, card: Document) -> _Named:
        def hidden(name: str) -> bytes:
            return self._hide("\0".join((box_name, str(patient), read_address(sender).domain, name)))

        number = card.version
        return _Named(
            series=hidden(f"set {card.set_id}") if card.set_id else b"",
            version=int(number) if number.isascii() and number.isdigit() and len(number) < 10 else 0,
            document=hidden(card.id),
            replaces=tuple(hidden(each) for each in card.replaces if each),
        )
