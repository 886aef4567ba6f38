"""Messages whose term is over, on a phone: what is here stays, a second device is told, nobody is alarmed."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.jobs.work import Worker
from tests.fakes.ageing import AgeingServer, ageing
from tests.journeys.people import PHONE, Person, last_message, take_letter, unlock
from tests.journeys.support import Terminal, luhn, write_pdf

GONE = re.compile("Le serveur ne conserve plus les messages d’avant le .* Cet appareil garde ceux qu’il a.")


@pytest.fixture
def ageing_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[AgeingServer]:
    async def rest(_: Worker) -> None:
        return None

    monkeypatch.setattr(Worker, "work_for_ever", rest)
    with ageing(tmp_path / "data", client=True, message_days=60, upload_hours=1) as server:
        yield server


def shoot(who: Person, name: str) -> None:
    if (shots := os.environ.get("JOURNEY_SCREENSHOTS")) is not None:
        who.page.screenshot(path=f"{shots}/trimmed-{name}.png")


@pytest.mark.browser
@pytest.mark.slow
def test_a_phone_keeps_what_it_has_and_a_second_device_joins(
    ageing_server: AgeingServer, person: Callable[..., Person], terminal: Callable[..., Terminal], tmp_path: Path
) -> None:
    server, claire, jean = ageing_server, terminal("claire", ageing_server.url), person(PHONE)
    server.days_ago(100)
    claire.run("account", "create", "--link", server.add_professional("Dr Claire Martin", "10", luhn("9990000001")))
    document = write_pdf(tmp_path / "ordonnance.pdf", "ORDONNANCE - Amlodipine 5 mg")
    words = ("--name", "Jean Dupont", "--subject", "Votre traitement", "--text", "Voici votre ordonnance.")
    letter = claire.run("invite", *words, "--file", document)
    code = take_letter(jean, letter["invitation_link"])
    last_message(jean, "Voici votre ordonnance.").wait_for()

    # A hundred days later the term of the first message is over.
    server.days_ago(0)
    claire.run("send", letter["conversation"], "--text", "Revenez me voir en mars.")
    server.work("messages")
    server.work("uploads")
    last_message(jean, "Revenez me voir en mars.").wait_for()
    jean.sees(GONE)
    last_message(jean, "Voici votre ordonnance.").wait_for()
    shoot(jean, "kept")
    jean.press(re.compile("^Ouvrir "))
    jean.sees(re.compile("Le serveur ne conserve plus ce document"))
    shoot(jean, "document")

    # A second phone of his knows only what the server still has, and says so.
    second = person(PHONE)
    unlock(second, server.url, code)
    second.press(re.compile("Votre traitement"))
    last_message(second, "Revenez me voir en mars.").wait_for()
    second.sees(GONE)
    assert second.page.get_by_text("Voici votre ordonnance.").count() == 0
    assert second.page.get_by_text(re.compile("retenu|Par prudence")).count() == 0
    assert second.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    shoot(second, "second")
    second.write("Entendu, à mars.")
    second.press(re.compile("^Envoyer à"))
    last_message(jean, "Entendu, à mars.").wait_for()
    assert claire.run("read", letter["conversation"])["messages"][-1]["text"] == "Entendu, à mars."

    # And the settings say for how long this server keeps what.
    second.page.goto(server.url + "/settings")
    second.sees(re.compile("60 jours, puis effacés du serveur"))
    shoot(second, "settings")
