"""States of screens that are rarely met: very long names, very large letters, controls that go away under the finger."""

import pytest
from playwright.sync_api import expect

from tests.journeys.test_screens import DESK, TWICE, Show, gallery, show

__all__ = ["gallery", "show"]  # fixtures of the gallery, used by name

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_who_pressed_a_button_that_goes_away_stays_at_its_card(show: Show) -> None:
    page = show("appointment-booked")
    button = page.get_by_role("button", name="Je ne peux pas venir")
    card = page.locator("section.card")
    button.focus()
    button.evaluate("one => one.remove()")
    expect(card).to_be_focused()
    box = page.get_by_role("textbox").last
    box.focus()
    page.get_by_role("button", name="Demander un autre horaire").evaluate("one => one.remove()")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    expect(box).to_be_focused()


def test_a_bar_above_everything_is_read_by_lines_with_letters_twice_as_large(show: Show) -> None:
    page = show("settings-patient", size=TWICE)
    words = page.get_by_role("alert").get_by_text("Vous avez été déconnecté")
    assert words.bounding_box()["width"] > 120
    expect(page.get_by_role("button", name="Se reconnecter")).to_be_in_viewport(ratio=1)


@pytest.mark.parametrize("size", [TWICE, (360, 640), DESK], ids=["letters twice as large", "phone", "desk"])
def test_no_name_is_cut(show: Show, size: tuple[int, int]) -> None:
    """Two people may begin alike: who reads or receives is shown whole (rule of the wrong recipient, ux.md 1.6)."""
    cut = "all => all.filter(one => one.checkVisibility() && one.scrollWidth > one.clientWidth + 1).map(one => one.textContent)"
    for screen in ("inbox-crowded", "inbox-crowded-professional"):
        page = show(screen, size=size)
        names = page.locator("li .name")
        names.first.wait_for(state="attached")
        assert names.evaluate_all(cut) == []
    for screen in ("conversation-crowded", "conversation-crowded-professional"):
        assert show(screen, size=size).locator("h1").evaluate_all(cut) == []
