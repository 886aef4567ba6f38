"""The arguments of the commands that keep a server well (``server/admin/commands.py`` runs them)."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from pathlib import Path
from typing import Final

LOOKED_AT: Final = ("data", "host", "port", "public_url", "web")
"""Settings that are flags of ``pli doctor``."""


def add_arguments(add: Callable[[str, str], ArgumentParser]) -> None:
    """Describe the commands to the parser; ``add(name, text)`` makes one."""
    add("migrate", "bring the database to this version's schema").add_argument("--data", metavar="DIR")
    examined = add("doctor", "say what is wrong with this installation, and what to do")
    for name in LOOKED_AT:
        examined.add_argument("--" + name.replace("_", "-"), dest=name, metavar=name.upper())
    examined.add_argument("--no-web", dest="web", action="store_const", const="no", help="the API alone")
    made = add("backup", "write one file with everything, also while the server runs")
    made.add_argument("--data", metavar="DIR")
    made.add_argument("--to", metavar="FILE|DIR", type=Path, required=True)
    made.add_argument("--encrypt-to", metavar="FILE.pub", type=Path, help="seal it for a key of `pli backup-key`")
    made.add_argument("--passphrase-file", metavar="FILE", type=Path, help="seal it under the first line of FILE")
    add("backup-key", "draw a key pair for sealed backups").add_argument(
        "--to", metavar="FILE", type=Path, required=True
    )
    checked = add("verify", "check again everything that was ever accepted, in a data folder or a backup")
    checked.add_argument("--data", metavar="DIR")
    checked.add_argument("--backup", metavar="FILE", type=Path, help="instead of the data folder")
    back = add("restore", "make a data folder from a backup")
    back.add_argument("--data", metavar="DIR", help="absent or empty")
    back.add_argument("--backup", "--from", metavar="FILE", type=Path, required=True)
    for parser in (checked, back):
        parser.add_argument("--key", metavar="FILE", type=Path, help="secret half of the key it was sealed for")
        parser.add_argument("--passphrase-file", metavar="FILE", type=Path)
