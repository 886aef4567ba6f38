"""Ways in that fail and ways out that must hold: codes, tries, passkeys, clocks, devices that are taken away."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from crypto import recovery
from tests.fakes.peer import Peer
from tests.journeys.people import (
    DESK,
    PHONE,
    Person,
    give_authenticator,
    last_message,
    requests_to_the_interface,
    take_letter,
    unlock,
)
from tests.journeys.scripted import Script
from tests.journeys.support import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

DAY = 86_400_000  # milliseconds
TRIES = 10
"""Failures of one holder in 15 minutes (docs/spec/api.md 3)."""
SKEWED = """{ const Right = Date; globalThis.Date = class extends Right {
  constructor(...given) { if (given.length) super(...given); else super(Right.now() + (%d)); }
  static now() { return Right.now() + (%d); } }; }"""

KEPT = """async () => { let kept = 0;
  for (const { name } of await indexedDB.databases()) kept += await new Promise((done, failed) => {
    const asked = indexedDB.open(name); asked.onerror = () => failed(asked.error);
    asked.onsuccess = async () => { const db = asked.result; let sum = 0;
      for (const store of db.objectStoreNames) sum += await new Promise((counted) => {
        const count = db.transaction(store).objectStore(store).count(); count.onsuccess = () => counted(count.result); });
      db.close(); done(sum); }; });
  return kept; }"""


def try_code(who: Person, code: str) -> None:
    who.page.get_by_label("Code de secours").fill(code)
    who.press("Ouvrir")


def test_a_typing_error_in_the_recovery_code_is_told_before_anything_is_sent(
    shared_server: Server, person: Callable[..., Person]
) -> None:
    code = recovery.draw().text()
    slip = code[:-1] + ("2" if code[-1] != "2" else "3")
    jean = person(PHONE)
    jean.page.goto(shared_server.url + "/u")
    jean.page.get_by_label("Code de secours").wait_for()
    asked = requests_to_the_interface(jean.page)
    try_code(jean, slip)
    jean.sees("Il y a une faute de frappe dans ce code. Relisez-le lettre par lettre.")
    assert asked == []


def test_an_unknown_recovery_code_is_told_and_guessing_is_stopped(
    server: Server, person: Callable[..., Person]
) -> None:
    jean = person(PHONE)
    jean.page.goto(server.url + "/u")
    code = recovery.draw().text()
    for _ in range(TRIES):
        with jean.page.expect_response(re.compile("/v1/sessions$")):
            try_code(jean, code)
        jean.sees(re.compile("Ce code de secours n’ouvre aucun compte ici"))
    try_code(jean, code)
    jean.sees(re.compile(r"Trop d’essais\. Attendez (une|\d+) minutes? avant de réessayer\."))


def test_a_passkey_opens_everything_after_the_browser_forgot_it_all(
    make_server: Callable[..., Server], script: Script, person: Callable[..., Person]
) -> None:
    server = make_server(start=False)
    server.public_url = f"http://localhost:{server.port}"  # no passkey for a bare address
    server.start()
    letter = script.run(script.professional(server, "Dr Claire Martin").invite(text="À garder longtemps."))
    jean = person(PHONE)
    give_authenticator(jean)
    jean.page.goto(letter.link)
    jean.press(re.compile("^Répondre à"))
    jean.page.get_by_label("J’ai mis mon code de secours à l’abri").check()
    jean.press("Continuer")
    jean.press("Utiliser cet appareil")
    last_message(jean, "À garder longtemps.").wait_for()
    forget_everything(jean, server.url)
    jean.page.goto(server.url)
    jean.press("Ouvrir avec cet appareil")
    jean.press(re.compile("Dr Claire Martin"))
    last_message(jean, "À garder longtemps.").wait_for()


def forget_everything(who: Person, origin: str) -> None:
    who.page.goto("about:blank")
    devtools = who.context.new_cdp_session(who.page)
    devtools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})


@pytest.mark.parametrize("wrong_by", [DAY, -DAY], ids=["a-day-ahead", "a-day-behind"])
def test_a_wrong_clock_stops_nothing_and_changes_no_order(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person], wrong_by: int
) -> None:
    letter = script.run(doctor.invite(text="Premier"))
    skewed = SKEWED % (wrong_by, wrong_by)
    jean = person(PHONE, script=skewed)
    code = take_letter(jean, letter.link)
    jean.write("Deuxième")
    jean.press("Envoyer à Dr Claire Martin")
    jean.sees(re.compile("Envoyé|Distribué"))
    script.say(doctor, letter.conversation, "Troisième")
    last_message(jean, "Troisième").wait_for()
    again = person(PHONE, script=skewed)
    unlock(again, shared_server.url, code)
    again.press(re.compile("Dr Claire Martin"))
    last_message(again, "Troisième").wait_for()
    for one in (jean, again):
        shown = one.page.get_by_role("log").inner_text()
        places = [shown.index(words) for words in ("Premier", "Deuxième", "Troisième")]
        assert places == sorted(places)
    assert script.run(doctor.read(letter.conversation)) == ["Premier", "Deuxième", "Troisième"]


def test_logging_off_leaves_nothing_on_the_device(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    jean = person(PHONE)
    take_letter(jean, script.run(doctor.invite(text="Secret médical")).link)
    beside = jean.open_page()
    beside.goto(shared_server.url)
    jean.sees("Secret médical", page=beside)
    assert jean.page.evaluate(KEPT) > 0
    jean.page.goto(shared_server.url + "/settings")
    jean.press("Fermer Pli sur cet appareil")
    jean.press("Oui, fermer")
    for page in (jean.page, beside):
        page.get_by_label("Code de secours").wait_for()
        assert "Secret médical" not in page.content()
    assert jean.page.evaluate(KEPT) == 0
    assert jean.context.cookies() == []
    jean.page.goto(shared_server.url)
    jean.page.get_by_label("Code de secours").wait_for()


def test_logging_off_says_first_what_would_be_lost(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Comment allez-vous ?"))
    jean = person(PHONE)
    take_letter(jean, letter.link)
    jean.page.goto(shared_server.url)
    jean.press(re.compile("Dr Claire Martin"))
    jean.context.set_offline(True)
    jean.write("Pas encore parti")
    jean.press(re.compile("^Envoyer"))
    jean.press("Retour")
    jean.press("Réglages")
    jean.press("Fermer Pli sur cet appareil")
    jean.sees(re.compile("1 message n.est pas encore parti de cet appareil"))
    jean.page.get_by_role("button", name="Fermer quand même").wait_for()
    jean.context.set_offline(False)
    # It left: nothing would be lost any more.
    jean.page.get_by_role("button", name="Oui, fermer").wait_for(timeout=60_000)
    assert script.run(doctor.read(letter.conversation))[-1] == "Pas encore parti"


def test_a_device_that_is_removed_elsewhere_closes_forgets_everything_and_says_so(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Avant le vol"))
    stolen, mine = person(PHONE), person(DESK)
    code = take_letter(stolen, letter.link)
    unlock(mine, shared_server.url, code)
    mine.page.goto(shared_server.url + "/settings")
    mine.page.get_by_role("listitem").filter(has_text="Appareil").filter(
        has=mine.page.get_by_role("button", name=re.compile("^Retirer"))
    ).get_by_role("button", name=re.compile("^Retirer")).first.click()
    mine.page.get_by_role("dialog").get_by_role("button", name="Retirer").click()
    stolen.sees("Cet appareil a été retiré de votre compte")
    assert stolen.page.evaluate(KEPT) == 0
    assert stolen.page.evaluate("async () => (await indexedDB.databases()).length") == 0
    assert "Avant le vol" not in stolen.page.content()
    script.say(doctor, letter.conversation, "Après le vol")
    mine.page.goto(shared_server.url)
    mine.press(re.compile("Dr Claire Martin"))
    last_message(mine, "Après le vol").wait_for()
    stolen.page.reload()
    stolen.sees("Cet appareil a été retiré de votre compte")
    assert stolen.page.evaluate(KEPT) == 0
    assert "le vol" not in stolen.page.content()
    unlock(stolen, shared_server.url, code)  # it is found again: its person lets it in anew
    stolen.press(re.compile("Dr Claire Martin"))
    last_message(stolen, "Après le vol").wait_for()


def test_a_server_that_says_removed_without_the_signed_word_wipes_nothing(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Avant le mensonge"))
    jean = person(PHONE)
    take_letter(jean, letter.link)
    refused = {
        "type": "about:blank",
        "status": 401,
        "title": "x",
        "code": "signature_refused",
        "detail": "holder_revoked",
    }
    jean.page.route("**/v1/**", lambda route: route.fulfill(status=401, json=refused | {"code": "unauthenticated"}))
    jean.page.route("**/v1/sessions", lambda route: route.fulfill(status=401, json=refused))
    jean.page.route("**/v1/sessions/challenges", lambda route: route.continue_())
    jean.page.route("**/v1/sessions/ended", lambda route: route.fulfill(json={"links": [], "revoked": True}))
    with jean.page.expect_response("**/v1/sessions/ended"):
        jean.page.reload()
    jean.sees("Vous avez été déconnecté. Les nouveaux messages n’arrivent plus ici.")
    assert jean.page.evaluate(KEPT) > 0
    jean.page.unroute_all()
    jean.page.reload()
    last_message(jean, "Avant le mensonge").wait_for()


def test_a_session_that_is_ended_elsewhere_opens_again_only_with_the_keys_of_its_device(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    """Ending a connection is not taking the device away: its own keys open the next one, a stolen cookie does not."""
    phone, desk = person(PHONE), person(DESK)
    letter = script.run(doctor.invite(text="Bonjour"))
    unlock(desk, shared_server.url, take_letter(phone, letter.link))
    before = cookie(phone)
    desk.page.goto(shared_server.url + "/settings")
    desk.page.get_by_role("button", name=re.compile("^Fermer la connexion de")).first.click()
    desk.page.get_by_role("button", name=re.compile("^Fermer la connexion de")).first.wait_for(state="detached")
    answer = desk.page.request.get(
        shared_server.url + "/v1/me", headers={"Authorization": f"Bearer {before}"}, fail_on_status_code=False
    )
    assert answer.status == 401
    script.say(doctor, letter.conversation, "Toujours là ?")
    last_message(phone, "Toujours là ?").wait_for()


def cookie(who: Person) -> Any:
    [one] = [each for each in who.context.cookies() if each["name"] == "pli_session"]
    return one["value"]
