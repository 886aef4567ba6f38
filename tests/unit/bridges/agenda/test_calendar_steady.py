"""Series that repeat by a common rule are counted, not walked; the long way, which walks, says the same.

More examples by hand: ``CALENDAR_EXAMPLES=20000 pytest tests/unit/bridges/agenda/test_calendar_steady.py``.
"""

import os
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from bridges.agenda.calendar import limits, zones
from bridges.agenda.calendar.plain import Plain
from bridges.agenda.calendar.reading import Query, Reading, read

EXAMPLES = int(os.environ.get("CALENDAR_EXAMPLES", "150"))
HEAD, TAIL = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\n", "END:VCALENDAR\r\n"
PLACES = [
    *("Europe/Paris", "Indian/Reunion", "America/Guadeloupe", "America/Miquelon", "Pacific/Noumea", "UTC"),
    *("Pacific/Marquesas", "America/Havana", "Africa/Casablanca", "Pacific/Apia", "Australia/Lord_Howe"),
]
DAYS = ["MO", "TU", "WE", "TH", "FR", "SA", "SU"]


def event(uid: str, *lines: str) -> str:
    return "\r\n".join(["BEGIN:VEVENT", f"UID:{uid}", *lines, "END:VEVENT", ""])


def both(text: str, query: Query) -> tuple[Reading, Reading]:
    """Counted, and the long way: nothing is counted where the entries are wanted."""
    return read(text.encode(), query), read(text.encode(), replace(query, entries=True))


def left(text: str, query: Query) -> str:
    zone = zones.known(query.zone)
    assert zone is not None
    rest, _, _ = Plain(query.start, query.end, zone).take(text.replace("\r\n", "\n"))
    return rest


def window(start: str, days: int = 7, zone: str = "Europe/Paris") -> Query:
    begun = datetime.fromisoformat(start).replace(tzinfo=UTC)
    return Query(start=begun, end=begun + timedelta(days=days), zone=zone)


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


@pytest.mark.parametrize(
    "lines",
    [
        ("RRULE:FREQ=HOURLY;INTERVAL=5",),
        ("RRULE:FREQ=DAILY;BYHOUR=8,9",),
        ("RRULE:FREQ=SECONDLY",),
        ("RRULE:FREQ=DAILY;COUNT=0",),
        ("RRULE:FREQ=DAILY;UNTIL=20269901",),
        ("RRULE:FREQ=DAILY;COUNT=9;UNTIL=20270101",),
        ("RRULE:FREQ=MONTHLY;BYMONTHDAY=31;COUNT=90",),
        ("RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"),
        ("RRULE:FREQ=DAILY", "RDATE;TZID=Europe/Paris:20260703T120000"),
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
    frequency = draw(st.sampled_from(["DAILY", "WEEKLY", "WEEKLY", "MONTHLY", "YEARLY"]))
    parts = [f"FREQ={frequency}"]
    if draw(st.booleans()):
        parts.append(f"INTERVAL={draw(st.integers(1, 6))}")
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
    zone = draw(st.sampled_from(["", "Z", *(f";TZID={place}" for place in PLACES)]))
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
    others = []
    for at in draw(st.lists(hits, max_size=2)):
        moved = at + timedelta(hours=draw(st.integers(-50, 50)))
        state = draw(st.sampled_from(["STATUS:CONFIRMED", "STATUS:CANCELLED", "SEQUENCE:2"]))
        others.append(event(uid, when("RECURRENCE-ID", at), when("DTSTART", moved), "DURATION:PT30M", state))
    whole = [event(uid, *lines), *others]
    return "".join(draw(st.permutations(whole)))


@st.composite
def cases(draw: st.DrawFn) -> tuple[str, Query]:
    moment = draw(
        st.sampled_from(
            ["2026-03-25", "2026-10-22", "2026-07-01", "2024-02-20", "2026-12-20", "2011-12-25", "2026-11-01"]
        )
    )
    around = datetime.fromisoformat(moment)
    query = window(moment, draw(st.sampled_from([1, 7, 33])), draw(st.sampled_from(PLACES)))
    size = draw(st.integers(1, 3))
    return HEAD + "".join(draw(series(str(number), around)) for number in range(size)) + TAIL, query


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases())
def test_whatever_the_rule_the_place_and_the_window_the_long_way_says_the_same(case):
    text, query = case
    quick, long = both(text, query)
    assert quick.busy == long.busy
    assert quick.skipped == long.skipped
