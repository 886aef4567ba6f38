"""What services need of the store beside the messages: the access journals."""

from __future__ import annotations

from typing import Protocol

from crypto.journal import Entry
from server.domain.ids import AccountId
from server.domain.journal import JournalEnds, Told


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
