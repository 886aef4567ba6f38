"""ClicRDV's REST interface, version 1, as its public documentation has it. Source: docs/spec/agenda-partners.md 9.

Written after the documentation and tried against a server of ours that follows it, never against ClicRDV itself.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from typing_extensions import override

from bridges.agenda.outgoing import Outgoing, Query, Reply
from bridges.agenda.provider import RefusedError, UnknownOutcomeError, UnreachableError

PAGE: Final = 100  # records of one answer
PAGES: Final = 50  # of one listing
_JSON: Final = {"Content-Type": "application/json"}
T = TypeVar("T")


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """A ``vevent``, as much of it as we read: what it is about is not."""

    id: int
    start: str
    end: str
    updated_at: str = ""
    created_at: str = ""
    deleted: bool | int = False
    type: str | None = None
    note: bool | int | None = False
    comments: str | None = ""
    calendar_id: int = 0

    @property
    def takes_time(self) -> bool:
        """Say whether it keeps others away: openings and notes do not."""
        return not self.deleted and not self.note and self.type != "VfreebusyEvent"


class _Page(msgspec.Struct):
    records: list[Event]
    totalRecords: int = 0  # noqa: N815  its name there


class _Free(msgspec.Struct):
    start: str
    calendar_ids: list[int] = []
    capacity: int = 1


class _Slots(msgspec.Struct):
    availabletimeslots: list[_Free]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Whose calendar, and the key. Kept out of ``repr``: it holds two secrets."""

    group: int
    calendar: int
    intervention: int
    user: str
    password: str
    apikey: str
    zone: str  # of the practice: times carry no offset there
    fiche: int = 0  # record that bookings are written under; 0 writes a plain stretch of time

    @override
    def __repr__(self) -> str:
        return f"Account(group={self.group}, calendar={self.calendar})"

    @property
    def authorisation(self) -> str:
        """The header that must always be sent: the server never asks for it."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


@dataclass(frozen=True, slots=True)
class Api:
    """The few requests that are made."""

    outgoing: Outgoing
    account: Account

    async def free(self, start: datetime, end: datetime) -> Sequence[datetime]:
        """Give when the intervention may begin."""
        query = (
            ("intervention_ids[]", str(self.account.intervention)),
            ("calendar_id", str(self.account.calendar)),
            ("start", self.wall(start)),
            ("end", self.wall(end)),
        )
        reply = await self._ask("GET", "availabletimeslots.json", query)
        found = _decode(reply, _Slots).availabletimeslots
        ours = (each for each in found if not each.calendar_ids or self.account.calendar in each.calendar_ids)
        return [moment for each in ours if (moment := self.instant(each.start)) is not None]

    async def events(self, *conditions: tuple[str, str, str]) -> Sequence[Event]:
        """List events of the calendar, deleted ones included; conditions are (field, operator, value)."""
        told: list[tuple[str, str]] = [
            ("calendar_id", str(self.account.calendar)),
            ("sort", "updated_at"),
            ("dir", "asc"),
            ("results", str(PAGE)),
        ]
        for number, condition in enumerate(conditions):
            names = ("field", "op", "value")
            told += [(f"conditions[{number}][{name}]", part) for name, part in zip(names, condition, strict=True)]
        found: list[Event] = []
        for _ in range(PAGES):
            page = _decode(await self._ask("GET", "vevents.json", (*told, ("startIndex", str(len(found))))), _Page)
            found += page.records
            if not page.records or len(found) >= page.totalRecords:
                return found
        raise RefusedError("too_many_events")

    async def get(self, number: str) -> Event | None:
        """Give one event, None when there is none."""
        reply = await self._ask("GET", f"vevents/{int(number)}.json", ())
        return None if reply.status == 404 else _decode(reply, Event)

    async def create(self, start: datetime, end: datetime, *, text: str, mark: str) -> Event:
        """Write an event; ``mark`` is what we find it by."""
        told = {
            "calendar_id": self.account.calendar,
            "start": self.wall(start),
            "end": self.wall(end),
            "text": text,
            "comments": mark,
            "intervention_id": self.account.intervention if self.account.fiche else 0,
            "fiche_id": self.account.fiche,
            "taker": "Pli",
            "from_web": 0,
        }
        return _decode(await self._ask("POST", "vevents.json", (), {"vevent": told}), Event, writes=True)

    async def move(self, number: str, start: datetime, end: datetime) -> None:
        """Give an event another time."""
        told = {"calendar_id": self.account.calendar, "start": self.wall(start), "end": self.wall(end)}
        _require(await self._ask("PUT", f"vevents/{int(number)}.json", (), {"vevent": told}))

    async def delete(self, number: str) -> None:
        """Mark an event as deleted; one that is gone is no error."""
        reply = await self._ask("DELETE", f"vevents/{int(number)}.json", ())
        if reply.status != 404:
            _require(reply)

    def wall(self, moment: datetime) -> str:
        """Write an instant as the wall time of the practice."""
        return f"{moment.astimezone(ZoneInfo(self.account.zone)):%Y-%m-%d %H:%M:%S}"

    def instant(self, text: str) -> datetime | None:
        """Read a wall time of the practice; None for one that does not exist there, or is none."""
        try:
            naive = datetime.fromisoformat(text)
            zone = ZoneInfo(self.account.zone)
            moment = (naive if naive.tzinfo else naive.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            return None
        exists = naive.tzinfo or moment.astimezone(zone).replace(tzinfo=None) == naive
        return moment if exists else None

    async def _ask(self, method: str, path: str, query: Query, told: object = None) -> Reply:
        body = msgspec.json.encode(told) if told is not None else None
        return await self.outgoing.ask(
            method,
            f"api/v1/groups/{self.account.group}/{path}",
            query=(("apikey", self.account.apikey), *query),
            headers={"Authorization": self.account.authorisation, **(_JSON if body else {})},
            body=body,
        )


def _require(reply: Reply) -> None:
    if reply.status not in {200, 201, 204}:
        raise RefusedError(str(reply.status))


def _decode(reply: Reply, shape: type[T], *, writes: bool = False) -> T:
    _require(reply)
    try:
        return msgspec.json.decode(reply.body, type=shape, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise (UnknownOutcomeError if writes else UnreachableError)("bad_answer") from None
