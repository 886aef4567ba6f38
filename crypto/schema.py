"""Exact shapes of structured values: each field is a function that returns the value or refuses it.

Source: docs/spec/protocol.md 1.3 ("an exact set of keys").
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from crypto.codec import MAX_INTEGER, b64, unb64
from crypto.errors import ProtocolError, require

Field = Callable[[Any], Any]


def exact(value: object, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Read an object that has these keys and no other.

    Raises:
        ProtocolError: ``bad_format``.

    """
    require(type(value) is dict and value.keys() == fields.keys(), "bad_format", "keys")
    assert isinstance(value, dict)
    return {name: _read(name, field, value[name]) for name, field in fields.items()}


def at_least(value: object, fields: Mapping[str, Field]) -> dict[str, Any]:
    """Read an object that has these keys; others are ignored (payloads grow).

    Raises:
        ProtocolError: ``bad_format``.

    """
    require(type(value) is dict and value.keys() >= fields.keys(), "bad_format", "keys")
    assert isinstance(value, dict)
    return {name: _read(name, field, value[name]) for name, field in fields.items()}


def _read(name: str, field: Field, value: object) -> Any:
    try:
        return field(value)
    except ProtocolError as refused:
        raise ProtocolError(refused.code, f"{name}: {refused.detail}") from None


def integer(low: int = 0, high: int = MAX_INTEGER) -> Field:
    """An integer from ``low`` to ``high``."""

    def read(value: Any) -> int:
        require(type(value) is int and low <= value <= high, "bad_format", "integer")
        return int(value)

    return read


def text(high: int, low: int = 0) -> Field:
    """A string of ``low`` to ``high`` bytes in UTF-8."""

    def read(value: Any) -> str:
        require(type(value) is str and low <= len(value.encode()) <= high, "bad_format", "text")
        return str(value)

    return read


def binary(size: int | None = None) -> Field:
    """b64 of ``size`` bytes (any number when ``None``)."""

    def read(value: Any) -> bytes:
        require(type(value) is str, "bad_format", "base64url text")
        return unb64(value, size)

    return read


def one_of(*names: str) -> Field:
    """One of these words."""

    def read(value: Any) -> str:
        require(type(value) is str and value in names, "bad_format", "not a known word")
        return str(value)

    return read


def nullable(field: Field) -> Field:
    """``null``, or what ``field`` reads."""
    return lambda value: None if value is None else field(value)


def null(value: Any) -> None:
    """``null`` and nothing else."""
    require(value is None, "bad_format", "null")


def listed(field: Field, *, low: int = 0, high: int) -> Field:
    """A list of ``low`` to ``high`` values, as a tuple."""

    def read(value: Any) -> tuple[Any, ...]:
        require(type(value) is list and low <= len(value) <= high, "bad_format", "list")
        return tuple(field(each) for each in value)

    return read


def require_sorted(ids: Sequence[bytes]) -> None:
    """Refuse ids that are not in the order of their b64 text, or that repeat (``bad_format``)."""
    require(all(b64(a) < b64(b) for a, b in pairwise(ids)), "bad_format", "ids: sorted, each once")


time = integer()
