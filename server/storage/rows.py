"""The narrow door to SQL: every repository asks for rows through it, inside a transaction or on a reader."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from server.domain.events import PAGE
from server.storage.engine import Connection, Row


class Rows(Protocol):
    """Statements are plain portable SQL with ``?``; an engine with other marks translates them."""

    def one(self, sql: str, *values: Any) -> Row | None: ...
    def all(self, sql: str, *values: Any) -> list[Row]: ...
    def page(self, sql: str, order: str, *values: Any) -> list[Row]: ...
    def run(self, sql: str, *values: Any) -> int: ...
    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None: ...
    def among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]: ...


class ReaderRows:
    """Rows of a read-only connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def one(self, sql: str, *values: Any) -> Row | None:
        """Return the first row, or none."""
        return self._connection.execute(sql, values).fetchone()

    def all(self, sql: str, *values: Any) -> list[Row]:
        """Return every row."""
        return self._connection.execute(sql, values).fetchall()

    def page(self, sql: str, order: str, *values: Any) -> list[Row]:
        """Return a page of rows: see ``page``."""
        return page(self._connection, sql, order, values)

    def run(self, sql: str, *values: Any) -> int:
        """Change something; the connection of a reader refuses."""
        return self._connection.execute(sql, values).rowcount

    def many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Change many rows; the connection of a reader refuses."""
        self._connection.executemany(sql, rows)

    def among(self, values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
        """Return the condition "is one of" and the parameters it takes."""
        return among(values)


def page(connection: Connection, sql: str, order: str, values: Sequence[Any]) -> list[Row]:
    """Return rows of a query in this order, one at least, until what they carry (the last column) makes ``PAGE``.

    The last of the values is a limit. They are fetched one by one: what is not returned is not read.
    """
    rows, room = [], PAGE
    found = connection.execute(f"{sql} ORDER BY {order} LIMIT ?", values)
    while room > 0 and (row := found.fetchone()) is not None:
        rows.append(row)
        room -= row[-1]
    return rows


def among(values: Sequence[Any]) -> tuple[str, Sequence[Any]]:
    """Return ``IN (?,?,…)`` and its parameters."""
    return f"IN ({marks(len(values))})", values


def marks(count: int) -> str:
    """Return ``?,?,…`` for ``count`` values."""
    return ",".join("?" * count)
