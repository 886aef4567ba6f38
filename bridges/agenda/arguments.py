"""What ``pli-bridge agenda`` accepts. Source: docs/operate/agenda.md."""

import argparse
from pathlib import Path

from bridges.agenda.fhir import arguments as sas_arguments
from bridges.agenda.listen import arguments as listen_arguments
from bridges.kit.words import say


def declare(agenda: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the actions of ``agenda``; ``common`` holds the options that every command takes.

    Without an action the bridge itself runs.
    """
    _config(agenda, required=False)
    actions = agenda.add_subparsers(dest="action", metavar="ACTION")
    _busy(actions.add_parser("busy", parents=[common], help=say("lire les occupations", "read when it is busy")))
    conformance = actions.add_parser(
        "conformance", parents=[common], help=say("éprouver un agenda réel", "try a live agenda")
    )
    _config(conformance, required=True)
    sas = actions.add_parser(
        "sas-check", parents=[common], help=say("éprouver un point d'accès SAS", "try a SAS endpoint")
    )
    sas_arguments.declare(sas)
    listen_arguments.declare(
        actions.add_parser(
            "listen", parents=[common], help=say("ouvrir les portes aux partenaires", "open for partners")
        )
    )
    days = say("jours à venir où chercher des créneaux libres", "coming days in which free slots are looked for")
    conformance.add_argument("--days", type=int, default=14, metavar="N", help=days)


def _config(parser: argparse.ArgumentParser, *, required: bool) -> None:
    about = say("réglages de l'agenda (TOML)", "settings of the agenda (TOML)")
    # The bridge and its actions share the option; what stands after the action counts.
    default = None if required else argparse.SUPPRESS
    parser.add_argument("--config", type=Path, metavar="FILE", required=required, default=default, help=about)


def _busy(busy: argparse.ArgumentParser) -> None:
    moment = say("instant ISO 8601 ou date, sans décalage : à l'heure de --zone", "ISO 8601 or date, else in --zone")
    busy.add_argument("file", type=Path, metavar="FILE.ics")
    busy.add_argument("--from", dest="start", required=True, metavar="T", help=moment)
    busy.add_argument("--to", dest="end", required=True, metavar="T", help=moment)
    zone = say("fuseau de l'agenda, pour les heures flottantes", "zone of the agenda, for floating times")
    busy.add_argument("--zone", required=True, metavar="Z", help=zone)
