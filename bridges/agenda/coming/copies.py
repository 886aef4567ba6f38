"""Partners' appointments as entries of the practice's calendar. Source: docs/spec/agenda-partners.md 12.2.

A copy never stands over another entry, and is tried again once an hour where it would have.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from bridges.agenda.coming.table import Copy, Standing, Table
from bridges.agenda.desk import Desk
from bridges.agenda.provider import (
    Appointment,
    ChangedError,
    HoldExpiredError,
    RefusedError,
    Slot,
    SlotGoneError,
)

HOUR: Final = 3600  # seconds between two tries


@dataclass(frozen=True, slots=True)
class Copies:
    """Writes for one agenda."""

    desk: Desk
    table: Table
    now: Callable[[], datetime]

    def due(self, standing: Standing) -> bool:
        """Say whether the calendar does not show it as it is, and it was not tried this hour."""
        if standing.state != "booked":
            return standing.copy is not None
        same = standing.copy is not None and (standing.copy.start, standing.copy.end) == (standing.start, standing.end)
        return not same and standing.end > self.now() and not standing.is_ours and standing.tried != self._hour()

    async def bring(self, standing: Standing) -> Standing:
        """Bring the calendar to what the partner says. Raises AgendaError when it does not answer: to be repeated."""
        if standing.state != "booked":
            return await self._remove(standing)
        try:
            made = await self._write(standing)
        except (SlotGoneError, HoldExpiredError):
            return await self._give_way(standing)
        except RefusedError as error:
            if not error.permanent:
                raise
            return await self._give_way(standing)
        copy = Copy(reference=made.reference, version=made.version, start=made.start, end=made.end)
        return self.table.put(msgspec.structs.replace(standing, copy=copy, overlaps=False, tried=0))

    async def _give_way(self, standing: Standing) -> Standing:
        gone = await self._remove(standing)  # what it showed until now is not so any more
        again = {"overlaps": True, "tried": self._hour(), "attempt": standing.attempt + 1}
        return self.table.put(msgspec.structs.replace(gone, **again))

    async def _write(self, standing: Standing) -> Appointment:
        slot = Slot(start=standing.start, end=standing.end, zone=standing.zone, reference=standing.reference)
        holder = f"{standing.source} {standing.reference}"
        key = f"{holder} {standing.start:%Y%m%dT%H%M} {standing.end:%Y%m%dT%H%M} {standing.attempt}"
        known = entry_of(standing)
        if known is None:
            return await self.desk.note(slot, holder=holder, key=key)
        try:
            return await self.desk.follow_to(known, slot, holder=holder, key=key)
        except ChangedError as changed:  # the practice wrote into the copy: the partner's newer word counts
            if changed.current is None:
                return await self.desk.note(slot, holder=holder, key=f"{key} anew")
            return await self.desk.follow_to(changed.current, slot, holder=holder, key=f"{key} over")

    async def _remove(self, standing: Standing) -> Standing:
        known = entry_of(standing)
        if known is not None:
            await self.desk.cancel(replace(known, version=""), by="practice", key=f"{standing.reference} gone")
        return self.table.put(msgspec.structs.replace(standing, copy=None))

    def _hour(self) -> int:
        return int(self.now().timestamp()) // HOUR


def entry_of(standing: Standing) -> Appointment | None:
    """Give the copy as the contract has it."""
    copy = standing.copy
    if copy is None:
        return None
    return Appointment(
        reference=copy.reference,
        version=copy.version,
        start=copy.start.astimezone(UTC),
        end=copy.end.astimezone(UTC),
        zone=standing.zone,
    )
