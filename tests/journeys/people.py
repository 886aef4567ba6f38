"""People in front of real browsers: what they see, press, write and attach."""

import re
from pathlib import Path
from typing import Any

PHONE = {"width": 360, "height": 740}
DESK = {"width": 1280, "height": 800}
PATIENCE = 20_000  # ms; a deadline, not a wait


class Person:
    """Somebody in front of a browser of their own. Anything the page complains about fails the test."""

    def __init__(
        self, browser: Any, size: dict[str, int], *, locale: str = "fr-FR", zone: str = "Europe/Paris", script: str = ""
    ) -> None:
        self.context = browser.new_context(viewport=size, locale=locale, timezone_id=zone)
        if script:
            self.context.add_init_script(script)
        self.context.grant_permissions(["clipboard-read", "clipboard-write"])
        self.context.set_default_timeout(PATIENCE)
        self.complaints: list[str] = []
        self.page = self.open_page()

    def open_page(self) -> Any:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on(
            "console",
            lambda m: (
                self.complaints.append(m.text) if "Content Security Policy" in m.text or "Trusted" in m.text else None
            ),
        )
        return page

    def sees(self, text: str | re.Pattern[str], *, page: Any = None) -> None:
        (page or self.page).get_by_text(text).locator("visible=true").first.wait_for()

    def press(self, name: str | re.Pattern[str]) -> None:
        button = self.page.get_by_role("button", name=name).or_(self.page.get_by_role("link", name=name))
        button.first.click()

    def write(self, text: str) -> None:
        self.page.get_by_role("textbox", name=re.compile("^(Écrire|Répondre) à|Votre message")).first.fill(text)

    def attach(self, *files: Path) -> None:
        self.page.locator("input[type=file]").first.set_input_files([str(one) for one in files])

    def keep_recovery_code(self) -> str:
        """Read the recovery code from the page, promise to keep it, and go on without a passkey."""
        self.sees("Code de secours Pli")
        code = "-".join(self.page.locator("section[aria-label='Code de secours Pli'] li").all_inner_texts())
        self.page.get_by_label("J’ai mis mon code de secours à l’abri").or_(
            self.page.get_by_label("J'ai mis mon code de secours à l'abri")
        ).first.check()
        self.press("Continuer")
        later = self.page.get_by_role("button", name="Plus tard")
        after = self.page.get_by_role("textbox").or_(self.page.get_by_role("button", name="Voir mes échanges")).first
        later.or_(after).first.wait_for()
        if later.is_visible():
            later.click()
        return code


def activate(who: Person, link: str) -> str:
    """Activate a professional in the browser; return the recovery code."""
    who.page.goto(link)
    who.press("C’est moi, activer mon compte")
    code = who.keep_recovery_code()
    who.press("Voir mes échanges")
    return code


def last_message(who: Person, text: str) -> Any:
    return who.page.get_by_role("log").get_by_text(text).first


def take_letter(who: Person, link: str) -> str:
    """Open a letter without an account, up to its conversation; return the recovery code."""
    who.page.goto(link)
    who.press(re.compile("^(Répondre à |Ouvrir .* et répondre)"))
    code = who.keep_recovery_code()
    who.page.get_by_role("log").wait_for()
    return code


def unlock(who: Person, url: str, code: str) -> None:
    """Open the messages on a device that knows nothing, up to the inbox."""
    who.page.goto(url + "/u")
    who.page.get_by_label("Code de secours").fill(code)
    who.press("Ouvrir")
    who.page.get_by_role("heading", name="Échanges").wait_for()


def requests_to_the_interface(page: Any) -> list[str]:
    """Collect what the page asks the server for from now on."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/v1/" in request.url else None)
    return asked


def give_authenticator(who: Person) -> None:
    """Let the browser have a platform authenticator with PRF that says yes."""
    devtools = who.context.new_cdp_session(who.page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "ctap2Version": "ctap2_1",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "hasPrf": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
