"""What the automate must not forget of partners' appointments. Source: docs/spec/agenda-partners.md 12.

It lies in the file of the holds: times, opaque names and digests, no person and no motive. Every write is durable when
it returns.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec

from bridges.agenda.links.matching import Awaited
from bridges.agenda.push.arrival import EARLIEST, LATEST
from bridges.kit.local_file import open_file

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS standings (agenda TEXT, source TEXT, reference TEXT, value BLOB NOT NULL,
  PRIMARY KEY (agenda, source, reference)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS given_links (agenda TEXT, message TEXT, conversation TEXT NOT NULL,
  given_at INTEGER NOT NULL, until INTEGER NOT NULL, correlation TEXT NOT NULL,
  PRIMARY KEY (agenda, message)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS partner_people (agenda TEXT, source TEXT, person TEXT, conversation TEXT NOT NULL,
  PRIMARY KEY (agenda, source, person)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS questions (agenda TEXT, number INTEGER, value BLOB NOT NULL,
  PRIMARY KEY (agenda, number)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS invited (agenda TEXT, token TEXT, value BLOB NOT NULL,
  PRIMARY KEY (agenda, token)) WITHOUT ROWID;
"""
State = Literal["booked", "cancelled"]


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """The entry of our own agenda that stands for a partner's appointment."""

    reference: str
    version: str
    start: datetime
    end: datetime


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A partner's appointment as it stands here."""

    source: str
    reference: str  # the inbox's opaque name of it
    start: datetime
    end: datetime
    zone: str
    state: State = "booked"
    copy: Copy | None = None
    overlaps: bool = False  # its time was taken in our agenda when it was last to be copied
    tried: int = 0  # hour since 1970 in which that was seen
    attempt: int = 0  # counts times and tries: each is written under a key of its own
    is_ours: bool = False  # it is what a conversation booked, come back
    appointment: str = ""  # id of the message that began its card
    conversation: str = ""
    asked: bool = False  # the practice was asked whose it is
    said: str = ""  # what the practice was told last about it
    answered: str = ""  # what the partner was answered last


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """What a person of the practice was asked under a number."""

    kind: Literal["whose", "wish"]
    source: str = ""
    reference: str = ""  # of the standing, or the UID of the invitation
    candidates: list[str] = []  # conversations, in the order in which they were listed


class Invited(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that was sent by mail for an appointment of a conversation."""

    source: str
    conversation: str
    appointment: str
    wished: int = 0  # stamp of the wish that the practice was told of


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenLink:
    """A booking page that was given in a conversation."""

    message: str
    conversation: str
    given_at: datetime
    until: datetime
    correlation: str


class Table:
    """The partners' appointments of one agenda."""

    def __init__(self, path: Path, agenda: str) -> None:
        self._db = open_file(path, SCHEMA)
        self._agenda = agenda

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- standings --------------------------------------------------------------------------------------------------

    def get(self, source: str, reference: str) -> Standing | None:
        """Find one."""
        query = "SELECT value FROM standings WHERE agenda = ? AND source = ? AND reference = ?"
        row = self._db.execute(query, (self._agenda, source, reference)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Standing)

    def put(self, one: Standing) -> Standing:
        """Keep one as it is now, and give it back."""
        values = (self._agenda, one.source, one.reference, msgspec.json.encode(one))
        self._db.execute("INSERT OR REPLACE INTO standings VALUES (?, ?, ?, ?)", values)
        return one

    def standings(self) -> list[Standing]:
        """Give all."""
        rows = self._db.execute("SELECT value FROM standings WHERE agenda = ?", (self._agenda,)).fetchall()
        return [msgspec.json.decode(value, type=Standing) for (value,) in rows]

    def of_appointment(self, appointment: str) -> Standing | None:
        """Find the one that a card is about."""
        return next((each for each in self.standings() if each.appointment == appointment), None)

    def forget(self, before: datetime) -> None:
        """Delete what ended before a moment."""
        gone = [(self._agenda, each.source, each.reference) for each in self.standings() if each.end < before]
        self._db.executemany("DELETE FROM standings WHERE agenda = ? AND source = ? AND reference = ?", gone)
        at = int(before.timestamp())
        self._db.execute("DELETE FROM given_links WHERE agenda = ? AND until < ?", (self._agenda, at))

    # --- whose ------------------------------------------------------------------------------------------------------

    def give(self, link: GivenLink) -> None:
        """Keep that a booking page was given; once a message."""
        times = (int(link.given_at.timestamp()), int(link.until.timestamp()))
        values = (self._agenda, link.message, link.conversation, *times, link.correlation)
        self._db.execute("INSERT OR IGNORE INTO given_links VALUES (?, ?, ?, ?, ?, ?)", values)

    def awaited(self, source: str, person: str) -> Iterator[Awaited]:
        """Give who may have booked, with the conversation that is known to be this person's."""
        query = "SELECT conversation, given_at, until, correlation FROM given_links WHERE agenda = ? ORDER BY given_at"
        for conversation, given_at, until, correlation in self._db.execute(query, (self._agenda,)).fetchall():
            yield Awaited(
                reference=conversation, given_at=_moment(given_at), until=_moment(until), correlation=correlation
            )
        query = "SELECT conversation FROM partner_people WHERE agenda = ? AND source = ? AND person = ?"
        for (conversation,) in self._db.execute(query, (self._agenda, source, person)).fetchall():
            yield Awaited(reference=conversation, person=person, given_at=EARLIEST, until=LATEST)

    def know(self, source: str, person: str, conversation: str) -> None:
        """Learn whose conversation a partner's number of a patient means."""
        values = (self._agenda, source, person, conversation)
        self._db.execute("INSERT OR REPLACE INTO partner_people VALUES (?, ?, ?, ?)", values)

    def mistake(self, source: str, conversation: str) -> None:
        """Forget whose conversation that is: its patient says that it is another one."""
        query = "DELETE FROM partner_people WHERE agenda = ? AND source = ? AND conversation = ?"
        self._db.execute(query, (self._agenda, source, conversation))

    # --- questions and invitations ----------------------------------------------------------------------------------

    def ask(self, question: Question) -> int:
        """Keep a question; gives its number. The same question keeps its number."""
        for number, known in self.questions():
            if known == question:
                return number
        last = "SELECT coalesce(max(number), 0) FROM questions WHERE agenda = ?"
        (number,) = self._db.execute(last, (self._agenda,)).fetchone()
        values = (self._agenda, number + 1, msgspec.json.encode(question))
        self._db.execute("INSERT INTO questions VALUES (?, ?, ?)", values)
        return int(number) + 1

    def questions(self) -> Sequence[tuple[int, Question]]:
        """Give the newest questions."""
        query = "SELECT number, value FROM questions WHERE agenda = ? ORDER BY number DESC LIMIT 1000"
        rows = self._db.execute(query, (self._agenda,)).fetchall()
        return [(number, msgspec.json.decode(value, type=Question)) for number, value in rows]

    def question(self, number: int) -> Question | None:
        """Find a question."""
        return dict(self.questions()).get(number)

    def invited(self, token: str) -> Invited | None:
        """Find for which appointment an invitation was sent."""
        query = "SELECT value FROM invited WHERE agenda = ? AND token = ?"
        row = self._db.execute(query, (self._agenda, token)).fetchone()
        return None if row is None else msgspec.json.decode(row[0], type=Invited)

    def invite(self, token: str, invited: Invited) -> None:
        """Keep for which appointment an invitation is sent."""
        values = (self._agenda, token, msgspec.json.encode(invited))
        self._db.execute("INSERT OR REPLACE INTO invited VALUES (?, ?, ?)", values)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
