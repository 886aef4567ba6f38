"""Certificates and a signed list of a health space of our own, made for one test run."""

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

DSIG = "http://www.w3.org/2000/09/xmldsig#"
LIST = "https://listeblanche.mssante.fr/schema"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"


@dataclass
class Paper:
    """A certificate with its key."""

    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        form = serialization.PrivateFormat.PKCS8
        return self.key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())

    @property
    def name(self) -> str:
        """As the list writes it: in the order of the certificate, which RFC 4514 turns round."""
        return x509.Name(reversed(list(self.certificate.subject))).rfc4514_string()

    def write(self, folder: Path, name: str) -> tuple[Path, Path]:
        folder.mkdir(exist_ok=True)
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        paths[0].write_bytes(self.pem)
        paths[1].write_bytes(self.key_pem)
        return paths


def _name(common: str, organisation: str, place: str = "Bouches-du-Rhône (13)") -> x509.Name:
    pairs = [
        (NameOID.COUNTRY_NAME, "FR"),
        (NameOID.STATE_OR_PROVINCE_NAME, place),
        (NameOID.ORGANIZATION_NAME, organisation),
        (NameOID.COMMON_NAME, common),
    ]
    return x509.Name([x509.NameAttribute(kind, value) for kind, value in pairs])


def issue(
    common: str,
    organisation: str,
    by: Paper | None = None,
    *,
    hosts: tuple[str, ...] = (),
    lists: str = "",
    ends: timedelta = timedelta(days=30),
) -> Paper:
    """Make a certificate; without `by` an authority of its own. `lists`: where revoked ones are listed."""
    key = rsa.generate_private_key(65537, 2048) if common == "alb" else ec.generate_private_key(ec.SECP256R1())
    subject, now = _name(common, organisation), datetime.now(tz=UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by.certificate.subject if by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=10))
        .not_valid_after(now + ends)
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
    )
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName(list(map(x509.DNSName, hosts))), critical=False)
    if lists:
        place = x509.DistributionPoint([x509.UniformResourceIdentifier(lists)], None, None, None)
        builder = builder.add_extension(x509.CRLDistributionPoints([place]), critical=False)
    return Paper(key, builder.sign(by.key if by else key, hashes.SHA256()))


def revoked(
    by: Paper, *papers: Paper, begun: timedelta = timedelta(hours=1), ends: timedelta = timedelta(days=7)
) -> x509.CertificateRevocationList:
    """Write an authority's list of the certificates it took back; it began `begun` ago and `ends` from now on."""
    now = datetime.now(tz=UTC)
    made = x509.CertificateRevocationListBuilder().issuer_name(by.certificate.subject)
    made = made.last_update(now - begun).next_update(now + ends)
    for each in papers:
        entry = x509.RevokedCertificateBuilder().serial_number(each.certificate.serial_number)
        made = made.add_revoked_certificate(entry.revocation_date(now - begun).build())
    return made.sign(by.key, hashes.SHA256())


def signed_list(signer: Paper, domains: dict[str, list[str]]) -> bytes:
    """Write the list of trusted domains (domain → names of certificates), with its enveloped signature."""
    root = etree.Element(f"{{{LIST}}}ListeBlancheMSSante", nsmap={None: LIST})
    etree.SubElement(root, f"{{{LIST}}}DateDeGeneration").text = datetime.now(tz=UTC).isoformat(timespec="seconds")
    all_of_them = etree.SubElement(root, f"{{{LIST}}}ListeDomaines")
    for domain, names in domains.items():
        for name in names:
            one = etree.SubElement(all_of_them, f"{{{LIST}}}Domaine")
            etree.SubElement(one, f"{{{LIST}}}Nom").text = domain
            etree.SubElement(one, f"{{{LIST}}}DNCertificatOperateur").text = name
    digest = base64.b64encode(hashlib.sha256(etree.tostring(root, method="c14n", exclusive=True)).digest()).decode()
    root.append(_signature(signer, digest))
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _signature(signer: Paper, digest: str):
    text = (
        f'<Signature xmlns="{DSIG}"><SignedInfo><CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
        '<SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><Reference URI=""><Transforms>'
        f'<Transform Algorithm="{DSIG}enveloped-signature"/><Transform Algorithm="{EXCLUSIVE}"/></Transforms>'
        '<DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
        f"<DigestValue>{digest}</DigestValue></Reference></SignedInfo></Signature>"
    )
    signature = etree.fromstring(text)
    signed = etree.tostring(signature[0], method="c14n", exclusive=True)
    value = signer.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
    etree.SubElement(signature, f"{{{DSIG}}}SignatureValue").text = base64.b64encode(value).decode()
    data = etree.SubElement(etree.SubElement(signature, f"{{{DSIG}}}KeyInfo"), f"{{{DSIG}}}X509Data")
    der = signer.certificate.public_bytes(serialization.Encoding.DER)
    etree.SubElement(data, f"{{{DSIG}}}X509Certificate").text = base64.b64encode(der).decode()
    return signature
