"""``pli-bridge folder --config FILE``. Source: docs/operate/folder.md."""

import argparse
import asyncio
import contextlib
import signal

from bridges.folder.config import Config, load
from bridges.folder.process import opened
from bridges.kit.errors import UnreachableError
from bridges.kit.home import Home
from bridges.kit.words import say
from bridges.terminal.entry import entered_shared
from bridges.terminal.output import Output

_PAUSE = 5.0  # seconds before the server is asked again at the beginning


async def folder(args: argparse.Namespace, out: Output) -> int:
    """Run until a signal says to stop, or once."""
    config = load(args.config)
    args.home, args.server = config.home, config.server or Home(config.home).server
    Home(config.home).require()
    if args.once:
        await _once(config, args, out)
        return 0
    task = asyncio.create_task(_run(config, args, out))
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


async def _once(config: Config, args: argparse.Namespace, out: Output) -> None:
    async with entered_shared(args, out) as client, opened(config, client, Home(config.home), out.tell) as post:
        await post.pass_once()


async def _run(config: Config, args: argparse.Namespace, out: Output) -> None:
    while True:
        try:
            async with entered_shared(args, out) as client, opened(config, client, Home(config.home), out.tell) as post:
                out.tell(say("Le dossier est surveillé.", "The folder is watched."))
                await post.run()
        except UnreachableError as error:
            out.tell(say(f"Serveur injoignable ({error.code}).", f"The server cannot be reached ({error.code})."))
        await asyncio.sleep(_PAUSE)
