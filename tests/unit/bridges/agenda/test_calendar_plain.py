"""Events that are plain are read at once; whatever that leaves out or takes in, the long way says the same."""

import random
from datetime import UTC, datetime, timedelta

import pytest

from bridges.agenda.calendar import limits
from bridges.agenda.calendar.reading import Query, read
from tests.fakes.calendars import HEAD, TAIL, both, left

QUERY = Query(start=datetime(2026, 7, 1, tzinfo=UTC), end=datetime(2026, 8, 1, tzinfo=UTC), zone="America/Martinique")
ONE = "BEGIN:VEVENT\r\nUID:{0}\r\nDTSTAMP:20260101T000000Z\r\n{1}\r\nEND:VEVENT\r\n"


@pytest.mark.parametrize(
    "times",
    [
        "DTSTART:20260705T080000Z\r\nDTEND:20260705T090000Z",
        "DTSTART:20260705T080000\r\nDTEND:20260705T090000",
        "DTSTART;TZID=Europe/Paris:20260705T080000\r\nDTEND;TZID=Europe/Paris:20260705T090000",
        'DTSTART;TZID="Europe/Paris":20260705T080000\r\nDTEND;TZID=America/New_York:20260705T090000',
        "DTSTART;TZID=Romance Standard Time:20260705T080000\r\nDTEND:20260705T090000",
        "DTSTART;VALUE=DATE:20260705\r\nDTEND;VALUE=DATE:20260707",
        "DTSTART;VALUE=DATE:20260705\r\nDTEND;VALUE=DATE:20260705",
        "DTSTART:20260630T235900Z\r\nDTEND:20260701T000100Z",
        "DTSTART:20200101T000000Z\r\nDTEND:20300101T000000Z",
        "DTSTART:20260705T080000Z\r\nDTEND:20260705T090000Z\r\nSTATUS:CANCELLED",
        "DTSTART:20260705T080000Z\r\nDTEND:20260705T090000Z\r\ntransp: transparent",
        (
            "DTSTART:20260705T080000Z\r\nDTEND:20260705T090000Z\r\n"
            "BEGIN:VALARM\r\nTRIGGER:-PT1H\r\nDURATION:PT5M\r\nEND:VALARM"
        ),
        "DTSTART:20190705T080000Z",
        "DTSTART:20190705T080000Z\r\nDURATION:P4000D",
        "DTSTART:20190705T080000Z\r\nDTEND:20190705T090000Z",
        "DTSTART:20290705T080000Z\r\nDTEND:20290705T090000Z",
    ],
)
def test_a_plain_event_is_read_at_once_and_rightly(times):
    text = HEAD + ONE.format("a", times) + TAIL
    quick, long = both(text, QUERY)
    assert quick.busy == long.busy
    assert quick.skipped == long.skipped == []
    assert "VEVENT" not in left(text, QUERY)


@pytest.mark.parametrize(
    "times",
    [
        "DTSTART:20190705T080000Z\r\nDTEND:20190705T090000Z\r\nRRULE:FREQ=MINUTELY",
        "DTSTART:20190705T080000Z\r\nDTEND:20190705T090000Z\r\nRR\r\n ULE:FREQ=MINUTELY",
        "DTSTART:20190705T080000Z\r\nDTEND:20190705T090000Z\r\nRDATE:20260231T080000Z",
        "DTSTART:20190705T080000Z\r\nDTEND:20190705T090000Z\r\nRECURRENCE-ID:20260731T250000Z",
        "DTSTART:20190705T080000Z\r\nDURATION:P4000Y",
        "dtstart:20260705T080000Z\r\nDTSTART:20190705T080000Z\r\nDTEND:20190705T090000Z",
        "DTSTART:20190705T090000Z\r\nDTEND:20190705T080000Z",
        "DTSTART:20190231T080000Z\r\nDTEND:20190705T080000Z",
        "DTSTART:20190705T250000Z\r\nDTEND:20190705T080000Z",
        "DTSTART;TZID=Moon/Base:20260705T080000\r\nDTEND;TZID=Moon/Base:20260705T090000",
        "DTSTART;X=1;TZID=Europe/Paris:20260705T080000\r\nDTEND:20260705T090000",
        "DTSTART:20190705T080000Z\r\nBEGIN:VALARM\r\nDTEND:20190705T090000Z\r\nEND:VALARM\r\nDURATION:P4000D",
    ],
)
def test_what_is_not_plain_goes_the_whole_way(times):
    text = HEAD + ONE.format("a", times) + TAIL
    quick, long = both(text, QUERY)
    assert (quick.busy, quick.skipped) == (long.busy, long.skipped)
    assert "BEGIN:VEVENT" in left(text.replace("\r\n ", ""), QUERY)


def test_of_two_with_one_uid_the_newest_counts_wherever_it_lies():
    old = ONE.format("a", "SEQUENCE:1\r\nDTSTART:20260705T080000Z\r\nDTEND:20260705T090000Z")
    new = ONE.format("a", "SEQUENCE:2\r\nDTSTART:20290705T080000Z\r\nDTEND:20290705T090000Z")
    assert read((HEAD + old + new + TAIL).encode(), QUERY).busy == []


@pytest.mark.parametrize("uid", ["", "UID:\r\n", "UID: \r\n"])
def test_events_without_a_name_are_read_at_once_and_each_for_itself(uid):
    one = "BEGIN:VEVENT\r\n" + uid + "DTSTART:20260705T080000Z\r\nDTEND:20260705T090000Z\r\n{0}END:VEVENT\r\n"
    moved = one.replace("5T08", "6T10").replace("5T09", "6T11").format("RECURRENCE-ID:20260712T080000Z\r\n")
    text = HEAD + one.format("RRULE:FREQ=WEEKLY;COUNT=2\r\n") + moved + one.format("") + TAIL
    quick, long = both(text, QUERY)
    assert quick.busy == long.busy
    assert [start.day for start, _ in quick.busy] == [5, 6, 12]  # what has no name is no exception of anything
    assert "VEVENT" not in left(text, QUERY)


def test_what_is_left_out_counts_as_a_component():
    event = ONE.format("x", "DTSTART:20190705T080000Z\r\nDTEND:20190705T090000Z")
    assert read((HEAD + event * (limits.COMPONENTS + 1) + TAIL).encode(), QUERY).reason == "too_many"


TOKENS = [
    *("BEGIN:VEVENT\r\n", "END:VEVENT\r\n", "END:VCALENDAR\r\n", "BEGIN:VALARM\r\n", "END:VALARM\r\n", "\r\n ", "\r"),
    *("RRULE:FREQ=DAILY\r\n", "EXDATE:20260705T080000Z\r\n", "DTSTART:20260705T080000\r\n", "DURATION:PT1H\r\n"),
    *("DTEND;TZID=Nowhere:20260705T090000\r\n", "DTEND:20260705T090000\r\n", "UID:0\r\n", "SEQUENCE:3\r\n"),
    *("STATUS:CANCELLED\r\n", "TRANSP:TRANSPARENT\r\n", "RECURRENCE-ID:20260705T080000Z\r\n", "Z", ":", ";", "\x00"),
]


@pytest.mark.parametrize("seed", range(4))
def test_however_a_calendar_is_broken_no_busy_hour_is_lost(seed):
    draw = random.Random(seed)
    for _ in range(500):
        events = []
        for number in range(draw.randint(1, 6)):
            start = datetime(2026, 6, 20) + timedelta(hours=draw.randint(0, 1200))
            zone = draw.choice(["", ";TZID=Europe/Paris"])
            times = f"DTSTART{zone}:{start:%Y%m%dT%H%M%S}\r\nDTEND{zone}:{start + timedelta(hours=2):%Y%m%dT%H%M%S}"
            rule = draw.choice(["", "", "\r\nRRULE:FREQ=WEEKLY", "\r\nRRULE:FREQ=DAILY;INTERVAL=3;COUNT=9"])
            events.append(ONE.format(number, times + rule))
            if rule and draw.random() < 0.5:
                named = start + timedelta(days=draw.choice([3, 6, 7, 21]))
                moved = f"DTSTART{zone}:{named + timedelta(hours=30):%Y%m%dT%H%M%S}\r\nDURATION:PT1H"
                events.append(ONE.format(number, f"RECURRENCE-ID{zone}:{named:%Y%m%dT%H%M%S}\r\n{moved}"))
        text = HEAD + "".join(events) + TAIL
        for _ in range(draw.randint(0, 5)):
            place, size = draw.randrange(len(text)), draw.choice([0, 0, 7, 40])
            text = text[:place] + draw.choice(TOKENS) + text[place + size :]
        quick, long = both(text, QUERY)
        for start, end in long.busy:
            assert any(one <= start and end <= other for one, other in quick.busy), text
        assert {(each.uid, each.reason) for each in quick.skipped} <= {(each.uid, each.reason) for each in long.skipped}
