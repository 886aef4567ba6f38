"""``GET /healthz`` (the process answers) and ``GET /readyz`` (it can take work)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from server import telemetry

Ready = Callable[[], Awaitable[bool]]
"""Is this part able to work right now? One per dependency: database, bucket."""

_HEADERS: Final = {"Cache-Control": "no-store"}


async def healthz(_: web.Request) -> web.Response:
    """Answer that the process is alive."""
    return web.json_response({"status": "ok"}, headers=_HEADERS)


def readyz(
    needed: Iterable[tuple[str, Ready]], spared: Iterable[tuple[str, Ready]] = ()
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Build the handler that asks every part.

    Without a ``needed`` one nothing works: 503, which names none of them to the outside, the log does. Without a
    ``spared`` one the rest does: 200, so that a balancer leaves the node in, and the answer names it.
    """
    parts, less = tuple(needed), tuple(spared)

    async def answer(_: web.Request) -> web.Response:
        tired = [name for name, ready in parts if not await ready()]
        for name in tired:
            telemetry.warning("not_ready", source=name)
        if tired:
            return web.json_response({"status": "unavailable"}, status=503, headers=_HEADERS)
        away = [name for name, ready in less if not await ready()]
        told = {"status": "degraded", "degraded": away} if away else {"status": "ok"}
        return web.json_response(told, headers=_HEADERS)

    return answer
