"""What partners told is kept once, in order, and without a name."""

from datetime import UTC, datetime, timedelta

import pytest

from bridges.agenda.provider import Ability, UnsupportedError
from bridges.agenda.push.adapter import PushProvider
from bridges.agenda.push.arrival import Arrival, MalformedError
from bridges.agenda.push.inbox import EventReusedError, Inbox, StaleVersionError

NOW = datetime(2026, 11, 22, 9, tzinfo=UTC)
START = datetime(2026, 12, 1, 8, tzinfo=UTC)


def told(kind="booked", *, event="e1", reference="r1", hours=0, **more):
    times = {"start": START + timedelta(hours=hours), "end": START + timedelta(hours=hours, minutes=30)}
    return Arrival(source="lgc", event=event, reference=reference, kind=kind, **{**times, **more})


@pytest.fixture
def inbox(tmp_path):
    inbox = Inbox(tmp_path / "inbox.sqlite3")
    yield inbox
    inbox.close()


def test_a_message_is_taken_once(inbox):
    assert inbox.take(told(), now=NOW).outcome == "new"
    again = inbox.take(told(), now=NOW)
    assert (again.outcome, again.known.version) == ("again", 1)
    cursor = inbox.changes("lgc", "").cursor
    inbox.take(told(), now=NOW)
    assert not inbox.changes("lgc", cursor).changes


def test_the_id_of_a_message_is_not_used_twice(inbox):
    inbox.take(told(), now=NOW)
    with pytest.raises(EventReusedError):
        inbox.take(told(hours=1), now=NOW)
    assert inbox.changes("lgc").changes[0].appointment.start == START


def test_every_step_is_told_in_its_order(inbox):
    cursor = inbox.changes("lgc").cursor
    inbox.take(told(), now=NOW)
    inbox.take(told("moved", event="e2", hours=1), now=NOW)
    inbox.take(told("cancelled", event="e3", start=None, end=None), now=NOW)
    changes = inbox.changes("lgc", cursor).changes
    later = START + timedelta(hours=1)
    assert [each.kind for each in changes] == ["booked", "moved", "cancelled"]
    assert [each.appointment.start for each in changes] == [START, later, later]
    assert changes[-1].appointment.state == "cancelled"


def test_a_booking_at_another_time_is_a_move(inbox):
    cursor = inbox.changes("lgc").cursor
    inbox.take(told(), now=NOW)
    inbox.take(told(event="e2", hours=2), now=NOW)
    assert [each.kind for each in inbox.changes("lgc", cursor).changes] == ["booked", "moved"]


def test_what_comes_late_does_not_undo_what_is_known(inbox):
    inbox.take(told("cancelled", event="e2", said_at=NOW), now=NOW)
    taken = inbox.take(told(event="e1", said_at=NOW - timedelta(minutes=1)), now=NOW)
    assert taken.outcome == "stale"
    assert inbox.get(taken.known.token).arrival.kind == "cancelled"


def test_without_ids_of_messages_two_equal_states_in_a_row_are_one(inbox):
    outcomes = [
        inbox.take(told(kind, event=""), now=NOW).outcome for kind in ("booked", "booked", "cancelled", "booked")
    ]
    assert outcomes == ["new", "again", "new", "new"]


def test_a_partner_that_saw_an_older_version_is_refused(inbox):
    token = inbox.take(told(event=""), now=NOW, expected=0).known.token
    inbox.take(told("moved", event="", hours=1), now=NOW, expected=1)
    with pytest.raises(StaleVersionError):
        inbox.take(told("cancelled", event=""), now=NOW, expected=1)
    assert inbox.get(token).arrival.kind == "moved"


def test_the_file_holds_no_number_of_a_patient(tmp_path):
    inbox = Inbox(tmp_path / "inbox.sqlite3")
    first = inbox.take(told(person="1840675123456"), now=NOW).known
    second = inbox.take(told(event="e2", reference="r2", person="1840675123456"), now=NOW).known
    inbox.close()
    assert first.arrival.person == second.arrival.person != ""
    assert not any(b"1840675123456" in one.read_bytes() for one in tmp_path.iterdir())
    assert (tmp_path / "inbox.sqlite3").stat().st_mode & 0o077 == 0


def test_what_was_taken_is_there_after_a_restart(tmp_path):
    inbox = Inbox(tmp_path / "inbox.sqlite3")
    cursor = inbox.changes("lgc").cursor
    inbox.take(told(), now=NOW)
    inbox.close()
    inbox = Inbox(tmp_path / "inbox.sqlite3")
    assert len(inbox.changes("lgc", cursor).changes) == 1
    assert inbox.take(told(), now=NOW).outcome == "again"
    inbox.close()


def test_a_cursor_of_another_file_begins_again(inbox, tmp_path):
    inbox.take(told(), now=NOW)
    other = Inbox(tmp_path / "other.sqlite3")
    found = inbox.changes("lgc", other.changes("lgc").cursor)
    other.close()
    assert found.restarted
    assert [each.kind for each in found.changes] == ["seen"]


def test_partners_do_not_see_each_other(inbox):
    inbox.take(told(), now=NOW)
    assert not inbox.changes("another").changes


def test_the_past_is_forgotten_and_its_messages_are_not_taken_again(inbox):
    cursor = inbox.changes("lgc").cursor
    inbox.take(told(), now=NOW)
    assert inbox.forget(before=START + timedelta(days=1)) == 1
    assert not inbox.changes("lgc", cursor).changes
    inbox.take(told(event="late"), now=START + timedelta(days=2))
    inbox.forget(before=START + timedelta(days=1))
    with pytest.raises(EventReusedError):
        inbox.take(told(event="late", hours=3), now=START + timedelta(days=2))


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"start": START, "end": START}, "times_wrong"),
        ({"start": START, "end": START + timedelta(days=9)}, "too_long"),
        ({"start": START.replace(year=9000), "end": START.replace(year=9001)}, "times_wrong"),
        ({"start": START.replace(tzinfo=None), "end": START.replace(tzinfo=None)}, "time_without_zone"),
        ({"end": None}, "times_half"),
        ({"start": None, "end": None}, "times_missing"),
        ({"reference": ""}, "id_length"),
        ({"reference": "x" * 201}, "id_length"),
        ({"link": "javascript:alert(1)"}, "link_unsafe"),
    ],
)
def test_what_cannot_be_true_is_refused(wrong, code):
    with pytest.raises(MalformedError) as caught:
        told(**wrong)
    assert caught.value.code == code


async def test_an_agenda_that_only_tells_says_so(inbox):
    provider = PushProvider(inbox, "lgc")
    assert provider.capabilities().abilities == {Ability.CHANGES}
    with pytest.raises(UnsupportedError):
        await provider.find(None)
    assert (await provider.changes()).changes == []


def test_troubles_are_counted(inbox):
    for at in (NOW, NOW + timedelta(hours=1)):
        inbox.trouble("lgc", "time_broken", at)
    (found,) = inbox.troubles()
    assert (found.reason, found.times, found.last_at) == ("time_broken", 2, NOW + timedelta(hours=1))
