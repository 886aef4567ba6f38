"""Looking for words: on the device, over all conversations and in one, by keyboard, and fast enough for 10,000 messages."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.journeys.people import DESK, PHONE, Person, take_letter, unlock
from tests.journeys.scripted import Peer, Script
from tests.journeys.support import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WEB = Path(__file__).parents[2] / "web"
HIT = ".hit"


def test_a_word_is_found_over_all_exchanges_and_in_one_with_the_keyboard_alone(
    script: Script, shared_server: Server, doctor: Peer, person: Callable[..., Person]
) -> None:
    letter = script.run(doctor.invite(text="Évitez le jus de pamplemousse avec ce traitement."))
    jean = person(PHONE)
    code = take_letter(jean, letter.link)
    for text in ("Votre œdème a-t-il diminué ?", "Un fruit ? Oui, sauf le Pamplemousse."):
        script.say(doctor, letter.conversation, text)
        jean.sees(text)

    desk = person(DESK)
    unlock(desk, shared_server.url, code)
    field = desk.page.get_by_role("searchbox", name="Rechercher").first
    field.fill("OEDEME")
    found = desk.page.get_by_role("region", name="Dans les messages")
    expect(found.get_by_text("Cherché dans les 3 messages présents sur cet appareil")).to_be_visible()
    expect(found.locator("mark")).to_have_text("œdème")
    expect(desk.page.get_by_role("status").last).to_contain_text("1 message trouvé")
    asked: list[str] = []
    desk.page.on("request", lambda request: asked.append(f"{request.url} {request.post_data or ''}"))
    field.fill("pamplemousse")
    expect(found.get_by_role("link")).to_have_count(2)
    found.get_by_role("link").first.focus()
    desk.page.keyboard.press("Enter")

    # The exchange opens at the message that was pressed; the word is marked, and stands in no address and no request.
    bar = desk.page.get_by_role("search", name="Rechercher dans l’échange")
    inside = bar.get_by_role("searchbox")
    expect(inside).to_have_value("pamplemousse")
    expect(desk.page.locator(HIT)).to_contain_text("Un fruit")
    expect(bar.get_by_text("1 sur 2 messages")).to_be_visible()
    inside.press("Enter")
    expect(desk.page.locator(HIT)).to_contain_text("Évitez le jus")
    expect(desk.page.locator(HIT)).to_be_in_viewport()
    expect(desk.page.get_by_role("status").last).to_contain_text("Message 2 sur 2, de Dr Claire Martin")
    assert "pamplemousse" not in desk.page.url.lower()
    assert [one for one in asked if "pamplemousse" in one.lower()] == []
    inside.press("Escape")
    expect(bar).to_have_count(0)
    expect(desk.page.locator("mark").locator("visible=true")).to_have_count(2)  # those of the list

    # "/" opens it again from the list of messages, and only from there.
    desk.page.get_by_role("log").focus()
    desk.page.keyboard.press("/")
    expect(inside).to_be_focused()
    inside.fill("zzz")
    expect(bar.get_by_text("Aucun message ne contient ces mots.")).to_be_visible()
    desk.page.keyboard.press("Escape")
    expect(desk.page.get_by_role("log")).to_be_focused()
    box = desk.page.get_by_role("textbox", name=re.compile("^Répondre à"))
    box.press("/")
    expect(box).to_have_value("/")
    expect(bar).to_have_count(0)


def measured(chromium: Any, folder: Path, count: int) -> dict[str, float]:
    node = shutil.which("node")
    assert node is not None
    bundle = [node, "tools/bundle_page.mjs", "src/testing/search_in_browser.ts", str(folder)]
    subprocess.run(bundle, cwd=WEB, check=True, timeout=120)
    context = chromium.new_context()
    page = context.new_page()
    page.route(
        "**/*", lambda route: route.fulfill(body="<!doctype html><title>search</title>", content_type="text/html")
    )
    page.goto("http://localhost/")  # a safe place, for WebCrypto
    page.add_script_tag(content=(folder / "page.js").read_text(), type="module")
    page.wait_for_function("typeof measure === 'function'")
    figures: dict[str, float] = page.evaluate("count => measure(count)", count)
    context.close()
    return figures


def test_ten_thousand_messages_are_looked_through_without_stopping_the_page(chromium: Any, tmp_path: Path) -> None:
    figures = measured(chromium, tmp_path / "bundle", 10_000)
    print(json.dumps(figures))
    assert (figures["looked"], figures["hits"]) == (10_000, 10)
    assert figures["first"] < 10_000  # 1,000 on an idle machine; others may run beside
    assert figures["again"] < figures["first"] / 3
