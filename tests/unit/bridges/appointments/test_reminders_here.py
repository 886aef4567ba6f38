"""What a patient's terminal shows of appointments that nobody reminded of."""

from datetime import UTC, datetime, timedelta

from bridges.kit.appointments_log import Placed, reminders
from bridges.kit.appointments_state import Said
from bridges.terminal.texts import reminder

START = datetime(2027, 1, 22, 14, tzinfo=UTC)
DUE = datetime(2027, 1, 21, 17, 30, tzinfo=UTC)
ABOUT = {
    "bring": [], "cancel_before": 0, "concerned": "Léa", "link": "", "mode": "practice", "note": "", "place": "",
    "what": "Cardiologie", "zone": "Europe/Paris",
}  # fmt: skip
P, A = "A" * 43, "B" * 42 + "A"


def milliseconds(moment: datetime) -> int:
    return int(moment.timestamp()) * 1_000


def log(*more: tuple[str, str, dict]) -> list[Placed]:
    slot = {"start": milliseconds(START), "end": milliseconds(START + timedelta(minutes=20)), "ref": ""}
    acts = [
        ("owner", "propose", {"slots": [slot], "expires": milliseconds(START), **ABOUT}),
        ("patient", "accept", {"proposal": P, "slot": 0}),
        ("owner", "confirmed", {"answers": A}),
        *more,
    ]
    found = []
    for seq, (role, act, fields) in enumerate(acts, 1):
        name = {1: P, 2: A}.get(seq, f"{seq:042d}A")
        payload = {"version": 1, "act": act, "appointment": None if seq == 1 else P, "reply": None, **fields}
        found.append(Placed(Said(name, milliseconds(DUE - timedelta(days=6)) + seq, "x", role, payload), seq, b""))
    return found


def test_the_evening_before_it_is_shown_in_the_time_of_the_place_without_its_motive():
    [due] = reminders(log(), DUE)
    assert (due.lead, due.start, due.zone) == ("d1", milliseconds(START), "Europe/Paris")
    text = reminder(due)
    assert "15:00" in text
    assert "Léa" in text
    assert "Cardiologie" not in text


def test_what_the_automate_has_said_or_what_is_off_is_not_shown():
    said = ("owner", "reminder", {"start": milliseconds(START), "lead": "d1"})
    assert reminders(log(said), DUE) == []
    stranger = ("patient", "reminder", {"start": milliseconds(START), "lead": "d1"})
    assert len(reminders(log(stranger), DUE)) == 1
    assert reminders(log(("owner", "cancel", {"note": "", "source": "person"})), DUE) == []
    assert reminders(log(), DUE - timedelta(minutes=1)) == []
    assert reminders(log(), START) == []
