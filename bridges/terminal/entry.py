"""How a command gets into its home: arguments, passphrase, lock, client."""

import argparse
import getpass
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from bridges.kit.beginning import Beginning
from bridges.kit.client import Client, client
from bridges.kit.errors import UsageError
from bridges.kit.home import Home
from bridges.kit.wire import from_text
from bridges.kit.words import say
from bridges.terminal.arguments import SHIELD
from bridges.terminal.output import Output

VARIABLE: Final = "PLI_PASSPHRASE"
ID: Final = 32  # bytes of a conversation, account or message id
HOLDER: Final = 16


def server_of(args: argparse.Namespace) -> str | None:
    """Read --server; raises UsageError (``usage``) for what is no web address."""
    if args.server is None:
        return None
    parts = urlsplit(args.server)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query or parts.fragment:
        raise UsageError("usage", "--server: http:// or https:// and a host")
    return str(args.server).rstrip("/")


def beginning(args: argparse.Namespace) -> Beginning:
    """Prepare to fill a home."""
    server = server_of(args)
    if server is None:
        raise UsageError("no_server")
    return Beginning(Home(args.home), server, args.name, lambda: _new_passphrase(args))


def _new_passphrase(args: argparse.Namespace) -> str | None:
    given = os.environ.get(VARIABLE)
    return read_passphrase() if not given and args.passphrase else given or None


def read_passphrase() -> str:
    """Give the passphrase of a key store: of the environment, else of the person; raises UsageError."""
    given = os.environ.get(VARIABLE)
    if given:
        return given
    if not sys.stdin.isatty():
        raise UsageError("wrong_passphrase", f"{VARIABLE} is not set")
    return getpass.getpass(say("Phrase secrète : ", "Passphrase: "), stream=sys.stderr)


def alone(home: Home, out: Output) -> AbstractAsyncContextManager[None]:
    """Keep other processes out of a home, saying so when there is somebody to wait for."""
    busy = "Un autre pli-bridge utilise ce dossier ; on attend…", "Another pli-bridge is using this home; waiting…"
    return home.alone(lambda: out.tell(say(*busy)))


@asynccontextmanager
async def entered(args: argparse.Namespace, out: Output) -> AsyncIterator[Client]:
    """Give the client of the home that a command names, alone in it."""
    home = Home(args.home)
    home.require()
    async with alone(home, out), client(home, server=server_of(args), ask=read_passphrase, tell=out.tell) as made:
        yield made


@asynccontextmanager
async def entered_shared(args: argparse.Namespace, out: Output) -> AsyncIterator[Client]:
    """Give the client of a home for a long stay: it takes ``alone`` for each step itself."""
    home = Home(args.home)
    home.require()
    async with client(home, server=server_of(args), ask=read_passphrase, tell=out.tell) as made:
        yield made


def read_id(text: str, size: int = ID) -> bytes:
    """Read an id; raises UsageError (``usage``)."""
    try:
        value = from_text(text.removeprefix(SHIELD))
    except ValueError:
        value = b""
    if len(value) != size:
        raise UsageError("usage", f"not an id: {text[:64]}")
    return value
