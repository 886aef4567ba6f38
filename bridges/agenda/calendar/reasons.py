"""Why an event or a whole calendar was not read. The codes are stable. Source: docs/spec/agenda.md 3.2."""

from typing import Final, Literal, get_args

# Of one event
Skip = Literal[
    "no_start",
    "time_broken",
    "unknown_zone",
    "ends_before_start",
    "rule_broken",
    "too_frequent",
    "too_many",
    "cut",
]
# Of a whole file
Reason = Literal[
    "unreadable",
    "not_a_calendar",
    "too_large",
    "too_deep",
    "too_many",
    "too_slow",
    "too_much_memory",
    "reader_died",
]
SKIPS: Final[frozenset[str]] = frozenset(get_args(Skip))
REASONS: Final[frozenset[str]] = frozenset(get_args(Reason))


class SkipError(Exception):
    """This event is left out, with a reason."""

    def __init__(self, reason: Skip) -> None:
        super().__init__(reason)
        self.reason: Skip = reason


class UnreadError(Exception):
    """This file is not read, with a reason."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason
