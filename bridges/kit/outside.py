"""Requests to addresses that somebody configured: nothing of the inside, no answer without a bound.

Shared by the bridges that ask other systems over HTTPS. Source: docs/spec/agenda-partners.md 6, docs/spec/mail.md 22.
"""

import asyncio
import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override
from yarl import URL

_NAT64: Final = IPv6Network("64:ff9b::/96")


def origin_of(url: URL) -> tuple[str, str | None, int | None]:
    """Give what must be equal for two addresses to be of the same place."""
    return url.scheme, url.host, url.port


def is_outside(text: str) -> bool:
    """Whether an IP address is one of the public network."""
    address = ip_address(text.partition("%")[0])
    if isinstance(address, IPv6Address) and (inner := _inner(address)) is not None:
        return is_outside(str(inner))
    return address.is_global and not address.is_multicast


def _inner(address: IPv6Address) -> IPv4Address | None:
    """Give the address of version 4 that one of version 6 stands for: mapped, 6to4, Teredo, or behind NAT64."""
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def is_inner_number(host: str) -> bool:
    """Whether a host is written as an address of the inside; a name is not, the resolver looks at those."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return not is_outside(host)


async def read_bounded(stream: aiohttp.StreamReader, most: int) -> bytes:
    """Read an answer of at most ``most`` bytes; raises ValueError for a longer one."""
    parts: list[bytes] = []
    size = 0
    async for block in stream.iter_chunked(64 * 1024):
        size += len(block)
        if size > most:
            raise ValueError("the answer is too large")
        parts.append(block)
    return b"".join(parts)


class GuardedResolver(AbstractResolver):
    """Resolves names and forgets the addresses of the inside, so that no name leads there.

    Args:
        inside: whether addresses of the inside count.
        refuse: raised, with one word, when nothing is left.

    """

    def __init__(self, *, inside: bool, refuse: type[Exception]) -> None:
        self._inside, self._refuse = inside, refuse

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family)
        addresses = [(each[0], str(each[4][0])) for each in found]
        kept = [(kind, address) for kind, address in addresses if self._inside or is_outside(address)]
        if not kept:
            raise self._refuse("private address")
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in kept
        ]

    @override
    async def close(self) -> None:
        pass
