"""The story that must work, as the people in it see it: three browsers and a terminal against one real server."""

import base64
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.journeys.people import DESK, PHONE, Person, activate, last_message
from tests.journeys.support import Server, Terminal, luhn, write_pdf

# A 2 x 2 pixel JPEG would do for the protocol; a browser must be able to decode it, so it is drawn by the browser itself.
DRAW_PHOTO = """() => { const c = document.createElement('canvas'); c.width = 640; c.height = 480;
  const g = c.getContext('2d'); g.fillStyle = '#b3541e'; g.fillRect(0, 0, 640, 480); g.fillStyle = '#fff';
  g.fillRect(200, 150, 240, 180); return c.toDataURL('image/jpeg', 0.9).split(',')[1]; }"""


@pytest.mark.browser
@pytest.mark.slow
def test_a_doctor_writes_to_a_patient_who_has_no_account_yet(
    server: Server, person: Callable[..., Person], terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    prescription = write_pdf(tmp_path / "ordonnance.pdf", "ORDONNANCE - Amlodipine 5 mg")
    doctor, jean = person(DESK), person(PHONE)
    activate(doctor, server.add_professional("Dr Claire Martin", "10", luhn("9990000001")))
    karim = terminal("karim", server.url)
    karim.run("account", "create", "--link", server.add_professional("Karim Haddad", "21", luhn("9990000002")))

    # She writes at once: he needs no account. The letter is a page to print, a square and a link.
    doctor.press("Écrire à un patient")
    doctor.page.get_by_label("Nom du patient").fill("Jean Dupont")
    doctor.page.get_by_label("Sujet").fill("Votre ordonnance")
    doctor.page.get_by_label("Message", exact=True).fill("Je renouvelle votre traitement pour 3 mois.")
    doctor.attach(prescription)
    doctor.press(re.compile("Envoyer à Jean Dupont"))
    doctor.sees("Lettre pour Jean Dupont")
    letter = tmp_path / "letter.pdf"
    letter.write_bytes(doctor.page.pdf())
    printed = subprocess.run(["pdftotext", "-layout", letter, "-"], capture_output=True, check=True, text=True).stdout
    typed = re.search(r"[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]{4}-[A-Z2-9]", printed)
    assert typed, printed
    assert "127.0.0.1" in printed
    doctor.press("Copier le lien")
    doctor.sees("Lien copié")
    link = doctor.page.evaluate("navigator.clipboard.readText()")
    doctor.press("Voir l’échange")
    doctor.sees("Envoyé")

    # He opens the letter on his phone: sees who writes, reads the prescription in the page, gets a code to keep.
    jean.page.goto(link)
    jean.sees("Dr Claire Martin vous écrit")
    jean.sees("Identité vérifiée")
    jean.sees("Je renouvelle votre traitement pour 3 mois.")
    assert jean.page.locator("input[type=password]").count() == 0
    jean.press(re.compile("^(Répondre à Dr|Ouvrir .* et répondre)"))
    recovery = jean.keep_recovery_code()
    assert re.fullmatch(r"([0-9A-Z]{4}-){6}[0-9A-Z]{4}", recovery)
    jean.sees("Je renouvelle votre traitement pour 3 mois.")
    jean.sees("Urgence :")
    jean.press(re.compile("^Ouvrir "))
    jean.page.get_by_role("dialog").get_by_text(re.compile("Page 1 sur 1|Amlodipine")).first.wait_for()
    jean.page.get_by_role("dialog").get_by_role("button", name="Texte").click()
    jean.page.get_by_role("dialog").get_by_text("Amlodipine 5 mg").wait_for()
    jean.page.keyboard.press("Escape")
    doctor.sees(re.compile(r"Lu par Jean Dupont à \d\d:\d\d"))

    photo = tmp_path / "photo.jpg"
    photo.write_bytes(base64.b64decode(jean.page.evaluate(DRAW_PHOTO)))
    jean.write("Merci docteur. Puis-je boire du jus de pamplemousse ?")
    jean.attach(photo)
    jean.press("Envoyer à Dr Claire Martin")
    last_message(doctor, "jus de pamplemousse").wait_for()
    doctor.sees(re.compile(r"Répondu par Jean Dupont à \d\d:\d\d"))
    doctor.press(re.compile("^Ouvrir .*photo"))
    doctor.page.get_by_role("dialog").locator("img, canvas").first.wait_for()
    doctor.page.keyboard.press("Escape")

    # She adds the pharmacist, who works at a terminal and sees only what follows.
    doctor.press("Ajouter un professionnel")
    doctor.page.get_by_label("Nom ou numéro RPPS").fill("Haddad")
    doctor.page.get_by_label("Seulement la suite").check()
    doctor.press("Ajouter Karim Haddad")
    jean.sees(re.compile("Dr Claire Martin a ajouté Karim Haddad, sans les messages d’avant"))
    [conversation] = karim.run("conversations")["conversations"]
    assert karim.run("read", conversation["id"])["messages"] == []
    karim.run("send", conversation["id"], "--text", "Evitez le pamplemousse avec ce traitement.")
    last_message(jean, "Evitez le pamplemousse").wait_for()
    last_message(doctor, "Evitez le pamplemousse").wait_for()

    # She ends it; he is told so in plain words; an ordinary later message reopens it.
    doctor.press("Clore")
    doctor.press("Clore l’échange")
    jean.sees(re.compile("Échange clos par Dr Claire Martin"))
    assert jean.page.get_by_role("button", name="Envoyer à Dr Claire Martin").count() == 0
    doctor.write("Une précision : le matin, avec un verre d'eau.")
    doctor.press(re.compile("Envoyer à Jean Dupont"))
    doctor.press("Envoyer maintenant")
    last_message(jean, "Une précision").wait_for()
    jean.page.get_by_role("textbox", name=re.compile("Répondre à")).wait_for()

    # His phone forgets everything; the code on his sheet opens it all again.
    jean.context.close()
    again = person(PHONE)
    again.page.goto(server.url + "/u")
    again.page.get_by_label("Code de secours").fill(recovery.lower().replace("-", " "))
    again.press("Ouvrir")
    again.press(re.compile("Votre ordonnance"))
    for words in ("Je renouvelle votre traitement", "jus de pamplemousse", "Evitez le pamplemousse", "Une précision"):
        last_message(again, words).wait_for()
    again.press(re.compile("^Ouvrir .*(ordonnance|Ordonnance)"))
    again.page.get_by_role("dialog").get_by_text(re.compile("Page 1 sur 1|Amlodipine")).first.wait_for()
