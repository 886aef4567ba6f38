"""When a reminder leaves: in the evening of the place, never in its night, not to who has just booked."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridges.agenda.reminders import LEADS, due, moment

PARIS = ZoneInfo("Europe/Paris")
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
ZONES = [
    "Europe/Paris",
    "America/Martinique",
    "America/Miquelon",
    "Indian/Reunion",
    "Pacific/Noumea",
    "Pacific/Marquesas",
]


def paris(*fields: int) -> datetime:
    return datetime(*fields, tzinfo=PARIS)  # type: ignore[misc]  # year, month, …


def at(
    start: datetime,
    now: datetime,
    *,
    booked: datetime = LONG_AGO,
    said: frozenset = frozenset(),
    zone: str = "Europe/Paris",
):
    return due(start, zone, "a", booked=booked, said=said, now=now)


def test_seven_days_and_one_day_before_leave_in_the_evening_of_the_place():
    start = paris(2026, 4, 24, 14, 0)
    for lead, day in (("d7", 17), ("d1", 23)):
        when = moment(lead, start, "Europe/Paris", "a")
        assert (when.day, when.hour, when.tzinfo) == (day, 18, PARIS)
        assert at(start, when) == lead
        assert at(start, when - timedelta(seconds=1)) is None
        assert at(start, when, said=frozenset({lead})) is None


def test_they_are_spread_and_the_same_each_time():
    start = paris(2026, 4, 24, 14, 0)
    moments = {moment("d1", start, "Europe/Paris", f"appointment {number}") for number in range(50)}
    assert len(moments) > 40
    assert max(moments) - min(moments) < timedelta(minutes=20)
    assert moment("d1", start, "Europe/Paris", "appointment 1") in moments


def test_two_hours_before_an_early_hour_is_said_the_evening_before():
    early = paris(2026, 4, 24, 8, 30)
    when = moment("h2", early, "Europe/Paris", "a")
    assert (when.day, when.hour) == (23, 20)
    assert moment("h2", paris(2026, 4, 24, 14, 0), "Europe/Paris", "a") == paris(2026, 4, 24, 12, 0)


def test_who_has_just_booked_is_left_alone():
    start = paris(2026, 4, 24, 14, 0)
    evening = moment("d1", start, "Europe/Paris", "a")
    assert at(start, evening, booked=evening - timedelta(hours=1)) is None
    assert at(start, evening, booked=evening - timedelta(hours=3)) == "d1"


def test_a_bridge_that_was_down_in_the_evening_reminds_in_the_morning_but_not_days_later():
    start = paris(2026, 4, 24, 14, 0)
    evening = moment("d1", start, "Europe/Paris", "a")
    assert at(start, evening + timedelta(hours=5)) is None  # night
    assert at(start, paris(2026, 4, 24, 8, 30)) == "d1"
    week = paris(2026, 5, 8, 14, 0)
    assert at(week, paris(2026, 5, 3, 12, 0)) is None


def test_nothing_after_it_has_begun():
    start = paris(2026, 4, 24, 14, 0)
    assert at(start, start) is None
    assert at(start, start - timedelta(minutes=30)) is None  # two hours before, an hour and a half late


@pytest.mark.parametrize("day", [28, 29, 30])
def test_the_wall_clock_counts_where_clocks_change(day):
    """In the night of 29 March 2026 the clocks of Paris go forward."""
    when = moment("d1", paris(2026, 3, day, 14, 0), "Europe/Paris", "a")
    assert (when.day, when.hour) == (day - 1, 18)


@settings(max_examples=500, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),
    st.timedeltas(timedelta(), timedelta(days=9)),
)
def test_never_at_night_and_each_lead_at_most_once(zone, naive, before):
    start = naive.replace(tzinfo=UTC, second=0, microsecond=0)
    now = start - before
    lead = at(start, now, zone=zone)
    if lead is not None:
        assert 8 <= now.astimezone(ZoneInfo(zone)).hour < 21
        assert moment(lead, start, zone, "a") <= now < start
        assert at(start, now, zone=zone, said=frozenset(LEADS)) is None
