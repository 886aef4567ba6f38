"""``GET /metrics`` for Prometheus, on an address of its own: what the world reaches never tells it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from server import metrics, telemetry
from server.admin.terminal import UNREACHABLE, CommandError
from server.app import GATEWAY, SERVICES, STORE
from server.metrics import Reading
from server.settings import Settings
from server.transport.connections import CONNECTIONS

TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


@asynccontextmanager
async def open_to(app: web.Application, settings: Settings) -> AsyncIterator[None]:
    """Answer Prometheus while the server runs, if the operator has said where.

    Raises:
        CommandError: ``cannot_listen``.

    """
    if settings.metrics is None:
        yield
        return

    async def show(_: web.Request) -> web.Response:
        disk = await asyncio.to_thread(_disk, settings)
        return web.Response(body=metrics.render((*_process(app), *disk)).encode(), headers={"Content-Type": TYPE})

    page = web.Application()
    page.router.add_get("/metrics", show)
    runner = web.AppRunner(page, access_log=None, shutdown_timeout=1)
    await runner.setup()
    host, port = settings.metrics
    try:
        await web.TCPSite(runner, host, port).start()
        telemetry.info("metrics", host=host)
        yield
    except OSError as exc:
        told = f"cannot listen on {host} port {port} (PLI_METRICS): {os.strerror(exc.errno or 0)}"
        raise CommandError("cannot_listen", told, status=UNREACHABLE) from None
    finally:
        await runner.cleanup()


def _process(app: web.Application) -> Iterator[Reading]:
    counts, gateway = app[STORE].counts, app[GATEWAY]
    yield Reading("pli_commits_total", "Transactions committed", counts.commits, "counter")
    yield Reading("pli_writes_total", "Intents committed; over commits, the size of a batch", counts.intents, "counter")
    yield Reading("pli_live_connections", "Open sockets, both framings", gateway.lines)
    yield Reading("pli_live_behind", "Open sockets whose reader has fallen behind", gateway.behind)
    yield Reading("pli_connections", "Open connections that are no sockets", len(app[CONNECTIONS]))
    yield Reading("pli_feeds_waiting", "Requests that wait for their feed to grow", app[SERVICES].feed.waiting)


def _disk(settings: Settings) -> tuple[Reading, ...]:
    wal = settings.database.with_name(settings.database.name + "-wal")
    return (
        Reading("pli_disk_free_bytes", "Room beside the data folder", shutil.disk_usage(settings.data).free),
        Reading("pli_database_bytes", "Size of the SQLite file", _size(settings.database)),
        Reading("pli_wal_bytes", "Size of its write-ahead log", _size(wal)),
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
