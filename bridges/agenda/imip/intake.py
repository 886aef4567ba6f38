"""Decides what a calendar that came by mail changes, and for whom. Source: docs/spec/agenda-partners.md 11."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bridges.agenda.card_times import fits, minutes_around
from bridges.agenda.imip.ledger import Ledger, Wish
from bridges.agenda.imip.reading import Told
from bridges.agenda.imip.sandbox import Sandbox
from bridges.agenda.imip.spool import Letter, Spool
from bridges.agenda.push.arrival import Arrival, Kind, MalformedError
from bridges.agenda.push.inbox import EventReusedError, Inbox

SOURCE: Final = "imip"
ANSWERS: Final[dict[str, Kind]] = {"ACCEPTED": "booked", "DECLINED": "cancelled"}


class AsideError(Exception):
    """This letter is kept for people. The text is a stable code."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """Takes what the mail bridge has put into the spool."""

    spool: Spool
    sandbox: Sandbox
    ledger: Ledger
    inbox: Inbox
    partners: frozenset[str]  # addresses of organizers who may book with the practice
    zone: str
    clock: Callable[[], datetime]

    async def collect(self) -> int:
        """Take everything that waits; gives how many letters were taken. Never raises for a letter."""
        taken = 0
        for path, letter, calendar in self.spool.waiting():
            try:
                await self._take(letter, calendar)
            except AsideError as error:
                self.inbox.trouble(SOURCE, str(error), self.clock())
                self.spool.set_aside(path, str(error))
            else:
                self.spool.done(path)
                taken += 1
        return taken

    async def _take(self, letter: Letter | None, calendar: bytes) -> None:
        if letter is None:
            raise AsideError("unreadable")
        if not letter.verified:
            raise AsideError("not_verified")
        told = await self.sandbox.read(calendar, self.zone)
        if told.reason:
            raise AsideError(told.reason)
        sender = letter.sender.lower()
        if told.method in {"REPLY", "COUNTER"}:
            self._answered(told, sender, calendar)
        elif told.method in {"REQUEST", "CANCEL"}:
            self._invited(told, sender, calendar)

    def _answered(self, told: Told, sender: str, calendar: bytes) -> None:
        """Take the word of somebody whom we invited: only his own, and only about what was sent last."""
        ours = self.ledger.get(told.uid)
        if ours is None:
            raise AsideError("unknown_appointment")
        if sender != ours.attendee:
            raise AsideError("sender_differs")
        if told.sequence < ours.sequence or ours.cancelled:
            return  # about an invitation that was replaced since
        if told.method == "COUNTER":
            assert told.start is not None
            assert told.end is not None
            if not fits(told.start, told.end):
                raise AsideError("too_long")
            start, end = minutes_around(told.start, told.end)
            stamp = told.stamp or self.clock()
            self.ledger.wish(Wish(uid=told.uid, sequence=told.sequence, start=start, end=end, stamp=stamp))
            return
        kind = ANSWERS.get(dict(told.attendees).get(sender, ""))
        if kind is not None:
            self._keep(told, kind, ours.start, ours.end, calendar)

    def _invited(self, told: Told, sender: str, calendar: bytes) -> None:
        """Take what a partner says about an appointment that it made with the practice."""
        if sender != told.organizer:
            raise AsideError("sender_differs")
        if sender not in self.partners:
            raise AsideError("unknown_organizer")
        known = self.inbox.get(self.inbox.token(SOURCE, told.uid))
        if known is not None and told.sequence < sequence_of(known.arrival):
            return
        self._keep(told, "cancelled" if told.method == "CANCEL" else "booked", told.start, told.end, calendar)

    def _keep(self, told: Told, kind: Kind, start: datetime | None, end: datetime | None, calendar: bytes) -> None:
        digest = hashlib.sha256(calendar).hexdigest()
        try:
            arrival = Arrival(
                source=SOURCE,
                reference=told.uid,
                kind=kind,
                event=f"{told.sequence}:{digest}",
                said_at=told.stamp,
                start=start,
                end=end,
                zone=self.zone,
                operator=told.organizer,
            )
            self.inbox.take(arrival, now=self.clock())
        except MalformedError as error:
            raise AsideError(error.code) from None
        except EventReusedError:
            raise AsideError("event_reused") from None


def sequence_of(arrival: Arrival) -> int:
    """Give the SEQUENCE that an arrival of ours carries."""
    digits = arrival.event.partition(":")[0]
    return int(digits) if digits.isdecimal() else 0
