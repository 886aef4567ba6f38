"""What ``pli-bridge`` accepts on its command line. Source: the terminal contract in docs/operate/terminal.md."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from typing_extensions import override

from bridges.agenda import arguments as agenda_arguments
from bridges.folder import arguments as folder_arguments
from bridges.kit.errors import UsageError
from bridges.kit.words import say
from bridges.mail import arguments as mail_arguments

DOCUMENTS: Final = ("prescription", "advice", "report", "letter", "image", "other")
SHIELD: Final = "id:"
"""May stand before an id; ``entry.read_id`` takes it off."""
_ID: Final = re.compile(r"(?![a-z-]+$)(?:[A-Za-z0-9_-]{43}|[A-Za-z0-9_-]{22})")


class Parser(argparse.ArgumentParser):
    """Raises instead of printing and leaving, so that --json holds for errors too."""

    @override
    def error(self, message: str) -> NoReturn:
        raise UsageError("usage", message, usage=self.format_usage().strip())


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Read the command line; raises UsageError (``usage``).

    ``--home``, ``--server`` and ``--json`` are taken before and after the command.
    """
    args = _parser().parse_args([_shielded(each) for each in argv], _defaults())
    args.home = Path(args.home).expanduser()
    return args


def _shielded(word: str) -> str:
    """One id in 64 begins with a dash and would be taken for an option."""
    return SHIELD + word if word.startswith("-") and _ID.fullmatch(word) else word


def _defaults() -> argparse.Namespace:
    home = os.environ.get("PLI_HOME") or "~/.pli"
    return argparse.Namespace(home=home, server=os.environ.get("PLI_SERVER"), json=False)


def _common() -> Parser:
    common = Parser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument("--home", metavar="DIR", help=say("dossier de cet appareil", "folder of this device"))
    common.add_argument("--server", metavar="URL", help=say("adresse du serveur", "address of the server"))
    common.add_argument("--json", action="store_true", help=say("réponses en JSON", "answers in JSON"))
    return common


def _parser() -> Parser:
    common = _common()
    parser = Parser("pli-bridge", parents=[common], description=say("Pli au terminal.", "Pli at the terminal."))
    commands = parser.add_subparsers(dest="command", required=True, metavar=say("COMMANDE", "COMMAND"))

    def add(name: str, fr: str, en: str) -> argparse.ArgumentParser:
        return commands.add_parser(name, parents=[common], help=say(fr, en), description=say(fr, en))

    _account(add("account", "compte et appareils", "account and devices"), common)
    _people(add)
    _talk(add)
    _archive(add)
    mail = add("mail", "pont MSSanté : lire, vérifier, construire", "MSSanté bridge: read, check, build")
    mail_arguments.declare(mail, common)
    folder = add("folder", "dossier de dépôt pour un logiciel", "drop folder for other software")
    folder_arguments.declare(folder)
    agenda = add("agenda", "pont agenda : lancer, lire, éprouver", "agenda bridge: run, read, try")
    agenda_arguments.declare(agenda, common)
    return parser


def _account(account: argparse.ArgumentParser, common: argparse.ArgumentParser) -> None:
    actions = account.add_subparsers(dest="action", required=True, metavar="ACTION")

    def add(name: str, fr: str, en: str) -> argparse.ArgumentParser:
        made = actions.add_parser(name, parents=[common], help=say(fr, en), description=say(fr, en))
        if name in {"create", "claim", "recover"}:
            made.add_argument("--name", default="pli-bridge", help=say("nom de l'appareil", "name of the device"))
            ask = say(
                "demander une phrase secrète (sinon PLI_PASSPHRASE)", "ask for a passphrase (else PLI_PASSPHRASE)"
            )
            made.add_argument("--passphrase", action="store_true", help=ask)
        return made

    create = add("create", "créer un compte de professionnel", "create a professional's account")
    create.add_argument("--link", required=True, help=say("lien d'activation", "activation link"))
    claim = add("claim", "prendre la place d'une invitation", "take the place of an invitation")
    way = claim.add_mutually_exclusive_group(required=True)
    way.add_argument("--link", help=say("lien de la lettre", "link of the letter"))
    way.add_argument("--code", help=say("code de la lettre", "code of the letter"))
    recover = add("recover", "retrouver un compte avec le code", "get an account back with the code")
    recover.add_argument("--code", required=True, help=say("code de récupération", "recovery code"))
    add("show", "montrer le compte", "show the account")
    add("devices", "lister les moyens d'accès", "list the ways in")
    revoke = add("revoke", "fermer le compte à un appareil perdu", "close the account to a lost device")
    revoke.add_argument(
        "device", metavar="DEVICE", help=say("identifiant, de account devices", "id, of account devices")
    )
    settings = add("settings", "changer un réglage", "change a setting")
    accepts = say("une pharmacie que les patients peuvent aborder", "a pharmacy that patients may write to first")
    settings.add_argument("--accepts-patients", choices=("yes", "no"), required=True, help=accepts)


def _people(add: Any) -> None:
    contacts = add("contacts", "annuaire et personnes connues", "directory and known people")
    contacts.add_argument("words", nargs="?", metavar="TEXT", help=say("chercher", "search"))
    contacts.add_argument("--pharmacies", action="store_true", help=say("pharmacies ouvertes", "open pharmacies"))
    invite = add("invite", "écrire à un patient sans compte", "write to a patient without an account")
    invite.add_argument("--name", required=True, help=say("nom du patient", "name of the patient"))
    invite.add_argument("--days", type=_days, default=30, help=say("validité de l'invitation", "days it stays valid"))
    _message(invite, subject=True)
    start = add("start", "écrire à un compte existant", "write to an existing account")
    start.add_argument("account", metavar="ACCOUNT")
    _message(start, subject=True)


def _talk(add: Any) -> None:
    add("conversations", "lister les conversations", "list the conversations")
    send = add("send", "envoyer un message", "send a message")
    send.add_argument("conversation", metavar="CONV")
    _message(send, subject=False)
    read = add("read", "lire une conversation", "read a conversation")
    read.add_argument("conversation", metavar="CONV")
    read.add_argument("--save", metavar="DIR", type=Path, help=say("enregistrer les documents", "save the documents"))
    read.add_argument("--no-receipt", action="store_true", help=say("sans accusé de lecture", "without a receipt"))
    watch = add("watch", "suivre ce qui arrive", "follow what arrives")
    watch.add_argument("--seconds", type=_positive, help=say("s'arrêter après N secondes", "stop after N seconds"))
    _book(add("book", "noter un rendez-vous déjà convenu", "note an appointment that is agreed already"))
    _members(add("members", "lister, ajouter, retirer des membres", "list, add, remove members"))
    end = add("end", "terminer la conversation", "end the conversation")
    end.add_argument("conversation", metavar="CONV")
    end.add_argument("--text", default="", help=say("motif", "reason"))
    retract = add("retract", "retirer un message non lu", "take back an unread message")
    retract.add_argument("conversation", metavar="CONV")
    retract.add_argument("message", metavar="MESSAGE")
    _refuse(add)


def _book(book: argparse.ArgumentParser) -> None:
    book.add_argument("conversation", metavar="CONV")
    at = say("AAAA-MM-JJTHH:MM, heure du lieu", "YYYY-MM-DDTHH:MM, the time of the place")
    book.add_argument("--at", required=True, metavar="TIME", help=at)
    book.add_argument("--zone", required=True, help=say("Europe/Paris, Indian/Reunion…", "Europe/Paris, UTC…"))
    book.add_argument("--minutes", type=int, default=30, help=say("durée (30)", "how long (30)"))
    book.add_argument("--what", default="", help=say("objet", "purpose"))
    book.add_argument("--place", default="", help=say("lieu", "place"))
    before = say("minutes avant, pour annuler librement (0)", "minutes before, to cancel freely (0)")
    book.add_argument("--cancel-before", type=int, default=0, metavar="N", help=before)


def _refuse(add: Any) -> None:
    block = add("block", "ne plus rien recevoir d'un professionnel", "take nothing more from a professional")
    block.add_argument("account", nargs="?", metavar="ACCOUNT", help=say("sans : la liste", "without: the list"))
    unblock = add("unblock", "recevoir de nouveau ses messages", "take messages of a professional again")
    unblock.add_argument("account", metavar="ACCOUNT")
    refuse = add("refuse", "refuser une invitation et le compte", "refuse an invitation and the account")
    way = refuse.add_mutually_exclusive_group(required=True)
    way.add_argument("--link", help=say("lien de la lettre", "link of the letter"))
    way.add_argument("--code", help=say("code de la lettre", "code of the letter"))
    journal = add("journal", "qui a eu accès à quoi", "who had access to what")
    journal.add_argument("--newest", type=_count, default=100, help=say("combien, au plus", "how many, at most"))
    leave = add("leave", "quitter une conversation", "leave a conversation")
    leave.add_argument("conversation", metavar="CONV")


def _members(members: argparse.ArgumentParser) -> None:
    members.add_argument("conversation", metavar="CONV")
    changes = members.add_subparsers(dest="change", metavar="add | remove")
    adding = changes.add_parser("add", parents=[_common()])
    adding.add_argument("account", metavar="ACCOUNT")
    adding.add_argument("--history", action="store_true", help=say("avec l'historique", "with the history"))
    adding.add_argument("--owner", action="store_true", help=say("comme responsable", "as responsible"))
    removing = changes.add_parser("remove", parents=[_common()])
    removing.add_argument("account", metavar="ACCOUNT")


def _archive(add: Any) -> None:
    export = add("export", "exporter une conversation", "export a conversation")
    export.add_argument("conversation", metavar="CONV")
    export.add_argument("--out", metavar="F.zip", type=Path, required=True)
    verify = add("verify", "vérifier un export, hors ligne", "verify an export, offline")
    verify.add_argument("file", metavar="F.zip", type=Path)


def _message(parser: argparse.ArgumentParser, *, subject: bool) -> None:
    if subject:
        parser.add_argument("--subject", required=True, help=say("objet", "subject"))
    parser.add_argument(
        "--text", default="", help=say("texte ; - lit l'entrée standard", "text; - reads standard input")
    )
    parser.add_argument("--file", action="append", default=[], type=Path, dest="files", metavar="F")
    parser.add_argument("--document", choices=DOCUMENTS, help=say("nature des documents", "kind of the documents"))
    reply = parser.add_mutually_exclusive_group()
    reply.add_argument("--no-reply", action="store_true", help=say("sans réponse possible", "no answer allowed"))
    reply.add_argument("--reply-until", metavar="DATE", help=say("AAAA-MM-JJ ou ISO 8601", "YYYY-MM-DD or ISO 8601"))


def _days(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 365:
        raise argparse.ArgumentTypeError(say("de 1 à 365 jours", "1 to 365 days"))
    return value


def _count(text: str) -> int:
    value = int(text)
    if not 1 <= value <= 100_000:
        raise argparse.ArgumentTypeError(say("un nombre de 1 à 100000", "a number from 1 to 100000"))
    return value


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < 10_000_000:
        raise argparse.ArgumentTypeError(say("un nombre de secondes", "a number of seconds"))
    return value
