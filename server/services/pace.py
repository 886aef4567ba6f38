"""How fast somebody may go: buckets that fill again by themselves, in memory, bounded."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from server.clock import Clock
from server.domain.errors import TooManyTriesError
from server.domain.ids import AccountId, ConversationId

K = TypeVar("K")

CAPACITY: Final = 50_000  # keys that are remembered; the one that was not used for the longest time gives way
MINUTE: Final = 60  # seconds
HOUR: Final = 60 * MINUTE
EPOCHS: Final = 240
"""Epochs that an account may begin in one conversation in an hour. Every member keeps each of them for good, and no
client comes near: keys change after 5,000 messages, 144 times an hour at the usual pace of envelopes."""


@dataclass(slots=True)
class Buckets(Generic[K]):
    """``burst`` at once and ``rate`` a second after that, for one key."""

    clock: Clock
    burst: float
    rate: float
    capacity: int = CAPACITY
    _levels: OrderedDict[K, tuple[float, float]] = field(default_factory=OrderedDict)

    def take(self, key: K) -> int:
        """Take one. Return 0, or the whole seconds to wait because there was none left."""
        now = self.clock.monotonic()
        level, since = self._levels.pop(key, (self.burst, now))
        level = min(self.burst, level + (now - since) * self.rate)
        taken = level >= 1
        self._levels[key] = (level - 1 if taken else level, now)
        if len(self._levels) > self.capacity:
            self._levels.popitem(last=False)
        return 0 if taken else max(1, math.ceil((1 - level) / self.rate))


@dataclass(frozen=True, slots=True)
class Pace:
    """Envelopes that an account may hand in, in all and in one conversation; epochs that it may begin in one.

    What belongs to a conversation belongs to the account too: nobody can use up what others may write.
    """

    accounts: Buckets[AccountId]
    conversations: Buckets[tuple[AccountId, ConversationId]]
    epochs: Buckets[tuple[AccountId, ConversationId]]

    @classmethod
    def of(cls, clock: Clock, *, account: int, conversation: int) -> Pace:
        """Allow so many a minute: all of them at once, then evenly."""
        return cls(
            Buckets(clock, burst=account, rate=account / MINUTE),
            Buckets(clock, burst=conversation, rate=conversation / MINUTE),
            Buckets(clock, burst=EPOCHS, rate=EPOCHS / HOUR),
        )

    def keep(self, account: AccountId, conversation: ConversationId) -> None:
        """Count one envelope.

        Raises:
            TooManyTriesError: with the seconds to wait.

        """
        if wait := self.conversations.take((account, conversation)) or self.accounts.take(account):
            raise TooManyTriesError(wait)

    def keep_epoch(self, account: AccountId, conversation: ConversationId) -> None:
        """Count one epoch.

        Raises:
            TooManyTriesError: with the seconds to wait.

        """
        if wait := self.epochs.take((account, conversation)):
            raise TooManyTriesError(wait)
