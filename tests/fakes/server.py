"""A whole server on a free loopback port, in this process: real sockets, real SQLite, real keys."""

from __future__ import annotations

import asyncio
import atexit
import functools
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from server.app import SERVICES, STORE, build_app
from server.clock import Clock
from server.services.container import Services
from server.settings import Settings
from server.storage.identity import DATABASE, init_data
from server.storage.store import Store
from server.transport import pages
from server.transport.runner import Runner


@dataclass
class LocalServer:
    """Where it listens, and what tests look at from inside."""

    url: str
    data: Path
    services: Services
    store: Store
    app: web.Application

    async def activation(self, name: str, profession: str, identifier: str) -> bytes:
        """Do what `pli admin professional add` does."""
        return await self.services.activations.create(name, profession, identifier)


@functools.cache
def laid_out() -> Path:
    """Lay out a data folder once a process; every server gets a copy (its keys are the same, nothing else is)."""
    folder = Path(tempfile.mkdtemp(prefix="pli-tests-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    init_data(folder)
    return folder


def fresh_database(path: Path) -> None:
    """Put an empty database of the newest schema at `path`."""
    shutil.copy(laid_out() / DATABASE, path)


@asynccontextmanager
async def running(
    data: Path, *, clock: Clock | None = None, client: bool = False, **chosen: object
) -> AsyncIterator[LocalServer]:
    """Run a server on `data` (laid out the first time) until the block ends; `client`: it also serves the browser's."""
    if not data.exists():
        shutil.copytree(laid_out(), data)
    app = build_app(Settings(data=data, access_log=False, **chosen), clock=clock)
    if client:
        app.router.add_get("/{path:(?!v1/).*}", pages.load(pages.ROOT, https=False).get)
    runner = Runner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield LocalServer(f"http://127.0.0.1:{site.port}", data, app[SERVICES], app[STORE], app)
    finally:
        await _accept_no_more(site)
        await runner.cleanup()


async def _accept_no_more(site: web.TCPSite) -> None:
    """Let what was accepted begin before the listener is closed.

    asyncio (3.11) accepts in one step and makes the transport in the next: a listener closed in between leaves an open
    connection that belongs to nobody, until the garbage collector complains. uvloop, under which ``pli serve`` runs,
    does both in one step.
    """
    loop = asyncio.get_running_loop()
    for listener in site._server.sockets:  # aiohttp has no public name for them
        loop.remove_reader(listener.fileno())
    await asyncio.sleep(0)
