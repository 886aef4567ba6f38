"""What ``pli-bridge agenda listen`` accepts. Source: docs/operate/agenda-partners.md."""

import argparse
from pathlib import Path

from bridges.kit.words import say


def declare(command: argparse.ArgumentParser) -> None:
    """Add what ``listen`` accepts."""
    about = say("réglages des portes (TOML)", "settings of the doors (TOML)")
    command.add_argument("--config", type=Path, metavar="FILE", required=True, help=about)
    aside = say("dire ce qui n'a pas pu être pris, et finir", "say what could not be taken, and end")
    command.add_argument("--troubles", action="store_true", help=aside)
