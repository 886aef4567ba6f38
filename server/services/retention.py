"""Lets messages go when the operator's term is over. Source: docs/spec/api.md 8.2.

Every step is a short transaction of its own under the lease of the job, so writers wait for none of them longer than
for each other; where a sweep is cut off, the next one goes on. A log says where it begins before anything is gone.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from server.clock import Clock
from server.domain.events import Event
from server.domain.ids import AccountId, ConversationId
from server.domain.retention import FeedBeginning, LogBeginning, Span, Trimmed, horizon
from server.services.ports import Store, Transaction, Writes

PAGE: Final = 100  # logs or feeds looked at in one read
LOOK: Final = 1_000  # events looked at in one read
SLICE: Final = 200  # messages or feed entries removed in one transaction
HOLD: Final = 64  # pages after which the lease is held for longer though nothing was written

Beginning = TypeVar("Beginning", LogBeginning, FeedBeginning)


@dataclass(frozen=True, slots=True)
class RetentionService:
    """Removes what is older than a term, from the beginning of each log and each feed on."""

    store: Store
    clock: Clock

    async def sweep(self, days: int, through: Writes) -> int:
        """Remove the messages that were accepted more than ``days`` ago (and up to a week later); return how many.

        Raises:
            LeaseLostError: another node has the job; it goes on where this one was.
            ValueError: a term that no reader would believe.

        """
        before = horizon(self.clock.now(), days)
        removed = 0
        async for log in self._each(_logs, lambda it: it.conversation, through):
            if log.is_due(before):
                removed += await self._trim(log, before, through)
        async for feed in self._each(_feeds, lambda it: it.account, through):
            if feed.at is not None and feed.at < before:
                await _shorten(feed, before, through)
        return removed

    async def _each(
        self, page: Callable[[Transaction, bytes], list[Beginning]], key: Callable[[Beginning], bytes], through: Writes
    ) -> AsyncIterator[Beginning]:
        """Go through all of a kind. A read may run on the loop's own thread: between two, others have their turn."""
        after = b""
        for number in itertools.count(1):
            found = await self.store.read(functools.partial(_after, page=page, after=after))
            if not found:
                return
            for each in found:
                yield each
            after = key(found[-1])
            await asyncio.sleep(0)
            if number % HOLD == 0:
                await through.write(lambda _: None)

    async def _trim(self, log: LogBeginning, before: int, through: Writes) -> int:
        removed = await _clear(log.conversation, log.cleared, log.first, through)
        begins, told = log.first, log.first
        while True:
            span = await self._span(log.conversation, begins, before)
            begins = span.stop
            if span.has_bytes:
                trimmed = Trimmed(begins, before)
                now = self.clock.now()
                await through.write(functools.partial(announce, conversation=log.conversation, to=trimmed, now=now))
                removed += await _clear(log.conversation, told, begins, through)
                told = begins
            if span.ends:
                return removed

    async def _span(self, conversation: ConversationId, first: int, before: int) -> Span:
        await asyncio.sleep(0)
        return await self.store.read(lambda view: view.retention.span(conversation, first, before, LOOK))


def _logs(view: Transaction, after: bytes) -> list[LogBeginning]:
    return view.retention.logs(after, PAGE)


def _feeds(view: Transaction, after: bytes) -> list[FeedBeginning]:
    return view.retention.feeds(after, PAGE)


def _after(
    view: Transaction, *, page: Callable[[Transaction, bytes], list[Beginning]], after: bytes
) -> list[Beginning]:
    return page(view, after)


def announce(tx: Transaction, conversation: ConversationId, to: Trimmed, now: int) -> None:
    """Write into a log where it begins from now on. Nothing that anybody did: it stays where it is in the lists."""
    head = tx.conversations.head(conversation)
    if head is None:
        return
    last_at = head.last_at
    tx.retention.begin_log(conversation, to)
    told = {"from": to.first, "before": to.before}
    tx.log.append(head, Event(conversation, 0, "trimmed", now, AccountId(b""), head.epoch, detail=told))
    head.last_at = last_at


async def _clear(conversation: ConversationId, first: int, stop: int, through: Writes) -> int:
    removed = 0
    for begin in range(first, stop, SLICE):
        end = min(begin + SLICE, stop)
        removed += await through.write(functools.partial(_remove, conversation=conversation, first=begin, stop=end))
    return removed


def _remove(tx: Transaction, *, conversation: ConversationId, first: int, stop: int) -> int:
    return tx.retention.clear(conversation, first, stop)


async def _shorten(feed: FeedBeginning, before: int, through: Writes) -> None:
    def intent(tx: Transaction) -> int:
        first = tx.retention.first_position(feed.account)
        return tx.retention.shorten_feed(feed.account, first, before, SLICE)

    while await through.write(intent) == SLICE:
        pass
