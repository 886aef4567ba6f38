"""The operator's counter: a socket in the data folder (0600) through which ``pli admin`` asks a running server.

The database has one writer; while a server runs, that is the server. Whoever may open the socket may read the data
folder anyway, so there is no other authentication.
"""

from __future__ import annotations

import http.client
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
from aiohttp import web
from typing_extensions import override

from server.admin.terminal import UNREACHABLE, CommandError
from server.domain.errors import DomainError
from server.domain.ids import b64
from server.services.container import Services

NAME: Final = "admin.sock"
PROFESSIONALS: Final = "/professionals"
_LONGEST: Final = 100  # bytes of a socket's path that every system takes


class AddProfessional(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What the operator has checked."""

    name: str
    profession: str
    identifier: str


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
        await web.UnixSite(runner, _address(data, folder)).start()
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


def ask(data: Path, path: str, body: msgspec.Struct) -> dict[str, Any]:
    """Ask the running server of ``data``.

    Raises:
        CommandError: nobody answers, or a rule refuses.

    """
    connection = _Counter(data)
    try:
        connection.request("POST", path, msgspec.json.encode(body))
        answer = connection.getresponse()
        told: dict[str, Any] = msgspec.json.decode(answer.read())
    except OSError:
        raise CommandError(
            "network", "the server that holds this data folder does not answer", status=UNREACHABLE
        ) from None
    finally:
        connection.close()
    if answer.status != http.client.CREATED:
        raise CommandError.of_code(told["code"], told["detail"])
    return told


class _Counter(http.client.HTTPConnection):
    """HTTP over the socket in a data folder."""

    def __init__(self, data: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._data = data

    @override
    def connect(self) -> None:
        folder = os.open(self._data, os.O_RDONLY)
        try:
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(30)
            self.sock.connect(_address(self._data, folder))
        finally:
            os.close(folder)


def _address(data: Path, folder: int) -> str:
    """Return the socket's path; through the open folder when the path is longer than a socket's may be (Linux)."""
    path = str(data.resolve() / NAME)
    return path if len(os.fsencode(path)) < _LONGEST else f"/proc/self/fd/{folder}/{NAME}"
