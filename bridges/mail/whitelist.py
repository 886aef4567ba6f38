"""The signed list of the domains of the MSSanté space. Source: docs/spec/mail.md 10.

Contacts in it are personal data: they are not read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from xml.parsers import expat

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from lxml import etree

from bridges.mail import limits
from bridges.mail.address import AddressError, read_address
from bridges.mail.names import Attributes, of_certificate, read_name
from bridges.mail.reasons import QuarantineError
from bridges.mail.signature import STRICT, SignatureError, open_signed
from bridges.mail.tree import refuse_doctype

NAMESPACE: Final = "https://listeblanche.mssante.fr/schema"
Trust = Literal["authority", "name", "none"]
_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Whitelist:
    """A list whose signature is right."""

    generated_at: datetime
    domains: Mapping[str, frozenset[Attributes]]  # domain in lower case → names of the certificates that speak for it
    entries: int
    signer: str  # RFC 4514
    trust: Trust

    def admits(self, domain: str, certificate: x509.Name) -> bool:
        """Whether a peer with this certificate may hand over mail of this domain."""
        try:
            return of_certificate(certificate) in self.domains.get(domain.lower(), frozenset())
        except ValueError:
            return False


def verify(
    octets: bytes,
    *,
    at: datetime | None = None,
    issuer: str | None = None,
    authority: x509.Certificate | None = None,
    signer: str | None = None,
) -> Whitelist:
    """Check a list and read its domains.

    Args:
        octets: at most 40 MiB.
        at: aware; when the certificate must be valid and the list exist. Without it: the moment of generation.
        issuer: the name that the certificate's authority must have.
        authority: the certificate that must have signed the list's one.
        signer: the name that the list's certificate must have: the authority makes one for everybody in the space.

    Raises:
        SignatureError: with one of the reasons of docs/operate/mail.md.

    """
    signed = open_signed(_parse(octets))
    generated_at = _moment(signed.root.findtext(f"{{{NAMESPACE}}}DateDeGeneration"))
    if at is not None and generated_at > at + _SKEW:
        raise SignatureError("list_from_the_future")
    certificate = signed.certificate
    _require_valid(certificate, at or generated_at)
    trust = _judge_issuer(certificate, issuer, authority)
    if signer is not None and not _is_named(certificate.subject, signer):
        raise SignatureError("signer_differs")
    domains, entries = _domains(signed.root)
    return Whitelist(generated_at, domains, entries, certificate.subject.rfc4514_string(), trust)


def _parse(octets: bytes) -> Any:
    """Parse twice: expat refuses document types and floods at their first sign, lxml knows namespaces and C14N."""
    if len(octets) > limits.XML:
        raise SignatureError("list_too_large")
    scout = expat.ParserCreate()
    scout.StartDoctypeDeclHandler = scout.EntityDeclHandler = refuse_doctype
    try:
        scout.Parse(octets, True)  # noqa: FBT003  the parser takes no keyword
        root = etree.fromstring(octets, STRICT)
    except QuarantineError:
        raise SignatureError("xml_doctype") from None
    except (expat.ExpatError, etree.XMLSyntaxError, LookupError, ValueError):
        raise SignatureError("xml_broken") from None
    if root.tag != f"{{{NAMESPACE}}}ListeBlancheMSSante":
        raise SignatureError("not_a_whitelist")
    return root


def _moment(text: str | None) -> datetime:
    try:
        moment = datetime.fromisoformat((text or "").strip())
    except ValueError:
        raise SignatureError("list_without_date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _require_valid(certificate: x509.Certificate, at: datetime) -> None:
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise SignatureError("certificate_expired")


def _judge_issuer(certificate: x509.Certificate, issuer: str | None, authority: x509.Certificate | None) -> Trust:
    trust: Trust = "none"
    if issuer is not None:
        if not _is_named(certificate.issuer, issuer):
            raise SignatureError("issuer_differs")
        trust = "name"
    if authority is not None:
        try:
            certificate.verify_directly_issued_by(authority)
        except (InvalidSignature, UnsupportedAlgorithm, TypeError, ValueError):
            raise SignatureError("authority_differs") from None
        trust = "authority"
    return trust


def _is_named(name: x509.Name, wanted: str) -> bool:
    try:
        return read_name(wanted) == of_certificate(name)
    except ValueError:
        return False


def _domains(root: Any) -> tuple[dict[str, frozenset[Attributes]], int]:
    domains, entries = dict[str, frozenset[Attributes]](), 0
    for entry in root.iterfind(f"{{{NAMESPACE}}}ListeDomaines/{{{NAMESPACE}}}Domaine"):
        entries += 1
        domain = (entry.findtext(f"{{{NAMESPACE}}}Nom") or "").strip().lower()
        try:
            name = read_name(entry.findtext(f"{{{NAMESPACE}}}DNCertificatOperateur") or "")
            read_address(f"x@{domain}")  # our grammar: no other sign can be smuggled in by the list either
        except (AddressError, ValueError):
            continue  # one entry that cannot be read trusts nobody
        domains[domain] = domains.get(domain, frozenset()) | {name}
    if not domains:
        raise SignatureError("list_empty")
    return domains, entries
