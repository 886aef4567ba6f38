"""A calendar that is published as a file: downloaded within bounds, read in the child, kept by its ETag.

Source: docs/spec/agenda.md 4.3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final, Protocol

from typing_extensions import override

from bridges.agenda.calendar.reading import Query, Reading
from bridges.agenda.calendar.sandbox import Sandbox
from bridges.agenda.openings import Opening, free, slots
from bridges.agenda.outgoing import Outgoing
from bridges.agenda.partial import PartialProvider
from bridges.agenda.provider import (
    LONGEST_WINDOW,
    Ability,
    Capabilities,
    Link,
    Mode,
    RefusedError,
    Slot,
    UnreachableError,
    UnsupportedError,
    Window,
)

FRESH: Final = timedelta(minutes=2)  # in which a feed is not asked for again


class Busy(Protocol):
    """What says when the person is busy."""

    async def read(self, window: Window) -> Reading:
        """Say when; raises UnreachableError when that cannot be known: no slot is offered then."""
        ...


@dataclass(slots=True)
class Feed:
    """One feed."""

    out: Outgoing
    path: str
    sandbox: Sandbox
    zone: str
    now: Callable[[], datetime]
    _etag: str = field(default="", init=False)
    _body: bytes = field(default=b"", init=False)
    _asked_at: datetime | None = field(default=None, init=False)

    async def read(self, window: Window) -> Reading:
        """Say when it is busy.

        Raises UnreachableError for a feed that is away, is none, or cannot be read whole: a practice whose calendar
        cannot be read offers no slot.
        """
        await self._refresh()
        answer = await self.sandbox.read(self._body, Query(start=window.start, end=window.end, zone=self.zone))
        reason = answer.reading.reason or (
            "cut" if any(each.reason == "cut" for each in answer.reading.skipped) else None
        )
        if reason:
            self._etag, self._asked_at = "", None
            raise UnreachableError(f"calendar {reason}")
        return answer.reading

    async def _refresh(self) -> None:
        if self._asked_at is not None and self.now() - self._asked_at < FRESH:
            return
        known = {"If-None-Match": self._etag} if self._etag else {}
        reply = await self.out.ask("GET", self.path, headers={"Accept": "text/calendar", **known})
        if reply.status == 200:
            self._body, self._etag = reply.body, reply.headers.get("ETag", "")
        elif reply.status != 304 or not known:
            raise UnreachableError(f"feed {reply.status}")
        self._asked_at = self.now()


@dataclass(slots=True, kw_only=True)
class Subscribed(PartialProvider):
    """An agenda that can only be read: it offers free slots, which are booked elsewhere or by asking."""

    feeds: Sequence[Busy]
    zone: str
    openings: Sequence[Opening]
    page: str = ""
    unread: int = field(default=0, init=False)

    @override
    def capabilities(self) -> Capabilities:
        return Capabilities(
            adapter="ics",
            abilities=frozenset({Ability.FIND} | ({Ability.LINK} if self.page else set())),
            modes=frozenset(opening.mode for opening in self.openings),
        )

    @override
    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        if window.end - window.start > LONGEST_WINDOW:
            raise RefusedError("window")
        offered = slots([each for each in self.openings if each.offers(motive, mode)], self.zone, window)
        if not offered:
            return []
        reach = Window(start=window.start, end=max(slot.end for slot in offered))
        self.unread = 0
        for feed in self.feeds:
            reading = await feed.read(reach)
            self.unread += len(reading.skipped) + reading.unlisted
            offered = free(offered, reading.busy)
        return offered

    @override
    async def link(self, slot: Slot | None = None) -> Link:
        if not self.page:
            raise UnsupportedError("link")
        return Link(url=self.page)
