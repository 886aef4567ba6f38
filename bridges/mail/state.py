"""What a running mail bridge remembers: one SQLite file, contents sealed. Source: docs/spec/mail.md 12."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from bridges.kit.local_file import open_file

FILE: Final = "mail.sqlite"
Row: TypeAlias = tuple[Any, ...]


class State:
    """Every write is durable when it returns. ``seal`` and ``unseal`` keep contents unreadable to others."""

    def __init__(self, path: Path, *, seal: Callable[[bytes], bytes], unseal: Callable[[bytes], bytes]) -> None:
        self._db = open_file(path)
        self.seal, self.unseal = seal, unseal
        self._depth = 0

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def declare(self, schema: str) -> None:
        """Make the tables of one noun, where they are missing."""
        self._db.executescript(schema)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make several writes all or none; inside another ``together`` they belong to that one."""
        if self._depth == 0:
            self._db.execute("BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            if self._depth == 0:
                self._db.execute("ROLLBACK")
            raise
        self._depth -= 1
        if self._depth == 0:
            self._db.execute("COMMIT")

    def run(self, statement: str, values: Sequence[Any] = ()) -> int:
        """Execute one statement and give how many rows it touched."""
        return int(self._db.execute(statement, values).rowcount)

    def one(self, query: str, values: Sequence[Any] = ()) -> Row | None:
        """Give the first row, or nothing."""
        row: Row | None = self._db.execute(query, values).fetchone()
        return row

    def all(self, query: str, values: Sequence[Any] = ()) -> list[Row]:
        """Give all rows."""
        return list(self._db.execute(query, values).fetchall())
