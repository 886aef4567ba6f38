"""Who holds which time: rows under constraints that the database itself keeps. Source: docs/spec/agenda.md 5.

Two live rows of one agenda can never overlap, nor two of one person, whatever program writes them: triggers refuse it
inside the transaction that would do it, and SQLite lets one writer in at a time.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from bridges.agenda.hold_table import LIVE, SCHEMA
from bridges.agenda.provider import (
    Hold,
    HoldExpiredError,
    Mode,
    Slot,
    SlotGoneError,
    TooManyHoldsError,
)
from bridges.kit.local_file import ConstraintError, open_file, together

State = Literal["held", "pending", "booked", "outside", "released", "expired", "cancelled"]
STANDS: Final[tuple[State, ...]] = ("booked", "outside")  # in the agenda
MOST: Final = 2  # live holds of one person in all agendas of this file, bookings not counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One hold as it is remembered."""

    hold: Hold
    state: State
    key: str
    appointment: str  # reference of the appointment; while pending, of the one that comes here from another time
    version: str  # of the appointment as we last wrote it


class Holds:
    """The holds of one agenda, in a file that several agendas of a practice may share."""

    def __init__(self, path: Path, agenda: str, now: Callable[[], datetime], *, most: int = MOST) -> None:
        self._db = open_file(path, SCHEMA)
        self._agenda, self._now, self._most = agenda, now, most

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def take(self, slot: Slot, *, holder: str, until: datetime, key: str) -> Hold:
        """Keep a slot for a person; the same key gives the same hold.

        Raises:
            SlotGoneError: it overlaps a live hold of this agenda, or one of this person. TooManyHoldsError.
            HoldExpiredError: the hold of this key is over.

        """
        with self._together():
            self._expire()
            if known := self.of_key(key):
                if known.state in {"released", "expired", "cancelled"}:
                    raise HoldExpiredError
                return known.hold
            if self._count(holder) >= self._most:
                raise TooManyHoldsError
            hold = Hold(reference=secrets.token_hex(16), slot=slot, holder=holder, until=until)
            self._insert(hold, key)
        return hold

    def begin(self, hold: Hold, *, moves: str = "") -> Row:
        """Say that a booking begins: from here on the time is kept until ``settle``.

        ``moves`` names the appointment that comes here from another time. Raises HoldExpiredError.
        """
        with self._together():
            self._expire()
            row = self.find(hold.reference)
            if row is None or row.state not in {"held", "pending", *STANDS}:
                raise HoldExpiredError
            if row.state == "held":
                self._set(hold.reference, "pending", moves, "")
        return row

    def settle(self, hold: Hold, state: State, appointment: str = "", version: str = "") -> None:
        """Say how it ended. Raises SlotGoneError when a live state is asked for a time that is taken meanwhile."""
        with self._together():
            self._set(hold.reference, state, appointment, version)

    def replace(self, old: str, new: Hold, appointment: str, version: str) -> None:
        """Book a hold for an appointment that leaves its old one, together."""
        with self._together():
            self._db.execute("UPDATE holds SET state = 'cancelled' WHERE reference = ?", (old,))
            self._set(new.reference, "booked", appointment, version)

    def follow(self, reference: str, start: datetime, end: datetime, version: str) -> None:
        """Take over the time that the practice gave an appointment in its own program.

        Where that time is taken by another row the practice has decided so; the agenda itself shows it as busy.
        """
        query = "UPDATE holds SET state = ?, starts = ?, ends = ?, version = ? WHERE reference = ?"
        try:
            self._db.execute(query, ("booked", _seconds(start), _seconds(end), version, reference))
        except ConstraintError:
            self._db.execute(query, ("outside", _seconds(start), _seconds(end), version, reference))

    def release(self, hold: Hold) -> None:
        """Give a time back that was only held."""
        with self._together():
            self._db.execute(
                "UPDATE holds SET state = 'released' WHERE reference = ? AND state = 'held'", (hold.reference,)
            )

    def find(self, reference: str) -> Row | None:
        """Find a hold."""
        return self._one("reference = ?", (reference,))

    def of_appointment(self, appointment: str) -> Row | None:
        """Find the newest hold that became an appointment."""
        where = "agenda = ? AND appointment = ? AND state <> 'pending' ORDER BY rowid DESC"
        return self._one(where, (self._agenda, appointment))

    def live(self, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
        """Give the times of this agenda that are kept, sorted and apart."""
        query = (
            f"SELECT starts, ends FROM holds WHERE agenda = ? AND state IN {LIVE} AND (state <> 'held' OR until > ?)"  # noqa: S608
        )
        rows = self._db.execute(
            f"{query} AND ends > ? AND starts < ? ORDER BY starts",
            (self._agenda, _seconds(self._now()), _seconds(start), _seconds(end)),
        )
        return [(_moment(begun), _moment(ended)) for begun, ended in rows]

    def pending(self) -> list[Row]:
        """Give the bookings whose outcome is not known."""
        rows = self._db.execute("SELECT * FROM holds WHERE agenda = ? AND state = 'pending'", (self._agenda,))
        return [_row(each) for each in rows]

    def booked(self, after: datetime) -> list[Row]:
        """Give the appointments that begin after a moment."""
        query = "SELECT * FROM holds WHERE agenda = ? AND state IN ('booked', 'outside') AND starts > ? ORDER BY starts"
        return [_row(each) for each in self._db.execute(query, (self._agenda, _seconds(after)))]

    def forget(self, before: datetime) -> int:
        """Delete what ended before a moment; gives how many rows that were."""
        done = self._db.execute(
            "DELETE FROM holds WHERE agenda = ? AND ends < ? AND state <> 'pending'", (self._agenda, _seconds(before))
        )
        return int(done.rowcount)

    @contextmanager
    def _together(self) -> Iterator[None]:
        try:
            with together(self._db):
                yield
        except ConstraintError as error:
            raise SlotGoneError(str(error)) from None

    def _expire(self) -> None:
        self._db.execute(
            "UPDATE holds SET state = 'expired' WHERE state = 'held' AND until <= ?", (_seconds(self._now()),)
        )

    def _count(self, holder: str) -> int:
        query = "SELECT count(*) FROM holds WHERE holder = ? AND state IN ('held', 'pending')"
        return int(self._db.execute(query, (holder,)).fetchone()[0])

    def _insert(self, hold: Hold, key: str) -> None:
        slot = hold.slot
        values = (
            *(hold.reference, self._agenda, hold.holder, key, slot.reference),
            *(_seconds(slot.start), _seconds(slot.end), slot.zone, str(slot.mode), slot.motive),
            *(_seconds(hold.until), "held", "", ""),
        )
        self._db.execute(f"INSERT INTO holds VALUES ({', '.join('?' * len(values))})", values)  # noqa: S608

    def _set(self, reference: str, state: State, appointment: str, version: str) -> None:
        query = "UPDATE holds SET state = ?, appointment = ?, version = ? WHERE reference = ?"
        self._db.execute(query, (state, appointment, version, reference))

    def of_key(self, key: str) -> Row | None:
        """Find the hold that a key made."""
        return self._one("agenda = ? AND key = ?", (self._agenda, key))

    def _one(self, where: str, values: tuple[str, ...]) -> Row | None:
        row = self._db.execute(f"SELECT * FROM holds WHERE {where} LIMIT 1", values).fetchone()  # noqa: S608
        return None if row is None else _row(row)


def _row(row: tuple[str, ...]) -> Row:
    reference, _, holder, key, slot, starts, ends, zone, mode, motive, until, state, appointment, version = row
    kept = Slot(start=_moment(starts), end=_moment(ends), zone=zone, reference=slot, mode=Mode(mode), motive=motive)
    hold = Hold(reference=reference, slot=kept, holder=holder, until=_moment(until))
    return Row(hold=hold, state=state, key=key, appointment=appointment, version=version)  # type: ignore[arg-type]  # CHECK keeps it


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def _moment(seconds: object) -> datetime:
    return datetime.fromtimestamp(float(str(seconds)), UTC)
