"""What a partner tells of its appointments, in one form whatever way it came. Source: docs/spec/agenda-partners.md 2.

There is no place in it for a name, a motive or a free text: what a partner sends of these is not kept.
"""

from datetime import UTC, datetime, timedelta
from typing import Final, Literal

import msgspec

from bridges.agenda.calendar.zones import of_place
from bridges.agenda.provider import Mode

Kind = Literal["booked", "moved", "cancelled", "fulfilled", "noshow"]
ENDED: Final = frozenset({"cancelled", "fulfilled", "noshow"})
ID: Final = 200  # characters of an id that a partner chose
LONGEST: Final = timedelta(days=1)  # of one appointment
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)


class MalformedError(ValueError):
    """What came is not what was agreed. ``code`` is stable; ``where`` names the place, never the value."""

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(f"{code}: {where}" if where else code)
        self.code = code
        self.where = where


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a partner, read. Raises MalformedError when it cannot be true."""

    source: str  # the name that the practice gave to the partner
    reference: str  # the partner's own id of the appointment
    kind: Kind
    event: str = ""  # the partner's own id of this message; empty: two equal states in a row are one
    said_at: datetime | None = None  # when it happened, says the partner; what is older than what we know is stale
    start: datetime | None = None  # aware, UTC
    end: datetime | None = None
    zone: str = "Europe/Paris"  # of the place
    mode: Mode = Mode.PRACTICE
    practitioner: str = ""  # national identifier, with its prefix
    correlation: str = ""  # what our deep link carried, given back
    person: str = ""  # the partner's own number of the patient; the inbox keeps a keyed digest only
    operator: str = ""  # "system|value" of the professional who booked
    link: str = ""  # the partner's own page, or the teleconsultation

    def __post_init__(self) -> None:
        for name in ("source", "reference"):
            _require(0 < len(getattr(self, name)) <= ID, "id_length", name)
        for name in ("event", "practitioner", "correlation", "person", "operator"):
            _require(len(getattr(self, name)) <= ID, "id_length", name)
        _require(not self.link or (self.link.startswith("https://") and len(self.link) <= 2000), "link_unsafe", "link")
        self._check_times()

    def _check_times(self) -> None:
        if self.start is None or self.end is None:
            _require(self.start is None and self.end is None, "times_half", "end")
            _require(self.kind in ENDED, "times_missing", "start")
            return
        _require(self.start.tzinfo is UTC and self.end.tzinfo is UTC, "time_without_zone", "start")
        _require(EARLIEST <= self.start < self.end <= LATEST, "times_wrong", "start")
        _require(self.end - self.start <= LONGEST, "too_long", "end")


def concerns(practitioner: str, told: Arrival) -> bool:
    """Say whether an appointment is this practitioner's: one that names nobody is everybody's."""
    return not practitioner or told.practitioner in {"", practitioner}


def to_utc(moment: datetime, where: str) -> datetime:
    """Give the same instant in UTC; raises MalformedError when the partner left the offset out."""
    _require(moment.tzinfo is not None, "time_without_zone", where)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise MalformedError("times_wrong", where) from None


def known_zone(name: str) -> str:
    """Give back the name of a time zone; raises MalformedError when there is no such zone."""
    try:
        of_place(name)
    except ValueError:
        raise MalformedError("zone_unknown", "zone") from None
    return name


def _require(truth: object, code: str, where: str) -> None:
    if not truth:
        raise MalformedError(code, where)
