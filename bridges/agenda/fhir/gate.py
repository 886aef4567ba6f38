"""Who calls: both sides of a TLS connection show a certificate, and ours looks at CN and OU.

Source: docs/spec/agenda-partners.md 5.4.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from aiohttp import web


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A partner as its certificate names it."""

    common_name: str
    unit: str  # OU; national certificates carry the structure here


class Gate(Protocol):
    """Says which configured partner sent a request."""

    def admit(self, request: web.Request) -> str | None:
        """Give the partner's name, None for a stranger."""
        ...


@dataclass(frozen=True, slots=True)
class CertificateGate:
    """Admits by the certificate that the TLS of this process has verified."""

    callers: Mapping[str, Caller]

    def admit(self, request: web.Request) -> str | None:
        """Give the name of the partner whose CN and OU the certificate carries."""
        connection = request.transport.get_extra_info("ssl_object") if request.transport else None
        shown = _subject(connection.getpeercert() or {}) if connection else None
        return next((name for name, caller in self.callers.items() if caller == shown), None)


def _subject(certificate: Mapping[str, object]) -> Caller | None:
    """Take CN and OU; a subject that has one of them twice is nobody's."""
    subject = certificate.get("subject")
    pairs = [pair for part in subject for pair in part] if isinstance(subject, tuple) else []
    names = [value for kind, value in pairs if kind == "commonName"]
    units = [value for kind, value in pairs if kind == "organizationalUnitName"]
    if len(names) != 1 or len(units) != 1:
        return None
    return Caller(common_name=names[0], unit=units[0])


def server_context(certificate: Path, key: Path, authority: Path) -> ssl.SSLContext:
    """Make the TLS of a server that asks for a certificate of one authority; TLS 1.2 at least."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


def client_context(authority: Path | None, certificate: Path | None = None, key: Path | None = None) -> ssl.SSLContext:
    """Make the TLS of a client; ``authority`` replaces those of the system, ``certificate`` is ours."""
    context = ssl.create_default_context(cafile=str(authority) if authority else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if certificate is not None:
        context.load_cert_chain(certificate, key)
    return context
