"""The commands that keep a server well: migrate, doctor, backup, backup-key, verify, restore."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Final

from server import settings
from server.admin import backup, doctor, migrate, restore, seal, terminal, verify
from server.admin.arguments import LOOKED_AT
from server.admin.terminal import PROTOCOL, REFUSED, USAGE, CommandError
from server.settings import Settings


def _read(arguments: argparse.Namespace) -> Settings:
    return settings.read({name: getattr(arguments, name, None) for name in LOOKED_AT}, os.environ)


def _read_files(arguments: argparse.Namespace) -> Settings:
    """Read the settings for a command that looks into the SQLite file."""
    chosen = _read(arguments)
    if chosen.database_url or chosen.blobs_url:
        told = "this command knows SQLite and files; here PostgreSQL or S3 keeps them"
        raise CommandError("kept_elsewhere", told, hint="docs/operate/scale.md says what does it there", status=REFUSED)
    return chosen


def run_migrate(arguments: argparse.Namespace) -> int:
    """Bring the database to this version's schema."""
    done = migrate.run(_read(arguments))
    terminal.answer(done, json=arguments.json, text=f"the database is at {done['to']} (it was at {done['from']})")
    return 0


def run_doctor(arguments: argparse.Namespace) -> int:
    """Look at everything an operator can get wrong; 3 when something must be fixed."""
    lines = doctor.examine(_read(arguments))
    told = doctor.document(lines)
    terminal.answer(told, json=arguments.json, text="\n".join(line.text() for line in lines))
    return 0 if told["healthy"] else REFUSED


def run_backup(arguments: argparse.Namespace) -> int:
    """Write one file with everything."""
    made = backup.make(_read_files(arguments), arguments.to, _lock(arguments))
    warning = "" if made["sealed"] else "\nnot sealed: it holds the registry key of this server, keep it as safe"
    terminal.answer(made, json=arguments.json, text=f"{made['file']}: {made['bytes']} bytes{warning}")
    return 0


def run_key(arguments: argparse.Namespace) -> int:
    """Draw a key pair for sealed backups."""
    public = seal.new_key(arguments.to)
    text = f"keep {arguments.to} away from the server; pli backup --encrypt-to {public}"
    terminal.answer({"secret": str(arguments.to), "public": str(public)}, json=arguments.json, text=text)
    return 0


def run_verify(arguments: argparse.Namespace) -> int:
    """Check a data folder or a backup; 6 when something is not what was accepted."""
    if arguments.backup is None:
        report = verify.folder(_read_files(arguments).data)
    else:
        report = verify.backup(arguments.backup, _opener(arguments))
    lines = [f"{each['check']}: {each['where']}: {each['problem']}" for each in report.findings]
    verdict = "all is as it was accepted" if not report.wrong else f"{report.wrong} findings"
    terminal.answer(report.document(), json=arguments.json, text="\n".join([*lines, verdict]))
    return PROTOCOL if report.wrong else 0


def run_restore(arguments: argparse.Namespace) -> int:
    """Make a data folder from a backup."""
    made = restore.bring_back(arguments.backup, _read_files(arguments).data, _opener(arguments))
    text = f"restored to {made['data']}; next: pli verify --data {made['data']}, then docs/operate/backup.md 4"
    terminal.answer(made, json=arguments.json, text=text)
    return 0


def _lock(arguments: argparse.Namespace) -> seal.Lock | None:
    if arguments.encrypt_to and arguments.passphrase_file:
        raise CommandError("usage", "seal to a key or under a passphrase, not both", status=USAGE)
    if arguments.encrypt_to:
        return seal.to_public_key(seal.read_public(arguments.encrypt_to))
    if arguments.passphrase_file:
        return seal.under_passphrase(seal.read_passphrase(arguments.passphrase_file))
    return None


def _opener(arguments: argparse.Namespace) -> seal.Opener:
    return seal.Opener(
        passphrase=seal.read_passphrase(arguments.passphrase_file) if arguments.passphrase_file else None,
        secret=seal.read_secret(arguments.key) if arguments.key else None,
    )


Run = Callable[[argparse.Namespace], int]
COMMANDS: Final[dict[str, Run]] = {
    "migrate": run_migrate,
    "doctor": run_doctor,
    "backup": run_backup,
    "backup-key": run_key,
    "verify": run_verify,
    "restore": run_restore,
}


def run(arguments: argparse.Namespace) -> int:
    """Run the command that was named."""
    with terminal.explained():
        return COMMANDS[arguments.command](arguments)
