"""``GET /healthz`` (the process answers) and ``GET /readyz`` (it can take work)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from aiohttp import web

from server import telemetry

Ready = Callable[[], Awaitable[bool]]
"""Is this part able to work right now? One per dependency: database, disk."""

_HEADERS: Final = {"Cache-Control": "no-store"}


async def healthz(_: web.Request) -> web.Response:
    """Answer that the process is alive."""
    return web.json_response({"status": "ok"}, headers=_HEADERS)


def readyz(checks: Iterable[tuple[str, Ready]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Build the handler that asks every part; 503 names none of them to the outside, the log does."""
    parts = tuple(checks)

    async def answer(_: web.Request) -> web.Response:
        tired = [name for name, ready in parts if not await ready()]
        for name in tired:
            telemetry.warning("not_ready", source=name)
        status = 503 if tired else 200
        return web.json_response({"status": "unavailable" if tired else "ok"}, status=status, headers=_HEADERS)

    return answer
