"""Mails that a server shows again under other numbers, recognised unfetched. Source: docs/spec/mail.md 12.

Three things can say that a mail is an old one: its bytes (``Inbox.keep``); its names with the moment when it arrived
(``kin``); its names with its size (``shape``), which alone proves nothing, so that it counts only for mails whose bytes
we never had. None of them is asked while the numbers of a mailbox go on as they should.
"""

import hashlib
from typing import Final

from bridges.mail.imap import Look
from bridges.mail.state import State

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS looks (mail INTEGER PRIMARY KEY, kin BLOB, shape BLOB) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS kin_of ON looks (kin);
CREATE INDEX IF NOT EXISTS shape_of ON looks (shape);
"""


class Recognising:
    """What servers said of mails when we first saw them, hashed."""

    def __init__(self, state: State) -> None:
        self._state = state
        state.declare(_SCHEMA)

    def remember(self, mail: int, look: Look) -> None:
        """Keep what a mail can be recognised by; one without Message-ID and Date by its bytes alone."""
        if look.names:
            row = (mail, _hash(look, f"at {look.arrived}"), _hash(look, f"of {look.size}"))
            self._state.run("INSERT OR REPLACE INTO looks VALUES (?, ?, ?)", row)

    def earlier(self, box: str, validity: int, look: Look) -> int | None:
        """Find the same mail under another UIDVALIDITY of this box."""
        if not look.names:
            return None
        query = """SELECT mails.id FROM looks JOIN mails ON mails.id = looks.mail WHERE looks.{} = ?
          AND mails.box = ? AND mails.validity != ? {} ORDER BY mails.id LIMIT 1"""
        same = self._state.one(query.format("kin", ""), (_hash(look, f"at {look.arrived}"), box, validity))
        if same is None:
            bare = query.format("shape", "AND mails.sealed = x''")
            same = self._state.one(bare, (_hash(look, f"of {look.size}"), box, validity))
        return int(same[0]) if same else None


def _hash(look: Look, more: str) -> bytes:
    return hashlib.sha256(look.names + b"\0" + more.encode()).digest()
