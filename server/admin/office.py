"""The operator's office: a socket in the data folder (0600) through which ``pli admin`` asks a running server.

The database has one writer; while a server runs, that is the server. Whoever may open the socket may read the data
folder anyway, so there is no other authentication.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from aiohttp import web

from server.admin.counter import NAME, PROFESSIONALS, AddProfessional, address
from server.domain.errors import DomainError
from server.domain.ids import b64
from server.services.container import Services


@asynccontextmanager
async def open_to(data: Path, services: Services, url: str) -> AsyncIterator[None]:
    """Answer the operator's programs while the server runs."""

    async def add(request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read(), type=AddProfessional)
        try:
            link = await add_professional(services, asked, url)
        except DomainError as exc:
            return web.json_response({"code": exc.code, "detail": exc.detail}, status=422)
        return web.json_response({"activation_link": link}, status=201)

    app = web.Application()
    app.router.add_post(PROFESSIONALS, add)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    (data / NAME).unlink(missing_ok=True)
    folder = os.open(data, os.O_RDONLY)
    try:
        await web.UnixSite(runner, address(data, folder)).start()
        (data / NAME).chmod(0o600)
        yield
    finally:
        await runner.cleanup()
        os.close(folder)
        (data / NAME).unlink(missing_ok=True)


async def add_professional(services: Services, asked: AddProfessional, url: str) -> str:
    """Make an activation and return the link that carries it."""
    demo = services.settings.demo
    token = await services.activations.create(asked.name, asked.profession, asked.identifier, demo=demo)
    return f"{url}/a#{b64(token)}"
