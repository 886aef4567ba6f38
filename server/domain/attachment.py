"""What a sealed document may be. Source: docs/spec/protocol.md 8 and docs/spec/api.md 6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from server.domain.errors import AttachmentEmptyError, AttachmentTooLargeError, QuotaExceededError
from server.domain.ids import AccountId, AttachmentId

HEADER: Final = 40  # bytes before the first segment
TAG: Final = 16  # bytes after each segment
SEGMENT: Final = 65_536  # bytes of a sealed segment; the header counts in the first
PART: Final = 8 * 1024 * 1024  # bytes that are synced and counted at a time; also what clients send in one request


@dataclass(frozen=True, slots=True)
class Attachment:
    """A sealed document of an account: ``received`` bytes of its ``size`` are safe on the disk."""

    id: AttachmentId
    account: AccountId
    size: int
    received: int
    created_at: int

    @property
    def whole(self) -> bool:
        """All of it has arrived."""
        return self.received == self.size


def sealed_size(size: int) -> int:
    """Return the sealed size of ``size`` bytes; an empty document is one segment of nothing.

    Source: docs/spec/protocol.md 8.2.
    """
    body = SEGMENT - TAG
    segments = max(1, -(-(size + HEADER) // body))
    return HEADER + size + TAG * segments


SMALLEST: Final = sealed_size(0)


def admit(size: int, *, limit: int, used: int, quota: int) -> None:
    """Decide whether an account that keeps ``used`` bytes may upload ``size`` sealed bytes more.

    ``limit`` is the largest document before sealing; ``quota`` what one account may keep.

    Raises:
        AttachmentEmptyError, AttachmentTooLargeError, QuotaExceededError.

    """
    if size < SMALLEST:
        raise AttachmentEmptyError(f"{size} bytes are less than the {SMALLEST} of a sealed document")
    if size > sealed_size(limit):
        raise AttachmentTooLargeError(f"{size} bytes sealed, at most {sealed_size(limit)}", limit=sealed_size(limit))
    if used + size > quota:
        raise QuotaExceededError(f"{max(0, quota - used)} bytes are left", left=max(0, quota - used))
