"""An agenda that can do a part: what an adapter does not override is refused before anybody is asked."""

from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn

from bridges.agenda.provider import (
    Ability,
    Appointment,
    Capabilities,
    Changes,
    Details,
    Hold,
    Link,
    Mode,
    Party,
    Slot,
    UnsupportedError,
    Window,
)


class PartialProvider:
    """Base of the adapters of partners. Source: docs/spec/agenda-partners.md 1."""

    def capabilities(self) -> Capabilities:
        """Say what the adapter can do."""
        raise NotImplementedError

    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        """Not of this adapter."""
        self._refuse(Ability.FIND, window, motive, mode)

    async def hold(self, slot: Slot, *, holder: str, until: datetime, key: str) -> Hold:
        """Not of this adapter."""
        self._refuse(Ability.HOLD, slot, holder, until, key)

    async def release(self, hold: Hold) -> None:
        """Not of this adapter."""
        self._refuse(Ability.HOLD, hold)

    async def book(self, hold: Hold, *, key: str, details: Details | None = None) -> Appointment:
        """Not of this adapter."""
        self._refuse(Ability.BOOK, hold, key, details)

    async def reschedule(self, appointment: Appointment, hold: Hold, *, key: str) -> Appointment:
        """Not of this adapter."""
        self._refuse(Ability.RESCHEDULE, appointment, hold, key)

    async def cancel(self, appointment: Appointment, *, by: Party, key: str, reason: str = "") -> Appointment:
        """Not of this adapter."""
        self._refuse(Ability.CANCEL, appointment, by, key, reason)

    async def changes(self, cursor: str = "") -> Changes:
        """Not of this adapter."""
        self._refuse(Ability.CHANGES, cursor)

    async def link(self, slot: Slot | None = None) -> Link:
        """Not of this adapter."""
        self._refuse(Ability.LINK, slot)

    def _refuse(self, ability: Ability, *_: object) -> NoReturn:
        raise UnsupportedError(f"{self.capabilities().adapter}: {ability.value}")
