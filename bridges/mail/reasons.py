"""Why a file is kept aside. The codes are stable: software may act on them. Source: docs/spec/mail.md 3."""

from typing import Final, Literal, get_args

Reason = Literal[
    "unreadable",
    "empty",
    "not_a_mail",
    "too_large",
    "too_slow",
    "too_much_memory",
    "reader_died",
    "header_broken",
    "header_control",
    "header_too_large",
    "header_twice",
    "sender_missing",
    "sender_several",
    "sender_broken",
    "sender_hidden_line",
    "too_many_recipients",
    "too_deep",
    "too_many_parts",
    "boundary_broken",
    "archive_broken",
    "archive_too_large",
    "archive_unsafe",
    "xml_broken",
    "xml_doctype",
    "xml_too_large",
    "document_missing",
    "document_broken",
]
REASONS: Final[frozenset[str]] = frozenset(get_args(Reason))


class QuarantineError(Exception):
    """This file is kept aside, whole, with a reason; nothing of it enters a conversation."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(detail or reason)
        self.reason: Reason = reason
        self.detail = detail
