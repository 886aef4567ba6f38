"""Opening hours into slots: by the clock on the wall of the place."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridges.agenda.openings import DAYS, Opening, free, slots
from bridges.agenda.provider import Mode, Window


def opening(start="09:00", end="10:00", minutes=20, days=DAYS, **more) -> Opening:
    return Opening(
        days=list(days), start=time.fromisoformat(start), end=time.fromisoformat(end), minutes=minutes, **more
    )


def day(text: str, days: int = 1) -> Window:
    start = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return Window(start=start, end=start + timedelta(days=days))


def starts(found) -> list[str]:
    return [f"{slot.start:%m-%dT%H:%M}" for slot in found]


def test_the_same_wall_time_in_summer_and_winter():
    assert starts(slots([opening()], "Europe/Paris", day("2026-07-01"))) == [
        "07-01T07:00",
        "07-01T07:20",
        "07-01T07:40",
    ]
    assert starts(slots([opening()], "Europe/Paris", day("2026-12-01"))) == [
        "12-01T08:00",
        "12-01T08:20",
        "12-01T08:40",
    ]


def test_no_slot_at_an_hour_that_the_clocks_leave_out():
    night = opening("01:30", "03:30", 30, days=["sun"])
    assert starts(slots([night], "Europe/Paris", day("2026-03-29"))) == ["03-29T00:30", "03-29T01:00"]


def test_an_hour_that_is_twice_is_offered_once():
    night = opening("02:00", "03:00", 30, days=["sat", "sun"])
    assert starts(slots([night], "Europe/Paris", day("2026-10-24", 2))) == [
        "10-24T00:00",
        "10-24T00:30",
        "10-25T00:00",
        "10-25T00:30",
    ]


def test_the_marquesas_have_half_an_hour():
    assert starts(slots([opening(minutes=60)], "Pacific/Marquesas", day("2026-07-01"))) == ["07-01T18:30"]


def test_only_on_the_days_that_are_said():
    found = slots([opening(minutes=60, days=("mon", "thu"))], "Europe/Paris", day("2026-07-01", 14))
    assert {slot.start.astimezone(ZoneInfo("Europe/Paris")).weekday() for slot in found} == {0, 3}


def test_the_same_slot_has_the_same_name_and_others_have_others():
    found = slots([opening(), opening(mode=Mode.REMOTE), opening(motive="suivi")], "Europe/Paris", day("2026-07-01"))
    again = slots(
        [opening(), opening(mode=Mode.REMOTE), opening(motive="suivi")], "Europe/Paris", day("2026-06-01", 60)
    )
    assert len({slot.reference for slot in found}) == 9
    assert {slot.reference for slot in found} <= {slot.reference for slot in again}
    assert not any("suivi" in slot.reference for slot in found)


@pytest.mark.parametrize(
    "wrong",
    [{"minutes": 1}, {"minutes": 500}, {"start": "10:00", "end": "09:00"}, {"motive": "a\nb"}, {"motive": "x" * 121}],
)
def test_hours_that_hold_no_slot_are_refused(wrong):
    with pytest.raises(ValueError):
        opening(**wrong)


ZONES = ["Europe/Paris", "America/Miquelon", "Pacific/Marquesas", "America/Cayenne", "Australia/Lord_Howe"]


@settings(deadline=None, max_examples=40)
@given(
    zone=st.sampled_from(ZONES),
    first=st.dates(min_value=datetime(2026, 1, 1).date(), max_value=datetime(2026, 11, 25).date()),
    days=st.integers(1, 8),
    minutes=st.sampled_from([5, 20, 45, 480]),
)
def test_slots_lie_inside_follow_each_other_and_keep_to_the_wall(zone, first, days, minutes):
    window = day(first.isoformat(), days)
    found = slots([opening("00:00", "23:59", minutes)], zone, window)
    assert all(window.start <= slot.start < window.end for slot in found)
    assert all(slot.end - slot.start == timedelta(minutes=minutes) for slot in found)
    assert [slot.start for slot in found] == sorted({slot.start for slot in found})
    place = ZoneInfo(zone)
    for slot in found:
        wall = slot.start.astimezone(place)
        assert (wall.hour * 60 + wall.minute) % minutes == 0


spans = st.lists(st.tuples(st.integers(0, 1400), st.integers(1, 90)), max_size=20)


@settings(deadline=None, max_examples=60)
@given(spans=spans)
def test_what_is_free_is_what_touches_nothing_busy(spans):
    base = datetime(2026, 7, 1, tzinfo=UTC)
    busy = []
    for begun, length in sorted(spans):
        if not busy or base + timedelta(minutes=begun) > busy[-1][1]:
            busy.append((base + timedelta(minutes=begun), base + timedelta(minutes=begun + length)))
    offered = slots([opening("00:00", "23:00", 15)], "UTC", day("2026-07-01"))
    kept = free(offered, busy)
    for slot in offered:
        clear = all(end <= slot.start or slot.end <= start for start, end in busy)
        assert (slot in kept) == clear
