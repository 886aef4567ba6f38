"""Appointments by mail as a provider: invitations out, answers in. Source: docs/spec/agenda-partners.md 11."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from typing_extensions import override

from bridges.agenda.imip.composing import Participation, Said, compose
from bridges.agenda.imip.intake import SOURCE, Intake, sequence_of
from bridges.agenda.imip.ledger import Invitation, Ledger, Wish
from bridges.agenda.imip.reading import Method, is_address
from bridges.agenda.imip.spool import Letter, Spool
from bridges.agenda.partial import PartialProvider
from bridges.agenda.provider import (
    Ability,
    Appointment,
    Capabilities,
    ChangedError,
    Changes,
    Details,
    Hold,
    Party,
    RefusedError,
)
from bridges.agenda.push.arrival import Arrival
from bridges.agenda.push.inbox import Inbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """As whom the practice writes. Raises ValueError."""

    address: str
    zone: str
    address_of: Callable[[str], str]  # mail address of a holder who agreed to mail, empty for none

    def __post_init__(self) -> None:
        if not is_address(self.address):
            raise ValueError("address: of mail")


class ImipProvider(PartialProvider):
    """Writes into the spool of the mail bridge, and reads what it puts there."""

    def __init__(self, sender: Sender, intake: Intake) -> None:
        self._sender, self._intake = sender, intake
        self._spool: Spool = intake.spool
        self._ledger: Ledger = intake.ledger
        self._inbox: Inbox = intake.inbox
        self._clock: Callable[[], datetime] = intake.clock

    @override
    def capabilities(self) -> Capabilities:
        abilities = {Ability.BOOK, Ability.RESCHEDULE, Ability.CANCEL, Ability.CHANGES}
        return Capabilities(adapter="imip", abilities=frozenset(abilities), refuses_duplicates=True)

    @override
    async def book(self, hold: Hold, *, key: str, details: Details | None = None) -> Appointment:
        uid = self._uid(hold)
        known = self._ledger.get(uid)
        if known is not None:
            return self._said(known)
        attendee = self._sender.address_of(hold.holder).lower()
        if not is_address(attendee):
            raise RefusedError("no_address")
        return self._say(
            Invitation(
                uid=uid,
                token=self._inbox.token(SOURCE, uid),
                attendee=attendee,
                sequence=0,
                start=hold.slot.start,
                end=hold.slot.end,
                cancelled=False,
                stamp=self._clock(),
            )
        )

    @override
    async def reschedule(self, appointment: Appointment, hold: Hold, *, key: str) -> Appointment:
        known = self._known(appointment)
        if known.start == hold.slot.start and not known.cancelled:
            return self._said(known)
        self._require_unchanged(known, appointment)
        now = replace(known, start=hold.slot.start, end=hold.slot.end)
        return self._say(replace(now, sequence=known.sequence + 1, stamp=self._clock()))

    @override
    async def cancel(self, appointment: Appointment, *, by: Party, key: str, reason: str = "") -> Appointment:
        known = self._known(appointment)
        if known.cancelled:
            return self._said(known)
        self._require_unchanged(known, appointment)
        return self._say(replace(known, cancelled=True, sequence=known.sequence + 1, stamp=self._clock()))

    @override
    async def changes(self, cursor: str = "") -> Changes:
        await self._intake.collect()
        return self._inbox.changes(SOURCE, cursor)

    def told(self, reference: str) -> Arrival | None:
        """Give the last word about a partner's appointment; None for what we invited to ourselves."""
        known = self._inbox.get(reference) if self._ledger.find(reference) is None else None
        return known.arrival if known else None

    def invites(self, holder: str) -> bool:
        """Say whether somebody agreed to mail."""
        return is_address(self._sender.address_of(holder).lower())

    def token(self, uid: str) -> str:
        """Give the reference of an invitation of ours, for a wish."""
        return self._inbox.token(SOURCE, uid)

    def invitation(self, hold: Hold) -> Appointment | None:
        """Give what was said last about a hold; None when nobody was invited."""
        known = self._ledger.get(self._uid(hold))
        return None if known is None else self._appointment(known)

    def wishes(self) -> Sequence[Wish]:
        """Give the other times that people asked for (COUNTER); ``reschedule`` grants one, ``decline`` does not."""
        return self._ledger.wishes()

    def decline(self, wish: Wish) -> None:
        """Say no to another time: the appointment stays as it was."""
        known = self._ledger.get(wish.uid)
        if known is not None:
            self._send(known, "DECLINECOUNTER", name=f"{wish.stamp:%Y%m%dT%H%M%S}")
        self._ledger.settle(wish.uid)

    def reply(self, reference: str, participation: Participation) -> None:
        """Answer a partner's invitation; one that is declined is off. Raises RefusedError for what came another way."""
        known = self._inbox.get(reference)
        told = known.arrival if known else None
        if told is None or told.source != SOURCE or told.start is None or told.end is None:
            raise RefusedError("unknown_appointment")
        said = Said(
            method="REPLY",
            uid=told.reference,
            sequence=sequence_of(told),
            start=told.start,
            end=told.end,
            stamp=self._clock(),
            organizer=told.operator,
            attendee=self._sender.address,
            participation=participation,
        )
        self._post(said, to=told.operator, name=f"{reference[:32]}-{said.sequence}-REPLY-{participation}")
        if participation == "DECLINED":  # it does not stand any more; a later invitation may stand again
            event = f"{said.sequence}:declined"
            off = msgspec.structs.replace(told, kind="cancelled", event=event, person="")
            self._inbox.take(off, now=self._clock())

    # --- one invitation -------------------------------------------------------------------------------------------

    def _say(self, one: Invitation) -> Appointment:
        """Keep what is said, then say it: after a crash in between, the repeated call says it."""
        self._ledger.put(one)
        return self._said(one)

    def _said(self, one: Invitation) -> Appointment:
        self._send(one, "CANCEL" if one.cancelled else "REQUEST")
        return self._appointment(one)

    def _uid(self, hold: Hold) -> str:
        return f"{hashlib.sha256(hold.reference.encode()).hexdigest()[:32]}@{self._sender.address.partition('@')[2]}"

    def _appointment(self, one: Invitation) -> Appointment:
        return Appointment(
            reference=one.token,
            version=str(one.sequence),
            start=one.start,
            end=one.end,
            zone=self._sender.zone,
            state="cancelled" if one.cancelled else "booked",
        )

    def _send(self, one: Invitation, method: Method, name: str = "") -> None:
        said = Said(
            method=method,
            uid=one.uid,
            sequence=one.sequence,
            start=one.start,
            end=one.end,
            stamp=one.stamp,
            organizer=self._sender.address,
            attendee=one.attendee,
        )
        self._post(said, to=one.attendee, name=f"{one.uid[:32]}-{one.sequence}-{method}{name}")

    def _post(self, said: Said, *, to: str, name: str) -> None:
        calendar = base64.b64encode(compose(said)).decode()
        letter = Letter(sender=self._sender.address, recipient=to, method=said.method, calendar=calendar)
        self._spool.send(name, letter)

    def _known(self, appointment: Appointment) -> Invitation:
        found = self._ledger.find(appointment.reference)
        if found is None:
            raise ChangedError("unknown")
        return found

    def _require_unchanged(self, known: Invitation, appointment: Appointment) -> None:
        if known.cancelled or str(known.sequence) != appointment.version:
            raise ChangedError("version")
