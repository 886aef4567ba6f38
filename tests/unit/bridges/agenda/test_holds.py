"""The table of holds: what the database itself refuses, whoever asks."""

import contextlib
import multiprocessing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pysqlite3 import dbapi2 as sqlite3

from bridges.agenda.holds import Holds
from bridges.agenda.provider import HoldExpiredError, Slot, SlotGoneError, TooManyHoldsError

START = datetime(2026, 7, 1, 8, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.at = START - timedelta(days=1)

    def __call__(self) -> datetime:
        return self.at

    def later(self, **much) -> datetime:
        self.at += timedelta(**much)
        return self.at


def slot(minute: int = 0, length: int = 30) -> Slot:
    start = START + timedelta(minutes=minute)
    return Slot(
        start=start, end=start + timedelta(minutes=length), zone="Europe/Paris", reference=f"s{minute}-{length}"
    )


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def holds(tmp_path, clock):
    made = Holds(tmp_path / "agenda.db", "one", clock)
    yield made
    made.close()


def take(holds, clock, minute=0, holder="jean", key=None, length=30, minutes=15):
    return holds.take(
        slot(minute, length), holder=holder, until=clock() + timedelta(minutes=minutes), key=key or f"{holder}{minute}"
    )


@pytest.mark.parametrize(("minute", "length"), [(0, 30), (-10, 20), (29, 1), (10, 5), (-60, 300)])
def test_a_time_that_overlaps_a_hold_cannot_be_taken(holds, clock, minute, length):
    take(holds, clock)
    with pytest.raises(SlotGoneError):
        take(holds, clock, minute, "anne", length=length)


@pytest.mark.parametrize(("minute", "length"), [(30, 30), (-30, 30)])
def test_a_time_beside_a_hold_is_free(holds, clock, minute, length):
    take(holds, clock)
    assert take(holds, clock, minute, "anne", length=length)


def test_the_same_key_gives_the_same_hold(holds, clock):
    assert take(holds, clock, key="k") == take(holds, clock, key="k")


def test_a_hold_ends_by_itself_and_cannot_be_booked_then(holds, clock):
    hold = take(holds, clock)
    clock.later(minutes=15)
    with pytest.raises(HoldExpiredError):
        holds.begin(hold)
    assert take(holds, clock, holder="anne")


def test_what_is_being_booked_does_not_end(holds, clock):
    hold = take(holds, clock)
    holds.begin(hold)
    clock.later(days=1)
    with pytest.raises(SlotGoneError):
        take(holds, clock, holder="anne")
    assert [row.hold for row in holds.pending()] == [hold]


def test_one_person_holds_no_more_than_allowed(holds, clock):
    take(holds, clock, 0)
    take(holds, clock, 60)
    with pytest.raises(TooManyHoldsError):
        take(holds, clock, 120)
    clock.later(minutes=15)
    assert take(holds, clock, 120)


def test_one_person_is_not_in_two_places_of_the_practice_at_once(tmp_path, holds, clock):
    other = Holds(tmp_path / "agenda.db", "two", clock)
    take(holds, clock)
    with pytest.raises(SlotGoneError):
        take(other, clock, 10, key="k")
    assert take(other, clock, 10, "anne")
    other.close()


def test_a_release_gives_the_time_back_and_a_booking_does_not_release(holds, clock):
    hold = take(holds, clock)
    holds.release(hold)
    again = take(holds, clock, holder="anne")
    holds.begin(again)
    holds.release(again)
    with pytest.raises(SlotGoneError):
        take(holds, clock, holder="paul")


def test_a_stranger_to_our_code_is_refused_by_the_database(tmp_path, holds, clock):
    take(holds, clock)
    db = sqlite3.connect(tmp_path / "agenda.db")
    row = list(db.execute("SELECT * FROM holds").fetchone())
    row[0], row[2], row[3] = "other", "anne", "other"
    for state in ("held", "pending", "booked"):
        row[11] = state
        with pytest.raises(sqlite3.IntegrityError, match="agenda_taken"):
            db.execute(f"INSERT INTO holds VALUES ({','.join('?' * len(row))})", row)
    row[11] = "cancelled"
    db.execute(f"INSERT INTO holds VALUES ({','.join('?' * len(row))})", row)
    with pytest.raises(sqlite3.IntegrityError, match="agenda_taken"):
        db.execute("UPDATE holds SET state = 'booked' WHERE reference = 'other'")
    db.close()


def test_the_file_is_for_its_owner_alone(tmp_path, holds):
    assert (tmp_path / "agenda.db").stat().st_mode & 0o077 == 0


def test_what_is_over_is_forgotten_and_what_is_unknown_is_not(holds, clock):
    done = take(holds, clock)
    holds.begin(done)
    holds.settle(done, "booked", "a", "1")
    holds.begin(take(holds, clock, 60))
    clock.later(days=3)
    assert holds.forget(clock() - timedelta(days=1)) == 1
    assert len(holds.pending()) == 1


def race(path: str, holder: str, results) -> None:
    clock = Clock()
    holds = Holds(path, "one", clock)
    try:
        hold = take(holds, clock, holder=holder)
        holds.begin(hold)
        holds.settle(hold, "booked", holder, "1")
        results.put("won")
    except SlotGoneError:
        results.put("lost")
    holds.close()


def test_of_several_programs_one_wins(tmp_path, holds):
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    programs = [context.Process(target=race, args=(tmp_path / "agenda.db", f"p{n}", results)) for n in range(8)]
    for each in programs:
        each.start()
    ended = sorted(results.get(timeout=60) for _ in programs)
    for each in programs:
        each.join(30)
    assert ended == ["lost"] * 7 + ["won"]


class Practice(RuleBasedStateMachine):
    """Whatever people do in whatever order, no minute of an agenda or of a person is given twice."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.folder = TemporaryDirectory()
        self.holds = Holds(Path(self.folder.name) / "a.db", "one", self.clock, most=3)
        self.taken = []

    @rule(
        minute=st.integers(0, 120),
        length=st.sampled_from([5, 30, 60]),
        holder=st.sampled_from("abc"),
        key=st.integers(0, 40),
    )
    def take(self, minute, length, holder, key):
        with contextlib.suppress(SlotGoneError, TooManyHoldsError, HoldExpiredError):
            self.taken.append(take(self.holds, self.clock, minute, holder, f"{key}", length))

    @rule(place=st.integers(0, 100), end=st.sampled_from(["booked", "released", "held", "cancelled"]))
    def book(self, place, end):
        if self.taken:
            hold = self.taken[place % len(self.taken)]
            try:
                self.holds.begin(hold)
                self.holds.settle(hold, end, hold.reference, "1")
            except (HoldExpiredError, SlotGoneError):
                pass

    @rule(place=st.integers(0, 100), minute=st.integers(0, 120))
    def practice_moves(self, place, minute):
        if self.taken:
            other = slot(minute)
            self.holds.follow(self.taken[place % len(self.taken)].reference, other.start, other.end, "2")

    @rule(minutes=st.integers(1, 20))
    def wait(self, minutes):
        self.clock.later(minutes=minutes)

    @invariant()
    def no_minute_is_given_twice(self):
        live = "state IN ('held', 'pending', 'booked')"
        same = "one.agenda = other.agenda OR one.holder = other.holder"
        query = f"SELECT count(*) FROM holds one JOIN holds other ON one.reference < other.reference AND ({same}) WHERE one.{live} AND other.{live} AND one.ends > other.starts AND one.starts < other.ends"
        assert self.holds._db.execute(query).fetchone()[0] == 0

    def teardown(self):
        self.holds.close()
        self.folder.cleanup()


TestPractice = Practice.TestCase
TestPractice.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
