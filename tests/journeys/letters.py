"""Writing to a patient without an account, in the browser."""

import re
from typing import Any

from tests.journeys.people import Person


def letter(doctor: Person) -> str:
    """Write to a patient without an account; give the link of the letter."""
    doctor.press("Écrire à un patient")
    doctor.page.get_by_label("Nom du patient").fill("Jean Dupont")
    doctor.page.get_by_label("Sujet").fill("Votre suivi")
    doctor.page.get_by_label("Message", exact=True).fill("Il est temps de nous revoir.")
    doctor.press(re.compile("Envoyer à Jean Dupont"))
    doctor.sees("Lettre pour Jean Dupont")
    doctor.press("Copier le lien")
    doctor.sees("Lien copié")
    link: Any = doctor.page.evaluate("navigator.clipboard.readText()")
    doctor.press("Voir l’échange")
    return str(link)
