"""An agenda in memory that can be written into: for what a clock of one's own must decide. The real ones are in `agendas.py`."""

from __future__ import annotations

from dataclasses import replace

from bridges.agenda.partial import PartialProvider
from bridges.agenda.provider import Ability, Appointment, Capabilities, Changes, Slot, UnreachableError


class MemoryAgenda(PartialProvider):
    """Free at these slots unless an entry stands there; ``broken`` makes it not answer."""

    def __init__(self, *slots: Slot) -> None:
        self.slots, self.entries, self.broken = list(slots), {}, False
        self.told = []  # what the practice did in its own program

    def capabilities(self):
        abilities = {Ability.FIND, Ability.BOOK, Ability.RESCHEDULE, Ability.CANCEL, Ability.CHANGES}
        return Capabilities(adapter="memory", abilities=frozenset(abilities))

    async def find(self, window, *, motive="", mode=None):
        self._answer()
        taken = {entry.start for entry in self.entries.values()}
        return [s for s in self.slots if window.start <= s.start < window.end and s.start not in taken]

    async def book(self, hold, *, key, details=None):
        self._answer()
        slot = hold.slot
        made = Appointment(reference=hold.reference, version="1", start=slot.start, end=slot.end, zone=slot.zone)
        self.entries[hold.reference] = made
        return made

    async def reschedule(self, appointment, hold, *, key):
        self._answer()
        moved = replace(appointment, start=hold.slot.start, end=hold.slot.end, version=hold.reference)
        self.entries[appointment.reference] = moved
        return moved

    async def cancel(self, appointment, *, by, key, reason=""):
        self._answer()
        self.entries.pop(appointment.reference, None)
        return replace(appointment, state="cancelled", version="")

    async def changes(self, cursor=""):
        self._answer()
        return Changes(cursor="1", changes=list(self.told))

    def _answer(self):
        if self.broken:
            raise UnreachableError("connection")
