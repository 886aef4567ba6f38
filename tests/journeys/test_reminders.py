"""Reminders of the patient's own device, in a real browser whose clock moves: no automate runs anywhere."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from bridges.kit.appointments_reminders import WAIT, moment
from tests.journeys.letters import letter
from tests.journeys.people import DESK, PHONE, Person, activate, take_letter
from tests.journeys.support import Server, luhn

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PARIS = ZoneInfo("Europe/Paris")
SHOWN = """async () => {
  const worker = await navigator.serviceWorker.getRegistration();
  return (await worker.getNotifications()).map(({ title, body, tag, data }) => ({ title, body, tag, data }));
}"""
WORDS = {"title": "Pli", "body": "Vous avez un rappel. Ouvrez Pli pour le lire.", "tag": "reminder", "data": None}


def test_a_device_reminds_by_itself_with_words_that_say_nothing(server: Server, person: Callable[..., Person]) -> None:
    doctor, jean = person(DESK), person(PHONE)
    activate(doctor, server.add_professional("Dr Claire Martin", "10", luhn("9990000083")))
    jean.context.grant_permissions(["notifications"])
    jean.page.clock.install()
    take_letter(jean, letter(doctor))
    jean.page.evaluate("navigator.serviceWorker.ready.then(() => null)")
    start = _agreed(doctor, jean)

    # The moment to ask: it has just been agreed. Until then nobody was asked.
    offer = jean.page.get_by_role("region", name=re.compile("Être prévenu sur cet appareil"))
    offer.get_by_role("button", name="Oui, me prévenir").click()
    offer.wait_for(state="detached")
    assert jean.page.evaluate(SHOWN) == []

    # The evening before, half an hour after the automate would have said it.
    bar = jean.page.get_by_role("region", name="Rappel de rendez-vous")
    due = moment("d1", start, "Europe/Paris") + WAIT
    _pass_until(jean, due - timedelta(minutes=5))
    assert bar.count() == 0
    _pass_until(jean, due + timedelta(minutes=1))
    bar.wait_for()
    assert "Demain" in bar.inner_text()
    assert "avec Dr Claire Martin" in bar.inner_text()
    jean.page.wait_for_function(f"({SHOWN})().then((shown) => shown.length === 1)")
    assert jean.page.evaluate(SHOWN) == [WORDS]

    # Seen once, it is gone from the page and from the screen of the device.
    bar.get_by_role("button", name="J’ai vu").click()
    bar.wait_for(state="detached")
    jean.page.wait_for_function(f"({SHOWN})().then((shown) => shown.length === 0)")


def test_who_says_no_is_asked_no_more_and_sees_it_inside(server: Server, person: Callable[..., Person]) -> None:
    doctor, jean = person(DESK), person(PHONE)
    activate(doctor, server.add_professional("Dr Claire Martin", "10", luhn("9990000084")))
    jean.context.grant_permissions(["notifications"])
    jean.page.clock.install()
    take_letter(jean, letter(doctor))
    start = _agreed(doctor, jean)
    offer = jean.page.get_by_role("region", name=re.compile("Être prévenu sur cet appareil"))
    offer.get_by_role("button", name="Non merci").click()
    offer.wait_for(state="detached")
    _pass_until(jean, moment("d1", start, "Europe/Paris") + WAIT + timedelta(minutes=1))
    jean.page.get_by_role("region", name="Rappel de rendez-vous").wait_for()
    assert jean.page.evaluate(SHOWN) == []
    jean.page.goto(f"{server.url}/settings")
    turn = jean.page.get_by_role("checkbox", name=re.compile("Me prévenir sur cet appareil"))
    assert not turn.is_checked()


def _agreed(doctor: Person, jean: Person) -> datetime:
    """An appointment in three days at 14:00, typed and confirmed by hand; gives its start."""
    day = datetime.now(PARIS).date() + timedelta(days=3)
    doctor.press("Proposer un rendez-vous")
    form = doctor.page.get_by_role("dialog", name="Proposer un rendez-vous")
    form.get_by_label("Jour").fill(day.isoformat())
    form.get_by_label("Heure", exact=True).fill("14:00")
    form.get_by_role("button", name="Ajouter cet horaire").click()
    form.get_by_role("button", name="Proposer cet horaire").click()
    doctor.press("Envoyer maintenant")
    jean.page.get_by_role("button", name=re.compile("^Choisir")).first.click()
    jean.press("Confirmer ce choix")
    doctor.press("Confirmer")
    jean.sees("Rendez-vous confirmé")
    return datetime(day.year, day.month, day.day, 14, tzinfo=PARIS).astimezone(UTC)


def _pass_until(who: Person, moment: datetime) -> None:
    now = who.page.evaluate("Date.now()")
    who.page.clock.fast_forward(int(moment.timestamp() * 1000 - now))
