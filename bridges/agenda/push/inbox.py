"""What partners told, kept before it is acknowledged, and never taken twice. Source: docs/spec/agenda-partners.md 2.

One SQLite file of the practice. It holds times and opaque ids; of the partner's number of a patient it holds a digest
under a key of this file, so that two messages about one person can be matched and nobody can be looked up.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal

import msgspec

from bridges.agenda.provider import Appointment, Change, Changes, Mode, State
from bridges.agenda.push.arrival import EARLIEST, Arrival, Kind, concerns
from bridges.kit.local_file import ConstraintError, open_file, together

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS arrivals (position INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL,
  event TEXT, digest BLOB NOT NULL, token TEXT NOT NULL, news BLOB, received_at INTEGER NOT NULL,
  UNIQUE (source, event));
CREATE TABLE IF NOT EXISTS appointments (token TEXT PRIMARY KEY, source TEXT NOT NULL, state BLOB NOT NULL,
  digest BLOB NOT NULL, version INTEGER NOT NULL, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS troubles (source TEXT, reason TEXT, times INTEGER NOT NULL, last_at INTEGER NOT NULL,
  PRIMARY KEY (source, reason)) WITHOUT ROWID;
"""
PAGE: Final = 500  # changes given at once
STATES: Final[dict[Kind, State]] = {
    "booked": "booked",
    "moved": "booked",
    "cancelled": "cancelled",
    "fulfilled": "fulfilled",
    "noshow": "noshow",
}

Outcome = Literal["new", "again", "stale"]


class EventReusedError(Exception):
    """A partner gave the id of an earlier message to another one. Nothing was taken."""


class StaleVersionError(Exception):
    """The appointment is no longer in the version the partner expected. Nothing was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What is known of one appointment of a partner."""

    token: str  # opaque name: what the conversation knows it by
    version: int  # counts its changes, from 1
    arrival: Arrival  # the last word; ``person`` is a digest


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of an arrival."""

    outcome: Outcome
    known: Known


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something of a partner that could not be taken: for the practice to see."""

    source: str
    reason: str
    times: int
    last_at: datetime


class Inbox:
    """The arrivals of all partners of one practice. Each write is durable when it returns (``synchronous=FULL``)."""

    def __init__(self, path: Path) -> None:
        self._db = open_file(path, SCHEMA)
        self._key = self._fact("key", 32)
        self._name = self._fact("name", 6).hex()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def token(self, source: str, reference: str) -> str:
        """Give the opaque name of a partner's appointment."""
        return self._digest(b"token", source, reference)

    def person(self, source: str, number: str) -> str:
        """Give the digest that stands for a partner's number of a patient; empty for none."""
        return self._digest(b"person", source, number) if number else ""

    def take(self, arrival: Arrival, *, now: datetime, expected: int | None = None) -> Taken:
        """Keep an arrival, once.

        Args:
            arrival: what came.
            now: aware.
            expected: the version that the partner has last seen, where its protocol says it.

        Raises:
            EventReusedError, StaleVersionError: nothing was taken. FileError: nothing is known to be kept.

        """
        told = msgspec.structs.replace(arrival, person=self.person(arrival.source, arrival.person))
        digest = hashlib.sha256(msgspec.json.encode(told)).digest()
        token = self.token(arrival.source, arrival.reference)
        with together(self._db):
            known = self.get(token)
            if expected is not None and expected != (known.version if known else 0):
                raise StaleVersionError
            if known and self._is_repeated(told, digest, token):
                return Taken(outcome="again", known=known)
            stale = known is not None and _older(told, known.arrival)
            if known and not stale:
                told = _completed(told, known.arrival)
            position = self._record(told, digest, token, now, news=not stale)
            if known and stale:
                return Taken(outcome="stale", known=known)
            self._learn(Known(token=token, version=known.version + 1 if known else 1, arrival=told), digest, position)
        return Taken(outcome="new", known=self._require(token))

    def get(self, token: str) -> Known | None:
        """Give what is known of one appointment."""
        row = self._db.execute("SELECT version, state FROM appointments WHERE token = ?", (token,)).fetchone()
        return None if row is None else Known(token=token, version=row[0], arrival=_decode(row[1]))

    def booked(self, source: str, practitioner: str = "") -> list[tuple[datetime, datetime]]:
        """Give the times of one partner's appointments that stand, sorted; those of another practitioner left out."""
        rows = self._db.execute("SELECT state FROM appointments WHERE source = ?", (source,)).fetchall()
        told = [_decode(state) for (state,) in rows]
        kept = [each for each in told if STATES[each.kind] == "booked" and concerns(practitioner, each)]
        return sorted((each.start, each.end) for each in kept if each.start and each.end)

    def updated(self, source: str, since: datetime) -> list[tuple[Known, datetime]]:
        """Give one partner's appointments that changed at or after a moment, with when; the oldest change first."""
        rows = self._db.execute(
            "SELECT a.token, a.version, a.state, r.received_at FROM appointments a JOIN arrivals r USING (position)"
            " WHERE a.source = ? AND r.received_at >= ? ORDER BY r.received_at, a.position",
            (source, _seconds(since)),
        ).fetchall()
        return [
            (Known(token=token, version=version, arrival=_decode(state)), datetime.fromtimestamp(at, UTC))
            for token, version, state, at in rows
        ]

    def changes(self, source: str, cursor: str = "") -> Changes:
        """Give what arrived from one partner after a cursor; see ``Provider.changes``."""
        name, _, position = cursor.partition(".")
        if cursor and (name != self._name or not position.isdecimal()):
            return self._restart(source, restarted=True)
        if not cursor:
            return self._restart(source, restarted=False)
        rows = self._db.execute(
            "SELECT position, token, news FROM arrivals WHERE source = ? AND position > ? AND news IS NOT NULL"
            " ORDER BY position LIMIT ?",
            (source, int(position), PAGE),
        ).fetchall()
        return Changes(
            cursor=f"{self._name}.{rows[-1][0] if rows else position}",
            changes=[_change(self._require(token), _decode(news)) for _, token, news in rows],
        )

    def trouble(self, source: str, reason: str, now: datetime) -> None:
        """Count something that could not be taken; ``reason`` is a stable code."""
        self._db.execute(
            "INSERT INTO troubles VALUES (?, ?, 1, ?) ON CONFLICT DO UPDATE SET times = times + 1, last_at = ?",
            (source, reason, _seconds(now), _seconds(now)),
        )

    def troubles(self) -> Sequence[Trouble]:
        """Give what could not be taken, the latest first."""
        rows = self._db.execute("SELECT source, reason, times, last_at FROM troubles ORDER BY last_at DESC, source")
        return [
            Trouble(source=source, reason=reason, times=times, last_at=datetime.fromtimestamp(at, UTC))
            for source, reason, times, at in rows
        ]

    def forget(self, *, before: datetime) -> int:
        """Delete what is known of appointments that ended before a moment; gives how many.

        The ids of messages are kept until they are as old, so that none is taken again.
        """
        with together(self._db):
            gone = [(known.token,) for known in self._all() if _last_day(known.arrival) < before]
            self._db.executemany("DELETE FROM appointments WHERE token = ?", gone)
            self._db.executemany("UPDATE arrivals SET news = NULL WHERE token = ?", gone)
            self._db.execute("DELETE FROM arrivals WHERE news IS NULL AND received_at < ?", (_seconds(before),))
        return len(gone)

    # --- below: one row each --------------------------------------------------------------------------------------

    def _is_repeated(self, told: Arrival, digest: bytes, token: str) -> bool:
        if not told.event:
            row = self._db.execute("SELECT digest FROM appointments WHERE token = ?", (token,)).fetchone()
            return row is not None and bytes(row[0]) == digest
        row = self._db.execute(
            "SELECT digest FROM arrivals WHERE source = ? AND event = ?", (told.source, told.event)
        ).fetchone()
        if row is not None and bytes(row[0]) != digest:
            raise EventReusedError
        return row is not None

    def _record(self, told: Arrival, digest: bytes, token: str, now: datetime, *, news: bool) -> int:
        try:
            row = self._db.execute(
                "INSERT INTO arrivals (source, event, digest, token, news, received_at) VALUES (?, ?, ?, ?, ?, ?)",
                (
                    told.source,
                    told.event or None,
                    digest,
                    token,
                    msgspec.json.encode(told) if news else None,
                    _seconds(now),
                ),
            )
        except ConstraintError:
            raise EventReusedError from None
        return row.lastrowid or 0

    def _learn(self, known: Known, digest: bytes, position: int) -> None:
        told = known.arrival
        self._db.execute(
            "INSERT OR REPLACE INTO appointments VALUES (?, ?, ?, ?, ?, ?)",
            (known.token, told.source, msgspec.json.encode(told), digest, known.version, position),
        )

    def _restart(self, source: str, *, restarted: bool) -> Changes:
        (last,) = self._db.execute("SELECT coalesce(max(position), 0) FROM arrivals").fetchone()
        everything = [
            Change(reference=known.token, kind="seen", appointment=appointment_of(known))
            for known in self._all()
            if known.arrival.source == source
        ]
        return Changes(cursor=f"{self._name}.{last}", changes=everything, restarted=restarted)

    def _all(self) -> Iterator[Known]:
        rows = self._db.execute("SELECT token, version, state FROM appointments ORDER BY position").fetchall()
        return (Known(token=token, version=version, arrival=_decode(state)) for token, version, state in rows)

    def _require(self, token: str) -> Known:
        known = self.get(token)
        assert known is not None, "an arrival without its appointment"
        return known

    def _fact(self, name: str, size: int) -> bytes:
        self._db.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (name, secrets.token_bytes(size)))
        (value,) = self._db.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return bytes(value)

    def _digest(self, purpose: bytes, *parts: str) -> str:
        """Give 64 hexadecimal digits: also an id of FHIR, which base64url is not."""
        text = b"\0".join([purpose, *(part.encode() for part in parts)])
        return hmac.digest(self._key, text, "sha256").hex()


def appointment_of(known: Known) -> Appointment | None:
    """Give the appointment as the contract has it; None when no time of it is known."""
    told = known.arrival
    if told.start is None or told.end is None:
        return None
    return Appointment(
        reference=known.token,
        version=str(known.version),
        start=told.start.astimezone(UTC),
        end=told.end.astimezone(UTC),
        zone=told.zone,
        state=STATES[told.kind],
        mode=Mode(told.mode),
        link=told.link,
    )


def _change(known: Known, told: Arrival) -> Change:
    at_that_time = Known(token=known.token, version=known.version, arrival=told)
    by: Literal["practice", "unknown"] = "practice" if told.kind in {"fulfilled", "noshow"} else "unknown"
    return Change(reference=known.token, kind=told.kind, appointment=appointment_of(at_that_time), by=by)


def _older(told: Arrival, known: Arrival) -> bool:
    return told.said_at is not None and known.said_at is not None and told.said_at < known.said_at


def _completed(told: Arrival, known: Arrival) -> Arrival:
    """Keep the times of what ends without saying when it was; see a booking at another time for what it is."""
    if told.start is None:
        return msgspec.structs.replace(told, start=known.start, end=known.end, mode=known.mode)
    moved = told.kind == "booked" and known.kind in {"booked", "moved"} and told.start != known.start
    return msgspec.structs.replace(told, kind="moved") if moved else told


def _last_day(told: Arrival) -> datetime:
    return told.end or told.said_at or EARLIEST


def _decode(raw: bytes) -> Arrival:
    return msgspec.json.decode(raw, type=Arrival)


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


RETENTION: Final = timedelta(days=90)  # after its end, an appointment is forgotten here
