"""Every screen of the web client, in its telling states, before the eyes that a person may have.

The screens are those of the gallery (`web/src/view/gallery`): the real components with sample state, built as the release is
and served under the same content security policy. What is looked at: axe-core in two languages, two themes, two widths;
nothing wider than a phone; the virtual list of messages; the keyboard.
"""

import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from server.transport.pages import POLICY

pytestmark = [pytest.mark.browser, pytest.mark.slow]

WEB = Path(__file__).parents[2] / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
PHONE, DESK, TWICE = (360, 740), (1280, 800), (180, 370)
LOG = "[role=log]"
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
"""The rules whose answer depends on the theme: a theme is colours, and no other markup."""
WIDER = "document.documentElement.scrollWidth - innerWidth"

Show = Callable[..., Page]


class Gallery(http.server.SimpleHTTPRequestHandler):
    """The built gallery under the policy of the real server."""

    extensions_map = http.server.SimpleHTTPRequestHandler.extensions_map | {
        ".js": "text/javascript",
        ".mjs": "text/javascript",
    }

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", POLICY)
        super().end_headers()

    def log_message(self, *args: object) -> None: ...


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    npx = shutil.which("npx")
    if npx is None or not AXE.exists():
        pytest.skip("the web client's packages are not installed (make setup)")
    folder = tmp_path_factory.mktemp("gallery")
    build = [npx, "vite", "build", "--mode", "gallery", "--outDir", folder, "--logLevel", "error"]
    subprocess.run(build, cwd=WEB, check=True, timeout=300)
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Gallery, directory=folder))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{served.server_port}/gallery.html"
    served.shutdown()
    served.server_close()


@pytest.fixture
def show(gallery: str, chromium: Browser) -> Iterator[Show]:
    """Open a screen: `show("unlock", language="en")`. A broken policy or an error of the page fails the test."""
    context = chromium.new_context()
    page = context.new_page()
    page.set_default_timeout(30_000)
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(f"{page.url}: {error}"))
    page.on(
        "console", lambda line: trouble.append(f"{page.url}: {line.text}") if "Content Security" in line.text else None
    )

    def open_screen(screen: str = "", *, language: str = "fr", size: tuple[int, int] = PHONE) -> Page:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.goto(f"{gallery}?screen={screen}&lang={language}&theme=light")
        if screen:
            page.locator("h1:visible").first.wait_for()
        page.evaluate("document.fonts.ready.then(() => null)")
        return page

    yield open_screen
    context.close()
    assert trouble == []


def screens(show: Show) -> list[str]:
    page = show()
    page.locator("a").first.wait_for()  # the list is drawn when the script has come
    names = [link.inner_text().strip() for link in page.locator("a").all()]
    assert len(names) > 25
    return names


def violations(page: Page) -> list[str]:
    """What axe-core finds in both themes."""
    page.evaluate(AXE.read_text())
    page.emulate_media(reduced_motion="reduce")  # a colour on its way from one theme to the other is neither
    return [*_found(page, "light", TAGS), *_found(page, "dark", COLOURS)]


def _found(page: Page, theme: str, rules: object) -> list[str]:
    page.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)
    result = page.evaluate("rules => axe.run(document, {runOnly: rules, resultTypes: ['violations']})", rules)
    return [f"{theme}: {one['id']} {[node['html'][:120] for node in one['nodes']]}" for one in result["violations"]]


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_no_screen_has_an_accessibility_violation(show: Show, language: str, size: tuple[int, int]) -> None:
    found = []
    for screen in screens(show):
        page = show(screen, language=language, size=size)
        found += [f"{screen}: {one}" for one in violations(page)]
        wider = page.evaluate(WIDER)
        found += [f"{screen}: {wider} px too wide"] if wider > 0 else []
    assert not found, "\n".join(found)


DIALOGS = [
    ("conversation-patient", ["3 personnes peuvent lire"]),
    ("conversation-patient", ["Ouvrir Traitement de la tension"]),
    ("conversation-patient", ["3 personnes peuvent lire", "Bloquer Karim Haddad"]),
    ("invitation-letter", ["Je ne veux pas de compte"]),
    ("conversation-professional", ["Détails de l’échange", "Ajouter un professionnel"]),
    ("conversation-professional", ["Détails de l’échange", "Retirer Karim Haddad"]),
    ("conversation-professional", ["Détails de l’échange", "Clore"]),
    ("conversation-professional", ["Détails de l’échange", "Quitter l’échange"]),
    ("appointment-proposed", ["Demander un autre horaire"]),
    ("appointment-proposed", ["Demander un rendez-vous"]),
    ("appointment-booked", ["Je ne peux pas venir"]),
    ("appointment-practice", ["Proposer des horaires"]),
    ("appointment-practice", ["Proposer des horaires", " à 10:00", "C’est déjà convenu"]),
    ("unlock", ["J’ai un doute"]),
    ("settings", ["Retirer Safari sur iPhone"]),
    ("settings", ["Nouveau code de secours"]),
    ("settings", ["Fermer Pli sur cet appareil"]),
]


@pytest.mark.parametrize(("screen", "openers"), DIALOGS, ids=[opened[-1] for _, opened in DIALOGS])
def test_no_dialog_has_an_accessibility_violation(show: Show, screen: str, openers: list[str]) -> None:
    page = show(screen)
    for name in openers:
        page.get_by_role("button", name=name).or_(page.get_by_role("checkbox", name=name)).last.click()
    expect(page.get_by_role("dialog").last).to_be_visible()
    found = violations(page)
    assert not found, "\n".join(found)
    assert page.evaluate(WIDER) <= 0


def test_nothing_is_wider_than_a_phone_whose_letters_are_twice_as_large(show: Show) -> None:
    """A browser that doubles its letters halves the page: 360 x 740 becomes 180 x 370 (WCAG 1.4.4)."""
    found = []
    for screen in screens(show):
        page = show(screen, size=TWICE)
        if (wider := page.evaluate(WIDER)) > 0:
            found.append(f"{screen}: {wider} px too wide")
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "size", [TWICE, (740, 340), (640, 400)], ids=["letters twice as large", "phone on its side", "desk at 200 %"]
)
@pytest.mark.parametrize("screen", ["conversation-patient", "conversation-professional"])
def test_one_can_read_and_answer_on_a_low_screen(show: Show, screen: str, size: tuple[int, int]) -> None:
    page = show(screen, size=size)
    log = page.locator(LOG)
    log.scroll_into_view_if_needed()
    assert log.bounding_box()["height"] > 120
    box = page.get_by_role("textbox").last
    box.scroll_into_view_if_needed()
    expect(box).to_be_in_viewport(ratio=0.9)
    assert box.bounding_box()["width"] > 100
    send = page.get_by_role("button", name="Envoyer")
    send.scroll_into_view_if_needed()
    expect(send).to_be_in_viewport(ratio=0.9)


def test_a_document_is_read_with_the_keyboard_and_large_letters(show: Show) -> None:
    page = show("conversation-patient", size=TWICE)
    page.get_by_role("button", name="Ouvrir Traitement de la tension").click()
    viewer = page.get_by_role("dialog", name="Traitement de la tension")
    viewer.get_by_role("region", name="Page 1 sur 1").wait_for()
    assert viewer.get_by_role("heading").bounding_box()["width"] > 100
    body = viewer.get_by_role("region", name="Traitement de la tension")
    body.focus()
    page.keyboard.press("End")
    page.wait_for_function("() => document.activeElement.scrollTop > 0")
    assert violations(page) == []


def test_an_exchange_is_printed_whole_and_without_its_buttons(show: Show, tmp_path: Path) -> None:
    page = show("conversation-patient")
    page.evaluate(
        """() => { const like = gallery.state.value.entries.find(one => one.kind === 'message');
        gallery.push(Array.from({length: 60}, (_, at) => ({...like, id: `more-${at}`, text: `Ligne numero ${at}.`, documents: []}))); }"""
    )
    assert page.locator("[role=article]").count() < 40
    sheet = tmp_path / "exchange.pdf"
    sheet.write_bytes(page.pdf(format="A4"))
    printed = subprocess.run(["pdftotext", sheet, "-"], capture_output=True, check=True, text=True).stdout
    assert [at for at in range(60) if f"Ligne numero {at}." not in printed] == []
    assert "Traitement de la tension" in printed
    for button in ("Ouvrir", "Télécharger", "Derniers messages", "Votre message"):
        assert button not in printed


@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_every_control_is_large_enough_for_a_finger(show: Show, size: tuple[int, int]) -> None:
    """
    Buttons, fields and links that stand alone are 44 px high (ux.md 3.4); links within a sentence are excused. With very
    large text nothing is wider than the page.
    """
    found = []
    for screen in screens(show):
        page = show(screen, size=size)
        small = page.evaluate(
            """() => [...document.querySelectorAll('button, input:not([type=checkbox], [type=radio], [hidden]), select, textarea, nav a')]
            .filter(one => one.checkVisibility() && !one.closest('p') && one.getBoundingClientRect().height < 43.5)
            .map(one => one.outerHTML.slice(0, 120))"""
        )
        found += [f"{screen}: {one}" for one in small]
        page.evaluate("document.documentElement.dataset.size = '1.3'")
        wider = page.evaluate(WIDER)
        found += [f"{screen}: {wider} px too wide with very large text"] if wider > 0 else []
    assert not found, "\n".join(found)


VISIBLE = """log => {
  const box = log.getBoundingClientRect();
  return [...log.querySelectorAll('[role=article]')]
    .filter(row => { const r = row.getBoundingClientRect(); return r.bottom > box.top && r.top < box.bottom; })
    .map(row => Number(row.getAttribute('aria-posinset')));
}"""


def visible(page: Page) -> list[int]:
    page.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 60))))"
    )
    return page.locator(LOG).evaluate(VISIBLE)


def gapless(rows: list[int]) -> bool:
    return len(rows) >= 2 and rows == list(range(rows[0], rows[-1] + 1))


def test_ten_thousand_messages_scroll_with_few_rows_and_no_hole(show: Show) -> None:
    page = show("conversation-10000")
    log = page.locator(LOG)
    rows = visible(page)
    assert gapless(rows)
    assert rows[-1] == 10_000

    before = rows[0]
    for _ in range(12):
        log.evaluate("log => { log.scrollTop -= 300; }")
        rows = visible(page)
        assert gapless(rows), rows
        assert rows[0] < before
        before = rows[0]
        assert log.locator("[role=article]").count() < 40


def test_the_keyboard_walks_the_messages(show: Show) -> None:
    page = show("conversation-10000")
    log = page.locator(LOG)
    log.focus()
    page.keyboard.press("Home")
    assert visible(page)[0] == 1
    page.keyboard.press("PageDown")
    after_one = visible(page)
    assert after_one[0] > 1
    assert gapless(after_one)
    page.keyboard.press("PageUp")
    assert visible(page)[0] == 1
    page.keyboard.press("End")
    assert visible(page)[-1] == 10_000
    expect(log.locator("[role=article]").last).to_have_attribute("aria-posinset", "10000")


def test_what_is_read_stays_in_place_when_older_messages_arrive(show: Show) -> None:
    page = show("conversation-10000")
    log = page.locator(LOG)
    log.evaluate("log => { log.scrollTop -= 4000; }")
    visible(page)
    middle = "log => { const b = log.getBoundingClientRect(); return document.elementFromPoint(b.left + 40, b.top + b.height / 2).closest('[role=article]'); }"
    where = f"log => {{ const row = ({middle})(log); return [row.dataset.row, Math.round(row.getBoundingClientRect().top)]; }}"
    before = log.evaluate(where)
    page.evaluate("gallery.older(500)")
    visible(page)
    assert log.evaluate(where) == before


def test_a_new_message_is_seen_at_the_end_and_said_once(show: Show) -> None:
    page = show("conversation-patient")
    visible(page)
    page.evaluate(
        """() => { const all = gallery.state.value.entries; const last = all.findLast(one => one.kind === 'message' && !one.mine);
        gallery.push([{...last, id: 'new', at: Date.now(), text: 'Une orange, oui.', documents: []}]); }"""
    )
    expect(page.get_by_text("Une orange, oui.")).to_be_in_viewport()
    expect(page.get_by_role("status").last).to_contain_text("nouveau message")


def test_a_dialog_gives_the_focus_back_and_escape_closes_it(show: Show) -> None:
    page = show("conversation-patient")
    opener = page.get_by_role("button", name="3 personnes peuvent lire")
    opener.click()
    dialog = page.get_by_role("dialog", name="Détails de l’échange")
    expect(dialog.get_by_text("Karim Haddad", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(opener).to_be_focused()


def test_a_prescription_opens_in_the_page_with_its_words(show: Show) -> None:
    page = show("conversation-patient")
    page.get_by_role("button", name="Ouvrir Traitement de la tension").click()
    viewer = page.get_by_role("dialog", name="Traitement de la tension")
    sheet = viewer.get_by_role("region", name="Page 1 sur 1")
    expect(sheet.locator(".textLayer")).to_contain_text("AMLODIPINE 5 mg")
    dark = "canvas => { const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height); return data.filter((v, i) => i % 4 === 0 && v < 100).length; }"
    assert sheet.locator("canvas").evaluate(dark) > 200
    viewer.get_by_role("button", name="Texte").click()
    expect(viewer.get_by_text("AMLODIPINE 5 mg : un comprime le matin")).to_be_visible()


def test_a_picture_is_drawn_again_not_shown_as_it_came(show: Show) -> None:
    page = show("conversation-ended")
    page.get_by_role("button", name="Ouvrir Photo de la boîte").click()
    picture = page.get_by_role("dialog").get_by_role("img", name="Photo de la boîte")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('dialog canvas')?.width === 640")
    assert page.locator("dialog img").count() == 0


def test_urgent_words_stop_the_message_until_the_reader_goes_on(show: Show) -> None:
    page = show("conversation-patient")
    page.get_by_role("textbox").fill("J'ai très mal, une douleur dans la poitrine")
    card = page.get_by_role("alert")
    expect(card.get_by_role("link", name="Appeler le 15")).to_have_attribute("href", "tel:15")
    expect(card.get_by_role("link", name="3114")).to_have_attribute("href", "tel:3114")
    send = page.get_by_role("button", name="Envoyer à Dr Claire Martin")
    expect(send).to_be_disabled()
    card.get_by_role("button", name="continuer").click()
    expect(send).to_be_enabled()
    assert page.get_by_role("link", name="112").is_visible()


def test_the_letter_prints_alone_with_its_address_and_code(show: Show) -> None:
    page = show("letter", size=DESK)
    page.emulate_media(media="print")
    expect(page.get_by_text("K7QF-4M2X-9WDH-P")).to_be_visible()
    expect(page.get_by_text("jamais de carte bancaire ni de mot de passe")).to_be_visible()
    expect(page.get_by_role("img", name="Carré à photographier")).to_be_visible()
    for around in ("Écrire à un patient", "Imprimer la lettre", "Réglages", "Thi Nguyen"):
        expect(page.get_by_text(around).first).to_be_hidden()
    address = page.get_by_text("messagerie.cabinet-lilas.example/i").evaluate(
        "one => parseFloat(getComputedStyle(one).fontSize)"
    )
    assert address > 1.4 * page.locator("body").evaluate("one => parseFloat(getComputedStyle(one).fontSize)")


def test_the_skip_link_is_the_first_thing_the_keyboard_meets(show: Show) -> None:
    page = show("inbox-professional", size=DESK)
    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Aller au contenu")
    expect(skip).to_be_focused()
    expect(skip).to_be_in_viewport()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("fr", "En attente|Envoi en cours|Envoyé|Remis à la|Distribué|Lu par|Répondu par|Non remis par|Non envoyé"),
        ("en", "Waiting|Sending|Sent|Handed to the|Delivered|Read by|Answered by|Not delivered by|Not sent"),
    ],
)
def test_every_state_of_a_message_has_its_own_sign_word_and_colour(show: Show, language: str, words: str) -> None:
    page = show("conversation-states", language=language, size=(360, 1600))  # high: the list draws what is in sight
    states, names = page.locator(".mine .state"), words.split("|")
    states.nth(len(names) - 1).wait_for()
    found = states.evaluate_all(
        """all => all.map(one => [one.innerText.trim(), one.querySelector('svg').innerHTML, getComputedStyle(one).color])"""
    )
    assert len(found) == len(names)
    for (text, _, _), word in zip(found, names, strict=True):
        assert f"· {word}" in " ".join(text.split()), found  # a screen reader says it: no sign stands alone
    assert len({sign for _, sign, _ in found}) == len(names)
    assert len({colour for _, _, colour in found}) == len(names) - 2  # one for both that wait, one for both that failed
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
