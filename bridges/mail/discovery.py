"""Where the servers of a mailbox are, as its domain says in the DNS. Source: RFC 6186, RFC 8314, RFC 2782."""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal

import dns.asyncresolver
import dns.exception
import dns.rdatatype
import dns.resolver
import msgspec

from bridges.mail.address import Address
from bridges.mail.config import Server
from bridges.mail.imap import Security

Protocol = Literal["imap", "smtp"]
MOST: Final = 5  # servers that are tried one after another
TRY: Final = 20.0  # seconds for one of several to answer, TLS included
_SERVICES: Final[dict[Protocol, tuple[tuple[str, Security], ...]]] = {
    "imap": (("_imaps._tcp", "tls"), ("_imap._tcp", "starttls")),
    "smtp": (("_submissions._tcp", "tls"), ("_submission._tcp", "starttls")),
}
_PORTS: Final[dict[tuple[Protocol, Security], int]] = {
    ("imap", "tls"): 993,
    ("imap", "starttls"): 143,
    ("imap", "none"): 143,
    ("smtp", "tls"): 465,
    ("smtp", "starttls"): 587,
    ("smtp", "none"): 25,
}


@dataclass(frozen=True, slots=True)
class Target:
    """One SRV record. The lowest ``priority`` counts first."""

    priority: int
    weight: int
    port: int
    host: str  # "." says that the service is not offered


Resolve = Callable[[str], Awaitable[list[Target]]]
"""Gives the SRV records of a name; an empty list where there are none. Raises DiscoveryError."""


class DiscoveryError(Exception):
    """The servers of a mailbox are not known; ``detail`` says why."""


async def resolve(name: str) -> list[Target]:
    """Ask the resolver of this machine."""
    try:
        answer = await dns.asyncresolver.resolve(name, dns.rdatatype.SRV, lifetime=10)
    except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
        return []
    except (dns.exception.DNSException, OSError) as error:
        raise DiscoveryError(f"{name}: {type(error).__name__}") from None
    return [Target(each.priority, each.weight, each.port, each.target.to_text(omit_final_dot=True)) for each in answer]


async def find(server: Server, address: Address, protocol: Protocol, ask: Resolve = resolve) -> list[Server]:
    """Give the servers to try, in this order, each with host and port; a host that is written down is not looked up.

    TLS at once is preferred. The answer of the DNS is not signed: the certificate must hold the name that we
    connect to, and that name must lie in the domain of the address (RFC 6186 6): others are left out.

    Raises:
        DiscoveryError.

    """
    if server.host:
        port = server.port or _PORTS[protocol, server.security]
        return [msgspec.structs.replace(server, port=port)]
    for service, security in _SERVICES[protocol]:
        targets = [each for each in await ask(f"{service}.{address.domain}") if each.host not in {".", ""}]
        if targets:
            related = [each for each in targets if _is_related(each.host, address)]
            if not related:
                raise DiscoveryError(
                    f"{targets[0].host[:100]} is not of {address.domain}: write host in the configuration"
                )
            return [
                msgspec.structs.replace(server, host=each.host, port=each.port, security=security)
                for each in in_order(related)[:MOST]
            ]
    raise DiscoveryError(f"no SRV record of {protocol} under {address.domain}")


def in_order(targets: list[Target], draw: Callable[[int], int] = secrets.randbelow) -> list[Target]:
    """Order as RFC 2782 asks: by priority, and of the same one at random, by weight, so that load is shared."""
    found = list[Target]()
    for priority in sorted({each.priority for each in targets}):
        left = sorted((each for each in targets if each.priority == priority), key=lambda each: each.weight)
        while left:
            point, passed = draw(sum(each.weight for each in left) + 1), 0
            for each in left:
                passed += each.weight
                if passed >= point:
                    break
            found.append(each)
            left.remove(each)
    return found


def _is_related(host: str, address: Address) -> bool:
    """Tell hosts of another organisation: whoever forges one DNS answer would get the password."""
    return f".{host.lower().rstrip('.')}".endswith(f".{_organisation(address.domain)}")


def _organisation(domain: str) -> str:
    labels = domain.split(".")
    return ".".join(labels[-3:] if len(labels) > 2 else labels)
