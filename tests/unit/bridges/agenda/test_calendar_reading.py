"""When a calendar is busy: the clock of Paris, islands, exceptions, and files that lie."""

from datetime import UTC, datetime, timedelta

import pytest

from bridges.agenda.calendar.reading import Query, read
from tests.fakes.counted import lines_of

HEAD = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n"


def calendar(*events: str, more: str = "") -> bytes:
    body = "".join(f"BEGIN:VEVENT\r\nUID:e{n}\r\n{each.strip()}\r\nEND:VEVENT\r\n" for n, each in enumerate(events))
    return f"{HEAD}{more}{body}END:VCALENDAR\r\n".encode()


def busy(raw: bytes, start: str, end: str, zone: str = "Europe/Paris") -> list[str]:
    reading = ask(raw, start, end, zone)
    assert reading.reason is None
    assert reading.skipped == []
    return [f"{one:%m-%dT%H:%M}/{other:%m-%dT%H:%M}" for one, other in reading.busy]


def ask(raw: bytes, start: str = "2026-01-01", end: str = "2027-01-01", zone: str = "Europe/Paris"):
    window = [datetime.fromisoformat(each).replace(tzinfo=UTC) for each in (start, end)]
    return read(raw, Query(start=window[0], end=window[1], zone=zone))


def skipped(raw: bytes) -> list[tuple[str, str]]:
    return [(each.uid, each.reason) for each in ask(raw).skipped]


def test_a_weekly_hour_keeps_its_place_on_the_wall_when_the_clock_changes():
    raw = calendar("DTSTART;TZID=Europe/Paris:20260322T090000\nDURATION:PT30M\nRRULE:FREQ=WEEKLY;COUNT=3")
    assert busy(raw, "2026-03-01", "2026-05-01") == [
        "03-22T08:00/03-22T08:30",
        "03-29T07:00/03-29T07:30",
        "04-05T07:00/04-05T07:30",
    ]


def test_a_time_that_does_not_exist_is_read_by_the_offset_before_the_gap():
    raw = calendar("DTSTART;TZID=Europe/Paris:20260329T023000\nDURATION:PT30M")
    assert busy(raw, "2026-03-29", "2026-03-30") == ["03-29T01:30/03-29T02:00"]


def test_a_time_that_is_twice_is_the_first_of_them():
    raw = calendar("DTSTART;TZID=Europe/Paris:20261025T023000\nDTEND;TZID=Europe/Paris:20261025T030000")
    # From 02:30 summer time to 03:00 winter time: an hour and a half have gone by.
    assert busy(raw, "2026-10-24", "2026-10-26") == ["10-25T00:30/10-25T02:00"]


def test_a_day_lasts_as_long_as_the_day_lasts():
    raw = calendar("DTSTART;VALUE=DATE:20260329", "DTSTART;VALUE=DATE:20261025\nDTEND;VALUE=DATE:20261026")
    assert busy(raw, "2026-01-01", "2027-01-01") == ["03-28T23:00/03-29T22:00", "10-24T22:00/10-25T23:00"]


def test_a_nominal_day_and_an_exact_day_differ_when_the_clock_changes():
    nominal = calendar("DTSTART;TZID=Europe/Paris:20260328T120000\nDURATION:P1D")
    exact = calendar("DTSTART;TZID=Europe/Paris:20260328T120000\nDURATION:PT24H")
    assert busy(nominal, "2026-03-01", "2026-04-01") == ["03-28T11:00/03-29T10:00"]
    assert busy(exact, "2026-03-01", "2026-04-01") == ["03-28T11:00/03-29T11:00"]


@pytest.mark.parametrize(
    ("zone", "expected"),
    [
        ("Europe/Paris", "07-01T06:00"),
        ("America/Martinique", "07-01T12:00"),
        ("America/Cayenne", "07-01T11:00"),
        ("America/Miquelon", "07-01T10:00"),
        ("Indian/Reunion", "07-01T04:00"),
        ("Indian/Mayotte", "07-01T05:00"),
        ("Pacific/Noumea", "06-30T21:00"),
        ("Pacific/Wallis", "06-30T20:00"),
        ("Pacific/Tahiti", "07-01T18:00"),
        ("Pacific/Marquesas", "07-01T17:30"),
        ("Pacific/Gambier", "07-01T17:00"),
    ],
)
def test_floating_times_are_those_of_the_place(zone, expected):
    raw = calendar("DTSTART:20260701T080000\nDURATION:PT1H")
    assert busy(raw, "2026-06-30", "2026-07-03", zone)[0].startswith(expected)


def test_what_overlaps_or_touches_is_one():
    raw = calendar(
        "DTSTART:20260701T080000Z\nDTEND:20260701T090000Z",
        "DTSTART:20260701T083000Z\nDTEND:20260701T083500Z",
        "DTSTART:20260701T090000Z\nDTEND:20260701T093000Z",
        "DTSTART:20260701T093100Z\nDTEND:20260701T094000Z",
    )
    assert busy(raw, "2026-07-01", "2026-07-02") == ["07-01T08:00/07-01T09:30", "07-01T09:31/07-01T09:40"]


def test_what_is_free_or_cancelled_takes_no_time():
    raw = calendar(
        "DTSTART:20260701T080000Z\nDURATION:PT1H\nTRANSP:TRANSPARENT",
        "DTSTART:20260701T100000Z\nDURATION:PT1H\nSTATUS:CANCELLED",
        "DTSTART:20260701T120000Z",
        "DTSTART:20260701T140000Z\nDURATION:PT1H\nSTATUS:TENTATIVE",
    )
    assert busy(raw, "2026-07-01", "2026-07-02") == ["07-01T14:00/07-01T15:00"]


def test_exceptions_move_cancel_and_shift_what_follows():
    daily = "UID:s\nDTSTART;TZID=Europe/Paris:20260701T090000\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=6"
    daily += "\nEXDATE;TZID=Europe/Paris:20260702T090000"
    moved = "UID:s\nRECURRENCE-ID:20260703T070000Z\nDTSTART:20260703T120000Z\nDURATION:PT2H"
    gone = "UID:s\nRECURRENCE-ID;TZID=Europe/Paris:20260704T090000\nDTSTART;TZID=Europe/Paris:20260704T090000\nSTATUS:CANCELLED"
    later = "UID:s\nRECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Europe/Paris:20260705T090000\nDTSTART;TZID=Europe/Paris:20260705T100000\nDURATION:PT30M"
    raw = calendar(daily, moved, gone, later).replace(b"UID:e0\r\n", b"").replace(b"UID:e1\r\n", b"")
    raw = raw.replace(b"UID:e2\r\n", b"").replace(b"UID:e3\r\n", b"")
    assert busy(raw, "2026-07-01", "2026-08-01") == [
        "07-01T07:00/07-01T08:00",
        "07-03T12:00/07-03T14:00",
        "07-05T08:00/07-05T08:30",
        "07-06T08:00/07-06T08:30",
    ]


def test_an_exception_whose_series_began_long_ago_is_found():
    old = "DTSTART;TZID=Europe/Paris:19990104T090000\nDURATION:PT1H\nRRULE:FREQ=WEEKLY\nEXDATE;TZID=Europe/Paris:20260706T090000"
    assert busy(calendar(old), "2026-07-05", "2026-07-15") == ["07-13T07:00/07-13T08:00"]


def test_listed_dates_and_periods_count():
    raw = calendar(
        "DTSTART:20260701T080000Z\nDURATION:PT1H\nRDATE:20260702T080000Z\n"
        "RDATE;VALUE=PERIOD:20260703T080000Z/PT5H,20260704T080000Z/20260704T083000Z"
    )
    assert busy(raw, "2026-07-01", "2026-07-10") == [
        "07-01T08:00/07-01T09:00",
        "07-02T08:00/07-02T09:00",
        "07-03T08:00/07-03T13:00",
        "07-04T08:00/07-04T08:30",
    ]


@pytest.mark.parametrize("state", ["TRANSP:TRANSPARENT", "STATUS:CANCELLED"])
def test_what_follows_a_repetition_is_busy_by_its_own_words(state):
    weekly = f"UID:s\nDTSTART:20260701T080000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=4\n{state}"
    later = "UID:s\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260715T080000Z\nDTSTART:20260715T090000Z\nDURATION:PT30M"
    raw = calendar(weekly, later).replace(b"UID:e0\r\n", b"").replace(b"UID:e1\r\n", b"")
    assert busy(raw, "2026-07-01", "2026-08-01") == ["07-15T09:00/07-15T09:30", "07-22T09:00/07-22T09:30"]


def test_a_listed_period_keeps_its_length_when_what_follows_is_shortened():
    weekly = "UID:s\nDTSTART:20260701T080000Z\nDURATION:PT1H\nRRULE:FREQ=WEEKLY;COUNT=2\n"
    weekly += "RDATE;VALUE=PERIOD:20260709T080000Z/PT3H\nRDATE:20260710T080000Z"
    later = "UID:s\nRECURRENCE-ID;RANGE=THISANDFUTURE:20260708T080000Z\nDTSTART:20260708T090000Z\nDURATION:PT30M"
    raw = calendar(weekly, later).replace(b"UID:e0\r\n", b"").replace(b"UID:e1\r\n", b"")
    assert busy(raw, "2026-07-02", "2026-08-01") == [
        "07-08T09:00/07-08T09:30",
        "07-09T09:00/07-09T12:00",
        "07-10T09:00/07-10T09:30",
    ]


@pytest.mark.parametrize(
    "lines",
    [
        "DTSTART:2026-07-01T08:00:00Z\nDURATION:PT1H",
        "DTSTART:20260701T080000Z\nDTEND:2026-07-01T09:00:00",
        "DTSTART;TZID=Europe/Paris:20260701T080000\nDTEND;TZID=Europe/Paris:2026-07-01T09:00:00",
        "DTSTART:20260701T080000Z\nDURATION:PT1H\nRDATE:2026-07-02T08:00:00Z",
    ],
)
def test_a_time_that_is_written_in_another_way_is_told(lines):
    assert skipped(calendar(lines)) == [("e0", "time_broken")]


def test_a_day_does_not_take_away_an_hour():
    raw = calendar("DTSTART:20260701T080000Z\nDURATION:PT1H\nRRULE:FREQ=DAILY;COUNT=2\nEXDATE;VALUE=DATE:20260702")
    assert len(busy(raw, "2026-07-01", "2026-07-10")) == 2


ROMANCE = (
    "BEGIN:VTIMEZONE\r\nTZID:{name}\r\n"
    "BEGIN:STANDARD\r\nDTSTART:16010101T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10\r\nEND:STANDARD\r\n"
    "BEGIN:DAYLIGHT\r\nDTSTART:16010101T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3\r\nEND:DAYLIGHT\r\n"
    "END:VTIMEZONE\r\n"
)


@pytest.mark.parametrize("name", ["Custom/Paris", '"(UTC+01:00) Bruxelles, Paris"', "(UTC+01:00) Bruxelles"])
def test_a_zone_of_the_file_itself_follows_its_own_rules(name):
    raw = calendar(
        f"DTSTART;TZID={name}:20260701T080000\nDURATION:PT1H",
        f"DTSTART;TZID={name}:20261201T080000\nDURATION:PT1H",
        f"DTSTART;TZID={name}:20260329T023000\nDURATION:PT1H",
        f"DTSTART;TZID={name}:20261025T023000\nDURATION:PT15M",
        more=ROMANCE.format(name=name.strip('"')),
    )
    assert busy(raw, "2026-01-01", "2027-01-01") == [
        "03-29T01:30/03-29T02:30",
        "07-01T06:00/07-01T07:00",
        "10-25T00:30/10-25T00:45",
        "12-01T07:00/12-01T08:00",
    ]


@pytest.mark.parametrize(
    "name", ["Europe/Paris", "Romance Standard Time", "/mozilla.org/20050126_1/Europe/Paris", "europe/paris"]
)
def test_a_known_name_means_what_the_world_means_whatever_the_file_says(name):
    lie = ROMANCE.format(name=name).replace("+0200", "+1400").replace("+0100", "-1100")
    raw = calendar(f"DTSTART;TZID={name}:20260701T080000\nDURATION:PT1H", more=lie)
    assert busy(raw, "2026-06-30", "2026-07-03") == ["07-01T06:00/07-01T07:00"]


def test_a_zone_by_listed_dates_is_read_right_in_summer():
    listed = (
        "BEGIN:VTIMEZONE\r\nTZID:Ours\r\n"
        "BEGIN:DAYLIGHT\r\nDTSTART:20250330T020000\r\nTZOFFSETFROM:+0100\r\nTZOFFSETTO:+0200\r\nRDATE:20260329T020000\r\nEND:DAYLIGHT\r\n"
        "BEGIN:STANDARD\r\nDTSTART:20251026T030000\r\nTZOFFSETFROM:+0200\r\nTZOFFSETTO:+0100\r\nRDATE:20261025T030000\r\nEND:STANDARD\r\n"
        "END:VTIMEZONE\r\n"
    )
    raw = calendar("DTSTART;TZID=Ours:20260719T080000\nDURATION:PT1H", more=listed)
    assert busy(raw, "2026-07-19", "2026-07-20") == ["07-19T06:00/07-19T07:00"]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ("DTSTART;TZID=Nowhere/City:20260701T080000", "unknown_zone"),
        ("DTSTART;TZID=../../etc/passwd:20260701T080000", "unknown_zone"),
        ("DTSTART:20260701T080000Z\nRRULE:FREQ=SECONDLY", "too_frequent"),
        ("DTSTART:20260701T080000Z\nRRULE:FREQ=MINUTELY;COUNT=1000000000", "too_frequent"),
        ("DTSTART:20260701T080000Z\nRRULE:FREQ=DAILY;INTERVAL=0", "rule_broken"),
        ("DTSTART:20260701T080000Z\nRRULE:FREQ=DAILY;COUNT=2;UNTIL=20260801", "rule_broken"),
        ("DTSTART:20260701T080000Z\nRRULE:FREQ=DAILY;BYDAY=XX", "rule_broken"),
        ("DTSTART:20260701T080000Z\nRRULE:FREQ=DAILY;BYMONTH=١", "rule_broken"),
        ("DTSTART:20261301T080000Z", "time_broken"),
        ("DTSTART:99991231T235959Z\nDURATION:P1D", "time_broken"),
        ("DTSTART:00010101T000000Z", "time_broken"),
        ("DTSTART:20260701T080000Z\nDTEND:20260701T070000Z", "ends_before_start"),
        ("DTSTART:20260701T080000Z\nDURATION:-PT1H", "ends_before_start"),
        ("DTSTART:20260701T080000Z\nDURATION:P", "time_broken"),
        ("SUMMARY:x", "no_start"),
        ("DTSTART:20260701T080000Z\nRRULE:FREQ=HOURLY;COUNT=999999999;BYMONTHDAY=31;BYMONTH=2", "too_many"),
    ],
)
def test_what_cannot_be_read_is_left_out_with_a_reason_and_the_rest_is_read(event, reason):
    if reason == "too_many":
        event = event.replace("20260701", "19000701")
    raw = calendar(event, "DTSTART:20260702T080000Z\nDURATION:PT1H")
    reading = ask(raw)
    assert [(each.uid, each.reason) for each in reading.skipped] == [("e0", reason)]
    assert len(reading.busy) == 1


def test_a_fifty_third_monday_exists_in_some_years_and_harms_in_none():
    raw = calendar("DTSTART:20200101T080000Z\nDURATION:PT1H\nRRULE:FREQ=YEARLY;BYDAY=53MO")
    assert busy(raw, "2024-01-01", "2025-01-01") == ["12-30T08:00/12-30T09:00"]
    assert busy(raw, "2026-01-01", "2027-01-01") == []
    monthly = calendar("DTSTART:20200101T080000Z\nDURATION:PT1H\nRRULE:FREQ=MONTHLY;BYDAY=53MO")
    assert busy(monthly, "2024-01-01", "2027-01-01") == []


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not_a_calendar"),
        (b"<html>login</html>", "not_a_calendar"),
        (b"\x00" * 1000, "not_a_calendar"),
        (b"BEGIN:VCALENDAR\r\n" * 20, "too_deep"),
        (b"BEGIN:VCALENDAR\r\n" + b"BEGIN:VEVENT\r\nEND:VEVENT\r\n" * 100_001, "too_many"),
        (b" " * (12 * 2**20 + 1), "too_large"),
    ],
)
def test_a_file_that_is_no_calendar_says_so(raw, reason):
    assert ask(raw).reason == reason


def test_a_file_that_was_cut_says_which_event_is_missing():
    assert skipped(HEAD.encode() + b"BEGIN:VEVENT\r\nUID:last\r\nDTSTART:20260701T0800") == [("last", "cut")]


def test_the_hours_of_an_alarm_are_not_those_of_the_event():
    alarm = "BEGIN:VALARM\r\nTRIGGER:-PT15M\r\nDURATION:P300D\r\nDTSTART:20260101T000000Z\r\nEND:VALARM"
    assert busy(calendar(f"DTSTART:20260701T080000Z\n{alarm}"), "2026-01-01", "2027-01-01") == []


def test_words_of_the_file_are_never_told():
    raw = calendar("DTSTART:20261301T080000Z\nSUMMARY:Madame Durand, suivi\nDESCRIPTION:motif")
    assert b"Durand" not in repr(ask(raw)).encode()


def test_a_long_series_is_not_walked_from_its_beginning():
    """A century before the window makes no work: as many lines run as for series that began a month before it."""
    rules = [
        "FREQ=DAILY",
        "FREQ=WEEKLY;BYDAY=MO,TU",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=HOURLY;INTERVAL=5",
        "FREQ=DAILY;COUNT=2000000",
    ]

    def work(start: str, more: str) -> int:
        # With entries, or with a second rule, a series goes the long way, too.
        raw = calendar(*(f"DTSTART:{start}T080000Z\nDURATION:PT5M\nRRULE:{rule}{more}" for rule in rules))
        busy_then: list[bool] = []
        lines = lines_of(lambda: busy_then.append(bool(ask(raw, "2026-07-01", "2026-07-08").busy)))
        assert busy_then == [True]
        return lines

    for more in ("", "\nRRULE:FREQ=WEEKLY"):
        work("20260601", more)  # what is remembered from the first time is not counted
        assert work("19000601", more) < 1.5 * work("20260601", more)


def test_a_century_of_mornings_is_read():
    raw = calendar("DTSTART:20000101T080000Z\nDURATION:PT5M\nRRULE:FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR")
    reading = ask(raw, "2000-01-01", "2100-01-01")
    assert (reading.skipped, len(reading.busy)) == ([], 26_090)  # the first one is a Saturday: DTSTART counts


def test_a_window_that_was_turned_round_is_empty():
    moment = datetime(2026, 7, 1, tzinfo=UTC)
    query = Query(start=moment, end=moment - timedelta(days=1), zone="Europe/Paris")
    assert read(calendar("DTSTART:20260701T080000Z\nDURATION:PT1H"), query).busy == []
