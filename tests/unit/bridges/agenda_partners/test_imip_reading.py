"""A calendar that came by mail: one method, one event, plain addresses; everything else has a reason."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridges.agenda.imip.composing import Said, compose
from bridges.agenda.imip.reading import METHODS, RAW, read

SAMPLES = Path(__file__).resolve().parents[4].parent / "shared/samples/ics"
START, END = datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
REPLY = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nMETHOD:REPLY\r\nBEGIN:VEVENT\r\nUID:u1\r\nDTSTAMP:20261121T210753Z\r\n"
    "DTSTART;TZID=Europe/Paris:20261201T090000\r\nDTEND;TZID=Europe/Paris:20261201T093000\r\nSEQUENCE:2\r\n"
    'ORGANIZER;CN="Cabinet: Martin":MAILTO:Cabinet@Exemple.fr\r\n'
    'ATTENDEE;CN="a;b:c";PARTSTAT=ACCEPTED;ROLE=REQ-PARTICIPANT:mail\r\n to:patient@exemple.fr\r\n'
    "SUMMARY:Secret\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def told(text):
    return read(text.encode(), "Europe/Paris")


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the samples are not on this machine")
@pytest.mark.parametrize(
    ("name", "method", "participation"),
    [
        ("itip-request.ics", "REQUEST", "NEEDS-ACTION"),
        ("itip-reply-accepted.ics", "REPLY", "ACCEPTED"),
        ("itip-cancel.ics", "CANCEL", "ACCEPTED"),
        ("itip-counter.ics", "COUNTER", "TENTATIVE"),
    ],
)
def test_the_samples(name, method, participation):
    found = read((SAMPLES / name).read_bytes(), "Europe/Paris")
    assert (found.reason, found.method, found.organizer) == ("", method, "cabinet@exemple.fr")
    assert found.attendees == [("patient@exemple.fr", participation)]


def test_folds_quotes_and_zones():
    found = told(REPLY)
    assert (found.reason, found.uid, found.sequence, found.start, found.end) == ("", "u1", 2, START, END)
    assert (found.organizer, found.attendees) == ("cabinet@exemple.fr", [("patient@exemple.fr", "ACCEPTED")])
    assert "Secret" not in repr(found)


EVENT = REPLY[REPLY.index("BEGIN:VEVENT") : REPLY.index("END:VCALENDAR")]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not_a_calendar"),
        ("x" * (RAW + 1), "too_large"),
        (REPLY.replace("METHOD:REPLY", "METHOD:PUBLISH"), "method"),
        (REPLY.replace("METHOD:REPLY\r\n", ""), "method"),
        (REPLY.replace("METHOD:REPLY", "METHOD:REPLY\r\nMETHOD:CANCEL"), "method"),
        (REPLY.replace(EVENT, ""), "not_one_event"),
        (REPLY.replace(EVENT, EVENT + EVENT.replace("u1", "u2")), "not_one_event"),
        (REPLY.replace("SEQUENCE:2", "RRULE:FREQ=DAILY"), "not_one_time"),
        (REPLY.replace("SEQUENCE:2", "RRULE:FREQ=SECONDLY"), "too_frequent"),
        (REPLY.replace("MAILTO:Cabinet@Exemple.fr", "https://x"), "no_organizer"),
        (REPLY.replace("SEQUENCE:2", "ORGANIZER:mailto:other@exemple.fr"), "no_organizer"),
        (REPLY.replace("UID:u1\r\n", ""), "no_organizer"),
        (REPLY.replace("T093000", "T080000"), "ends_before_start"),
        (REPLY.replace("20261201T090000", "20269901T090000"), "time_broken"),
    ],
)
def test_what_is_not_understood_has_a_reason(text, reason):
    assert told(text).reason == reason


@pytest.mark.parametrize(
    "address", ["a b@c.fr", "a@b.fr,c@d.fr", "<a@b.fr>", '"a"@b.fr', "a", "a@b.fr%0d%0aBcc:x@y.fr", "x" * 65 + "@y.fr"]
)
def test_an_odd_address_is_nobody(address):
    assert told(REPLY.replace("mail\r\n to:patient@exemple.fr", f"mailto:{address}")).attendees == []


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300), st.integers(0, len(REPLY)))
def test_no_text_ends_the_reader(text, at):
    for each in (text, REPLY[:at] + text + REPLY[at:]):
        assert isinstance(told(each).reason, str)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_what_is_written_is_read_as_it_was_meant(method):
    said = Said(
        method=method,
        uid="u1",
        sequence=3,
        start=START,
        end=END,
        stamp=datetime(2026, 11, 1, tzinfo=UTC),
        organizer="cabinet@exemple.fr",
        attendee="patient@exemple.fr",
        participation="DECLINED",
    )
    raw = compose(said)
    found = read(raw, "Pacific/Noumea")
    assert (found.reason, found.method, found.uid, found.sequence, found.start, found.end) == (
        "",
        method,
        "u1",
        3,
        START,
        END,
    )
    assert (found.organizer, found.attendees) == ("cabinet@exemple.fr", [("patient@exemple.fr", "DECLINED")])
    assert b"SUMMARY:RDV\r\n" in raw
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))


@pytest.mark.parametrize("address", ["a@b.fr\r\nBcc:x@y.fr", "a", "", "a@b.fr;c@d.fr"])
def test_an_odd_address_is_not_written(address):
    with pytest.raises(ValueError):
        compose(
            Said(
                method="REQUEST",
                uid="u",
                sequence=0,
                start=START,
                end=END,
                stamp=START,
                organizer=address,
                attendee="p@q.fr",
            )
        )
