"""``pli serve``: holds a data folder, answers on one port, and ends in order. Several processes: ``workers``."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

import aiohttp.http_parser
import uvloop
from aiohttp import web

from server import telemetry
from server.admin import office, scrape, terminal, workers
from server.admin.folder import require_keys, require_laid_out
from server.admin.lock import FolderLock
from server.admin.migrate import upgrade
from server.admin.terminal import CommandError
from server.admin.workers import Worker
from server.app import SERVICES, build_app
from server.bus.redis import RefusedBusError
from server.settings import Settings
from server.storage.bucket import RefusedBucketError
from server.storage.postgres import LOST, RefusedDatabaseError
from server.transport import pages
from server.transport.runner import Runner

IDLE: Final = 15  # seconds a connection may wait between or within the headers of requests
GRACE: Final = 10  # seconds that running requests get when the server ends
COLLECT: Final = (10_000, 20, 20)
"""``gc.set_threshold``. With Python's own 700, looking for garbage among what is in use was a seventh of the work."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    Raises:
        CommandError: the folder is not laid out, is in use, or the web client is not built.

    """
    os.umask(0o077)
    telemetry.configure(strict=settings.strict_logs)
    _check_build()
    lock = _take(settings)
    code = workers.run(settings, _work) if settings.workers > 1 else _work(settings, Worker())
    lock.release()
    return code


def _work(settings: Settings, worker: Worker) -> int:
    try:
        uvloop.run(_serve(settings, worker))
    except RefusedBucketError as exc:
        hint = "PLI_BLOBS_URL, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; `pli doctor` says more"
        raise CommandError("documents_refused", str(exc), hint=hint, status=terminal.UNREACHABLE) from None
    except RefusedBusError as exc:
        raise CommandError("settings", str(exc), hint="docs/operate/settings.md", status=terminal.USAGE) from None
    except (RefusedDatabaseError, *LOST) as exc:
        if settings.database_url is None:
            raise
        told = str(exc) if isinstance(exc, RefusedDatabaseError) else "the database does not answer"
        raise CommandError("database_refused", told, hint="PLI_DATABASE_URL", status=terminal.UNREACHABLE) from None
    return 0


def _check_build() -> None:
    """Refuse a Python whose safety checks are off, and an aiohttp without its compiled parser (reliability.md 2.10)."""
    if not __debug__:
        raise CommandError("optimised_python", "Python runs with -O: its checks are off", status=terminal.USAGE)
    if aiohttp.http_parser.HttpRequestParser is aiohttp.http_parser.HttpRequestParserPy:
        raise CommandError("slow_parser", "aiohttp runs without its compiled parser", status=terminal.USAGE)


def _take(settings: Settings) -> FolderLock:
    if settings.database_url is None:
        require_laid_out(settings.data)
    else:
        require_keys(settings.data)
    lock = FolderLock(settings.data)
    lock.require()
    try:
        upgrade(settings.where)
    except CommandError:
        lock.release()
        raise
    return lock


async def _serve(settings: Settings, worker: Worker) -> None:
    app = build_app(settings)
    if settings.web:
        _mount(app, settings)
    async with AsyncExitStack() as kept:
        url = await kept.enter_async_context(_listening(app, settings))
        if worker.number == 0:
            await kept.enter_async_context(office.open_to(settings.data, app[SERVICES], url))
            await kept.enter_async_context(scrape.open_to(app, settings))
        telemetry.info("serving", pid=os.getpid(), host=settings.host)
        _settle()
        worker.ready(url)
        name = await _signalled(worker.parent)
        telemetry.info("ending", signal=name)


def _settle() -> None:
    """Spare the collector the modules and tables that stay to the end, and let it look less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT)


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
    runner = Runner(app, access_log=None, keepalive_timeout=IDLE, shutdown_timeout=GRACE, lingering_time=2)
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.host, settings.port, reuse_port=settings.workers > 1)
        try:
            await site.start()
        except OSError as exc:
            hint = "choose another --port, or another --host"
            told = f"cannot listen on {settings.host} port {settings.port}: {os.strerror(exc.errno or 0)}"
            raise CommandError("cannot_listen", told, hint=hint, status=terminal.UNREACHABLE) from None
        yield settings.address(site.port)
    finally:
        await runner.cleanup()


async def _signalled(parent: int | None) -> str:
    """Return the name of the signal that asks the server to end; a parent that is gone asks too."""
    loop = asyncio.get_running_loop()
    asked: asyncio.Queue[str] = asyncio.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.put_nowait, number.name)
    if parent is not None:
        loop.add_reader(parent, asked.put_nowait, "parent_gone")
    return await asked.get()
