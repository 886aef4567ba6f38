"""The one contract between the conversation and any agenda. Source: docs/spec/agenda.md 2.

An adapter implements ``Provider`` and says in ``Capabilities`` what it can do; what it cannot do raises
``UnsupportedError`` and is never offered. All instants are aware and in UTC; the zone of the place travels beside them.
References are opaque to everybody but the adapter that made them, and hold no name and no motive.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

LONGEST_WINDOW: Final = timedelta(days=62)


class Ability(StrEnum):
    """One thing an adapter can do; the names of the methods."""

    FIND = "find"
    HOLD = "hold"
    BOOK = "book"
    RESCHEDULE = "reschedule"
    CANCEL = "cancel"
    CHANGES = "changes"
    LINK = "link"


class Mode(StrEnum):
    """Where the patient is seen."""

    PRACTICE = "practice"
    HOME = "home"
    REMOTE = "remote"


State = Literal["proposed", "held", "booked", "cancelled", "fulfilled", "noshow", "expired"]
Party = Literal["patient", "practice", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an adapter can do here, with this account, now."""

    adapter: str  # "caldav", "ics", "fhir", "link", …
    abilities: frozenset[Ability]
    holds_natively: bool = False  # the other side keeps a hold; else ``holds.Desk`` does
    refuses_duplicates: bool = False  # a second write of one booking is refused by the other side itself
    longest_window: timedelta = LONGEST_WINDOW  # longer windows are refused by ``find``
    modes: frozenset[Mode] = frozenset({Mode.PRACTICE})

    def can(self, ability: Ability) -> bool:
        """Say whether a button for it may be shown."""
        return ability in self.abilities


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time, ``end`` excluded. Raises ValueError when it is empty or not in UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        require_span(self.start, self.end)

    def overlaps(self, start: datetime, end: datetime) -> bool:
        """Say whether a half-open interval shares a moment with this window."""
        return start < self.end and self.start < end


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A time that can be booked. Raises ValueError when it is empty, not in UTC, or its zone is unknown."""

    start: datetime
    end: datetime
    zone: str  # IANA name of the zone of the place: its wall time is shown first
    reference: str  # opaque, at most 200 characters
    mode: Mode = Mode.PRACTICE
    motive: str = ""  # category that the practice publishes, never the patient's words
    link: str = ""  # where it can be booked by hand, when the adapter knows

    def __post_init__(self) -> None:
        require_span(self.start, self.end)
        ZoneInfo(self.zone)

    @property
    def window(self) -> Window:
        """The time it takes."""
        return Window(start=self.start, end=self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A slot kept for one person until ``until``."""

    reference: str  # opaque, drawn at random: the booking's own name in the agenda is derived from it
    slot: Slot
    holder: str  # opaque name of the person it is kept for: same person, same text
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Details:
    """What the practice chose to write into its agenda. Empty by default: the entry is then neutral."""

    title: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """An entry in the agenda."""

    reference: str  # opaque: finds the entry again, whatever becomes of it
    version: str  # opaque: another text after every change (an ETag); empty when the other side has none
    start: datetime
    end: datetime
    zone: str
    state: State = "booked"
    mode: Mode = Mode.PRACTICE
    link: str = ""  # teleconsultation or the other side's own page

    def __post_init__(self) -> None:
        require_span(self.start, self.end)
        ZoneInfo(self.zone)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Something became of an entry outside of the conversation."""

    reference: str  # of the appointment
    kind: Literal["booked", "moved", "cancelled", "fulfilled", "noshow", "seen", "unclear"]
    """``unclear``: it is there, and no single time any more: a series, a whole day, something that cannot be read."""
    appointment: Appointment | None = None  # as it is now; None when it is gone or unclear
    by: Party = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What changed since a cursor, and the next cursor. Each change comes at least once."""

    cursor: str
    changes: Sequence[Change] = ()
    restarted: bool = False  # the cursor was lost: ``changes`` holds everything there is, as "seen"
    present: Collection[str] = ()  # references that are there too, then, and not told of: too far ahead, or not read


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A page where a person books by hand."""

    url: str
    label: str = ""
    warnings: Sequence[str] = field(default=())


class AgendaError(Exception):
    """An agenda did not do what was asked. ``detail`` holds no name, no motive and no address."""

    code = "agenda"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.code)
        self.detail = detail


class UnsupportedError(AgendaError):
    """This adapter cannot do that; nothing was asked of the other side."""

    code = "unsupported"


class SlotGoneError(AgendaError):
    """Somebody else has that time. Certain: nothing of ours is in the agenda."""

    code = "slot_gone"


class HoldExpiredError(AgendaError):
    """The hold ended before the booking. Certain: nothing of ours is in the agenda."""

    code = "hold_expired"


class TooManyHoldsError(AgendaError):
    """That person holds as many slots as one may."""

    code = "too_many_holds"


class ChangedError(AgendaError):
    """The entry is not what we last saw. ``current`` is what it is now, None when it is gone."""

    code = "changed"

    def __init__(self, detail: str = "", current: Appointment | None = None) -> None:
        super().__init__(detail)
        self.current = current


class RefusedError(AgendaError):
    """The other side said no. ``permanent``: repeating the same cannot help."""

    code = "refused"

    def __init__(self, detail: str = "", *, permanent: bool = True) -> None:
        super().__init__(detail)
        self.permanent = permanent


class UnreachableError(AgendaError):
    """No usable answer, and certainly nothing was changed by us. Repeating is safe."""

    code = "unreachable"


class UnknownOutcomeError(AgendaError):
    """No usable answer to a write, nor to reading back. Repeat the same call, with the same key, to find out."""

    code = "unknown_outcome"


class CredentialsRevokedError(AgendaError):
    """The other side no longer lets us in. The practice must act; nothing is retried until it does."""

    code = "credentials_revoked"


class Provider(Protocol):
    """One agenda of one practice, at one place.

    Every method may raise UnsupportedError, UnreachableError, CredentialsRevokedError and RefusedError.
    Every write is idempotent by ``key``: repeating a call with its key gives the outcome of the first.
    """

    def capabilities(self) -> Capabilities:
        """Say what can be done here. Known without asking the other side; the same for the life of the adapter."""
        ...

    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        """Give the free slots that begin in a window, earliest first. Raises RefusedError when it is too long."""
        ...

    async def hold(self, slot: Slot, *, holder: str, until: datetime, key: str) -> Hold:
        """Keep a slot for a person. Raises SlotGoneError, TooManyHoldsError, UnknownOutcomeError."""
        ...

    async def release(self, hold: Hold) -> None:
        """Give a held slot back; a hold that is gone already is no error. Belongs to the ability ``hold``."""
        ...

    async def book(self, hold: Hold, *, key: str, details: Details | None = None) -> Appointment:
        """Write the appointment. Raises SlotGoneError, HoldExpiredError, UnknownOutcomeError."""
        ...

    async def reschedule(self, appointment: Appointment, hold: Hold, *, key: str) -> Appointment:
        """Move an appointment to a held slot; the reference stays. Raises as ``book``, and ChangedError."""
        ...

    async def cancel(self, appointment: Appointment, *, by: Party, key: str, reason: str = "") -> Appointment:
        """Cancel an appointment; one that is gone already is cancelled. Raises ChangedError, UnknownOutcomeError."""
        ...

    async def changes(self, cursor: str = "") -> Changes:
        """Say what changed since a cursor; an empty cursor begins and gives what there is, as "seen"."""
        ...

    async def link(self, slot: Slot | None = None) -> Link:
        """Give the page where a person books by hand."""
        ...


def require_span(start: datetime, end: datetime) -> None:
    """Refuse what is no stretch of time in UTC; raises ValueError."""
    if start.tzinfo is not UTC or end.tzinfo is not UTC:
        raise ValueError("instants are aware and in datetime.UTC")
    if not start < end:
        raise ValueError("the end must come after the start")
