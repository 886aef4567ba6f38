"""Events that we write are read by ourselves and by others; events of others keep what they say when they move."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridges.agenda.calendar.reading import Query, read
from bridges.agenda.calendar.writing import Entry, moved, write

START = datetime(2026, 7, 1, 8, tzinfo=UTC)


def entry(**more) -> Entry:
    return Entry(**{"uid": "u", "start": START, "end": START + timedelta(minutes=30), "stamp": START, **more})


def read_back(raw: bytes):
    return read(
        raw, Query(start=START - timedelta(days=9), end=START + timedelta(days=9), zone="Europe/Paris", entries=True)
    )


def test_an_entry_is_neutral_by_default():
    assert write([entry()]).decode().split("\r\n") == [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Pli//agenda bridge//FR",
        "BEGIN:VEVENT",
        "UID:u",
        "DTSTAMP:20260701T080000Z",
        "LAST-MODIFIED:20260701T080000Z",
        "DTSTART:20260701T080000Z",
        "DTEND:20260701T083000Z",
        "SUMMARY:RDV",
        "CLASS:CONFIDENTIAL",
        "STATUS:CONFIRMED",
        "TRANSP:OPAQUE",
        "SEQUENCE:0",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    ]


@settings(deadline=None, max_examples=200)
@given(title=st.text(max_size=300), description=st.text(max_size=300))
def test_no_text_gets_out_of_its_line(title, description):
    raw = write([entry(title=title, description=description)])
    assert raw.endswith(b"END:VEVENT\r\nEND:VCALENDAR\r\n")
    assert raw.count(b"\r\nBEGIN:") == 1
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert not any(byte < 32 and byte not in b"\r\n" for byte in raw)
    raw.decode("utf-8")
    back = read_back(raw)
    assert (back.reason, back.skipped, len(back.entries), len(back.busy)) == (None, [], 1, 1)


def test_an_injection_stays_text():
    raw = write(
        [entry(title="x\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART:20260702T000000Z", url="https://x\r\nATTACH:y")]
    )
    assert read_back(raw).busy == [(START, START + timedelta(minutes=30))]
    assert b"\r\nATTACH" not in raw


OTHERS = (
    "BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:other\nBEGIN:VTIMEZONE\nTZID:X\nBEGIN:STANDARD\nDTSTART:16010101T000000\n"
    "TZOFFSETFROM:+0100\nTZOFFSETTO:+0100\nEND:STANDARD\nEND:VTIMEZONE\nBEGIN:VEVENT\nUID:u\nDTSTART;TZID=X:20260701T080000\n"
    "DURATION:PT1H\nSEQUENCE:4\nSUMMARY:Apporter\n  les radios\nX-OWN;A=b:c\nBEGIN:VALARM\nTRIGGER:-PT5M\nDURATION:PT1M\n"
    "END:VALARM\nEND:VEVENT\nEND:VCALENDAR\n"
)


def test_a_move_changes_the_time_and_nothing_else():
    after = moved(OTHERS.encode(), start=START, end=START + timedelta(minutes=10), stamp=START).decode()
    assert "SUMMARY:Apporter les radios\r\n" in after
    assert "X-OWN;A=b:c\r\n" in after
    assert "BEGIN:VALARM\r\nTRIGGER:-PT5M\r\nDURATION:PT1M\r\n" in after
    assert "DTSTART:16010101T000000" in after
    assert "SEQUENCE:5" in after
    assert read_back(after.encode()).busy == [(START, START + timedelta(minutes=10))]


@pytest.mark.parametrize(
    "body",
    [
        OTHERS.replace("SEQUENCE:4", "RRULE:FREQ=DAILY"),
        OTHERS.replace("SEQUENCE:4", "rrule:FREQ=DAILY"),
        OTHERS.replace("END:VEVENT\nEND:VCALENDAR", "END:VEVENT\nBEGIN:VEVENT\nEND:VEVENT\nEND:VCALENDAR"),
        "BEGIN:VCALENDAR\nEND:VCALENDAR\n",
        "",
    ],
)
def test_what_is_no_single_event_is_not_moved(body):
    with pytest.raises(ValueError):
        moved(body.encode(), start=START, end=START + timedelta(minutes=10), stamp=START)
