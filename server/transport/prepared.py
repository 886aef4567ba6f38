"""Routing for the interface, prepared once: aiohttp's own walks over addresses and matches patterns for each request.

What is found is what aiohttp would find, with the same middlewares around it. Whatever is unusual (an address that is
written in another way, another method, ``Expect``) goes aiohttp's way, which also knows how to refuse.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Final, NamedTuple

from aiohttp import hdrs, web
from aiohttp.web_urldispatcher import UrlMappingMatchInfo

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
_PREFIX: Final = "/v1/"
_PLAIN: Final = re.compile(r"(/v1(?:/[A-Za-z0-9_-][A-Za-z0-9_.-]*)+/?)(?:\?[^#]*)?")
"""The target of a request whose path means what it says: no escape, no empty or dotted piece."""


class Found(NamedTuple):
    """What stands at an address: the route, the names of the pieces that vary, and its handler with its middlewares."""

    route: web.AbstractRoute
    names: tuple[str, ...]
    answer: Answer


@dataclass(slots=True)
class _Node:
    """The addresses that begin with the same pieces."""

    fixed: dict[str, _Node] = field(default_factory=dict)
    any: _Node | None = None
    found: dict[str, Found] = field(default_factory=dict)


class Prepared:
    """Answers the requests of ``app``, whose routes are all there. ``rest`` is how aiohttp would."""

    def __init__(self, app: web.Application, rest: Answer) -> None:
        self._app = app
        self._rest = rest
        self._root = _Node()
        for route in app.router.routes():
            if route.resource is not None and route.resource.canonical.startswith(_PREFIX):
                self._add(route, route.resource.canonical)

    def _add(self, route: web.AbstractRoute, path: str) -> None:
        node, names = self._root, []
        for piece in path.split("/"):
            if piece.startswith("{"):
                names.append(piece[1:-1])
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.fixed.setdefault(piece, _Node())
        answer: Answer = route.handler
        for middleware in reversed(self._app.middlewares):
            answer = partial(middleware, handler=answer)
        node.found.setdefault(route.method, Found(route, tuple(names), answer))

    def find(self, method: str, target: str) -> tuple[Found, list[str]] | None:
        """Return what stands at the target of a request, and the pieces that vary; none: aiohttp has to be asked."""
        plain = _PLAIN.fullmatch(target)
        if plain is None:
            return None
        node, varying = self._root, []
        for piece in plain[1].split("/"):
            if (fixed := node.fixed.get(piece)) is not None:
                node = fixed
            elif node.any is None or not piece:
                return None
            else:
                node = node.any
                varying.append(piece)
        found = node.found.get(method)
        return (found, varying) if found is not None else None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one request.

        Raises:
            web.HTTPExpectationFailed: it expects what is no text.

        """
        known, expects = self.find(request.method, request.raw_path), request.headers.get(hdrs.EXPECT)
        if expects is not None and not expects.isascii():  # aiohttp would quote it, and stumbles over what is no text
            raise web.HTTPExpectationFailed
        if known is None or expects is not None:
            return await self._rest(request)
        found, varying = known
        match = UrlMappingMatchInfo(dict(zip(found.names, varying, strict=True)), found.route)
        match.add_app(self._app)
        request._match_info = match  # noqa: SLF001  # where aiohttp puts it
        return await found.answer(request)
