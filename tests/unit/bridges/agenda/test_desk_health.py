"""What the practice is told of its agenda: free times that cannot be told are not hidden by a calendar that answers."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bridges.agenda.desk import LOOK_AGAIN, Desk
from bridges.agenda.holds import Holds
from bridges.agenda.provider import RefusedError, Slot, UnreachableError, Window
from tests.fakes.memory_agenda import MemoryAgenda

NOW = datetime(2026, 7, 1, 8, tzinfo=UTC)
FORTNIGHT = Window(start=NOW, end=NOW + timedelta(days=14))
SLOT = Slot(
    start=NOW + timedelta(days=1), end=NOW + timedelta(days=1, minutes=30), zone="Europe/Paris", reference="one"
)


class Agenda(MemoryAgenda):
    """Has a second calendar in which the same person can be busy, as ``also_busy`` of CalDAV."""

    error: Exception | None = None
    unreadable: timedelta | None = None  # how far ahead the event lies that nobody can read
    unread = 0

    async def find(self, window, *, motive="", mode=None):
        if self.error is not None:
            raise self.error
        far = self.unreadable
        self.unread = int(far is not None and window.start <= NOW + far < window.end)
        return await super().find(window, motive=motive, mode=mode)


@pytest.fixture
def clock() -> list[datetime]:
    return [NOW]


@pytest.fixture
def agenda() -> Agenda:
    return Agenda(SLOT)


@pytest.fixture
def desk(agenda: Agenda, clock: list[datetime], tmp_path: Path) -> Desk:
    return Desk(agenda, Holds(tmp_path / "agenda.db", "a", lambda: clock[0]), lambda: clock[0])


@pytest.mark.parametrize(
    ("error", "health"),
    [
        (UnreachableError("calendar too_large"), "unreachable"),
        (RefusedError("redirect to another origin"), "misled"),
        (RefusedError("private address"), "misled"),
    ],
)
async def test_a_second_calendar_that_fails_is_told_although_the_first_one_answers(desk, agenda, clock, error, health):
    agenda.error = error
    with pytest.raises(type(error)):
        await desk.find(FORTNIGHT)
    for _ in range(5):
        await desk.settle()
        await desk.changes()
        assert desk.health == health
        clock[0] += timedelta(seconds=10)
    agenda.error = None
    clock[0] += LOOK_AGAIN
    await desk.settle()  # nobody has asked for free times
    assert desk.health == "ready"


async def test_an_event_that_nobody_can_read_is_told_once_until_it_is_gone(desk, agenda, clock):
    agenda.unreadable = timedelta(days=9)
    await desk.find(FORTNIGHT)
    assert desk.health == "incomplete"
    hold = await desk.hold(SLOT, holder="h", until=NOW + timedelta(hours=1), key="k")  # looks at half an hour only
    await desk.book(hold, key="k")
    assert desk.health == "incomplete"
    agenda.unreadable = None
    clock[0] += LOOK_AGAIN
    await desk.settle()
    assert desk.health == "ready"
