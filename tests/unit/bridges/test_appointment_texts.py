"""Acts about appointments at the terminal: each says what it is about, in the time of the place."""

from datetime import UTC, datetime

import pytest

from bridges.kit.appointments import write
from bridges.terminal.appointments import Acts

START = int(datetime(2036, 7, 17, 14, 30, tzinfo=UTC).timestamp()) * 1_000
SLOTS = [{"start": START + n * 3_600_000, "end": START + n * 3_600_000 + 1_200_000, "ref": ""} for n in range(2)]
ABOUT = {
    "zone": "Indian/Reunion", "what": "Contrôle", "place": "2 rue du Port", "mode": "practice", "link": "",
    "bring": ["carte Vitale"], "cancel_before": 0, "concerned": "Léa", "note": "",
}  # fmt: skip
ID, OTHER = "A" * 43, "B" * 42 + "A"


@pytest.fixture(autouse=True)
def _english(monkeypatch):
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


def said(acts: Acts, message: str, name: str, appointment, fields) -> str:
    return acts.write(message, write(name, appointment, fields).plain)


def test_what_follows_is_told_with_the_place_and_the_times_of_what_came_before():
    acts = Acts()
    proposed = said(acts, ID, "propose", None, {"slots": SLOTS, "expires": START, **ABOUT})
    times = "2036-07-17 18:30, 2036-07-17 19:30 (Indian/Reunion)"
    assert proposed == f"[Appointment proposed: {times} · for Léa · Contrôle · 2 rue du Port · to bring: carte Vitale]"
    assert (
        said(acts, "b", "accept", ID, {"proposal": ID, "slot": 1}) == "[Time chosen: 2036-07-17 19:30 (Indian/Reunion)]"
    )
    moved = said(acts, "c", "move", ID, {"slot": SLOTS[0], "note": "Je suis en retard", "source": "person"})
    assert moved == "[Appointment moved: 2036-07-17 18:30 (Indian/Reunion) · Je suis en retard]"
    assert (
        said(acts, "d", "failed", ID, {"answers": ID, "reason": "gone"})
        == "[The time could not be booked: somebody else has that time]"
    )
    assert said(acts, "e", "no_show", ID, {}) == "[Absence noted by the practice]"


def test_it_is_french_for_who_asks_for_french(monkeypatch):
    monkeypatch.setenv("LC_ALL", "fr_FR.UTF-8")
    noted = said(
        Acts(), ID, "booked", None, {"slot": SLOTS[0], "source": "person", **ABOUT, "concerned": None, "bring": []}
    )
    assert noted == "[Rendez-vous noté par le cabinet : 17/07/2036 18:30 (Indian/Reunion) · Contrôle · 2 rue du Port]"


def test_what_is_newer_or_unreadable_says_so():
    newer = {"version": 2, "act": "booked", "appointment": None, "reply": None}
    assert Acts().write(ID, newer) == "[Appointment: of a newer version]"
    assert Acts().write(ID, newer | {"version": 1}) == "[Appointment: unreadable, of no effect]"


def test_a_choice_among_what_is_not_here_has_no_time():
    assert said(Acts(), ID, "accept", OTHER, {"proposal": OTHER, "slot": 3}) == "[Time chosen]"
