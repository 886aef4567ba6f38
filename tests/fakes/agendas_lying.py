"""A CalDAV server that does as it is told: late, wrong, or not at all. One calendar, in memory, on loopback."""

from __future__ import annotations

import asyncio
import re
from collections import defaultdict
from contextlib import suppress
from itertools import count
from typing import Any, Self

from aiohttp import web
from aiohttp.test_utils import TestServer

_TIMES = re.compile(rb"DTSTART:(\d{8}T\d{6}Z).*?DTEND:(\d{8}T\d{6}Z)", re.DOTALL)
_RANGE = re.compile(r'time-range start="(\w+)" end="(\w+)"')
_HREF = re.compile(r"<d:href>([^<]+)</d:href>")
PATH = "/cal/"


class LyingServer:
    """``plan("PUT", "hang", "ok")``: what becomes of the next requests of a method; ``ok`` when nothing is planned.

    ok; 500, 503, 401, 403, 412: answered so, nothing done; done+500, done+503: done, answered so; cut: done, the
    connection ends; lost: not done, the connection ends; hang: not done, no answer; done+hang: done, no answer;
    lie: not done, answered 201; html: a page; doctype: XML with a document type; huge: more than anybody reads;
    away: a redirect to another origin; inside: one to a private address; here: one to the same origin.
    """

    def __init__(self) -> None:
        self.items: dict[str, tuple[str, bytes]] = {}
        self.asked: list[tuple[str, str]] = []
        self.heard: list[tuple[str, dict[str, str]]] = []
        self.sync = True
        self.pause = 0.0  # seconds before every answer
        self._plans: dict[str, list[str]] = defaultdict(list)
        self._tags = count(1)
        self._changes: list[str] = []

    async def __aenter__(self) -> Self:
        application = web.Application(client_max_size=2**24)
        application.router.add_route("*", "/{path:.*}", self._serve)
        self._server = TestServer(application, host="127.0.0.1")
        await self._server.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._server.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.port}{PATH}"

    def plan(self, method: str, *what: str) -> None:
        self._plans[method] += what

    def always(self, method: str, what: str) -> None:
        self._plans[method] = [what] * 10_000

    def calm(self) -> None:
        self._plans.clear()

    def put(self, name: str, body: bytes) -> None:
        """Write as another program of the practice does."""
        self._store(PATH + name, body)

    def remove(self, name: str) -> None:
        del self.items[PATH + name]
        self._changes.append(PATH + name)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        self.heard.append((request.path, dict(request.headers)))
        plans = self._plans[request.method]
        what = plans.pop(0) if plans else "ok"
        body = await request.read()
        await asyncio.sleep(self.pause)
        if what in {"lost", "cut"}:
            if what == "cut":
                self._answer(request, body)
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        done, _, plain = what.rpartition("+")
        if plain == "hang":
            if done:
                self._answer(request, body)
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(30)
            return web.Response(status=504)
        if plain.isdigit():
            if done:
                self._answer(request, body)
            return web.Response(status=int(plain))
        return self._odd(what) or self._answer(request, body)

    def _odd(self, what: str) -> web.Response | None:
        answers: dict[str, Any] = {
            "lie": lambda: web.Response(status=201),
            "html": lambda: web.Response(text="<html>please log in</html>"),
            "doctype": lambda: web.Response(
                status=207, text='<!DOCTYPE x [<!ENTITY a "b">]><d:multistatus xmlns:d="DAV:">&a;</d:multistatus>'
            ),
            "huge": lambda: web.Response(status=207, body=b"<" * (9 * 2**20)),
            "away": lambda: web.Response(status=302, headers={"Location": "https://example.org/cal/"}),
            "inside": lambda: web.Response(status=302, headers={"Location": "http://169.254.169.254/latest/"}),
            "here": lambda: web.Response(status=307, headers={"Location": PATH}),
        }
        return answers[what]() if what in answers else None

    def _answer(self, request: web.Request, body: bytes) -> web.Response:
        return getattr(self, f"_{request.method.lower()}")(request, body)

    def _store(self, path: str, body: bytes) -> str:
        tag = f'"{next(self._tags)}"'
        self.items[path] = (tag, body)
        self._changes.append(path)
        return tag

    def _get(self, request: web.Request, _: bytes) -> web.Response:
        if request.path not in self.items:
            return web.Response(status=404)
        tag, body = self.items[request.path]
        return web.Response(body=body, headers={"ETag": tag})

    def _put(self, request: web.Request, body: bytes) -> web.Response:
        known = self.items.get(request.path)
        if request.headers.get("If-None-Match") == "*" and known:
            return web.Response(status=412)
        if (wanted := request.headers.get("If-Match")) and (known is None or known[0] != wanted):
            return web.Response(status=412)
        return web.Response(status=204 if known else 201, headers={"ETag": self._store(request.path, body)})

    def _delete(self, request: web.Request, _: bytes) -> web.Response:
        known = self.items.get(request.path)
        if known is None:
            return web.Response(status=404)
        if request.headers.get("If-Match", known[0]) != known[0]:
            return web.Response(status=412)
        self.remove(request.path.removeprefix(PATH))
        return web.Response(status=204)

    def _propfind(self, request: web.Request, _: bytes) -> web.Response:
        kind = '<d:resourcetype><d:collection/><c:calendar xmlns:c="urn:ietf:params:xml:ns:caldav"/></d:resourcetype>'
        parts = [_response(PATH, kind)]
        if request.headers.get("Depth") == "1":
            parts += [_response(path, f"<d:getetag>{tag}</d:getetag>") for path, (tag, _) in self.items.items()]
        return _multistatus(parts)

    def _report(self, _: web.Request, body: bytes) -> web.Response:
        text = body.decode()
        if "sync-collection" in text:
            return self._synced(text)
        if found := _RANGE.search(text):
            start, end = found.groups()
            paths = [path for path, (_, body) in self.items.items() if _touches(body, start.encode(), end.encode())]
        else:
            paths = [path for path in _HREF.findall(text) if path in self.items]
        data = '<d:getetag>{}</d:getetag><c:calendar-data xmlns:c="urn:ietf:params:xml:ns:caldav">{}</c:calendar-data>'
        return _multistatus(
            [_response(path, data.format(self.items[path][0], self.items[path][1].decode())) for path in paths]
        )

    def _synced(self, text: str) -> web.Response:
        if not self.sync:
            return web.Response(status=501)
        token = re.search(r"<d:sync-token>t(\d+)</d:sync-token>", text)
        if token is None and "<d:sync-token/>" not in text:
            return web.Response(status=403)
        paths = dict.fromkeys(self._changes[int(token[1]) :] if token else self.items)
        parts = [
            _response(path, f"<d:getetag>{self.items[path][0]}</d:getetag>")
            if path in self.items
            else f"<d:response><d:href>{path}</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response>"
            for path in paths
        ]
        return _multistatus(parts, f"<d:sync-token>t{len(self._changes)}</d:sync-token>")


def _touches(body: bytes, start: bytes, end: bytes) -> bool:
    found = _TIMES.search(body)
    return found is None or (found[1] < end and found[2] > start)


def _response(path: str, prop: str) -> str:
    return (
        f"<d:response><d:href>{path}</d:href><d:propstat><d:prop>{prop}</d:prop>"
        "<d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>"
    )


def _multistatus(parts: list[str], more: str = "") -> web.Response:
    text = f'<?xml version="1.0"?><d:multistatus xmlns:d="DAV:">{"".join(parts)}{more}</d:multistatus>'
    return web.Response(status=207, text=text, content_type="application/xml")
