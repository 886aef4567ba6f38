"""Where the servers of a mailbox are, as its domain says in the DNS. Source: RFC 6186, RFC 8314."""

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


async def find(server: Server, address: Address, protocol: Protocol, ask: Resolve = resolve) -> Server:
    """Give a server with host and port; a host that is written down is not looked up.

    TLS at once is preferred. The answer of the DNS is not signed: the certificate must hold the name that we
    connect to, and that name must lie in the domain of the address (RFC 6186 6).

    Raises:
        DiscoveryError.

    """
    if server.host:
        port = server.port or _PORTS[protocol, server.security]
        return msgspec.structs.replace(server, port=port)
    for service, security in _SERVICES[protocol]:
        targets = [each for each in await ask(f"{service}.{address.domain}") if each.host not in {".", ""}]
        if targets:
            best = min(targets, key=lambda each: (each.priority, -each.weight))
            _require_related(best.host, address)
            return msgspec.structs.replace(server, host=best.host, port=best.port, security=security)
    raise DiscoveryError(f"no SRV record of {protocol} under {address.domain}")


def _require_related(host: str, address: Address) -> None:
    """Refuse a host of another organisation: whoever forges one DNS answer would get the password."""
    if not f".{host.lower().rstrip('.')}".endswith(f".{_organisation(address.domain)}"):
        raise DiscoveryError(f"{host[:100]} is not of {address.domain}: write host in the configuration")


def _organisation(domain: str) -> str:
    labels = domain.split(".")
    return ".".join(labels[-3:] if len(labels) > 2 else labels)
