"""What the automate must not forget: which entry of the agenda belongs to which appointment.

It lies in the file of the holds: opaque names and times, no person and no motive. Every write is durable when it
returns. Source: docs/spec/appointments.md 6.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from bridges.agenda.provider import Appointment
from bridges.kit.local_file import open_file

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS visits (
  agenda TEXT NOT NULL,
  appointment TEXT NOT NULL,
  conversation TEXT NOT NULL,
  key TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('booking', 'booked', 'over')),
  reference TEXT NOT NULL,
  version TEXT NOT NULL,
  starts INTEGER NOT NULL,
  ends INTEGER NOT NULL,
  zone TEXT NOT NULL,
  PRIMARY KEY (agenda, appointment)
);
CREATE INDEX IF NOT EXISTS visits_by_reference ON visits (agenda, reference);
CREATE TABLE IF NOT EXISTS agent_facts (agenda TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (agenda, name));
"""
State = Literal["booking", "booked", "over"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """An appointment of a conversation as it stands in the agenda."""

    appointment: str
    """Id of the message that began it."""
    conversation: str
    key: str
    """Id of the act that was last written into the agenda, or is being written."""
    state: State
    entry: Appointment
    """Its reference is empty while the first booking is not certain."""


class Memory:
    """The visits of one agenda."""

    def __init__(self, path: Path, agenda: str) -> None:
        self._db = open_file(path, SCHEMA)
        self._agenda = agenda

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def keep(self, visit: Visit) -> None:
        """Remember a visit as it is now."""
        entry = visit.entry
        values = (visit.appointment, visit.conversation, visit.key, visit.state, entry.reference, entry.version)
        times = (int(entry.start.timestamp()), int(entry.end.timestamp()), entry.zone)
        query = "INSERT OR REPLACE INTO visits VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        self._db.execute(query, (self._agenda, *values, *times))

    def visit(self, appointment: str) -> Visit | None:
        """Find the visit of an appointment."""
        return self._one("appointment = ?", appointment)

    def visit_of(self, reference: str) -> Visit | None:
        """Find the visit that an entry of the agenda belongs to."""
        return self._one("reference = ?", reference)

    def visit_at(self, start: datetime, end: datetime) -> Visit | None:
        """Find the visit that stands at exactly a time."""
        where = "state = 'booked' AND starts = ? AND ends = ?"
        return self._one(where, int(start.timestamp()), int(end.timestamp()))

    def fact(self, name: str) -> str:
        """Read a named value, empty when there is none."""
        query = "SELECT value FROM agent_facts WHERE agenda = ? AND name = ?"
        row = self._db.execute(query, (self._agenda, name)).fetchone()
        return "" if row is None else str(row[0])

    def learn(self, name: str, value: str) -> None:
        """Keep a named value."""
        self._db.execute("INSERT OR REPLACE INTO agent_facts VALUES (?, ?, ?)", (self._agenda, name, value))

    def _one(self, where: str, *values: str | int) -> Visit | None:
        query = f"SELECT * FROM visits WHERE agenda = ? AND {where}"  # noqa: S608  one of three constants
        row = self._db.execute(query, (self._agenda, *values)).fetchone()
        if row is None:
            return None
        _, appointment, conversation, key, state, reference, version, starts, ends, zone = row
        start, end = datetime.fromtimestamp(starts, UTC), datetime.fromtimestamp(ends, UTC)
        entry = Appointment(reference=reference, version=version, start=start, end=end, zone=zone)
        return Visit(appointment=appointment, conversation=conversation, key=key, state=state, entry=entry)
