"""What a patient may begin and what not, who may still read, and a conversation of ten thousand messages."""

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from crypto.codec import unb64
from tests.fakes.peer import Peer
from tests.journeys.people import DESK, PHONE, Person, activate, last_message, take_letter, unlock
from tests.journeys.scripted import Script, say_many
from tests.journeys.support import Server, luhn

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MANY = 10_000


def test_a_patient_begins_only_where_someone_waits_for_it(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    """Not with any doctor; a new subject with the own one, and first to a pharmacy that said yes."""
    script.professional(shared_server, "Dr Paul Inconnu")
    script.professional(shared_server, "Pharmacie Fermée", "21")
    pharmacy = script.professional(shared_server, "Pharmacie des Lilas", "21")
    script.run(pharmacy.ask("PUT", "/v1/me/settings", {"accepts_patients": True}))
    jean = person(PHONE)
    take_letter(jean, script.run(doctor.invite(text="Bonjour")).link)
    jean.page.goto(shared_server.url + "/write")
    jean.sees("À qui voulez-vous écrire ?")
    jean.sees("Pharmacies qui acceptent vos messages")
    names = jean.page.get_by_role("main").get_by_role("listitem").locator("strong")
    names.nth(1).wait_for()  # the two lists arrive one after the other
    assert sorted(names.all_inner_texts()) == ["Dr Claire Martin", "Pharmacie des Lilas"]

    begin(jean, "Pharmacie des Lilas", "Ma commande", "Avez-vous reçu mon médicament ?")
    jean.page.goto(shared_server.url + "/write")
    begin(jean, "Dr Claire Martin", "Autre chose", "Puis-je vous parler de mon dos ?")
    for peer, words in ((pharmacy, "Avez-vous reçu mon médicament ?"), (doctor, "Puis-je vous parler de mon dos ?")):
        assert words in newest_texts(script, peer)


def begin(who: Person, name: str, subject: str, text: str) -> None:
    who.press(re.compile(name))
    who.page.get_by_label("Sujet").fill(subject)
    who.page.get_by_label("Message", exact=True).fill(text)
    who.press(f"Envoyer à {name}")
    last_message(who, text).wait_for()
    who.sees(re.compile("Envoyé|Distribué"))


def newest_texts(script: Script, peer: Peer) -> list[str]:
    newest = script.run(peer.ask("GET", "/v1/conversations"))["conversations"][0]["conversation"]
    return script.run(peer.read(unb64(newest)))


def test_somebody_who_is_taken_out_reads_no_further(
    script: Script, shared_server: Server, person: Callable[..., Person]
) -> None:
    claire, karim = person(DESK), script.professional(shared_server, "Karim Haddad", "21")
    activate(claire, shared_server.add_professional("Dr Anne Petit", "10", luhn("9990000077")))
    claire.press("Écrire à un patient")
    claire.page.get_by_label("Nom du patient").fill("Jean Dupont")
    claire.page.get_by_label("Sujet").fill("Suivi")
    claire.page.get_by_label("Message", exact=True).fill("Voici le plan.")
    claire.press(re.compile("Envoyer à Jean Dupont"))
    claire.press("Voir l’échange")
    claire.press("Ajouter un professionnel")
    claire.page.get_by_label("Nom ou numéro RPPS").fill("Haddad")
    claire.press("Ajouter Karim Haddad")
    claire.sees(re.compile("ajouté Karim Haddad, avec les messages d’avant"))
    assert newest_texts(script, karim) == ["Voici le plan."]
    claire.press("Retirer Karim Haddad")
    claire.page.get_by_role("dialog").get_by_role("button", name="Retirer").click()
    claire.sees(re.compile("retiré Karim Haddad de l’échange"))
    assert script.run(karim.ask("GET", "/v1/conversations"))["conversations"] == []


def test_ten_thousand_messages_open_at_once_and_scroll_to_both_ends(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Message 0"))
    before = person(PHONE)
    code = take_letter(before, letter.link)
    before.context.close()
    script.run(say_many(doctor, letter.conversation, [f"Message {number}" for number in range(1, MANY)]))
    jean = person(PHONE)
    unlock(jean, shared_server.url, code)
    jean.press(re.compile("Dr Claire Martin"))
    log = jean.page.get_by_role("log")
    newest = log.get_by_text(f"Message {MANY - 1}", exact=True)
    newest.wait_for(timeout=60_000)
    line = log.get_by_text("Nouveaux messages")
    assert line.count() == 0, "what is new begins far above"
    to_the_top(log)
    log.get_by_text("Message 0", exact=True).wait_for()
    line.wait_for()
    assert log.get_by_role("article").count() < 60, "only what is seen is drawn"
    script.say(doctor, letter.conversation, "Le tout dernier")
    jean.press("Derniers messages")
    last_message(jean, "Le tout dernier").wait_for(timeout=60_000)


def test_a_few_new_messages_open_at_their_first(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Message 0"))
    jean = person(PHONE)
    take_letter(jean, letter.link)
    until_read(script, doctor, letter.conversation)
    jean.page.goto(shared_server.url)
    script.run(say_many(doctor, letter.conversation, [f"Message {number}" for number in range(1, 120)]))
    jean.page.get_by_role("link", name=re.compile("Dr Claire Martin")).get_by_text("119 non lus").wait_for()
    jean.press(re.compile("Dr Claire Martin"))
    log = jean.page.get_by_role("log")
    log.get_by_text("Nouveaux messages").wait_for()
    log.get_by_text("Message 1", exact=True).wait_for()
    jean.press("Derniers messages")
    last_message(jean, "Message 119").wait_for()
    until_read(script, doctor, letter.conversation)
    jean.page.goto(shared_server.url)
    jean.page.get_by_text(re.compile(r"^\d+ non lus?$")).first.wait_for(state="detached")


def until_read(script: Script, doctor: Peer, conversation: bytes) -> None:
    """Who leaves sooner than one reads has read nothing."""
    deadline = time.monotonic() + 30
    while not script.run(doctor.is_read(conversation)):
        assert time.monotonic() < deadline, "no receipt"
        time.sleep(0.1)


def to_the_top(log: Any) -> None:
    """Go up as a hand does, page by page, until nothing older comes."""
    deadline = time.monotonic() + 300
    while not log.get_by_text("Message 0", exact=True).is_visible():
        assert time.monotonic() < deadline, log.get_by_role("article").first.inner_text()
        log.press("Home")
        log.page.wait_for_timeout(50)
