"""HL7 v2: what a practice software says, read whatever its separators, version and clock."""

from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridges.agenda.push import siu
from bridges.agenda.push.arrival import MalformedError
from bridges.agenda.push.er7 import parse
from bridges.agenda.push.inbox import Inbox
from bridges.agenda.push.mllp import Feed, Listener

ONE_LISTENER = [HealthCheck.function_scoped_fixture]  # it takes message after message, as it would
NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
BOOKED = (
    "MSH|^~\\&|LGC|CABINET|PLI|AGENDA|20261122100000||SIU^S12^SIU_S12|M1|P|2.5.1\r"
    "SCH|P1|F1|||||ROUTINE^Consultation||30|MIN|^^^20261201090000^20261201093000||||||||||||||Booked\r"
    "PID|1||279035121518989^^^ASIP-SANTE-INS-NIR&1.2.250.1.213.1.4.8&ISO^INS-NIR~4711^^^LGC^PI||DUPONT^ANNE\r"
    "AIP|1||810100050075^THOMAS^SEBASTIEN\r"
)


def read(text, zone="Europe/Paris"):
    return siu.read(parse(text.encode()), source="lgc", zone=zone)


def test_a_booking_is_read():
    found = read(BOOKED)
    assert (found.kind, found.event, found.reference, found.practitioner) == ("booked", "M1", "F1", "810100050075")
    assert (found.start, found.end) == (datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 8, 30, tzinfo=UTC))


def test_a_national_number_and_a_name_are_not_taken():
    found = read(BOOKED)
    assert found.person == "4711"
    assert not any(word in repr(found) for word in ("279035121518989", "DUPONT", "Consultation"))


@pytest.mark.parametrize(
    ("trigger", "status", "kind"),
    [
        ("S12", "Booked", "booked"),
        ("S13", "Booked", "moved"),
        ("S14", "", "booked"),
        ("S14", "Complete", "fulfilled"),
        ("S15", "", "cancelled"),
        ("S16", "", "cancelled"),
        ("S17", "", "cancelled"),
        ("S26", "", "noshow"),
        ("S12", "No-Show", "noshow"),
    ],
)
def test_events_and_states(trigger, status, kind):
    assert read(BOOKED.replace("S12", trigger).replace("|Booked", f"|{status}")).kind == kind


@pytest.mark.parametrize(
    "line",
    [
        "SCH|P1|F1|||||X||30|MIN\rTQ1|1||||||20261201090000|20261201093000\r",
        "SCH|P1|F1|||||X||30|MIN\rAIS|1||X|20261201090000\r",
        "SCH|P1|F1\rAIS|1||X|202612010900|||1800|S\r",
        "SCH|P1|F1\rAIL|1||ROOM|||20261201090000|||0.5|HR\r",
        "SCH|P1|F1|||||||||^^^20261201080000+0000^20261201083000+0000\r",
        "SCH|P1|F1|||||||||^^^20261201100000.123+0200^20261201103000+0200\r",
    ],
)
def test_the_time_is_found_where_each_version_puts_it(line):
    found = read(BOOKED.splitlines()[0] + "\r" + line)
    assert (found.start, found.end) == (datetime(2026, 12, 1, 8, tzinfo=UTC), datetime(2026, 12, 1, 8, 30, tzinfo=UTC))


def test_other_separators_and_escapes():
    found = read(BOOKED.replace("F1", "F\\T\\1").replace("|", "#").replace("^~\\&", "*~\\&").replace("^", "*"))
    assert found.reference == "F&1"


@pytest.mark.parametrize(("charset", "name"), [("8859/1", "latin-1"), ("UNICODE UTF-8", "utf-8"), ("", "cp1252")])
def test_character_sets(charset, name):
    text = BOOKED.replace("|2.5.1", f"|2.5.1||||||{charset}").replace("F1", "Fé")
    assert siu.read(parse(text.encode(name)), source="lgc", zone="Europe/Paris").reference == "Fé"


def test_wall_times_are_of_the_place():
    spring = BOOKED.replace("20261201090000^20261201093000", "20260329023000^20260329033000")
    with pytest.raises(MalformedError, match="time_does_not_exist"):
        read(spring)
    assert read(spring, zone="America/Martinique").start == datetime(2026, 3, 29, 6, 30, tzinfo=UTC)
    assert read(BOOKED, zone="Pacific/Marquesas").start == datetime(2026, 12, 1, 18, 30, tzinfo=UTC)
    twice = read(BOOKED.replace("20261201090000^20261201093000", "20261025023000^20261025025000"))
    assert twice.start == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_hl7"),
        ("MSH", "separators_broken"),
        ("MSH|||||", "separators_broken"),
        (BOOKED.replace("SIU^S12", "ADT^A01"), "not_for_us"),
        (BOOKED.replace("S12", "S99"), "not_for_us"),
        (BOOKED.replace("SCH|", "ZCH|"), "segment_missing"),
        (BOOKED.replace("|M1|", "||"), "id_missing"),
        (BOOKED.replace("P1|F1", "|"), "id_missing"),
        (BOOKED.replace("20261201090000^", "20261301090000^"), "time_broken"),
        (BOOKED.replace("20261201090000^", "20261201^"), "time_broken"),
        (BOOKED.replace("^20261201093000", "").replace("|30|MIN", "||"), "duration_missing"),
        (BOOKED.replace("^20261201093000", "^20261201083000"), "times_wrong"),
        (BOOKED + "ZZZ\r" * 300, "too_many_segments"),
        (BOOKED + "ZZZ" + "|" * 300, "too_many_parts"),
        (BOOKED.replace("|2.5.1", "|2.5.1||||||KLINGON"), "charset_unknown"),
        (BOOKED + "x" * 300_000, "too_large"),
    ],
)
def test_what_cannot_be_read_has_a_reason(text, code):
    with pytest.raises(MalformedError) as caught:
        read(text)
    assert caught.value.code == code


@pytest.fixture
def listener(tmp_path):
    inbox = Inbox(tmp_path / "inbox.db")
    yield Listener(inbox=inbox, feed=Feed(source="lgc", zone="Europe/Paris"), clock=lambda: NOW)
    inbox.close()


def lines(answer):
    return [line.split("|") for line in answer.decode().split("\r") if line]


def test_the_acknowledgement_names_the_message_and_turns_the_names_round(listener):
    header, verdict = lines(listener.receive(BOOKED.encode()))
    assert header[2:6] == ["PLI", "AGENDA", "LGC", "CABINET"]
    assert (header[8], header[11]) == ("ACK^S12", "2.5.1")
    assert verdict == ["MSA", "AA", "M1"]


def test_the_same_message_again_is_acknowledged_and_not_taken_twice(listener):
    for _ in range(3):
        assert lines(listener.receive(BOOKED.encode()))[1][1] == "AA"
    assert len(listener.inbox.changes("lgc").changes) == 1


def test_a_message_with_the_id_of_another_is_an_error(listener):
    listener.receive(BOOKED.encode())
    verdict, error = lines(listener.receive(BOOKED.replace("20261201093000", "20261201100000").encode()))[1:]
    assert (verdict[1], error[2], error[3], error[7]) == ("AE", "MSH^1^10", "205", "event_reused")
    assert listener.inbox.troubles()[0].reason == "event_reused"


@pytest.mark.parametrize(
    ("find", "instead", "place"),
    [("20261201090000^", "20261301090000^", "SCH^1^11"), ("^20261201093000", "^20261201083000", "")],
)
def test_the_place_of_a_fault_is_one_of_the_message_or_none(listener, find, instead, place):
    *_, error = lines(listener.receive(BOOKED.replace(find, instead).encode()))
    assert (error[0], error[2]) == ("ERR", place)


@pytest.mark.parametrize(
    ("text", "verdict"),
    [(BOOKED.replace("SIU^S12", "ORU^R01"), "AR"), (BOOKED.replace("SCH|", "ZZZ|"), "AE"), ("?", "AR")],
)
def test_what_is_not_taken_is_refused_and_counted(listener, text, verdict):
    assert lines(listener.receive(text.encode()))[1][1] == verdict
    assert listener.inbox.troubles()


@settings(deadline=None, suppress_health_check=ONE_LISTENER)
@given(raw=st.binary(max_size=400))
def test_no_bytes_end_the_listener(listener, raw):
    for each in (raw, b"MSH|^~\\&" + raw, BOOKED.encode() + raw):
        assert listener.receive(each).startswith(b"MSH")


@settings(deadline=None, suppress_health_check=ONE_LISTENER)
@given(at=st.integers(0, len(BOOKED)), sign=st.sampled_from(["", "^", "|", "\\", "~", "&", "\r", "9", "\x00", "é"]))
def test_no_small_damage_ends_the_listener(listener, at, sign):
    assert b"\rMSA" in listener.receive((BOOKED[:at] + sign + BOOKED[at + 1 :]).encode())
