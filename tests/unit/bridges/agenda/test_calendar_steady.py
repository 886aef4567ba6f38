"""Series that repeat by a common rule are counted, not walked; the long way, which walks, says the same.

More examples by hand: ``CALENDAR_EXAMPLES=20000 pytest tests/unit/bridges/agenda/test_calendar_steady.py``.
"""

import os
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reading import Query, Reading, read
from tests.fakes.calendars import CABINET, HEAD, STRANGE, TAIL, both, event, left, window
from tests.fakes.counted import lines_of

EXAMPLES = int(os.environ.get("CALENDAR_EXAMPLES", "150"))
PLACES = [
    *("Europe/Paris", "Indian/Reunion", "America/Guadeloupe", "America/Miquelon", "Pacific/Noumea", "UTC"),
    *("Pacific/Marquesas", "America/Havana", "Africa/Casablanca", "Pacific/Apia", "Australia/Lord_Howe"),
]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


@pytest.mark.parametrize(
    "rule",
    [
        *("FREQ=WEEKLY;BYDAY=MO,TH", "FREQ=DAILY", "FREQ=DAILY;INTERVAL=3", "FREQ=WEEKLY;INTERVAL=2;WKST=SU"),
        *("FREQ=MONTHLY", "FREQ=MONTHLY;BYDAY=1MO,-1FR", "FREQ=MONTHLY;BYMONTHDAY=31", "FREQ=YEARLY", "FREQ=WEEKLY"),
        *(
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
            "FREQ=YEARLY;BYMONTH=7;BYDAY=1MO",
            "FREQ=YEARLY;BYWEEKNO=28",
        ),
        *("FREQ=WEEKLY;BYDAY=MO;COUNT=500", "FREQ=DAILY;COUNT=2500;INTERVAL=2", "FREQ=MONTHLY;COUNT=97", "freq=weekly"),
        *("FREQ=HOURLY", "FREQ=HOURLY;INTERVAL=7", "FREQ=HOURLY;INTERVAL=48;UNTIL=20260703", "FREQ=HOURLY;COUNT=70150"),
        *("FREQ=HOURLY;INTERVAL=5;BYDAY=MO,TU;BYHOUR=7,8,9;BYMINUTE=0,40", "FREQ=HOURLY;BYMONTH=7;BYMONTHDAY=3"),
        *("FREQ=DAILY;BYHOUR=7,8,14;BYMINUTE=0,30", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=6;UNTIL=20260720T040000Z"),
        *("FREQ=WEEKLY;BYDAY=MO;BYHOUR=6;UNTIL=20260720T035959Z", "FREQ=DAILY;BYMINUTE=0,50;UNTIL=20260720T061500Z"),
        *("FREQ=MONTHLY;BYMONTHDAY=-1;BYHOUR=23", "FREQ=YEARLY;BYMONTH=7;BYDAY=1MO;BYSECOND=30"),
        *("FREQ=WEEKLY;BYDAY=MO;UNTIL=20260707T070000Z", "FREQ=WEEKLY;UNTIL=20260706", "UNTIL=20270101;FREQ=DAILY"),
    ],
)
def test_a_common_series_is_counted_and_rightly(rule):
    times = ("DTSTART;TZID=Europe/Paris:20180702T080000", "DTEND;TZID=Europe/Paris:20180702T090000")
    text = HEAD + event("a", *times, f"RRULE:{rule}") + TAIL
    quick, long = both(text, window("2026-07-01", 40))
    assert quick.busy == long.busy
    assert quick.skipped == long.skipped == []
    if "UNTIL=20270101;" not in rule:
        assert "VEVENT" not in left(text, window("2026-07-01", 40))


@pytest.mark.parametrize(
    ("start", "size", "first", "count"),
    [
        ("TZID=Europe/Paris:20180702T023000", "PT1H", "2026-03-27", 4),  # on the 29th there is no 2:30
        ("TZID=Europe/Paris:20180702T023000", "PT1H", "2026-10-23", 5),  # on the 25th it is twice: the first
        ("TZID=Europe/Paris:20180702T230000", "P1D", "2026-03-27", 1),
        ("TZID=America/Havana:20180702T003000", "PT10M", "2026-03-06", 4),  # the clocks change at midnight
        ("VALUE=DATE:20180702", "P1D", "2026-03-27", 1),
        ("TZID=Pacific/Apia:20090702T100000", "PT1H", "2011-12-28", 5),  # Samoa had no 30 December 2011
    ],
)
def test_clocks_that_change_under_a_series(start, size, first, count):
    text = HEAD + event("a", f"DTSTART;{start}", f"DURATION:{size}", "RRULE:FREQ=DAILY") + TAIL
    query = window(first, 5, "America/Havana" if "VALUE" in start else "Europe/Paris")
    quick, long = both(text, query)
    assert quick.busy == long.busy
    assert len(quick.busy) == count
    assert "VEVENT" not in left(text, query)


def test_a_repetition_that_the_clocks_leave_out_is_not_moved_either():
    first = event("a", "DTSTART;TZID=Europe/Paris:20260302T023000", "DURATION:PT1H", "RRULE:FREQ=DAILY")
    rest = ("RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Paris:20260320T023000", "DTSTART:20260320T100000Z")
    quick, long = both(HEAD + first + event("a", *rest, "DURATION:PT1H") + TAIL, window("2026-03-25", 9))
    assert quick.busy == long.busy
    assert len(quick.busy) == 8  # on the 29th there is no 2:30


@pytest.mark.parametrize(
    "lines",
    [
        ("RRULE:FREQ=HOURLY;INTERVAL=5;BYDAY=MO;COUNT=90",),
        ("RRULE:FREQ=DAILY;BYHOUR=8,9;COUNT=90",),
        ("RRULE:FREQ=DAILY;BYHOUR=8,9;BYSETPOS=1",),
        ("RRULE:FREQ=SECONDLY",),
        ("RRULE:FREQ=DAILY;COUNT=0",),
        ("RRULE:FREQ=DAILY;UNTIL=20269901",),
        ("RRULE:FREQ=DAILY;COUNT=9;UNTIL=20270101",),
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=31;COUNT=90",),
        ("RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"),
        ("RRULE:FREQ=DAILY", "RDATE;TZID=Moon/Base:20260703T120000"),
        ("RRULE:FREQ=DAILY", "RDATE;VALUE=PERIOD:20260703T120000Z/20260703T110000Z"),
        ("RRULE:FREQ=DAILY", "EXDATE;TZID=Moon/Base:20260703T080000"),
        ("RRULE:FREQ=DAILY", "EXDATE;TZID=Europe/Paris:2026-07-03"),
        ("RRULE:FREQ=DAILY", "RECURRENCE-ID;TZID=Europe/Paris:20260703T080000"),
    ],
)
def test_a_series_that_is_not_common_goes_the_whole_way(lines):
    times = ("DTSTART;TZID=Europe/Paris:20180702T080000", "DTEND;TZID=Europe/Paris:20180702T090000")
    text = HEAD + event("a", *times, *lines) + TAIL
    quick, long = both(text, window("2026-07-01"))
    assert (quick.busy, quick.skipped) == (long.busy, long.skipped)
    assert "BEGIN:VEVENT" in left(text, window("2026-07-01"))


def weekly(*more: str) -> str:
    return event("a", "DTSTART:20260601T080000", "DURATION:PT1H", "RRULE:FREQ=WEEKLY", *more)


MOVED = event("a", "RECURRENCE-ID:20260706T080000", "DTSTART:20260707T100000", "DURATION:PT30M")
AND_FUTURE = MOVED.replace("-ID:", "-ID;RANGE=THISANDFUTURE:")


@pytest.mark.parametrize(
    "text",
    [
        HEAD + weekly() + MOVED + TAIL,
        HEAD + MOVED + weekly() + TAIL,
        HEAD + weekly("STATUS:CANCELLED") + MOVED + TAIL,
        HEAD + weekly() + MOVED.replace("DURATION", "STATUS:CANCELLED\r\nDURATION") + TAIL,
        HEAD + weekly("EXDATE:20260706T080000") + TAIL,
        HEAD + weekly("EXDATE:20260706T060000Z") + TAIL,
        HEAD + weekly("EXDATE;VALUE=DATE:20260706") + TAIL,
        HEAD + weekly("EXDATE;VALUE=DATE:20260706").replace("T080000", "T000000") + TAIL,
        # Whatever does not surely belong to the series takes nothing away from it.
        HEAD + weekly() + TAIL + HEAD + MOVED + TAIL,
        HEAD + weekly() + "BEGIN:VTODO\r\n" + MOVED + TAIL,
        HEAD + weekly() + "BEGIN:VEVENT\r\nUID:b\r\n" + MOVED + TAIL,
        HEAD + weekly() + MOVED.replace("20260707T100000", "20260707T990000") + TAIL,
        HEAD + weekly() + MOVED.replace("DTSTART:20260707", "DTSTART;TZID=Moon/Base:20190707") + TAIL,
        HEAD
        + weekly()
        + MOVED.replace("DURATION:PT30M", "DTEND;TZID=Moon/Base:20190708T110000").replace("20260707", "20190707")
        + TAIL,
        HEAD + weekly() + MOVED.replace("-ID:2", "-ID;RANGE=THISANDFUTURE:2") + TAIL,
        HEAD + weekly() + AND_FUTURE + TAIL,
        HEAD + weekly("EXDATE:20260713T080000") + AND_FUTURE.replace("0707T10", "0707T00") + TAIL,
        HEAD + weekly("TRANSP:TRANSPARENT") + AND_FUTURE + TAIL,
        HEAD + weekly("STATUS:CANCELLED") + AND_FUTURE.replace("0706", "0601").replace("0707", "0602") + TAIL,
        HEAD + weekly("RDATE;VALUE=PERIOD:20260708T080000/PT3H") + AND_FUTURE + TAIL,
        HEAD + weekly() + AND_FUTURE.replace("DURATION", "STATUS:CANCELLED\r\nDURATION") + TAIL,
        HEAD + weekly() + AND_FUTURE.replace("DTSTART:", "DTSTART;TZID=Pacific/Noumea:") + TAIL,
        HEAD + weekly() + AND_FUTURE.replace("0707T10", "0729T10") + TAIL,
        HEAD + weekly() + AND_FUTURE.replace("20260706", "20260530") + TAIL,
        HEAD + weekly() + AND_FUTURE.replace("0706", "0601").replace("0707", "0602") + TAIL,
        HEAD + weekly() + AND_FUTURE + AND_FUTURE.replace("0706", "0713").replace("0707T10", "0713T15") + TAIL,
        HEAD + weekly("RDATE:20260707T120000") + AND_FUTURE + TAIL,
        HEAD + weekly("RDATE:20260707T120000,20260713T080000") + TAIL,
        HEAD + weekly("RDATE;VALUE=PERIOD:20260706T080000/PT3H,20260708T080000Z/20260708T093000Z") + TAIL,
        HEAD + weekly("RDATE;VALUE=PERIOD:20260706T080000/PT5M,20260601T080000/PT0S") + TAIL,
        HEAD + weekly("RDATE;VALUE=PERIOD:20260706T080000/PT3H", "EXDATE:20260706T080000") + MOVED + TAIL,
        HEAD + weekly("RDATE;VALUE=DATE:20260708").replace("RRULE:FREQ=WEEKLY\r\n", "") + TAIL,
        HEAD + weekly("RDATE:20260708T080000", "RDATE;TZID=Asia/Tokyo:20260709T080000", "STATUS:CANCELLED") + TAIL,
        HEAD + MOVED + TAIL,
        HEAD + MOVED + MOVED.replace("0706", "0713").replace("0707T", "0714T") + TAIL,
        HEAD + MOVED + MOVED.replace("20260707", "20260709") + TAIL,
        HEAD
        + weekly()
        + MOVED
        + MOVED.replace("20260707", "20260709").replace("DTSTART", "SEQUENCE:1\r\nDTSTART")
        + TAIL,
        HEAD + weekly() + weekly("SEQUENCE:4").replace("0601T080000", "0602T080000") + MOVED + TAIL,
        (HEAD + weekly() + MOVED + TAIL).replace("UID:a", "UID: "),
    ],
)
def test_single_repetitions_that_are_moved_or_taken_away(text):
    quick, long = both(text, window("2026-07-01", 14))
    assert quick.busy == long.busy
    assert quick.skipped == long.skipped


def test_twenty_years_of_a_practice_are_read():
    """By walking, these are more days than are looked at."""
    events = (
        event(
            str(number),
            f"DTSTART;TZID=Europe/Paris:20100{number % 9 + 1}01T{number % 10 + 8:02}0000",
            "DURATION:PT20M",
            rule,
        )
        for number, rule in enumerate(["RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"] * 40)
    )
    reading = read((HEAD + "".join(events) + TAIL).encode(), window("2010-01-01", 20 * 365))
    assert (reading.reason, reading.skipped) == (None, [])
    assert len(reading.busy) > 60_000


def test_series_that_begin_within_a_long_window_are_repeated_once():
    """Hundreds that share rule and hour are as much work as a few, but for reading them."""

    def work(count: int) -> int:
        events = (
            event(
                str(number),
                f"DTSTART;TZID=Europe/Paris:201{number % 3}{number % 12 + 1:02}01T{number % 2 + 8:02}0000",
                "DURATION:PT20M",
                f"RRULE:FREQ=DAILY;COUNT={900 + number}" if number % 3 else "RRULE:FREQ=DAILY",
            )
            for number in range(count)
        )
        raw, query = (HEAD + "".join(events) + TAIL).encode(), window("2010-01-01", 4 * 365)
        found: list[Reading] = []
        lines = lines_of(lambda: found.append(read(raw, query)))
        assert (found[0].reason, found[0].skipped) == (None, [])
        assert len(found[0].busy) > 2 * 365 * 3
        return lines

    work(6)  # the zones of the world are loaded once
    assert work(60) < 1.5 * work(20)


@pytest.mark.parametrize(
    "ends",
    [
        ((1, "COUNT=5"), (3, "COUNT=10"), (4, "COUNT=2")),  # overlap, within one another
        ((10, "COUNT=5"), (1, "COUNT=5"), (20, "COUNT=5")),  # apart, in no order
        ((1, "COUNT=3"), (4, "COUNT=3"), (4, "WKST=SU"), (9, "UNTIL=20260705")),
    ],
)
def test_series_that_differ_in_where_they_begin_and_end_take_nothing_from_each_other(ends):
    series = (
        event(f"{number}", f"DTSTART:202607{day:02}T080000", "DURATION:PT1H", f"RRULE:FREQ=DAILY;{end}")
        for number, (day, end) in enumerate(ends)
    )
    text = HEAD + "".join(series) + TAIL
    quick, long = both(text, window("2026-06-20", 60))
    assert quick.busy == long.busy
    assert "VEVENT" not in left(text, window("2026-06-20", 60))


def test_a_long_calendar_of_series_is_busy_and_nothing_is_left_out():
    """By walking, these are more repetitions than are kept, and more days than are looked at."""
    rules = ["FREQ=DAILY", "FREQ=WEEKLY;BYDAY=MO,TU,WE", "FREQ=MONTHLY;BYDAY=2TU", "FREQ=MONTHLY;BYMONTHDAY=-1"]
    events = (
        event(
            str(number),
            f"DTSTART;TZID=Europe/Paris:2019{number % 12 + 1:02}{number % 28 + 1:02}T{number % 10 + 8:02}0000",
            "DURATION:PT20M",
            f"RRULE:{rules[number % 4]}",
        )
        for number in range(10_000)
    )
    query = window("2026-07-01", 60)
    reading = read((HEAD + "".join(events) + TAIL).encode(), query)
    assert (reading.reason, reading.skipped, reading.unlisted) == (None, [], 0)
    assert len(reading.busy) > 60 * 5
    assert len(reading.busy) < limits.INSTANCES


def numbers(least: int, most: int) -> st.SearchStrategy[str]:
    signed = st.integers(least, most).flatmap(lambda number: st.sampled_from([number, -number]))
    return st.lists(signed, min_size=1, max_size=2, unique=True).map(lambda each: ",".join(map(str, each)))


@st.composite
def rules(draw: st.DrawFn, start: datetime) -> str:
    frequency = draw(st.sampled_from(["HOURLY", "DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 6) if frequency != 'HOURLY' else st.integers(1, 50))}")
    if draw(st.booleans()):
        names = draw(st.lists(st.sampled_from(DAYS), min_size=1, max_size=3, unique=True))
        nth = draw(st.sampled_from(["", "", "1", "2", "-1", "5", "-5"])) if frequency in {"MONTHLY", "YEARLY"} else ""
        parts.append("BYDAY=" + ",".join(nth + name for name in names))
    if draw(st.integers(0, 4)) == 0:
        parts.append(f"BYMONTHDAY={draw(numbers(1, 31))}")
    if draw(st.integers(0, 6)) == 0:
        months = draw(st.lists(st.integers(1, 12), min_size=1, max_size=3, unique=True))
        parts.append("BYMONTH=" + ",".join(map(str, months)))
    if frequency == "YEARLY" and draw(st.integers(0, 4)) == 0:
        parts.append(draw(st.sampled_from(["BYWEEKNO=", "BYYEARDAY="])) + draw(numbers(1, 53)))
    if draw(st.integers(0, 5)) == 0:
        parts.append(f"BYSETPOS={draw(numbers(1, 3))}")
    if draw(st.integers(0, 3)) == 0:
        parts.append(draw(st.sampled_from(["BYHOUR=2", "BYHOUR=0,2,23", "BYMINUTE=0,30", "BYHOUR=3;BYSECOND=30"])))
    if draw(st.integers(0, 3)) == 0:
        parts.append(f"WKST={draw(st.sampled_from(DAYS))}")
    end = draw(st.sampled_from(["", "", "COUNT", "UNTIL"]))
    if end == "COUNT":
        parts.append(f"COUNT={draw(st.integers(1, 900))}")
    if end == "UNTIL":
        until = start + timedelta(hours=draw(st.integers(-30, 24 * 900)))
        parts.append(f"UNTIL={until:{draw(st.sampled_from(['%Y%m%dT%H%M%SZ', '%Y%m%d', '%Y%m%dT%H%M%S']))}}")
    return ";".join(parts)


@st.composite
def series(draw: st.DrawFn, uid: str, around: datetime) -> str:
    """One series with its exceptions; ``around`` is where the window begins."""
    back = draw(st.sampled_from([20, 400, 3000]))
    minutes = draw(st.sampled_from([0, 30, 90, 120, 150, 180, 540, 1439]))
    start = around - timedelta(days=draw(st.integers(-15, back))) + timedelta(minutes=minutes)
    zone = draw(st.sampled_from(["", "Z", *(f";TZID={place}" for place in [*PLACES, "Cabinet", "Odd"])]))
    day = zone == "" and draw(st.booleans())

    def when(name: str, at: datetime) -> str:
        if day:
            return f"{name};VALUE=DATE:{at:%Y%m%d}"
        return f"{name}:{at:%Y%m%dT%H%M%SZ}" if zone == "Z" else f"{name}{zone}:{at:%Y%m%dT%H%M%S}"

    size = timedelta(minutes=draw(st.sampled_from([0, 15, 60, 1440, 1500, 7000, 20_000])))
    ends = draw(
        st.sampled_from(
            [when("DTEND", start + size), "DURATION:P1D", "DURATION:PT45M", "DURATION:P1DT2H", "TRANSP:OPAQUE"]
        )
    )
    lines = [when("DTSTART", start), ends, f"RRULE:{draw(rules(start))}"]
    hits = st.builds(
        lambda days, moved: around.replace(hour=start.hour, minute=start.minute) + timedelta(days=days, hours=moved),
        st.integers(-9, 40),
        st.sampled_from([0, 0, 0, 1]),
    )
    lines += [when("EXDATE", at) for at in draw(st.lists(hits, max_size=3))]
    lines += [when("RDATE", at) for at in draw(st.lists(hits, max_size=2))]
    if not day:
        periods = st.sampled_from(["/PT2H", "/P1D", "/PT0S"])
        lines += [when("RDATE;VALUE=PERIOD", at) + draw(periods) for at in draw(st.lists(hits, max_size=1))]
    others, name = [], draw(st.sampled_from(["RECURRENCE-ID", "RECURRENCE-ID", "RECURRENCE-ID;RANGE=THISANDFUTURE"]))
    if "RANGE" in name and draw(st.booleans()):
        lines = [line for line in lines if not line.startswith("RDATE")]
    for at in draw(st.lists(hits, max_size=2)):
        moved = at + timedelta(hours=draw(st.integers(-50, 50)))
        state = draw(st.sampled_from(["STATUS:CONFIRMED", "STATUS:CANCELLED", "SEQUENCE:2"]))
        others.append(event(uid, when(name, at), when("DTSTART", moved), "DURATION:PT30M", state))
    lines += (
        draw(st.sampled_from([[], [], ["STATUS:CANCELLED"], ["TRANSP:TRANSPARENT"]])) if ends[:6] != "TRANSP" else []
    )
    whole = [event(uid, *lines) if draw(st.integers(0, 9)) else "", *others]
    return "".join(draw(st.permutations(whole)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Query]:
    moment = draw(
        st.sampled_from(
            [
                "2026-03-25",
                "2026-10-22",
                "2026-07-01",
                "2026-07-04",
                "2024-02-20",
                "2026-12-20",
                "2011-12-25",
                "2026-11-01",
            ]
        )
    )
    around = datetime.fromisoformat(moment)
    query = window(moment, draw(st.sampled_from([1, 7, 7, 33, 33, 500])), draw(st.sampled_from(PLACES)))
    size = draw(st.integers(1, 3))
    return HEAD + "".join(
        [CABINET, STRANGE, *(draw(series(str(number), around)) for number in range(size))]
    ) + TAIL, query


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_whatever_the_rule_the_place_and_the_window_the_long_way_says_the_same(case):
    text, query = case
    quick, long = both(text, query)
    assert quick.busy == long.busy
    assert quick.skipped == long.skipped
