"""Whatever is said, in whatever order: the state of appointments stays what the specification promises."""

from dataclasses import asdict, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridges.kit import appointments
from bridges.kit.appointments_state import OK, Book, Said, derive
from crypto import content
from crypto.codec import b64, encode
from crypto.errors import ProtocolError

NOW = 1_790_000_000_000
MINUTE, DAY = 60_000, 86_400_000
IDS = [b64(bytes([number]) * 32) for number in range(40)]
ROLES = ["owner", "professional", "service", "patient", "delegate", "member"]
ABOUT = {
    "bring": [],
    "cancel_before": 1_440,
    "concerned": None,
    "link": "",
    "mode": "practice",
    "note": "",
    "place": "",
    "what": "",
    "zone": "Europe/Paris",
}


def slot(number: int) -> dict:
    start = NOW - NOW % MINUTE + number * DAY
    return {"start": start, "end": start + 20 * MINUTE, "ref": str(number)}


FIELDS = {
    "ask": lambda draw: {"wish": "Un matin", "concerned": None},
    "propose": lambda draw: {"slots": [slot(1), slot(2)], "expires": NOW + draw(st.integers(0, 3)) * DAY, **ABOUT},
    "offer": lambda draw: {"slots": [slot(3)], "expires": NOW + draw(st.integers(0, 3)) * DAY, **ABOUT},
    "booked": lambda draw: {"slot": slot(draw(st.integers(1, 5))), "source": draw(st.sampled_from(["person", "agenda"])), **ABOUT},
    "accept": lambda draw: {"proposal": draw(st.sampled_from(IDS[:8])), "slot": draw(st.integers(0, 2))},
    "refuse": lambda draw: {"proposal": draw(st.sampled_from(IDS[:8])), "note": ""},
    "other_wish": lambda draw: {"wish": "Le soir"},
    "confirmed": lambda draw: {"answers": draw(st.sampled_from(IDS[:12]))},
    "failed": lambda draw: {"answers": draw(st.sampled_from(IDS[:12])), "reason": draw(st.sampled_from(["gone", "refused"]))},
    "move": lambda draw: {"slot": slot(draw(st.integers(1, 5))), "note": "", "source": draw(st.sampled_from(["person", "agenda"]))},
    "cancel": lambda draw: {"note": "", "source": draw(st.sampled_from(["person", "agenda"]))},
    "cannot_come": lambda draw: {"note": ""},
    "no_show": lambda draw: {},
    "reminder": lambda draw: {"start": slot(draw(st.integers(1, 3)))["start"], "lead": "d1"},
    "find": lambda draw: {"from": NOW, "to": NOW + DAY},
    "availability": lambda draw: {"slots": [slot(1)], "zone": "Europe/Paris", "from": NOW, "to": NOW + DAY},
}  # fmt: skip


@st.composite
def logs(draw) -> list[Said]:
    """Acts by anybody about a few appointments; the first is a proposal, so that something can follow."""
    found = []
    at = NOW
    for number in range(draw(st.integers(1, 14))):
        name = "propose" if number == 0 else draw(st.sampled_from(sorted(FIELDS)))
        about = None if number == 0 or name in {"ask", "find", "availability"} else draw(st.sampled_from(IDS[:3]))
        fitting = {"owner", "service"} if name in {"propose", "offer", "confirmed", "failed"} else set(ROLES)
        role = "owner" if number == 0 else draw(st.sampled_from(sorted(fitting)))
        at += draw(st.integers(0, 2 * DAY))
        payload = {"version": 1, "act": name, "appointment": about, "reply": None, **FIELDS[name](draw)}
        found.append(Said(IDS[number], at, role, role, payload))
    return found


def plain(book: Book) -> list:
    return [asdict(each) for each in book.appointments.values()]


@settings(max_examples=150, deadline=None)
@given(logs())
def test_what_has_no_effect_can_be_left_out(log):
    book = derive(log)
    kept = [said for said in log if book.verdicts[said.id] == OK]
    assert plain(derive(kept)) == plain(book)
    assert set(derive(kept).verdicts.values()) <= {OK}


@settings(max_examples=150, deadline=None)
@given(logs())
def test_the_first_valid_acceptance_wins_and_an_end_stays(log):
    book = Book()
    for said in log:
        before = {
            each.id: (each.chosen and each.chosen.id, each.end and each.end.state)
            for each in book.appointments.values()
        }
        verdict = book.take(said)
        for each in book.appointments.values():
            chosen, end = before.get(each.id, (None, None))
            if chosen and each.chosen and verdict == OK and said.payload["act"] == "accept":
                assert each.chosen.id == chosen or said.payload["appointment"] != each.id
            if end in {"cancelled", "no_show"}:
                assert each.end is not None
                assert each.end.state == end


@settings(max_examples=150, deadline=None)
@given(logs())
def test_only_the_practice_books_and_only_somebody_of_a_side_changes_anything(log):
    book = Book()
    for said in log:
        before = plain(book)
        book.take(said)
        if said.role == "member":
            assert plain(book) == before
        if not said.practice:
            booked = [each["booked"] for each in before]
            assert [each.booked for each in book.appointments.values()][: len(booked)] == booked


@settings(max_examples=60, deadline=None)
@given(logs(), st.randoms())
def test_every_act_is_written_and_read_alike(log, random):
    for said in log:
        payload = said.payload
        act = appointments.read(payload)
        again = appointments.write(act.name, act.appointment, act.fields)
        assert dict(again.plain) == {**payload, "reply": None}
        assert encode(dict(again.plain))
        broken = dict(payload)
        broken[random.choice(sorted(payload.keys() - {"reply"}))] = {"never": "this"}
        with pytest.raises(ProtocolError):
            appointments.read(broken)


def test_cannot_come_is_no_message_for_the_server_and_the_rest_is():
    cannot = appointments.write("cannot_come", IDS[0], {"note": ""})
    assert cannot.kind == "receipt"
    assert appointments.write("cancel", IDS[0], {"note": "", "source": "person"}).kind == "message"
    assert content.read(_content(cannot)).kind == "receipt"


@pytest.mark.parametrize("lack", ["version", "act", "reply"])
def test_a_message_without_what_every_act_has_is_refused_whole(lack):
    payload = dict(appointments.write("no_show", IDS[0], {}).plain)
    del payload[lack]
    with pytest.raises(ProtocolError):
        content.read(_content(replace(appointments.write("no_show", IDS[0], {}), plain=payload)))


def _content(payload: content.Payload) -> bytes:
    fields = {
        "at": NOW, "author": IDS[0], "checkpoint": None, "device": b64(bytes(16)), "head": IDS[1], "parents": [],
        "payload": dict(payload.plain), "position": 1, "type": payload.type, "v": 1,
    }  # fmt: skip
    return encode(fields)
