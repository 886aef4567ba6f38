"""The file in which a bridge remembers: one SQLite database that nobody but its owner reads.

The SQLite of a wheel, since the one in our Python has a race that corrupts (docs/adr/0005).
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from pysqlite3 import dbapi2 as sqlite3

Connection: TypeAlias = Any  # pysqlite3 has no types
FileError: Final[type[Exception]] = sqlite3.Error
"""Whatever the file refuses; nothing is known to be kept then."""
ConstraintError: Final[type[Exception]] = sqlite3.IntegrityError

WAIT: Final = 30.0  # seconds for another connection to the same file to finish its writes


def open_file(path: Path, schema: str = "") -> Connection:
    """Open the file, or make it, mode 0600, with the tables of ``schema`` where they are missing.

    A write outside of ``together`` is durable when it returns (write-ahead log, ``synchronous=FULL``).

    Raises:
        OSError: its folder is missing, or not ours to write. FileError: it is no database.

    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    path.chmod(0o600)  # also where an older program made it
    db = sqlite3.connect(path, isolation_level=None, timeout=WAIT)
    db.execute("PRAGMA journal_mode=WAL")  # a commit is one wait for the disk instead of several
    db.execute("PRAGMA synchronous=FULL")
    db.executescript(schema)
    return db


@contextmanager
def together(db: Connection) -> Iterator[None]:
    """Make several writes all or none."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")
