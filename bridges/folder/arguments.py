"""What ``pli-bridge folder`` accepts. Source: docs/operate/folder.md."""

import argparse
from pathlib import Path

from bridges.kit.words import say


def declare(folder: argparse.ArgumentParser) -> None:
    """Add the options of ``folder``."""
    folder.add_argument(
        "--config", type=Path, required=True, metavar="FILE", help=say("configuration", "configuration")
    )
    folder.add_argument("--once", action="store_true", help=say("un seul passage", "look once, then end"))
