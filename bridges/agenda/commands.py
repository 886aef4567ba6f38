"""``pli-bridge agenda``. Source: docs/operate/agenda.md."""

import argparse
from importlib import import_module
from typing import Final

from bridges.terminal.output import Output

# Loaded when asked for: who reads a calendar waits for no web library.
ACTIONS: Final = {
    "busy": ("bridges.agenda.calendar.command", "busy"),
    "conformance": ("bridges.agenda.trying", "conformance"),
    "listen": ("bridges.agenda.listen.commands", "listen"),
    "run": ("bridges.agenda.process", "run"),
    "sas-check": ("bridges.agenda.fhir.commands", "sas_check"),
}


async def agenda(args: argparse.Namespace, out: Output) -> int | None:
    """Run one action; without one, the bridge itself."""
    module, name = ACTIONS[args.action or "run"]
    ended: int | None = await getattr(import_module(module), name)(args, out)
    return ended
