"""Which function runs which command."""

import argparse
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Final, cast

from bridges.terminal.output import Output

Command = Callable[[argparse.Namespace, Output], Awaitable[int | None]]

# Loaded when asked for: who reads a calendar or a mail waits for no other part of the program.
COMMANDS: Final[dict[str, tuple[str, str]]] = {
    "account": ("bridges.terminal.accounts", "account"),
    "agenda": ("bridges.agenda.commands", "agenda"),
    "block": ("bridges.terminal.refusing", "block"),
    "book": ("bridges.terminal.booking", "book"),
    "contacts": ("bridges.terminal.accounts", "contacts"),
    "conversations": ("bridges.terminal.talk", "conversations"),
    "end": ("bridges.terminal.talk", "end"),
    "export": ("bridges.terminal.talk", "export"),
    "folder": ("bridges.folder.commands", "folder"),
    "invite": ("bridges.terminal.talk", "invite"),
    "journal": ("bridges.terminal.refusing", "journal"),
    "leave": ("bridges.terminal.refusing", "leave"),
    "mail": ("bridges.mail.commands", "mail"),
    "members": ("bridges.terminal.talk", "members"),
    "read": ("bridges.terminal.talk", "read"),
    "refuse": ("bridges.terminal.refusing", "refuse"),
    "retract": ("bridges.terminal.talk", "retract"),
    "send": ("bridges.terminal.talk", "send"),
    "start": ("bridges.terminal.talk", "start"),
    "unblock": ("bridges.terminal.refusing", "unblock"),
    "verify": ("bridges.terminal.talk", "verify"),
    "watch": ("bridges.terminal.talk", "watch"),
}


def load(name: str) -> Command:
    """Give the function of a command."""
    module, function = COMMANDS[name]
    return cast("Command", getattr(import_module(module), function))
