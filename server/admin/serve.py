"""``pli serve``: one process that holds a data folder, answers on one port, and ends in order."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import aiohttp.http_parser
import uvloop
from aiohttp import web

from server import telemetry
from server.admin import office, scrape, terminal
from server.admin.lock import FolderLock
from server.admin.migrate import upgrade
from server.admin.terminal import CommandError
from server.app import SERVICES, build_app
from server.settings import Settings
from server.storage.identity import load_identity
from server.transport import pages

IDLE: Final = 15  # seconds a connection may wait between or within the headers of requests
GRACE: Final = 10  # seconds that running requests get when the server ends


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    Raises:
        CommandError: the folder is not laid out, is in use, or the web client is not built.

    """
    os.umask(0o077)
    telemetry.configure(strict=settings.strict_logs)
    _check_build()
    lock = _take(settings)
    uvloop.run(_serve(settings))
    lock.release()
    return 0


def _check_build() -> None:
    """Refuse a Python whose safety checks are off, and an aiohttp without its compiled parser (reliability.md 2.10)."""
    if not __debug__:
        raise CommandError("optimised_python", "Python runs with -O: its checks are off", status=terminal.USAGE)
    if aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserPy:
        raise CommandError("slow_parser", "aiohttp runs without its compiled parser", status=terminal.USAGE)


def _take(settings: Settings) -> FolderLock:
    try:
        load_identity(settings.data)
    except FileNotFoundError:
        hint = f"run `pli init --data {settings.data}` first"
        raise CommandError("not_initialised", f"{settings.data} is no data folder of Pli", hint=hint) from None
    lock = FolderLock(settings.data)
    lock.require()
    upgrade(settings.database)
    return lock


async def _serve(settings: Settings) -> None:
    app = build_app(settings)
    if settings.web:
        _mount(app, settings)
    async with (
        _listening(app, settings) as url,
        office.open_to(settings.data, app[SERVICES], url),
        scrape.open_to(app, settings),
    ):
        telemetry.info("serving", pid=os.getpid(), host=settings.host)
        terminal.progress(f"ready {url}")
        name = await _signalled()
        telemetry.info("ending", signal=name)


def _mount(app: web.Application, settings: Settings) -> None:
    https = (settings.public_url or "").startswith("https:")
    try:
        client = pages.load(pages.ROOT, https=https)
    except pages.WebrootError as exc:
        raise CommandError("web_missing", str(exc), hint="pli serve --no-web serves the API alone") from None
    app.router.add_get("/{path:(?!v1/).*}", client.get)
    telemetry.info("web_client", digest=client.digest)


@asynccontextmanager
async def _listening(app: web.Application, settings: Settings) -> AsyncIterator[str]:
    """Answer on the port; yield where people reach it."""
    runner = web.AppRunner(app, access_log=None, keepalive_timeout=IDLE, shutdown_timeout=GRACE, lingering_time=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port)
        try:
            await site.start()
        except OSError as exc:
            hint = "choose another --port, or another --host"
            told = f"cannot listen on {settings.host} port {settings.port}: {os.strerror(exc.errno or 0)}"
            raise CommandError("cannot_listen", told, hint=hint, status=terminal.UNREACHABLE) from None
        yield settings.address(site.port)
    finally:
        await runner.cleanup()


async def _signalled() -> str:
    """Return the name of the signal that asks the server to end."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Queue[str] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.put_nowait, number.name)
    return await asked.get()
