"""What is written is neither lost nor doubled: files that cannot go, cut connections, killed servers, two tabs."""

import re
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from crypto.codec import unb64
from tests.fakes.peer import Letter, Peer
from tests.journeys.people import PHONE, Person, last_message, requests_to_the_interface, take_letter
from tests.journeys.scripted import Script
from tests.journeys.support import Recorder, Server, Terminal, luhn

pytestmark = [pytest.mark.browser, pytest.mark.slow]

MIB = 1_048_576
LARGEST = 100 * MIB
LONGEST = 65_536  # bytes of text
UNREAD = re.compile(r"^\d+ non lus?$")
UNSENT = re.compile("En attente d’envoi|Envoi en cours")
SEND = "Envoyer à Dr Claire Martin"


@pytest.fixture
def correspondents(script: Script, doctor: Peer, person: Callable[..., Person]) -> tuple[Letter, Person]:
    """A letter, and the patient at home in its conversation."""
    letter = script.run(doctor.invite(text="Comment allez-vous ?"))
    jean = person(PHONE)
    take_letter(jean, letter.link)
    return letter, jean


def test_an_empty_and_a_too_large_file_are_told_before_anything_is_sent(
    correspondents: tuple[Letter, Person], tmp_path: Path
) -> None:
    _, jean = correspondents
    empty, large = tmp_path / "vide.pdf", tmp_path / "scanner.pdf"
    empty.touch()
    with large.open("wb") as file:
        file.truncate(LARGEST + 1)
    jean.write("Voici mes documents.")
    asked = requests_to_the_interface(jean.page)
    jean.attach(empty)
    jean.sees("Ce fichier est vide. Choisissez-en un autre.")
    assert jean.page.get_by_role("button", name=SEND).is_disabled()
    jean.press("Retirer vide.pdf")
    jean.attach(large)
    jean.sees("Ce document est trop lourd. La limite est de 100 Mo.")
    assert [url for url in asked if "/v1/uploads" in url] == []
    jean.press("Retirer scanner.pdf")
    assert jean.page.get_by_role("textbox", name=re.compile("Répondre à")).input_value() == "Voici mes documents."
    jean.press(SEND)
    last_message(jean, "Voici mes documents.").wait_for()


def test_a_text_of_64_kilobytes_goes_and_one_byte_more_is_told(
    script: Script, doctor: Peer, correspondents: tuple[Letter, Person]
) -> None:
    letter, jean = correspondents
    text = "é" * (LONGEST // 2)
    jean.write(text + "!")
    jean.sees("Ce texte est trop long. Coupez-le en deux messages.")
    assert jean.page.get_by_role("button", name=SEND).is_disabled()
    jean.write(text)
    jean.press(SEND)
    jean.sees(re.compile("Envoyé|Distribué"))
    assert script.run(doctor.read(letter.conversation))[-1] == text


def test_an_upload_that_is_cut_goes_on_where_it_was_without_anybody(
    make_server: Callable[..., Server],
    recorder: Callable[[int], Recorder],
    terminal: Callable[..., Terminal],
    person: Callable[..., Person],
    tmp_path: Path,
) -> None:
    server = make_server(start=False)
    wire = recorder(server.port)
    server.public_url = f"http://127.0.0.1:{wire.port}"
    server.start()
    doctor = terminal("doctor", server.url)
    doctor.run("account", "create", "--link", server.add_professional("Dr Claire Martin", "10", luhn("9990000001")))
    invited = doctor.run("invite", "--name", "Jean Dupont", "--subject", "Radio", "--text", "Envoyez-moi la radio.")
    jean = person(PHONE)
    take_letter(jean, invited["invitation_link"])
    radio = tmp_path / "radio.dcm"
    radio.write_bytes(bytes(range(256)) * (4 * MIB // 256))
    offsets = offsets_of_parts(jean.page)
    wire.cut_after(3 * MIB // 2)
    jean.write("Voici la radio.")
    jean.attach(radio)
    jean.press(SEND)
    jean.sees(re.compile("Envoyé|Distribué"))
    assert wire.cuts == 1
    assert offsets.count(0) == 1, "it does not begin again"
    assert wire.heard_from_clients < 8 * MIB
    last = doctor.run("read", invited["conversation"], "--save", tmp_path / "saved")["messages"][-1]
    assert last["text"] == "Voici la radio."
    assert Path(last["attachments"][0]["path"]).read_bytes() == radio.read_bytes()


def offsets_of_parts(page: Any) -> list[int]:
    """Collect where each part of an upload begins."""
    offsets: list[int] = []
    page.on("request", lambda one: offsets.append(int(one.headers["upload-offset"])) if one.method == "PATCH" else None)
    return offsets


def test_a_killed_server_loses_nothing_and_what_was_written_meanwhile_leaves_once(
    server: Server, script: Script, person: Callable[..., Person]
) -> None:
    doctor = script.professional(server, "Dr Claire Martin")
    letter = script.run(doctor.invite(text="Comment allez-vous ?"))
    jean = person(PHONE)
    take_letter(jean, letter.link)
    jean.page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    jean.write("Avant la panne")
    jean.press(SEND)
    jean.sees(re.compile("Envoyé|Distribué"))
    server.stop(signal.SIGKILL)
    jean.sees("Hors ligne. Vos messages partiront dès le retour du réseau.")
    jean.write("Pendant la panne")
    jean.press(SEND)
    jean.sees("En attente d’envoi")
    jean.page.reload()
    last_message(jean, "Pendant la panne").wait_for()
    last_message(jean, "Avant la panne").wait_for()
    jean.sees("En attente d’envoi")
    server.start()
    jean.page.get_by_text("En attente d’envoi").wait_for(state="detached")
    jean.page.get_by_text("Hors ligne").wait_for(state="detached")
    assert script.run(doctor.read(letter.conversation)) == [
        "Comment allez-vous ?",
        "Avant la panne",
        "Pendant la panne",
    ]
    script.say(doctor, letter.conversation, "Après la panne")
    last_message(jean, "Après la panne").wait_for()
    assert jean.page.get_by_role("log").get_by_text("Pendant la panne").count() == 1


def test_two_tabs_are_both_live_double_nothing_and_read_as_one(
    script: Script, shared_server: Server, doctor: Peer, correspondents: tuple[Letter, Person]
) -> None:
    letter, jean = correspondents
    one, two = jean.page, jean.open_page()
    two.goto(one.url)
    two.get_by_role("log").get_by_text("Comment allez-vous ?").wait_for()
    script.say(doctor, letter.conversation, "Vous me lisez ?")
    for page, words in ((one, "Oui, ici"), (two, "Et là aussi")):
        page.get_by_role("log").get_by_text("Vous me lisez ?").wait_for()
        page.get_by_role("textbox").fill(words)
        page.get_by_role("button", name=SEND).click()
    for page in (one, two):
        for words in ("Vous me lisez ?", "Oui, ici", "Et là aussi"):
            page.get_by_role("log").get_by_text(words).first.wait_for()
        expect(page.get_by_role("log").get_by_text(UNSENT)).to_have_count(0)  # else the next message may overtake it
    one.goto(shared_server.url)
    two.goto(shared_server.url)
    script.say(doctor, letter.conversation, "Dernière question")
    for page in (one, two):
        page.get_by_role("link", name=re.compile("Dr Claire Martin")).get_by_text(UNREAD).wait_for()
    one.get_by_role("link", name=re.compile("Dr Claire Martin")).click()
    down = one.get_by_role("button", name="Derniers messages")
    one.get_by_role("log").get_by_text("Dernière question").or_(down).first.wait_for()
    if down.is_visible():  # on a phone it opens where the new messages begin: what is below is not read yet
        down.click()
    two.get_by_text(UNREAD).first.wait_for(state="detached")
    texts = script.run(doctor.read(letter.conversation))
    assert texts == ["Comment allez-vous ?", "Vous me lisez ?", "Oui, ici", "Et là aussi", "Dernière question"]
    for words in texts:
        assert one.get_by_role("log").get_by_text(words, exact=True).count() == 1


def test_a_message_is_taken_back_while_it_is_unread_and_not_after(
    script: Script, doctor: Peer, correspondents: tuple[Letter, Person], person: Callable[..., Person]
) -> None:
    letter, jean = correspondents
    jean.write("Je me suis trompé de médecin")
    jean.press(SEND)
    jean.sees(re.compile("Envoyé|Distribué"))
    jean.press("Retirer")
    jean.sees(re.compile("^(Retiré|.*retiré un message avant lecture)"))
    assert last_message(jean, "trompé de médecin").count() == 0
    assert script.run(doctor.read(letter.conversation)) == ["Comment allez-vous ?"]
    jean.write("Je vais mieux")
    jean.press(SEND)
    jean.page.get_by_role("button", name="Retirer").wait_for()
    newest = script.run(doctor.events(letter.conversation, after=0, limit=200))[-1]
    script.run(doctor.refresh(letter.conversation))
    script.run(doctor.acknowledge(letter.conversation, unb64(newest["id"]), newest["seq"]))
    jean.sees(re.compile(r"Lu par Dr Claire Martin à \d\d:\d\d"))
    jean.page.get_by_role("button", name="Retirer").wait_for(state="detached")
