"""Which pages may open a socket, or use the cookie: browsers protect neither well enough from other sites, so we do."""

from __future__ import annotations

from urllib.parse import urlsplit

from aiohttp import web


def is_own(request: web.Request, public_url: str | None) -> bool:
    """Tell whether a request comes from our own page, or from a program (which sends no Origin)."""
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    if public_url is not None and origin == public_url:
        return True
    return urlsplit(origin).netloc == request.host
