"""The local copy of the directory: dated, durable, in a file that can be made again. Source: docs/spec/mail.md 22.

It holds public facts about professionals, and which of them this practice asked about; nothing about patients.
"""

import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Final

import msgspec

from bridges.mail.directory.entries import Entry, Known, Source, rpps
from bridges.mail.state import Row, State

FILE: Final = "directory.sqlite"
BATCH: Final = 5_000  # lines of an extract in one transaction: a running bridge waits no longer for its own
SHOWN: Final = 50  # results of a search
_API: Final = 0  # batch of what was asked one by one
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS listed (batch INTEGER, address TEXT, owner TEXT, place TEXT, kind TEXT NOT NULL,
  name TEXT NOT NULL, profession TEXT NOT NULL, active INTEGER NOT NULL, seen REAL NOT NULL, folded TEXT NOT NULL,
  PRIMARY KEY (batch, address, owner, place)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS listed_address ON listed (address);
CREATE INDEX IF NOT EXISTS listed_owner ON listed (owner);
CREATE TABLE IF NOT EXISTS batches (id INTEGER PRIMARY KEY, file TEXT NOT NULL, made REAL NOT NULL,
  imported REAL NOT NULL, current INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS asked (address TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS verified (address TEXT PRIMARY KEY, sealed BLOB NOT NULL, at REAL NOT NULL) WITHOUT ROWID;
"""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody at the practice or the operator looked up by hand."""

    entry: Entry
    at: float  # seconds since 1970
    by: str
    note: str = ""


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """The extract that counts now."""

    file: str
    made_at: float
    imported_at: float
    addresses: int


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What the copy holds."""

    asked: int  # addresses of the interface
    oldest: float | None  # seconds since 1970 of the oldest answer among them
    verified: int
    extract: Imported | None


class Book:
    """Every write is durable when it returns."""

    def __init__(self, state: State, clock: Callable[[], float] = time.time) -> None:  # noqa: TID251  the default clock
        self._state, self._clock = state, clock
        state.declare(_SCHEMA)

    # --- what the interface said --------------------------------------------------------------------------------------

    def learn(self, address: str, entries: Iterable[Entry]) -> None:
        """Keep the whole answer about one address: what it does not name any more is gone."""
        with self._state.together():
            self._state.run("DELETE FROM listed WHERE batch = ? AND address = ?", (_API, address))
            for entry in entries:
                self._put(_API, entry, self._clock())
            self._state.run("INSERT OR REPLACE INTO asked VALUES (?, ?)", (address, self._clock()))

    def learn_some(self, entries: Iterable[Entry]) -> None:
        """Keep what a search showed: nothing is known about who else has these addresses."""
        with self._state.together():
            for entry in entries:
                self._put(_API, entry, self._clock())

    def hide(self, addresses: Iterable[str]) -> None:
        """Forget addresses whose holders do not want to be listed, wherever they came from."""
        with self._state.together():
            for address in addresses:
                self._state.run("DELETE FROM listed WHERE address = ?", (address,))

    def asked_at(self, address: str) -> float | None:
        """Say when the interface last answered about an address, whatever it said."""
        row = self._state.one("SELECT at FROM asked WHERE address = ?", (address,))
        return float(row[0]) if row else None

    def due(self, before: float, limit: int) -> list[str]:
        """Give addresses of the interface that were last seen before a moment, oldest first."""
        query = "SELECT address, min(seen) FROM listed WHERE batch = ? AND seen < ? GROUP BY address ORDER BY 2 LIMIT ?"
        return [str(address) for address, _ in self._state.all(query, (_API, before, limit))]

    def forget(self, before: float) -> int:
        """Drop what was last seen before a moment: a copy that old counts for nothing."""
        with self._state.together():
            self._state.run("DELETE FROM asked WHERE at < ?", (before,))
            return self._state.run("DELETE FROM listed WHERE batch = ? AND seen < ?", (_API, before))

    # --- the extract --------------------------------------------------------------------------------------------------

    def take_extract(self, entries: Iterator[Entry], *, file: str, made_at: float) -> int:
        """Put an extract in the place of the earlier one, all or nothing; gives how many lines it has.

        Raises:
            whatever ``entries`` raises: the earlier extract stays.

        """
        batch = self._new_batch(file, made_at)
        count = 0
        try:
            while part := list(islice(entries, BATCH)):
                with self._state.together():
                    for entry in part:
                        self._put(batch, entry, made_at)
                count += len(part)
        except BaseException:
            self._drop_batches("id = ?", batch)
            raise
        with self._state.together():
            self._state.run("UPDATE batches SET current = (id = ?)", (batch,))
        self._drop_batches("id != ?", batch)
        return count

    def _new_batch(self, file: str, made_at: float) -> int:
        self._drop_batches("current = ?", 0)  # of an import that was cut short
        with self._state.together():
            (batch,) = self._state.one("SELECT coalesce(max(id), 0) + 1 FROM batches") or (1,)
            row = (batch, file, made_at, self._clock())
            self._state.run("INSERT INTO batches (id, file, made, imported) VALUES (?, ?, ?, ?)", row)
        return int(batch)

    def _drop_batches(self, where: str, value: int) -> None:
        """Delete in pieces, so that nobody waits long."""
        for (batch,) in self._state.all(f"SELECT id FROM batches WHERE {where}", (value,)):  # noqa: S608  our own words
            piece = (
                "DELETE FROM listed WHERE batch = ? AND address IN (SELECT address FROM listed WHERE batch = ? LIMIT ?)"
            )
            while self._state.run(piece, (batch, batch, BATCH)):
                pass
            self._state.run("DELETE FROM batches WHERE id = ?", (batch,))

    def extract(self) -> Imported | None:
        """Give the extract that counts."""
        query = """SELECT file, made, imported, (SELECT count(*) FROM listed WHERE batch = id) FROM batches
          WHERE current = 1"""
        row = self._state.one(query)
        if row is None:
            return None
        return Imported(file=row[0], made_at=float(row[1]), imported_at=float(row[2]), addresses=int(row[3]))

    # --- what people looked up ----------------------------------------------------------------------------------------

    def verify(self, made: Verified) -> None:
        """Keep what somebody vouches for; the newest word about an address counts."""
        sealed = self._state.seal(msgspec.json.encode(made))
        self._state.run("INSERT OR REPLACE INTO verified VALUES (?, ?, ?)", (made.entry.address, sealed, made.at))

    def unverify(self, address: str) -> bool:
        """Take such a word back; says whether there was one."""
        return bool(self._state.run("DELETE FROM verified WHERE address = ?", (address,)))

    def verified(self) -> list[Verified]:
        """List them, newest first."""
        rows = self._state.all("SELECT sealed FROM verified ORDER BY at DESC")
        return [msgspec.json.decode(self._state.unseal(bytes(sealed)), type=Verified) for (sealed,) in rows]

    # --- looking ------------------------------------------------------------------------------------------------------

    def find(self, address: str) -> list[Known]:
        """Give all that is known about an address."""
        found = [_known(row) for row in self._state.all(f"{_LISTED} AND address = ?", (address,))]
        vouched = [_vouched(each) for each in self._vouched(address)]
        return [*vouched, *found]

    def person(self, number: str) -> list[Known]:
        """Give all entries of one RPPS number."""
        return [_known(row) for row in self._state.all(f"{_LISTED} AND owner = ?", (number,))] if number else []

    def search(self, words: str) -> list[Known]:
        """Find by RPPS number, by a piece of an address (with an @), or by pieces of names, ``SHOWN`` at most."""
        if number := rpps(words):
            found = self.person(number)
        elif "@" in words:
            found = self._like("address", [words.lower()])
        else:
            found = self._like("folded", fold(words).split()[:6])
        shown = [each for each in found if each.entry.active][:SHOWN]
        vouched = [_vouched(each) for each in self.verified() if _matches(each.entry, words)]
        return [*vouched[:SHOWN], *shown]

    def _like(self, column: str, pieces: list[str]) -> list[Known]:
        if not pieces:
            return []
        where = " AND ".join(f"instr({column}, ?)" for _ in pieces)
        return [_known(row) for row in self._state.all(f"{_LISTED} AND {where} LIMIT 500", pieces)]

    def summary(self) -> Summary:
        """Count."""
        asked, oldest = self._state.one(
            "SELECT count(DISTINCT address), min(seen) FROM listed WHERE batch = ?", (_API,)
        ) or (0, None)
        (vouched,) = self._state.one("SELECT count(*) FROM verified") or (0,)
        return Summary(asked=int(asked), oldest=oldest, verified=int(vouched), extract=self.extract())

    def _vouched(self, address: str) -> list[Verified]:
        row = self._state.one("SELECT sealed FROM verified WHERE address = ?", (address,))
        return [msgspec.json.decode(self._state.unseal(bytes(row[0])), type=Verified)] if row else []

    def _put(self, batch: int, entry: Entry, seen: float) -> None:
        row = (
            batch,
            entry.address,
            entry.owner,
            entry.place,
            entry.kind,
            entry.name,
            entry.profession,
            entry.active,
            seen,
            fold(f"{entry.name} {entry.place}"),
        )
        self._state.run("INSERT OR REPLACE INTO listed VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


_LISTED: Final = """SELECT batch, address, owner, place, kind, name, profession, active, seen FROM listed
  WHERE (batch = 0 OR batch IN (SELECT id FROM batches WHERE current = 1))"""


def fold(text: str) -> str:
    """Give letters as they are compared: without accents and case."""
    bare = "".join(each for each in unicodedata.normalize("NFD", text) if not unicodedata.combining(each))
    return " ".join(bare.casefold().replace("-", " ").split())


def _matches(entry: Entry, words: str) -> bool:
    if "@" in words:
        return words.lower() in entry.address
    if number := rpps(words):
        return entry.owner == number
    return all(piece in fold(f"{entry.name} {entry.place}") for piece in fold(words).split())


def _known(row: Row) -> Known:
    batch, address, owner, place, kind, name, profession, active, seen = row
    source: Source = "api" if batch == _API else "extract"
    entry = Entry(
        address=address,
        kind=kind,
        owner=owner,
        name=name,
        place=place,
        profession=profession,
        active=bool(active),
    )
    return Known(entry=entry, source=source, seen_at=float(seen))


def _vouched(made: Verified) -> Known:
    return Known(entry=made.entry, source="verified", seen_at=made.at, by=made.by, note=made.note)
