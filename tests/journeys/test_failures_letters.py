"""Letters that do not open: what the person who holds one is told, and that a slip of the finger stays on the device."""

import re
import time
from collections.abc import Callable

import pytest

from crypto import invitation
from tests.fakes.peer import Peer, now
from tests.journeys.people import PHONE, Person, requests_to_the_interface, take_letter
from tests.journeys.scripted import Script
from tests.journeys.support import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

EXPIRED = "Cette lettre n’est plus valable : sa date est passée. Demandez-en une nouvelle à votre professionnel."
USED = "Cette lettre a déjà servi. Si ce n’était pas vous, appelez tout de suite votre professionnel."
SHORT_LIFE = 2_000  # milliseconds


def type_code(who: Person, server: Server, code: str) -> None:
    who.page.goto(server.url + "/i")
    who.page.get_by_label("Code de la lettre").fill(code)
    who.press("Ouvrir ma lettre")


def test_an_expired_letter_says_so_by_link_and_by_code(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(with_code=True, lasts=SHORT_LIFE))
    ends = now() + SHORT_LIFE
    while now() <= ends:
        time.sleep(0.05)
    jean = person(PHONE)
    jean.page.goto(letter.link)
    jean.sees("Cette lettre ne s’ouvre pas")
    jean.sees(EXPIRED)
    jean.press("Taper le code de la lettre")
    jean.page.get_by_label("Code de la lettre").fill(letter.code)
    jean.press("Ouvrir ma lettre")
    jean.sees(EXPIRED)


def test_a_letter_opens_once(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(with_code=True))
    script.claim(shared_server, letter)
    late = person(PHONE)
    late.page.goto(letter.link)
    late.sees(USED)
    type_code(late, shared_server, letter.code)
    late.sees(USED)


def test_a_letter_taken_while_it_was_being_read_says_so(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Pour une seule personne."))
    slow = person(PHONE)
    slow.page.goto(letter.link)
    slow.sees("Pour une seule personne.")
    script.claim(shared_server, letter)
    slow.press(re.compile("^Répondre à"))
    slow.sees(USED)


def test_a_slip_of_the_finger_is_told_before_anything_is_sent(
    shared_server: Server, person: Callable[..., Person]
) -> None:
    code = invitation.draw_code().text()
    slip = code[:-1] + ("A" if code[-1] != "A" else "B")
    jean = person(PHONE)
    jean.page.goto(shared_server.url + "/i")
    field = jean.page.get_by_label("Code de la lettre")
    field.wait_for()
    asked = requests_to_the_interface(jean.page)
    field.fill(slip[:8])
    jean.sees(re.compile("Il manque 6 caractères"))
    field.fill(slip)
    jean.press("Ouvrir ma lettre")
    jean.sees("Il y a une faute de frappe dans ce code. Relisez-le lettre par lettre.")
    assert field.input_value() == slip, "what was typed stays, to be corrected"
    field.fill("0" + slip[1:])  # no code has a zero
    jean.press("Ouvrir ma lettre")
    jean.sees(re.compile("contient un caractère qui n’existe pas dans nos codes"))
    assert asked == []


def test_an_unknown_code_is_told_in_plain_words(shared_server: Server, person: Callable[..., Person]) -> None:
    jean = person(PHONE)
    type_code(jean, shared_server, invitation.draw_code().text())
    jean.sees("Nous ne connaissons pas ce code. Relisez la lettre : un caractère est peut-être différent.")
    assert jean.page.get_by_role("button", name="Ouvrir ma lettre").is_enabled()


def test_the_typed_code_opens_the_letter_on_a_small_phone(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Vos résultats sont bons.", with_code=True))
    jean = person(PHONE)
    jean.page.goto(shared_server.url)  # the letter says no more than the address
    jean.press("J’ai reçu une lettre avec un code")
    jean.page.get_by_label("Code de la lettre").press_sequentially(letter.code.lower().replace("-", ""))
    jean.press("Ouvrir ma lettre")
    jean.page.get_by_role("progressbar", name=re.compile("Nous cherchons votre lettre")).wait_for()
    jean.sees("Dr Claire Martin vous écrit")
    jean.sees("Identité vérifiée")
    jean.sees("Vos résultats sont bons.")
    assert jean.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_whole_way_of_a_patient_in_english(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    """The browser's language from the first page; and a French browser changes over in the settings, and stays so."""
    john = person(PHONE, locale="en-GB")
    john.page.goto(script.run(doctor.invite(text="Good news.")).link)
    john.sees("Dr Claire Martin writes to you")
    john.sees("Identity verified")
    assert john.page.evaluate("document.documentElement.lang") == "en"
    jean = person(PHONE)
    take_letter(jean, script.run(doctor.invite(text="Bonne nouvelle.")).link)
    jean.page.goto(shared_server.url + "/settings")
    jean.page.get_by_label("Langue").select_option("en")
    jean.page.get_by_role("heading", name="Settings").wait_for()
    jean.page.reload()
    jean.page.get_by_role("heading", name="Settings").wait_for()
    assert jean.page.evaluate("document.documentElement.lang") == "en"
