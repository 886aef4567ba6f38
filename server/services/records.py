"""What services need of the store beside the messages: journals, leases of background jobs, beginnings."""

from dataclasses import dataclass
from typing import Protocol

from crypto.journal import Entry
from server.domain.ids import AccountId, ConversationId
from server.domain.journal import JournalEnds, Told
from server.domain.retention import FeedBeginning, LogBeginning, Span, Trimmed


class Journals(Protocol):
    """The access journal of each account."""

    def append(self, account: AccountId, told: Told, at: int) -> None:
        """Give ``told`` the next place in the journal of an account."""

    def visited(self, account: AccountId, told: Told, since: int) -> bool:
        """Tell whether the same access stands in the journal after a time."""

    def ends(self, account: AccountId) -> JournalEnds:
        """Return where a journal begins and ends."""

    def after(self, account: AccountId, position: int, limit: int) -> list[Entry]:
        """Return up to ``limit`` entries with a higher position, ascending."""

    def before(self, account: AccountId, position: int, limit: int) -> list[Entry]:
        """Return the ``limit`` newest entries with a lower position, ascending."""

    def forget(self, before: int, limit: int) -> int:
        """Remove the oldest entries of journals, as far as they are older than a time; return how many."""


class Retention(Protocol):
    """Where logs and feeds begin, and the removal of what is before it."""

    def logs(self, after: bytes, limit: int) -> list[LogBeginning]:
        """Return how the logs of conversations begin, in the order of their ids, after an id."""

    def feeds(self, after: bytes, limit: int) -> list[FeedBeginning]:
        """Return how the feeds of accounts begin, in the order of their ids, after an id."""

    def trimmed(self, conversation: ConversationId) -> Trimmed | None:
        """Return where a log is told to begin, or none: at its beginning."""

    def first_position(self, account: AccountId) -> int:
        """Return the position of the oldest entry that a feed keeps; 1 for a feed that keeps everything."""

    def span(self, conversation: ConversationId, first: int, before: int, limit: int) -> Span:
        """Look at up to ``limit`` events from ``first`` on, and find those that are all older than ``before``."""

    def begin_log(self, conversation: ConversationId, to: Trimmed) -> None:
        """Store where a log begins from now on. Nothing is removed yet."""

    def clear(self, conversation: ConversationId, first: int, stop: int) -> int:
        """Remove the bytes of the messages from ``first`` to before ``stop``; return how many had some."""

    def shorten_feed(self, account: AccountId, first: int, before: int, limit: int) -> int:
        """Remove up to ``limit`` entries from ``first`` on that are about older events; the newest stays."""


class LeaseLostError(Exception):
    """Another node has taken the job: what this one still wants to write is refused."""


@dataclass(frozen=True, slots=True)
class JobState:
    """A background job as the store knows it. Times in milliseconds; ``until`` 0: nobody has it."""

    name: str
    token: int
    until: int
    began: int
    done: int | None
    removed: int

    @property
    def failed(self) -> bool:
        """Whether the last run came to no end."""
        return self.until == 0 and (self.done is None or self.done < self.began)


class Jobs(Protocol):
    """Who may run which background job."""

    def take(self, name: str, holder: bytes, *, now: int, lease: int, every: int) -> int | None:
        """Take a job that is due and that nobody has; return the token of the lease, or none."""

    def hold(self, name: str, token: int, *, until: int) -> None:
        """Go on with a lease; raises ``LeaseLostError`` when somebody else has taken it."""

    def finish(self, name: str, token: int, *, done: int | None, removed: int) -> None:
        """Give a lease back; ``done``: when it came to its end, none if it failed."""

    def states(self) -> list[JobState]:
        """Return every job that has ever been taken."""
