"""``pli-bridge agenda listen``. Source: docs/operate/agenda-partners.md."""

import argparse
import asyncio
import signal

from bridges.agenda.listen.serving import opened
from bridges.agenda.listen.settings import load
from bridges.agenda.push.inbox import Inbox
from bridges.kit.errors import UsageError
from bridges.kit.words import say
from bridges.terminal.output import Output


async def listen(args: argparse.Namespace, out: Output) -> None:
    """Open the doors for partners until the process is asked to end; or say what could not be taken."""
    settings = load(args.config)
    if args.troubles:
        _tell_troubles(Inbox(settings.beside(settings.inbox)), out)
        return
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, ended.set)
    try:
        async with opened(settings) as doors:
            out.line({"listening": doors.ports})
            await ended.wait()
    except OSError as error:
        if error.filename is not None:
            raise
        raise UsageError("usage", f"a door does not open: {type(error).__name__}") from None


def _tell_troubles(inbox: Inbox, out: Output) -> None:
    try:
        found = inbox.troubles()
    finally:
        inbox.close()
    told = [
        {"source": each.source, "reason": each.reason, "times": each.times, "last_at": each.last_at.isoformat()}
        for each in found
    ]
    lines = [f"{each.last_at:%Y-%m-%d %H:%M}Z {each.source}: {each.reason} ({each.times})" for each in found]
    out.answer({"troubles": told}, "\n".join(lines) or say("Rien à signaler.", "Nothing to report."))
