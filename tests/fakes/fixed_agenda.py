"""An agenda in memory whose free slots are given: what adapters that publish are fed with."""

from datetime import timedelta

from bridges.agenda.partial import PartialProvider
from bridges.agenda.provider import Ability, Capabilities, Mode, Slot, UnreachableError


class FixedAgenda(PartialProvider):
    """Free at these instants, for so long; ``broken`` makes it not answer."""

    def __init__(self, *starts, minutes=20, zone="Europe/Paris", modes=(Mode.PRACTICE,), motive="Consultation"):
        self.starts, self.minutes, self.zone, self.modes, self.motive = list(starts), minutes, zone, modes, motive
        self.broken = False

    def capabilities(self):
        return Capabilities(adapter="fixed", abilities=frozenset({Ability.FIND}))

    async def find(self, window, *, motive="", mode=None):
        if self.broken:
            raise UnreachableError("connection")
        return [
            Slot(
                start=start,
                end=start + timedelta(minutes=self.minutes),
                zone=self.zone,
                reference=f"{start:%Y%m%dT%H%M}",
                mode=self.modes[number % len(self.modes)],
                motive=self.motive,
            )
            for number, start in enumerate(sorted(self.starts))
            if window.overlaps(start, start + timedelta(minutes=self.minutes))
        ]
