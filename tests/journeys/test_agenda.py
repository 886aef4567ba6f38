"""An appointment agreed on in the conversation, in browsers, with the doctor's own calendar: a real Radicale."""

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.fakes.agendas import PEERS, Radicale, needs_peers, running, settings
from tests.fakes.appointments import AUTOMATE, Automate
from tests.journeys.letters import letter
from tests.journeys.people import DESK, PHONE, Person, activate, take_letter
from tests.journeys.support import Server, Terminal, luhn

pytestmark = [pytest.mark.browser, pytest.mark.slow, needs_peers]

# An independent client, in an environment of its own: what stands in the calendar, its owner deleting it there, and
# somebody else who is given a time (whose title is "Autre").
READER = """
import datetime, json, sys, caldav
url, user, password, action = sys.argv[1:]
calendar = caldav.Calendar(client=caldav.DAVClient(url=url, username=user, password=password), url=url)
events = calendar.events()
print(json.dumps([[str(e.icalendar_component["DTSTART"].dt), str(e.icalendar_component["SUMMARY"])] for e in events]))
if action == "delete":
    for event in events:
        event.delete()
elif action != "read":
    start = datetime.datetime.fromisoformat(action)
    calendar.save_event(dtstart=start, dtend=start + datetime.timedelta(minutes=30), summary="Autre")
"""


class Calendar:
    """The doctor's calendar program."""

    def __init__(self, service: Radicale) -> None:
        self.service = service

    def events(self, action: str = "read") -> list[list[str]]:
        """Give the start and the title of each, and do something then."""
        words = [self.service.url, "alice", "correct horse", action]
        done = subprocess.run([PEERS / "python", "-c", READER, *words], capture_output=True, check=True, timeout=120)
        return json.loads(done.stdout)

    def ours(self) -> list[datetime]:
        """When our events begin."""
        return [datetime.fromisoformat(start) for start, title in self.events() if title != "Autre"]

    def give_away(self, start: datetime) -> None:
        self.events(start.astimezone(UTC).isoformat())

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


PARIS = ZoneInfo("Europe/Paris")
MONTHS = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]


def free_times(dialog: Any) -> Any:
    region = dialog.get_by_role("region", name="Horaires libres de votre agenda")
    return region.get_by_role("button", name=re.compile(" à "))


def moment(text: str) -> datetime:
    """Read "lundi 30 novembre à 09:00", the next one, as the clock of Paris shows it."""
    found = re.search(r"(\d+)(?:er)? (\w+)(?: \d{4})? à (\d\d):(\d\d)", text)
    assert found, text
    day, month, hour, minute = found.groups()
    now = datetime.now(PARIS)
    made = now.replace(month=MONTHS.index(month) + 1, day=int(day), hour=int(hour), minute=int(minute))
    made = made.replace(second=0, microsecond=0)
    return made if made > now else made.replace(year=now.year + 1)


def propose(doctor: Person, place: int) -> datetime:
    """Propose the free time of that number."""
    doctor.press("Proposer un rendez-vous")
    form = doctor.page.get_by_role("dialog", name="Proposer un rendez-vous")
    free_times(form).nth(place).click()
    start = moment(free_times(form).nth(place).inner_text())
    form.get_by_role("button", name="Proposer cet horaire").click()
    doctor.press("Envoyer maintenant")
    return start


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

    # She picks two of the times that are free in her calendar, more than a day ahead.
    doctor.press("Proposer un rendez-vous")
    form = doctor.page.get_by_role("dialog", name="Proposer un rendez-vous")
    free = free_times(form)
    free.nth(25).wait_for()
    free.nth(24).click()
    free.nth(25).click()
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
    calendar.events("delete")
    for who in (jean, doctor):
        who.page.get_by_text("Le cabinet a annulé le rendez-vous dans son agenda").first.wait_for(timeout=90_000)
        who.page.get_by_role("region", name=re.compile("Rendez-vous annulé")).wait_for()
    assert card.get_by_role("button").count() == 0


def test_the_practice_moves_it_and_says_why_when_it_cannot(
    server: Server, person: Callable[..., Person], calendar: Calendar, automate: Callable[[str], Automate]
) -> None:
    doctor, jean = person(DESK), person(PHONE, zone="America/Guadeloupe")
    automate(activate(doctor, server.add_professional("Dr Claire Martin", "10", luhn("9990000072"))))
    doctor.page.get_by_role("link", name=re.compile("Agenda du cabinet")).wait_for()
    take_letter(jean, letter(doctor))
    doctor.sees(re.compile("a ouvert sa lettre"))
    first = propose(doctor, 4)
    jean.page.get_by_role("button", name=re.compile("^Choisir")).first.click()
    jean.press("Confirmer ce choix")
    cards = [who.page.get_by_role("region", name=re.compile("^Rendez-vous confirmé")) for who in (jean, doctor)]
    for card in cards:
        card.wait_for()
    assert calendar.ours() == [first]

    # To another time that is free in her calendar.
    cards[1].get_by_role("button", name="Déplacer").click()
    dialog = doctor.page.get_by_role("dialog", name="Déplacer ce rendez-vous")
    free_times(dialog).nth(9).click()
    second = moment(free_times(dialog).nth(9).inner_text())
    dialog.get_by_role("button", name="Déplacer le rendez-vous").click()
    shows(cards[0], second)
    assert calendar.ours() == [second] != [first]

    # To a time that she types.
    cards[1].get_by_role("button", name="Déplacer").click()
    third = (second + timedelta(days=3)).replace(hour=10, minute=30)
    free_times(dialog).first.wait_for()
    dialog.get_by_text("Autre horaire, à la main").click()
    dialog.get_by_label("Jour").fill(f"{third:%Y-%m-%d}")
    dialog.get_by_label("Heure", exact=True).fill("10:30")
    dialog.get_by_role("button", name="Ajouter cet horaire").click()
    dialog.get_by_role("button", name="Déplacer le rendez-vous").click()
    shows(cards[0], third)
    assert calendar.ours() == [third]

    # To a time that somebody is given while she looks: nothing moves, and both are told why.
    cards[1].get_by_role("button", name="Déplacer").click()
    free_times(dialog).nth(2).click()
    calendar.give_away(moment(free_times(dialog).nth(2).inner_text()))
    dialog.get_by_role("button", name="Déplacer le rendez-vous").click()
    for card in cards:
        card.get_by_text("Cet horaire vient d’être pris. Le rendez-vous reste à l’heure affichée.").wait_for()
    shows(cards[0], third)
    assert calendar.ours() == [third]


def test_a_patient_whose_time_somebody_else_was_given_is_told_and_offered_others(
    server: Server, person: Callable[..., Person], calendar: Calendar, automate: Callable[[str], Automate]
) -> None:
    doctor, jean = person(DESK), person(PHONE)
    automate(activate(doctor, server.add_professional("Dr Claire Martin", "10", luhn("9990000073"))))
    doctor.page.get_by_role("link", name=re.compile("Agenda du cabinet")).wait_for()
    take_letter(jean, letter(doctor))
    doctor.sees(re.compile("a ouvert sa lettre"))
    calendar.give_away(propose(doctor, 4))
    jean.page.get_by_role("button", name=re.compile("^Choisir")).first.click()
    jean.sees(re.compile("C’est trop proche pour annuler librement"))
    jean.press("Confirmer ce choix")
    jean.sees("Cet horaire vient d’être pris")
    jean.page.get_by_role("button", name=re.compile("^Choisir")).nth(1).click()
    jean.press("Confirmer ce choix")
    jean.page.get_by_role("region", name=re.compile("^Rendez-vous confirmé")).wait_for()
    assert len(calendar.ours()) == 1


def shows(card: Any, start: datetime) -> None:
    """A card in Guadeloupe: the clock of the place first, then its name, then the clock of the device."""
    place, device = f"{start:%H:%M}", f"{start.astimezone(ZoneInfo('America/Guadeloupe')):%H:%M}"
    day = f"{start.day} {MONTHS[start.month - 1]}"
    card.get_by_text(re.compile(day)).first.wait_for()
    card.get_by_text(place).first.wait_for()
    text = card.inner_text()
    order = [text.index(day), text.index(place), text.index("heure de Paris"), text.index(device)]
    assert order == sorted(order), text
