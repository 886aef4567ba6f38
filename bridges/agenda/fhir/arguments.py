"""What ``pli-bridge agenda sas-check`` accepts. Source: docs/operate/agenda-partners.md."""

import argparse
from pathlib import Path

from bridges.kit.words import say


def declare(command: argparse.ArgumentParser) -> None:
    """Add what ``sas-check`` accepts."""
    command.add_argument("url", metavar="URL", help=say("adresse de base FHIR", "base address of FHIR"))
    one = say("professionnel à chercher, répétable", "professional to look for, may be repeated")
    command.add_argument("--rpps", action="append", default=[], metavar="N", help=one)
    moment = say("instant ISO 8601 (sinon : sept jours dès maintenant)", "ISO 8601 (else: seven days from now)")
    command.add_argument("--from", dest="start", metavar="T", help=moment)
    command.add_argument("--to", dest="end", metavar="T", help=moment)
    command.add_argument("--ca", type=Path, metavar="F.pem", help=say("autorité du serveur", "the server's authority"))
    command.add_argument(
        "--cert", type=Path, metavar="F.pem", help=say("notre certificat et sa clé", "our certificate, with its key")
    )
    for option, kind in (("--other-name", "CN"), ("--other-unit", "OU")):
        about = say(f"certificat d'un autre {kind}, à refuser", f"certificate of another {kind}, to be refused")
        command.add_argument(option, type=Path, metavar="F.pem", help=about)
