"""From where somebody comes, as far as a limit is concerned."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aiohttp import web

from server.settings import Network


def address(request: web.Request, trusted: Sequence[Network] = ()) -> str:
    """Return whom a limit counts: the peer, or what our own proxies say about it; IPv6 by its /64.

    ``X-Forwarded-For`` is read from the right, and only past addresses in ``trusted``: whatever stands further left was
    written by the client.
    """
    seen = _parse(request.remote or "")
    if seen and trusted and any(seen in network for network in trusted):
        for part in reversed(",".join(request.headers.getall("X-Forwarded-For", [])).split(",")):
            said = _parse(part.strip())
            if said is None:
                break
            seen = said
            if not any(seen in network for network in trusted):
                break
    return _whom(seen)


def counted(peer: str, trusted: Sequence[Network] = ()) -> str | None:
    """Return whom a limit on connections counts; none for a proxy of our own, behind which is everybody."""
    seen = _parse(peer)
    return None if seen and any(seen in network for network in trusted) else _whom(seen)


def _whom(seen: ipaddress.IPv4Address | ipaddress.IPv6Address | None) -> str:
    if isinstance(seen, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((seen, 64), strict=False))
    return str(seen or "unknown")


def _parse(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        found = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(found, "ipv4_mapped", None) or found
