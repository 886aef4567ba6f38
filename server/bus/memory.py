"""The bus of a single process: listeners are called at once, on the event loop, in the order of the log."""

from __future__ import annotations

from typing import Protocol

from server.domain.events import Announcement, Mark
from server.domain.ids import SessionId


class Listener(Protocol):
    """Somebody who wants to hear what was committed."""

    def on_events(self, announcements: list[Announcement]) -> None: ...
    def on_marks(self, marks: list[Mark]) -> None: ...
    def on_sessions_ended(self, sessions: list[SessionId]) -> None: ...


class MemoryBus:
    """Implements ``services.ports.Bus``."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Add a listener."""
        self._listeners.append(listener)

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
