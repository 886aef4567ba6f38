"""What ``pli-bridge mail`` accepts. Source: docs/operate/mail.md."""

import argparse
from pathlib import Path
from typing import Any

from bridges.kit.words import say


def declare(mail: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    """Add the actions of ``mail``; ``common`` holds the options that every command takes."""
    running = say("configuration du pont (seule : le faire tourner)", "configuration of the bridge (alone: run it)")
    mail.add_argument("--config", type=Path, metavar="FILE", help=running)
    mail.set_defaults(action=None)
    actions = mail.add_subparsers(dest="action", metavar="ACTION")
    parse = actions.add_parser("parse", parents=[common], help=say("lire des mails, à l'abri", "read mails, sheltered"))
    parse.add_argument("files", nargs="+", metavar="FILE")
    _whitelist(
        actions.add_parser("whitelist", parents=[common], help=say("liste blanche", "list of trusted domains")), common
    )
    _bridge(actions, common)
    _xdm(actions.add_parser("xdm", parents=[common], help=say("archives IHE_XDM", "IHE_XDM archives")), common)


def _bridge(actions: Any, common: argparse.ArgumentParser) -> None:
    """Add what looks at a running bridge."""
    config = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    config.add_argument("--config", type=Path, metavar="FILE", help=say("configuration", "configuration"))
    parents = [common, config]
    actions.add_parser("doctor", parents=parents, help=say("vérifier le pont", "check the bridge"))
    aside = actions.add_parser("quarantine", parents=parents, help=say("messages mis de côté", "mails kept aside"))
    steps = aside.add_subparsers(dest="step", required=True, metavar="list | show | replay")
    steps.add_parser("list", parents=parents)
    steps.add_parser("show", parents=parents).add_argument("mail", type=int, metavar="N")
    steps.add_parser("replay", parents=parents).add_argument("mail", type=int, nargs="?", metavar="N")
    patients = actions.add_parser("patients", parents=parents, help=say("patients du pont", "patients of the bridge"))
    _patients(patients.add_subparsers(dest="step", required=True, metavar="list | add | status"), parents)
    directory = actions.add_parser(
        "directory", parents=parents, help=say("annuaire des boîtes MSSanté", "directory of MSSanté mailboxes")
    )
    names = "search | check | import | add | remove | show"
    _directory(directory.add_subparsers(dest="step", required=True, metavar=names), parents)


def _directory(steps: Any, parents: list[argparse.ArgumentParser]) -> None:
    search = steps.add_parser("search", parents=parents, help=say("chercher", "search"))
    search.add_argument("words", nargs="+", metavar=say("NOM|RPPS|ADRESSE", "NAME|RPPS|ADDRESS"))
    check = steps.add_parser("check", parents=parents, help=say("peut-on lui écrire ?", "may it be written to?"))
    check.add_argument("address", metavar="ADDRESS")
    taken = steps.add_parser("import", parents=parents, help=say("lire l'extraction libre", "read the free extract"))
    taken.add_argument("file", type=Path, metavar="FILE")
    taken.add_argument("--date", metavar="DATE", help=say("date du fichier", "date of the file"))
    add = steps.add_parser("add", parents=parents, help=say("se porter garant d'une adresse", "vouch for an address"))
    add.add_argument("address", metavar="ADDRESS")
    add.add_argument("--name", required=True, help=say("à qui elle est", "whose it is"))
    add.add_argument("--by", default="", help=say("qui a vérifié (sinon : vous)", "who checked (else: you)"))
    for name, default in (("--kind", ""), ("--rpps", ""), ("--place", ""), ("--note", "")):
        add.add_argument(name, default=default)
    remove = steps.add_parser("remove", parents=parents, help=say("retirer cette garantie", "take that back"))
    remove.add_argument("address", metavar="ADDRESS")
    steps.add_parser("show", parents=parents, help=say("ce que contient la copie", "what the copy holds"))


def _patients(steps: Any, parents: list[argparse.ArgumentParser]) -> None:
    steps.add_parser("list", parents=parents)
    add = steps.add_parser("add", parents=parents)
    add.add_argument("--ins", required=True, metavar="INS")
    add.add_argument("--oid", default="1.2.250.1.213.1.4.8", metavar="OID")
    for name in ("--birth-name", "--first-name", "--birth-date", "--sex"):
        add.add_argument(name, default="")
    add.add_argument(
        "--account", metavar="ACCOUNT", help=say("compte Pli (sinon : inviter)", "Pli account (else: invite)")
    )
    status = steps.add_parser("status", parents=parents)
    status.add_argument("--ins", required=True, metavar="INS")
    status.add_argument("status", choices=("known", "opposed", "closed"))


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
    signer = say("nom exigé du signataire", "name the signer must have")
    verify.add_argument("--signer", metavar="DN", help=signer)
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
    keep = say("ne pas convertir le PDF en PDF/A-1", "do not make the PDF PDF/A-1")
    build.add_argument("--keep-pdf", action="store_true", help=keep)
    build.add_argument("--out", type=Path, required=True, metavar="IHE_XDM.ZIP")
    read = steps.add_parser(
        "read", parents=[common], help=say("lire une archive, à l'abri", "read an archive, sheltered")
    )
    read.add_argument("file", type=Path, metavar="FILE")
