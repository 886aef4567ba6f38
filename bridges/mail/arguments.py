"""What ``pli-bridge mail`` accepts. Source: docs/operate/mail.md."""

import argparse
from pathlib import Path

from bridges.kit.words import say


def declare(mail: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the actions of ``mail``; ``common`` holds the options that every command takes."""
    actions = mail.add_subparsers(dest="action", required=True, metavar="ACTION")
    parse = actions.add_parser("parse", parents=[common], help=say("lire des mails, à l'abri", "read mails, sheltered"))
    parse.add_argument("files", nargs="+", type=Path, metavar="FILE")
    _whitelist(
        actions.add_parser("whitelist", parents=[common], help=say("liste blanche", "list of trusted domains")), common
    )
    _xdm(actions.add_parser("xdm", parents=[common], help=say("archives IHE_XDM", "IHE_XDM archives")), common)


def _whitelist(whitelist: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    steps = whitelist.add_subparsers(dest="step", required=True, metavar="verify")
    verify = steps.add_parser("verify", parents=[common], help=say("vérifier la signature", "check the signature"))
    verify.add_argument("file", type=Path, metavar="FILE")
    at = say(
        "date de validité du certificat (sinon : celle de la liste)",
        "date the certificate must be valid at (else: the list's)",
    )
    verify.add_argument("--at", metavar="DATE", help=at)
    verify.add_argument("--issuer", metavar="DN", help=say("nom exigé de l'autorité", "name the authority must have"))
    ca = say("certificat de l'autorité (PEM)", "certificate of the authority (PEM)")
    verify.add_argument("--ca", type=Path, metavar="F.pem", help=ca)


def _xdm(xdm: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    steps = xdm.add_subparsers(dest="step", required=True, metavar="build | read")
    build = steps.add_parser("build", parents=[common], help=say("faire une archive", "make an archive"))
    build.add_argument("--pdf", type=Path, required=True, metavar="F.pdf")
    build.add_argument("--patient", type=Path, required=True, metavar="F.json")
    build.add_argument("--author", type=Path, required=True, metavar="F.json")
    build.add_argument("--type", required=True, metavar="CODE", help=say("code du jeu J07", "code of value set J07"))
    build.add_argument("--title", default="", help=say("titre (sinon : celui du type)", "title (else: the type's)"))
    build.add_argument("--out", type=Path, required=True, metavar="IHE_XDM.ZIP")
    read = steps.add_parser(
        "read", parents=[common], help=say("lire une archive, à l'abri", "read an archive, sheltered")
    )
    read.add_argument("file", type=Path, metavar="FILE")
