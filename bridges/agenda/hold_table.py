"""The table of holds and what it refuses. Source: docs/spec/agenda.md 5."""

from typing import Final

# held: until ``until``. pending: being written into the agenda, or unknown whether it was; keeps its time for as long
# as that lasts. booked: in the agenda. outside: in the agenda too, at a time where the practice itself has put it over
# another one. The other states are over.
LIVE: Final = "('held', 'pending', 'booked')"

_TABLE: Final = """
CREATE TABLE IF NOT EXISTS holds (
  reference TEXT PRIMARY KEY,
  agenda TEXT NOT NULL,
  holder TEXT NOT NULL,
  key TEXT NOT NULL,
  slot TEXT NOT NULL,
  starts INTEGER NOT NULL,
  ends INTEGER NOT NULL CHECK (ends > starts),
  zone TEXT NOT NULL,
  mode TEXT NOT NULL,
  motive TEXT NOT NULL,
  until INTEGER NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('held', 'pending', 'booked', 'outside', 'released', 'expired', 'cancelled')),
  appointment TEXT NOT NULL,
  version TEXT NOT NULL,
  UNIQUE (agenda, key)
);
CREATE INDEX IF NOT EXISTS live_by_agenda ON holds (agenda, ends) WHERE state IN LIVE;
CREATE INDEX IF NOT EXISTS live_by_holder ON holds (holder, ends) WHERE state IN LIVE;
CREATE INDEX IF NOT EXISTS by_appointment ON holds (agenda, appointment);
"""
_ONCE: Final = """
CREATE TRIGGER IF NOT EXISTS COLUMN_once_EVENT BEFORE EVENT ON holds WHEN NEW.state IN LIVE AND EXISTS (
  SELECT 1 FROM holds WHERE COLUMN = NEW.COLUMN AND reference <> NEW.reference AND state IN LIVE
  AND ends > NEW.starts AND starts < NEW.ends)
BEGIN SELECT RAISE(ABORT, 'COLUMN_taken'); END;
"""
_TRIGGERS: Final = [
    _ONCE.replace("COLUMN", column).replace("EVENT", event)
    for column in ("agenda", "holder")
    for event in ("INSERT", "UPDATE")
]
SCHEMA: Final = "".join([_TABLE, *_TRIGGERS]).replace("LIVE", LIVE)
