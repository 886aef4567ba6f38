"""What services need of the store beside the messages: the access journals, the leases of background jobs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from crypto.journal import Entry
from server.domain.ids import AccountId
from server.domain.journal import JournalEnds, Told

if TYPE_CHECKING:
    from server.services.ports import Transaction

T = TypeVar("T")


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


class Writes(Protocol):
    """Runs intents: the store itself, or a lease that first makes sure it still holds."""

    async def write(self, intent: Callable[[Transaction], T]) -> T:
        """Run ``intent`` in a transaction; return its result after the commit."""
