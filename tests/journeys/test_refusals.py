"""What a patient refuses, in real browsers: a professional, a letter; and the list of who had access."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from crypto.invitation import read_link
from tests.fakes.peer import Letter, Peer, Refused
from tests.journeys.people import DESK, PHONE, Person, activate, take_letter
from tests.journeys.scripted import Script
from tests.journeys.support import Server, luhn

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def refusal(script: Script, doctor: Peer, conversation: bytes) -> str | None:
    try:
        script.say(doctor, conversation, "Vous êtes là ?")
    except Refused as refused:
        return refused.code
    return None


def test_a_patient_blocks_a_professional_thinks_again_and_sees_who_had_access(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Bonjour"))
    jean = person(PHONE)
    take_letter(jean, letter.link)
    script.run(doctor.events(letter.conversation))
    jean.press("Détails de l’échange")
    jean.press("Bloquer Dr Claire Martin")
    dialog = jean.page.get_by_role("dialog").last
    dialog.get_by_text("et le saura").wait_for()
    dialog.get_by_role("button", name="Bloquer", exact=True).click()
    jean.sees("Bloqué : vous ne recevez plus ses messages.")
    assert refusal(script, doctor, letter.conversation) == "patient_blocked"
    jean.press("Débloquer Dr Claire Martin")
    jean.page.get_by_role("button", name="Bloquer Dr Claire Martin").first.wait_for()
    assert refusal(script, doctor, letter.conversation) is None

    jean.page.goto(shared_server.url + "/settings")
    jean.sees("Qui a consulté vos échanges")
    jean.sees("Dr Claire Martin a chargé les messages de l’échange")
    jean.sees("Dr Claire Martin peut désormais lire l’échange")


def test_whoever_wants_no_account_says_so_and_the_sender_is_told(
    script: Script, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Bonjour"))
    nobody = person(PHONE)
    nobody.page.goto(letter.link)
    nobody.press("Je ne veux pas de compte")
    dialog = nobody.page.get_by_role("dialog")
    dialog.get_by_text("Aucun compte ne sera créé").wait_for()
    dialog.get_by_role("button", name="Je ne veux pas de compte").click()
    nobody.sees("C’est noté")
    nobody.sees("Dr Claire Martin sait que vous avez refusé cette lettre")
    assert refusal(script, doctor, letter.conversation) == "patient_left"


def test_a_professional_sees_that_it_is_final(
    script: Script, shared_server: Server, person: Callable[..., Person]
) -> None:
    claire = person(DESK)
    activate(claire, shared_server.add_professional("Dr Anne Petit", "10", luhn("9990000093")))
    claire.press("Écrire à un patient")
    claire.page.get_by_label("Nom du patient").fill("Jean Dupont")
    claire.page.get_by_label("Sujet").fill("Suivi")
    claire.page.get_by_label("Message", exact=True).fill("Voici le plan.")
    claire.press(re.compile("Envoyer à Jean Dupont"))
    claire.press("Copier le lien")
    claire.sees("Copié")
    link: Any = claire.page.evaluate("navigator.clipboard.readText()")
    claire.press("Voir l’échange")
    jean = script.claim(shared_server, letter_of(link))
    conversation = script.run(jean.ask("GET", "/v1/conversations"))["conversations"][0]["conversation"]
    anne = script.run(jean.ask("GET", "/v1/journal"))["entries"][0]["who"]
    claire.page.get_by_role("textbox", name=re.compile("^Écrire à")).first.wait_for()

    script.run(jean.ask("PUT", f"/v1/blocks/{anne}"))
    claire.sees("Le patient ne souhaite plus recevoir de messages de votre part. C’est définitif")
    claire.page.get_by_role("textbox", name=re.compile("^Écrire à")).first.wait_for(state="detached")
    script.run(jean.ask("DELETE", f"/v1/blocks/{anne}"))
    claire.page.get_by_role("textbox", name=re.compile("^Écrire à")).first.wait_for()
    script.run(jean.ask("POST", f"/v1/conversations/{conversation}/leave"))
    claire.sees("Le patient a quitté cet échange ou refusé sa lettre")
    assert not claire.complaints


def letter_of(link: str) -> Letter:
    """A letter of which only the link is known."""
    return Letter(b"", link, "", read_link(link).invitation, 0)
