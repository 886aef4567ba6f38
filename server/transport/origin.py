"""Which pages may open a socket, or use the cookie: browsers protect neither well enough from other sites, so we do."""

from __future__ import annotations

from aiohttp import web


def is_own(request: web.Request, public_url: str | None) -> bool:
    """Tell whether a request comes from our own page, or from a program (which sends no Origin).

    Where people reach us by https, a page of the same name by http is not ours: whoever holds the line writes it.
    """
    origin = request.headers.get("Origin")
    if origin is None or origin == public_url:
        return True
    scheme, _, host = origin.partition("://")
    if public_url is not None and host == public_url.partition("://")[2]:
        return False
    return host == request.host and scheme in {"http", "https"}
