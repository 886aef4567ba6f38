"""Zones that a file defines itself, and long calendars that repeat in less common ways: read at once, and rightly."""

import pytest

from bridges.agenda.calendar.reading import read
from tests.fakes.calendars import CABINET, HEAD, STRANGE, TAIL, both, event, left, window


def of_the_file(name: str) -> str:
    return event("a", f"DTSTART;TZID={name}:20260601T063000", "DURATION:PT20M", "RRULE:FREQ=HOURLY;INTERVAL=5")


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        (HEAD + CABINET + of_the_file("Cabinet") + TAIL, True),
        (HEAD + STRANGE + of_the_file("Odd") + TAIL, True),
        (HEAD + CABINET + STRANGE + of_the_file('"Odd"') + of_the_file("Cabinet").replace(":a", ":b") + TAIL, True),
        (HEAD + CABINET.replace("Cabinet", "Europe/Paris") + of_the_file("Europe/Paris") + TAIL, True),
        # A wrong definition of a known name counts for nothing; of two of one name, the later one.
        (HEAD + STRANGE.replace("Odd", "Europe/Paris") + of_the_file("Europe/Paris") + TAIL, True),
        (HEAD + CABINET + STRANGE.replace("Odd", "Cabinet") + of_the_file("Cabinet") + TAIL, True),
        (HEAD + CABINET + of_the_file("Cabinet") + STRANGE.replace("Odd", "Cabinet") + TAIL, False),
        (HEAD + of_the_file("Cabinet") + CABINET + TAIL, False),
        (HEAD + CABINET + TAIL + HEAD + of_the_file("Cabinet") + TAIL, False),
        (HEAD + CABINET + of_the_file("Nowhere") + TAIL, False),
        (HEAD + CABINET.replace("+0200", "+2500") + of_the_file("Cabinet") + TAIL, False),
        (HEAD + CABINET.replace("END:VTIMEZONE\r\n", "") + of_the_file("Cabinet") + TAIL, False),
    ],
)
def test_zones_that_a_file_defines_are_counted_in_and_rightly(text, counted):
    for days in (1, 9, 200):
        quick, long = both(text, window("2026-07-03", days))
        assert quick.busy == long.busy
        assert quick.skipped == long.skipped
    assert ("VEVENT" not in left(text, window("2026-07-03", 9))) is counted


@pytest.mark.parametrize(
    "rule",
    [
        *("RRULE:FREQ=HOURLY;INTERVAL={}", "RRULE:FREQ=HOURLY;COUNT=90000", "RRULE:FREQ=DAILY;BYHOUR=8,14"),
        *("RRULE:FREQ=WEEKLY\r\nRDATE;TZID=Cabinet:2026{:02}01T080000", "RDATE;TZID=Cabinet:2026{:02}01T080000"),
    ],
)
def test_long_calendars_of_other_kinds_leave_nothing_out(rule):
    def when(number: int) -> str:
        return f"2019{number % 12 + 1:02}{number % 28 + 1:02}T{number % 10 + 8:02}0000"

    events = (
        event(str(number), f"DTSTART;TZID=Cabinet:{when(number)}", "DURATION:PT20M", rule.format(number % 12 + 1))
        for number in range(10_000)
    )
    moved = (
        event(
            str(number),
            f"RECURRENCE-ID;RANGE=THISANDFUTURE;TZID=Cabinet:{when(number)}",
            f"DTSTART;TZID=Cabinet:{when(number)[:9]}063000",
            "DURATION:PT25M",
        )
        for number in range(0, 10_000, 10)
    )
    text = HEAD + CABINET + "".join(events) + ("" if "RDATE" in rule else "".join(moved)) + TAIL
    reading = read(text.encode(), window("2026-07-01", 60))
    assert (reading.reason, reading.skipped, reading.unlisted) == (None, [], 0)
    assert reading.busy
