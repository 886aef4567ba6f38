"""Free times that platforms show, read where the practice has a right to. Source: docs/spec/agenda-partners.md 8.

A reader exists only with a sentence that says what agreement it stands on, and asks only the address that the agreement
names. It never logs in, never books, and a wall against programs is a refusal.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from bridges.agenda.outgoing import Outgoing
from bridges.agenda.provider import (
    LONGEST_WINDOW,
    CredentialsRevokedError,
    Mode,
    RefusedError,
    Slot,
    UnreachableError,
    Window,
)

AGREEMENT: Final = 20  # characters, at least: with whom, since when
DAYS: Final = 7  # asked at once, as platforms limit it
SLOTS: Final = 5000  # of one answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """The right to read. Raises ValueError when nothing is said about it."""

    text: str  # "Contrat partenaire du 3 mars 2026 avec …": shown to the practice beside the adapter
    path: str  # below the origin
    query: Mapping[str, str]  # visit motive, agendas, practice: as the agreement names them
    zone: str
    minutes: int = 15  # of a slot that does not say when it ends

    def __post_init__(self) -> None:
        if len(self.text.strip()) < AGREEMENT:
            raise ValueError("partner_agreement: with whom, and since when")
        if not 1 <= self.minutes <= 240:
            raise ValueError("minutes: 1 to 240")


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the free times of one motive of one agenda."""

    outgoing: Outgoing
    agreement: Agreement

    async def find(self, window: Window, *, motive: str = "", mode: Mode | None = None) -> Sequence[Slot]:
        """Give the free slots; see ``Provider.find``."""
        if window.end - window.start > LONGEST_WINDOW:
            raise RefusedError("window_too_long")
        if mode not in {None, Mode.PRACTICE} or motive:
            return []
        found: dict[str, Slot] = {}
        day = window.start
        while day < window.end:
            for slot in read(await self._ask(day, window), self.agreement):
                if window.start <= slot.start < window.end:
                    found.setdefault(slot.reference, slot)
            day += timedelta(days=DAYS)
        return sorted(found.values(), key=lambda slot: slot.start)

    async def _ask(self, day: datetime, window: Window) -> bytes:
        last = min(day + timedelta(days=DAYS), window.end)
        times = {
            "{from}": day.isoformat(timespec="seconds"),
            "{to}": last.isoformat(timespec="seconds"),
            "{date}": f"{day:%Y-%m-%d}",
        }
        query = tuple((name, times.get(value, value)) for name, value in self.agreement.query.items())
        try:
            reply = await self.outgoing.ask("GET", self.agreement.path, query=query)
        except CredentialsRevokedError:
            raise RefusedError(
                "agreement"
            ) from None  # a wall, or the end of the agreement: nothing is tried against it
        if reply.status != 200:
            raise RefusedError(str(reply.status))
        return reply.body


def read(body: bytes, agreement: Agreement) -> Sequence[Slot]:
    """Read one answer in whichever of the known shapes; raises UnreachableError for another one.

    Doctolib: ``availabilities[].slots[]``, each a text, an object with ``start_date`` (and ``end_date``), or a list
    whose first is one of these. Maiia: ``items[]`` with ``startDateTime`` and ``endDateTime``.
    """
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise UnreachableError("bad_answer") from None
    if not isinstance(told, dict) or not ({"availabilities", "items"} & told.keys()):
        raise UnreachableError("bad_answer")
    found: list[Slot] = []
    for start, end in _times(told):
        if len(found) >= SLOTS:
            raise UnreachableError("bad_answer")
        if (slot := _slot(start, end, agreement)) is not None:
            found.append(slot)
    return found


def _times(told: Mapping[str, Any]) -> Iterator[tuple[object, object]]:
    for each in _list(told.get("items")):
        if isinstance(each, dict):
            yield each.get("startDateTime"), each.get("endDateTime")
    for day in _list(told.get("availabilities")):
        if isinstance(day, dict):
            yield from (_doctolib(each) for each in _list(day.get("slots")))


def _doctolib(slot: object) -> tuple[object, object]:
    first = slot[0] if isinstance(slot, list) and slot else slot
    if isinstance(first, dict):
        return first.get("start_date"), first.get("end_date")
    return first, None


def _slot(start: object, end: object, agreement: Agreement) -> Slot | None:
    begun = _instant(start)
    if begun is None:
        return None  # one slot that is not understood is not offered; the others are
    ended = _instant(end) or begun + timedelta(minutes=agreement.minutes)
    if not begun < ended <= begun + timedelta(hours=12):
        return None
    return Slot(start=begun, end=ended, zone=agreement.zone, reference=f"{begun:%Y%m%dT%H%M%SZ}")


def _instant(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None  # the hour of which place, it does not say
    except (ValueError, OverflowError):
        return None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
