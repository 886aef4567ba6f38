"""What nodes tell each other: records of a few bytes, never content. A message is one kind and as many as fit.

``node (8) | kind (1) | records``. A position is 6 bytes, a seq too. Nothing here is worth forging for: a hint makes a
node read the log, or forget what it remembers; only ``ENDED`` closes sockets, of clients that then come back.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

LARGEST: Final = 200  # bytes of a message
NODE: Final = 8

GROWN: Final = b"g"  # account (32), position (6)
MARK: Final = b"m"  # account that is told (32), conversation (32), account (32), seq (6)
ENDED: Final = b"s"  # session (16)
CHANGED: Final = b"a"  # account (32)
BEAT: Final = b"h"  # nothing
LOST: Final = b"l"  # nothing: hints of this node have gone astray, so ask the store

_SIZES: Final = {GROWN: (32, 6), MARK: (32, 32, 32, 6), ENDED: (16,), CHANGED: (32,), BEAT: (), LOST: ()}


def pack(node: bytes, kind: bytes, records: Iterable[tuple[bytes, ...]]) -> Iterator[bytes]:
    """Yield as few messages of at most ``LARGEST`` bytes as carry ``records``."""
    head = node + kind
    message = head
    for record in records:
        packed = b"".join(record)
        if len(message) + len(packed) > LARGEST:
            yield message
            message = head
        message += packed
    if message != head or not _SIZES[kind]:
        yield message


def unpack(message: bytes) -> tuple[bytes, bytes, list[tuple[bytes, ...]]]:
    """Return node, kind and records.

    Raises:
        ValueError: not a message of this version.

    """
    node, kind, rest = message[:NODE], message[NODE : NODE + 1], message[NODE + 1 :]
    sizes = _SIZES.get(kind)
    whole = sum(sizes or ())
    if sizes is None or (len(rest) % whole if whole else rest):
        raise ValueError("not a hint")
    records = []
    for start in range(0, len(rest), whole or 1):
        fields, at = [], start
        for size in sizes:
            fields.append(rest[at : at + size])
            at += size
        records.append(tuple(fields))
    return node, kind, records


def number(value: int) -> bytes:
    """Return the 6 bytes of a position or a seq."""
    return value.to_bytes(6, "big")
