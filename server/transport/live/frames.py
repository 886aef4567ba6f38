"""WebSocket text frames, ready to be written: encoded once an event, cut for each framing and position.

A frame of a server is not masked, so it is a header and the text (RFC 6455 section 5.2), and writing it straight to the
transport costs a fiftieth of what a library's send queue does.
"""

from __future__ import annotations

from enum import Enum

from server.domain.events import Event
from server.domain.ids import AccountId
from server.transport import wire


class Framing(Enum):
    """How a message looks on the line: what stands before and after the members of its object."""

    LEAN = "lean"
    SOCKET_IO = "socket.io"

    def text(self, name: str, members: bytes) -> bytes:
        """Return the text of a message ``name`` with ``members`` (JSON of an object, without its braces)."""
        if self is Framing.LEAN:
            return b'{"t":"' + name.encode() + b'",' + members + b"}"
        return b'42["' + name.encode() + b'",{' + members + b"}]"


def frame(text: bytes) -> bytes:
    """Return the text as one unmasked frame."""
    size = len(text)
    if size < 126:
        return bytes((0x81, size)) + text
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text


class Told:
    """A committed event on its way to many lines: its JSON is made when the first one needs it."""

    def __init__(self, event: Event) -> None:
        self._event = event
        self._shared: bytes | None = None

    def members(self, account: AccountId, position: int) -> bytes:
        """Return the members of a feed entry for ``account``, as ``GET /v1/feed`` shows it."""
        return b'"position":%d,' % position + self._tail(account)

    def _tail(self, account: AccountId) -> bytes:
        if account in self._event.boxes:  # only an epoch has boxes, and each reader another
            return self._encode(account)
        if self._shared is None:
            self._shared = self._encode(None)
        return self._shared

    def _encode(self, account: AccountId | None) -> bytes:
        return wire.told_json(self._event, account).encode()


def members(value: wire.Wire) -> bytes:
    """Return the members of an object, without its braces."""
    return wire.encode(value)[1:-1]
