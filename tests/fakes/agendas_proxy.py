"""Stands in front of a real CalDAV server and makes it behave as others are said to: a proxy with one bad habit each."""

from __future__ import annotations

import asyncio
import random
import re
import secrets
from typing import Literal, Self

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer
from yarl import URL

Habit = Literal["honest", "unconditional", "done_then_500", "other_names", "slow", "false_tags", "flapping"]
_CONDITIONS = {"if-match", "if-none-match"}
_HOP = {"host", "content-length", "transfer-encoding", "connection", "content-encoding"}
_TAG = re.compile(rb"(<(?:\w+:)?getetag[^>]*>)(.*?)(</)", re.DOTALL)


class Proxy:
    """Passes requests on to ``target``.

    unconditional: If-Match and If-None-Match never reach the server (SOGo, Zimbra and Google are said to pass over some).
    done_then_500: every second write is done and answered 500. other_names: what is written as ``x.ics`` lies under
    ``kept-x.ics``. slow: every answer takes a while. false_tags: each ETag is another word than the server's.
    flapping: a third of the requests are answered 503 and not done.
    """

    def __init__(self, target: str, habit: Habit = "honest") -> None:
        self.target, self.habit, self.writes, self.refused = target, habit, 0, 0
        self._chance = random.Random(7)
        self.pause = 0.05

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._server = TestServer(app, host="127.0.0.1")
        await self._server.start_server()
        self._session = aiohttp.ClientSession(auto_decompress=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()
        await self._server.close()

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self._server.port}"

    async def _pass(self, request: web.Request) -> web.Response:
        if self.habit == "flapping" and self._chance.random() < 1 / 3:
            self.refused += 1
            return web.Response(status=503)
        if self.habit == "slow":
            await asyncio.sleep(self.pause)
        path, writes = request.path, request.method in {"PUT", "DELETE"}
        if self.habit == "other_names" and request.method == "PUT" and "/kept-" not in path:
            folder, _, name = path.rpartition("/")
            path = f"{folder}/kept-{name}"
        status, headers, body = await self._ask(request, path)
        self.writes += writes
        if self.habit == "done_then_500" and writes and self.writes % 2:
            return web.Response(status=500)
        if self.habit == "false_tags":
            body = _TAG.sub(lambda found: found[1] + b'"' + secrets.token_hex(4).encode() + b'"' + found[3], body)
            headers = {
                name: f'"{secrets.token_hex(4)}"' if name == "ETag" else value for name, value in headers.items()
            }
        return web.Response(status=status, headers=headers, body=body)

    async def _ask(self, request: web.Request, path: str) -> tuple[int, dict[str, str], bytes]:
        dropped = _HOP | (_CONDITIONS if self.habit == "unconditional" else set())
        sent = {name: value for name, value in request.headers.items() if name.lower() not in dropped}
        url = URL(self.target).with_path(path)
        async with self._session.request(request.method, url, data=await request.read(), headers=sent) as answer:
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP}
            return answer.status, kept, await answer.read()
