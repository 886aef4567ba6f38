"""The bus of a single process: listeners are called at once, on the event loop, in the order of the log."""

from __future__ import annotations

from typing import Protocol

from server.domain.events import Announcement, Mark
from server.domain.ids import AccountId, SessionId


class Listener(Protocol):
    """Somebody who wants to hear what was committed."""

    def on_events(self, announcements: list[Announcement]) -> None: ...
    def on_marks(self, marks: list[Mark]) -> None: ...
    def on_sessions_ended(self, sessions: list[SessionId]) -> None: ...
    def on_grown(self, account: AccountId, position: int) -> None:
        """Hear that a feed has grown to ``position``, on another node."""

    def on_changed(self, account: AccountId | None) -> None:
        """Hear that an account must be read again; ``None``: any may have changed."""

    def followed(self) -> set[AccountId]:
        """Return whose feeds this listener wants to hear about."""

    def served(self) -> set[SessionId]:
        """Return the sessions whose end this listener wants to hear about."""


class MemoryBus:
    """Implements ``services.ports.Bus``."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners.append(listener)

    async def start(self) -> None:
        """Nothing to connect to."""

    async def stop(self) -> None:
        """Nothing to let go of."""

    async def ready(self) -> bool:
        """Tell that it works."""
        return True

    def announce(self, announcements: list[Announcement]) -> None:
        """Tell the listeners about new events."""
        for listener in self._listeners:
            listener.on_events(announcements)

    def mark(self, marks: list[Mark]) -> None:
        """Tell what has been delivered."""
        for listener in self._listeners:
            listener.on_marks(marks)

    def end_sessions(self, sessions: list[SessionId]) -> None:
        """Tell that sessions have ended."""
        for listener in self._listeners:
            listener.on_sessions_ended(sessions)

    def change(self, account: AccountId | None) -> None:
        """Tell that an account must be read again."""
        for listener in self._listeners:
            listener.on_changed(account)

    def grow(self, account: AccountId, position: int) -> None:
        """Tell that a feed has grown elsewhere."""
        for listener in self._listeners:
            listener.on_grown(account, position)

    def followed(self) -> list[AccountId]:
        """Return whose feeds anybody wants to hear about."""
        return list(set().union(*(listener.followed() for listener in self._listeners)))

    def served(self) -> list[SessionId]:
        """Return the sessions whose end anybody wants to hear about."""
        return list(set().union(*(listener.served() for listener in self._listeners)))
