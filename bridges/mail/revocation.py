"""Whether a mail server's certificate was taken back: lists of revoked certificates, fetched and kept.

Source: RFC 5280 5 and 6.3, docs/spec/mail.md 13. The places of the lists stand in the certificates, which the TLS
handshake has verified before anybody asks here. The last good list is kept: the place it comes from may be away.
"""

import hashlib
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import aiohttp
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.x509.oid import ExtensionOID

from bridges.kit.keystore import write_atomically
from bridges.mail.config import RevocationPolicy

LIST: Final = 32 * 1024 * 1024  # bytes of one list
FRESH: Final = 3600.0  # seconds after which a list is fetched again
AGAIN: Final = 300.0  # seconds between two tries to fetch one that could not be had
GRACE: Final = 7 * 86_400.0  # seconds for which the last good list counts after its own end
_PATIENCE: Final = 20.0  # seconds for a list to come
_AHEAD: Final = 300.0  # seconds that the clock of an authority may be ahead of ours
_KNOWN: Final = {  # extensions of a list that may be critical
    ExtensionOID.CRL_NUMBER,
    ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
    ExtensionOID.ISSUING_DISTRIBUTION_POINT,
}

Fetch = Callable[[str], Awaitable[bytes]]
"""Gives the bytes behind an address; raises OSError when they cannot be had."""


class RevocationError(Exception):
    """``certificate_revoked``, or ``revocation_unknown``: nobody can say, so nothing is shown to that server."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class _Held:
    """A list that counts, and when it was asked for last."""

    listed: x509.CertificateRevocationList | None = None
    asked: float = float("-inf")


@dataclass(slots=True)
class Revocation:
    """The lists of one process. ``folder`` keeps the last good ones; nothing in it is secret."""

    folder: Path | None = None
    fetch: Fetch = field(default_factory=lambda: download)
    clock: Callable[[], float] = time.time  # noqa: TID251  the default clock
    _held: dict[str, _Held] = field(default_factory=dict)

    async def check(self, policy: RevocationPolicy, tls: ssl.SSLObject | None) -> None:
        """Ask about every certificate that stands behind a connection; raises RevocationError."""
        if policy == "off" or tls is None:
            return
        for certificate, issuer in pairwise(_chain(tls)):
            await self._check(certificate, issuer, required=policy == "required")

    async def _check(self, certificate: x509.Certificate, issuer: x509.Certificate, *, required: bool) -> None:
        places = places_of(certificate)
        if not places and required:
            raise RevocationError("revocation_unknown")
        if places:
            listed = await self._any(places, issuer)
            if listed.get_revoked_certificate_by_serial_number(certificate.serial_number) is not None:
                raise RevocationError("certificate_revoked")

    async def _any(self, places: list[str], issuer: x509.Certificate) -> x509.CertificateRevocationList:
        """Give the list of the first place that has a good one."""
        for place in places:
            if (listed := await self._list(place, issuer)) is not None:
                return listed
        raise RevocationError("revocation_unknown")

    async def _list(self, place: str, issuer: x509.Certificate) -> x509.CertificateRevocationList | None:
        held = self._held.setdefault(place, _Held())
        now = self.clock()
        if held.listed is None:
            held.listed = self._kept(place, issuer)
        if now - held.asked >= (FRESH if held.listed is not None and not _over(held.listed, now) else AGAIN):
            held.asked = now
            await self._renew(held, place, issuer)
        known = held.listed
        return known if known is not None and not _over(known, now - GRACE) and _is_of(known, issuer) else None

    async def _renew(self, held: _Held, place: str, issuer: x509.Certificate) -> None:
        """Take a newer list where there is one; whatever is worse than what we have changes nothing."""
        try:
            octets = await self.fetch(place)
        except OSError:
            return
        found = read_list(octets, issuer, place, self.clock())
        if found is None or _over(found, self.clock()) or (held.listed is not None and _is_older(found, held.listed)):
            return
        held.listed = found
        if self.folder is not None:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._path(place), octets)

    def _kept(self, place: str, issuer: x509.Certificate) -> x509.CertificateRevocationList | None:
        try:
            octets = self._path(place).read_bytes() if self.folder else b""
        except OSError:
            return None
        return read_list(octets, issuer, place, self.clock())

    def _path(self, place: str) -> Path:
        assert self.folder is not None, "only kept lists have a path"
        return self.folder / f"{hashlib.sha256(place.encode()).hexdigest()}.crl"


async def download(place: str) -> bytes:
    """Fetch a list; raises OSError (also for a redirection: none is followed)."""
    timeout = aiohttp.ClientTimeout(total=_PATIENCE)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http, http.get(place, allow_redirects=False) as answer:
            octets = bytearray()
            async for block in answer.content.iter_any():
                octets += block
                if len(octets) > LIST:
                    raise OSError("too large")
            if answer.status != 200:
                raise OSError(f"HTTP {answer.status}")
            return bytes(octets)
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        raise OSError(type(error).__name__) from None


def places_of(certificate: x509.Certificate) -> list[str]:
    """Give where the lists about a certificate are (HTTP alone), as its authority wrote it."""
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return []
    names = (name for point in points if not point.reasons for name in point.full_name or ())
    found = (str(name.value) for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return [each for each in found if each.lower().startswith(("http://", "https://"))]


def read_list(octets: bytes, issuer: x509.Certificate, place: str, now: float) -> x509.CertificateRevocationList | None:
    """Read a list (DER or PEM) that counts for all certificates of an authority that name its place, else nothing."""
    try:
        is_text = octets.lstrip().startswith(b"-----BEGIN")
        listed = (x509.load_pem_x509_crl if is_text else x509.load_der_x509_crl)(octets)
        good = _is_of(listed, issuer) and _is_whole(listed, place)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm, x509.ExtensionNotFound):
        return None
    begun = listed.last_update_utc.timestamp() <= now + _AHEAD
    return listed if good and begun and listed.next_update_utc is not None else None


def _is_of(listed: x509.CertificateRevocationList, issuer: x509.Certificate) -> bool:
    """Whether the authority itself signed it, and may sign lists."""
    try:
        usage = issuer.extensions.get_extension_for_class(x509.KeyUsage).value.crl_sign
    except x509.ExtensionNotFound:
        usage = True
    key: Any = issuer.public_key()
    return usage and listed.issuer == issuer.subject and listed.is_signature_valid(key)


def _is_whole(listed: x509.CertificateRevocationList, place: str) -> bool:
    """Whether a list says all about the certificates that name its place: no delta, no part of another kind."""
    for extension in listed.extensions:
        if extension.critical and extension.oid not in _KNOWN:
            return False
        point = extension.value
        if isinstance(point, x509.IssuingDistributionPoint):
            names = [str(name.value) for name in point.full_name or ()]
            partial = point.only_contains_attribute_certs or point.indirect_crl or point.only_some_reasons
            if partial or point.relative_name or (names and place not in names):
                return False
    return True


def _over(listed: x509.CertificateRevocationList, at: float) -> bool:
    assert listed.next_update_utc is not None, "lists without an end are not read"
    return listed.next_update_utc < datetime.fromtimestamp(at, UTC)


def _is_older(one: x509.CertificateRevocationList, other: x509.CertificateRevocationList) -> bool:
    return one.last_update_utc < other.last_update_utc


def _chain(tls: ssl.SSLObject) -> list[x509.Certificate]:
    """Give the verified chain, the server's certificate first.

    Public from Python 3.13 on; before, the object inside has it (since 3.10).
    """
    inner: Any = tls
    if hasattr(inner, "get_verified_chain"):
        return [x509.load_der_x509_certificate(each) for each in inner.get_verified_chain()]
    chain = inner._sslobj.get_verified_chain()  # noqa: SLF001
    return [x509.load_pem_x509_certificate(each.public_bytes().encode()) for each in chain]
