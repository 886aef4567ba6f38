"""A desk in front of a calendar on a server that does as it is told: one day, four slots."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

from bridges.agenda.caldav.adapter import CalDav
from bridges.agenda.caldav.collection import Collection
from bridges.agenda.calendar.sandbox import Sandbox
from bridges.agenda.calendar.writing import Entry, write
from bridges.agenda.desk import Desk
from bridges.agenda.holds import Holds
from bridges.agenda.openings import DAYS, Opening
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import Window
from tests.fakes.agendas_lying import PATH

NOW = datetime(2026, 6, 30, 12, tzinfo=UTC)
DAY = Window(start=datetime(2026, 7, 1, tzinfo=UTC), end=datetime(2026, 7, 2, tzinfo=UTC))


class opened:
    def __init__(self, server, folder, *, with_details=False, deadline=30):
        self.out = Outgoing(Origin(base=server.url.removesuffix(PATH), inside=True, plain=True), deadline=deadline)
        self.sandbox = Sandbox()
        self.folder, self.with_details, self.at = folder, with_details, NOW

    async def __aenter__(self) -> Desk:
        await self.out.__aenter__()
        provider = CalDav(
            collection=Collection(self.out, PATH),
            sandbox=self.sandbox,
            zone="Europe/Paris",
            openings=[Opening(days=list(DAYS), start=time(9), end=time(11), minutes=30)],
            now=lambda: self.at,
            with_details=self.with_details,
        )
        self.desk = Desk(provider, Holds(self.folder / "a.db", "one", lambda: self.at), lambda: self.at)
        return self.desk

    async def __aexit__(self, *error):
        self.desk.holds.close()
        await self.sandbox.__aexit__(*error)
        await self.out.__aexit__(*error)


async def held(desk, place=0, holder="jean", key=None):
    slot = (await desk.find(DAY))[place]
    return await desk.hold(slot, holder=holder, until=NOW + timedelta(minutes=15), key=key or f"{holder}{place}")


def event(name: str, start: str, end: str, more: str = "") -> bytes:
    at = [datetime.fromisoformat(f"2026-07-01T{each}").replace(tzinfo=UTC) for each in (start, end)]
    text = write([Entry(uid=name, start=at[0], end=at[1], stamp=NOW, title=name)]).decode()
    return text.replace("TRANSP:OPAQUE\r\n", f"TRANSP:OPAQUE\r\n{more}").encode()


def hours(slots) -> list[str]:
    return [f"{slot.start:%H:%M}" for slot in slots]
