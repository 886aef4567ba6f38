"""Two professionals, one patient who has no account yet, one letter with a prescription: through the public API."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from server.demo.prescription import prescription
from server.demo.programs import bridge, pli

DOCTOR: Final = "Dr Claire Martin (démo)"
PHARMACIST: Final = "Karim Haddad (démo)"
PATIENT: Final = "Jean Dupont (démo)"
SUBJECT: Final = "Votre ordonnance"
LETTER: Final = """Bonjour Monsieur Dupont,

voici l'ordonnance dont nous avons parlé ce matin. Le paracétamol se prend au plus trois fois par jour.

Répondez-moi ici si la fièvre ne baisse pas, ou si quelque chose n'est pas clair.

Dr Claire Martin"""

# Valid check digits, and a start that no register gives out.
RPPS: Final = {DOCTOR: "99999000013", PHARMACIST: "99999000021"}


class Story(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the three people of the demonstration need to come in. Nothing here is a real person's."""

    doctor_code: str
    pharmacist_code: str
    invitation: str
    """The fragment of Jean's link, after ``/i#``."""
    invitation_code: str


def seed(data: Path, server: str, progress: Callable[[str], None]) -> Story:
    """Play the first scene on a fresh server and return what it left in people's hands."""
    with tempfile.TemporaryDirectory(prefix="pli-demo-") as folder:
        homes = Path(folder)
        codes = {}
        for name, profession in ((DOCTOR, "10"), (PHARMACIST, "21")):
            progress(f"  {name}: account, keys, recovery code")
            codes[name] = _join(data, server, homes / profession, name, profession)
        progress(f"  {DOCTOR} writes to {PATIENT} and attaches a prescription")
        document = homes / "Traitement de la fièvre.pdf"
        document.write_bytes(prescription())
        letter = bridge(
            homes / "10", server, "invite", "--name", PATIENT, "--subject", SUBJECT, "--text", LETTER,
            "--file", str(document), "--document", "prescription",
        )  # fmt: skip
    return Story(
        doctor_code=codes[DOCTOR],
        pharmacist_code=codes[PHARMACIST],
        invitation=urlsplit(letter["invitation_link"]).fragment,
        invitation_code=letter["invitation_code"],
    )


def _join(data: Path, server: str, home: Path, name: str, profession: str) -> str:
    """Let one professional make an account, and return the recovery code."""
    made = pli(
        "admin", "professional", "add", "--data", str(data), "--name", name, "--profession", profession,
        "--rpps", RPPS[name],
    )  # fmt: skip
    code: str = bridge(home, server, "account", "create", "--link", made["activation_link"])["recovery_code"]
    if profession == "21":
        bridge(home, server, "account", "settings", "--accepts-patients", "yes")
    return code
