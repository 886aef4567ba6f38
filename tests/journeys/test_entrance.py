"""The door, as people come to it: a second letter in the same page, a mistyped address, a device with a fingerprint reader."""

import re
import zlib
from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.journeys.people import PHONE, Person, give_authenticator, last_message, take_letter, unlock
from tests.journeys.support import Server, Terminal, luhn

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def letter(shared_server: Server, terminal: Callable[..., Terminal], request: pytest.FixtureRequest) -> str:
    """The link of a letter of Dr Claire Martin to Jean Dupont."""
    doctor = terminal("claire", shared_server.url)
    number = luhn(f"99900{zlib.crc32(request.node.name.encode()) % 100_000:05d}")
    doctor.run("account", "create", "--link", shared_server.add_professional("Dr Claire Martin", "10", number))
    made = doctor.run("invite", "--name", "Jean Dupont", "--subject", "Votre ordonnance", "--text", "Bonjour.")
    return str(made["invitation_link"])


def test_a_letter_pasted_over_another_is_the_one_that_opens(
    shared_server: Server, person: Callable[..., Person], letter: str
) -> None:
    jean = person(PHONE)
    jean.page.goto(f"{shared_server.url}/i")
    jean.sees("Vous avez reçu une lettre")
    jean.page.goto(f"{shared_server.url}/i#1.AAAAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA")
    jean.sees("Nous ne connaissons pas ce code")
    jean.page.goto(letter)  # same page, another fragment: nothing is loaded again
    jean.sees("Dr Claire Martin vous écrit")
    assert "#" not in jean.page.url


def test_each_step_is_read_from_its_title_with_the_top_of_the_page_in_sight(
    person: Callable[..., Person], letter: str
) -> None:
    jean = person(PHONE)
    jean.page.goto(letter)
    jean.press(re.compile("^Répondre à "))
    expect(jean.page.get_by_role("heading", name="Gardez votre code de secours")).to_be_focused()
    expect(jean.page.get_by_role("button", name="English")).to_be_in_viewport()
    jean.page.get_by_label("J’ai mis mon code de secours à l’abri").check()
    jean.press("Continuer")
    jean.page.get_by_role("log").wait_for()
    jean.press("Retour aux échanges")
    expect(jean.page.get_by_role("heading", name="Échanges")).to_be_focused()


def test_a_mistyped_address_is_no_dead_end(shared_server: Server, person: Callable[..., Person]) -> None:
    jean = person(PHONE)
    for typed in ("/I", "/i/"):
        jean.page.goto(shared_server.url + typed)
        jean.sees("Vous avez reçu une lettre")
    jean.page.goto(f"{shared_server.url}/messages")
    jean.sees("J’ai reçu une lettre avec un code")


def test_a_passkey_is_not_offered_where_the_address_is_a_number(person: Callable[..., Person], letter: str) -> None:
    jean = person(PHONE)
    give_authenticator(jean)
    jean.page.goto(letter)
    jean.press(re.compile("^Répondre à "))
    jean.page.get_by_label("J’ai mis mon code de secours à l’abri").check()
    jean.press("Continuer")
    jean.page.get_by_role("log").wait_for()


def test_a_second_account_empties_a_device_only_when_the_person_says_so(
    person: Callable[..., Person], shared_server: Server, terminal: Callable[..., Terminal], letter: str
) -> None:
    jean = person(PHONE)
    take_letter(jean, letter)
    beside = jean.open_page()
    beside.goto(shared_server.url)
    jean.sees("Votre ordonnance", page=beside)
    made = terminal("claire", shared_server.url).run(
        "invite", "--name", "Marie Dupont", "--subject", "Vos résultats", "--text", "Bonjour Marie."
    )
    jean.page.goto(str(made["invitation_link"]))
    jean.press("Ouvrir un compte pour Marie Dupont")
    jean.sees("Les messages de Jean Dupont sont ouverts ici.")
    jean.press("Annuler")
    jean.sees("Continuer comme Jean Dupont")
    beside.reload()
    jean.sees("Votre ordonnance", page=beside)  # nothing was touched

    jean.press("Ouvrir un compte pour Marie Dupont")
    jean.press("Effacer et continuer")
    jean.keep_recovery_code()
    last_message(jean, "Bonjour Marie.").wait_for()
    jean.sees("Ouvrir mes messages", page=beside)  # the other tab has closed


def test_the_way_back_does_not_lead_to_the_door_again(
    person: Callable[..., Person], shared_server: Server, letter: str
) -> None:
    jean = person(PHONE)
    code = take_letter(jean, letter)
    jean.page.goto(f"{shared_server.url}/u")
    expect(jean.page.get_by_role("heading", name="Échanges")).to_be_visible()
    other = person(PHONE)
    unlock(other, shared_server.url, code)
    other.page.get_by_role("link", name=re.compile("Votre ordonnance")).click()
    last_message(other, "Bonjour.").wait_for()
    other.page.go_back()
    expect(other.page.get_by_role("heading", name="Échanges")).to_be_visible()
