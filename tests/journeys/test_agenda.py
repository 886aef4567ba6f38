"""An appointment agreed on in the conversation, in browsers, with the doctor's own calendar: a real Radicale."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.fakes.agendas import PEERS, Radicale, needs_peers, running, settings
from tests.fakes.appointments import AUTOMATE, Automate
from tests.journeys.letters import letter
from tests.journeys.people import DESK, PHONE, Person, activate, take_letter
from tests.journeys.support import Server, Terminal, luhn

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_peers]

# An independent client, in an environment of its own: what stands in the calendar, and its owner deleting it there.
READER = """
import json, sys, caldav
url, user, password, delete = sys.argv[1:]
calendar = caldav.Calendar(client=caldav.DAVClient(url=url, username=user, password=password), url=url)
events = calendar.events()
print(json.dumps([[str(e.icalendar_component["DTSTART"].dt), str(e.icalendar_component["SUMMARY"])] for e in events]))
if delete == "delete":
    for event in events:
        event.delete()
"""


class Calendar:
    """The doctor's calendar program."""

    def __init__(self, service: Radicale) -> None:
        self.service = service

    def events(self, *, delete: bool = False) -> list[list[str]]:
        words = [self.service.url, "alice", "correct horse", "delete" if delete else "read"]
        done = subprocess.run([PEERS / "python", "-c", READER, *words], capture_output=True, check=True, timeout=120)
        return json.loads(done.stdout)

    def until(self, count: int, other_than: list[list[str]] | None = None) -> list[list[str]]:
        end = time.monotonic() + 90
        while time.monotonic() < end:
            if len(found := self.events()) == count and found != other_than:
                return found
            time.sleep(0.3)
        raise AssertionError(f"not {count} events within 90 s: {self.events()}")


@pytest.fixture
def calendar() -> Iterator[Calendar]:
    service = running(Radicale)
    yield Calendar(service)  # type: ignore[arg-type]  # the kind that was asked for
    service.remove()


@pytest.fixture
def automate(
    server: Server, calendar: Calendar, terminal: Callable[..., Terminal], tmp_path: Path
) -> Iterator[Callable[[str], Automate]]:
    """Start the automate of the account that a recovery code opens."""
    started: list[Automate] = []

    def start(code: str) -> Automate:
        home = terminal("automate", server.url)
        home.run("account", "recover", "--code", code, "--name", AUTOMATE)
        made = Automate(home.home, settings(tmp_path, calendar.service.url), tmp_path / "automate.log")
        made.start()
        started.append(made)
        return made

    yield start
    for one in started:
        one.stop()


def test_what_was_agreed_on_the_telephone_is_noted_written_and_called_off(
    server: Server, person: Callable[..., Person], calendar: Calendar, automate: Callable[[str], Automate]
) -> None:
    doctor, jean = person(DESK), person(PHONE)
    code = activate(doctor, server.add_professional("Dr Claire Martin", "10", luhn("9990000071")))
    automate(code)
    doctor.page.get_by_role("link", name=re.compile("Agenda du cabinet")).wait_for()
    take_letter(jean, letter(doctor))
    doctor.sees(re.compile("a ouvert sa lettre"))

    # One free time, agreed on already: the choice is there as soon as there is one time, and no more with two.
    doctor.press("Proposer un rendez-vous")
    form = doctor.page.get_by_role("dialog", name="Proposer un rendez-vous")
    free = form.get_by_role("region", name="Horaires libres de votre agenda").get_by_role(
        "button", name=re.compile(" à ")
    )
    free.nth(3).wait_for()
    agreed = form.get_by_role("checkbox", name=re.compile("déjà convenu"))
    assert agreed.count() == 0
    free.nth(2).click()
    free.nth(3).click()
    assert agreed.count() == 0
    free.nth(3).click()
    agreed.check()
    form.get_by_text("Votre agenda vérifie d’abord que l’horaire est libre").wait_for()
    free.last.click()  # rather this one, of another day
    form.get_by_text("Lieu, documents, délais").click()
    form.get_by_label("Objet").fill("Contrôle de la tension")
    form.get_by_role("button", name="Noter ce rendez-vous").click()
    doctor.press("Envoyer maintenant")

    # He is asked nothing; the calendar has it, and his card says who noted it.
    card = jean.page.get_by_role("region", name=re.compile("Contrôle de la tension"))
    card.get_by_text("Rendez-vous noté par le cabinet").wait_for()
    card.get_by_text("Vous n’avez rien à confirmer.").wait_for()
    assert card.get_by_role("button", name=re.compile("Choisir|Confirmer")).count() == 0
    calendar.until(1)
    with jean.page.expect_download() as downloading:
        card.get_by_role("button", name="Ajouter à mon agenda").click()
    assert "SUMMARY:Rendez-vous\r\n" in Path(downloading.value.path()).read_bytes().decode()
    card.get_by_role("button", name="Demander un autre horaire").wait_for()

    card.get_by_role("button", name="Je ne peux pas venir").click()
    jean.page.get_by_role("dialog").get_by_role("button", name="Annuler le rendez-vous").click()
    doctor.page.get_by_role("region", name=re.compile("Rendez-vous annulé")).wait_for()
    calendar.until(0)


def test_a_patient_chooses_moves_and_is_told_when_the_practice_cancels_in_its_own_calendar(
    server: Server, person: Callable[..., Person], calendar: Calendar, automate: Callable[[str], Automate]
) -> None:
    doctor, jean = person(DESK), person(PHONE)
    code = activate(doctor, server.add_professional("Dr Claire Martin", "10", luhn("9990000071")))
    automate(code)
    doctor.page.get_by_role("link", name=re.compile("Agenda du cabinet")).wait_for()  # its own conversation with her
    take_letter(jean, letter(doctor))
    doctor.sees(re.compile("a ouvert sa lettre"))

    # She picks two of the times that are free in her calendar.
    doctor.press("Proposer un rendez-vous")
    form = doctor.page.get_by_role("dialog", name="Proposer un rendez-vous")
    free = form.get_by_role("region", name="Horaires libres de votre agenda").get_by_role(
        "button", name=re.compile(" à ")
    )
    free.nth(3).wait_for()
    free.nth(2).click()
    free.nth(3).click()
    form.get_by_text("Lieu, documents, délais").click()
    form.get_by_label("Objet").fill("Contrôle de la tension")
    form.get_by_label("Lieu").fill("Cabinet des Lilas")
    form.get_by_label("À apporter").fill("Carte Vitale")
    form.get_by_role("button", name="Proposer ces 2 horaires").click()
    doctor.press("Envoyer maintenant")

    # He taps one, is told what follows, and confirms.
    card = jean.page.get_by_role("region", name=re.compile("Contrôle de la tension"))
    card.get_by_role("button", name=re.compile("^Choisir")).first.click()
    jean.sees(re.compile("Prendre rendez-vous le"))
    jean.sees("Annulation libre jusqu’à 24 heures avant.")
    card.get_by_role("button", name="Confirmer ce choix").click()
    card.get_by_text("Rendez-vous confirmé").wait_for()
    jean.sees("C’est noté dans l’agenda du cabinet")
    jean.sees(re.compile("Agenda du cabinet \\(automate\\)"))
    first = calendar.until(1)
    assert "tension" not in str(first).lower()
    assert "Dupont" not in str(first)
    with jean.page.expect_download() as downloading:
        card.get_by_role("button", name="Ajouter à mon agenda").click()
    kept = Path(downloading.value.path()).read_bytes().decode()
    assert "SUMMARY:Rendez-vous\r\n" in kept
    assert "tension" not in kept.lower()

    # He takes the other one instead.
    card.get_by_role("button", name=re.compile("^Choisir")).first.click()
    card.get_by_role("button", name="Confirmer ce choix").click()
    second = calendar.until(1, other_than=first)
    card.get_by_text("Rendez-vous confirmé").wait_for()
    assert second != first

    # She deletes it in her calendar program; the conversation says so, to both.
    calendar.events(delete=True)
    for who in (jean, doctor):
        who.page.get_by_text("Le cabinet a annulé le rendez-vous dans son agenda").first.wait_for(timeout=90_000)
        who.page.get_by_role("region", name=re.compile("Rendez-vous annulé")).wait_for()
    assert card.get_by_role("button").count() == 0
