"""Bytes that must not leak: they do not print, compare in constant time and are never serialised by accident."""

import hmac
import secrets
from collections.abc import Callable
from typing import Final, Never, final

from typing_extensions import override

Random = Callable[[int], bytes]
"""Gives that many unpredictable bytes."""

system_random: Final[Random] = secrets.token_bytes
"""The one place where this package meets the randomness of the machine."""


@final
class Secret:
    """Bytes that leave the process only on purpose, through ``reveal``."""

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    @override
    def __repr__(self) -> str:
        return f"Secret({len(self._value)} B)"

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    @override
    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __len__(self) -> int:
        return len(self._value)

    @override
    def __reduce__(self) -> Never:
        raise TypeError("a Secret is not serialisable")

    def reveal(self) -> bytes:
        """Return the bytes. Grep for this name to audit every use."""
        return self._value


def same(left: bytes, right: bytes) -> bool:
    """Compare two hashes, tags or commits in constant time."""
    return hmac.compare_digest(left, right)
