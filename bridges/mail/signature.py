"""One shape of XML signature and no other: enveloped, over the whole document. Source: docs/spec/mail.md 10.

Attacks on XML signatures live in what the standard allows: references to parts, transforms that select, several
signatures, keys of the sender's choice. None of that is accepted here, so the signed bytes are all that is read.
"""

import base64
import binascii
import copy
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

DSIG: Final = "http://www.w3.org/2000/09/xmldsig#"
_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
_ENVELOPED: Final = f"{DSIG}enveloped-signature"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_RSA: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_ECDSA: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
_LEAST_RSA: Final = 2048  # bits
STRICT: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


class SignatureError(Exception):
    """Why a document does not count; ``reason`` is stable (docs/operate/mail.md)."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Signed:
    """What the signature covers, and whose it is; the certificate is not judged yet."""

    root: Any  # lxml element, read from the very bytes whose digest was right
    certificate: x509.Certificate


def open_signed(root: Any) -> Signed:
    """Check the signature of a document and give what it covers.

    Raises:
        SignatureError: ``signature_missing``, ``signature_shape``, ``signature_algorithm``, ``certificate_broken``,
            ``digest_wrong``, ``signature_wrong``.

    """
    found = root.findall(f".//{{{DSIG}}}Signature")
    if not found:
        raise SignatureError("signature_missing")
    if len(found) > 1 or found[0].getparent() is not root:
        raise SignatureError("signature_shape")
    info = _only(found[0], "SignedInfo")
    digest = _read_reference(info)
    certificate = _certificate(found[0])
    value = _octets(_only(found[0], "SignatureValue"))
    covered = _canonical(_without_signature(root))
    if not hmac.compare_digest(hashlib.sha256(covered).digest(), digest):
        raise SignatureError("digest_wrong")
    _verify(certificate, _algorithm(info, "SignatureMethod"), value, _canonical(info))
    # The tree above may hold comments, which no signature covers and which cut a text in two for its reader.
    return Signed(etree.fromstring(covered, STRICT), certificate)


def _read_reference(info: Any) -> bytes:
    """Require the one shape; gives the digest."""
    if _algorithm(info, "CanonicalizationMethod") != _C14N:
        raise SignatureError("signature_algorithm")
    reference = _only(info, "Reference")
    if reference.get("URI") != "":
        raise SignatureError("signature_shape")
    transforms = [each.get("Algorithm") for each in _only(reference, "Transforms")]
    if transforms != [_ENVELOPED, _C14N] or list(reference.iter(f"{{{_C14N}}}InclusiveNamespaces")):
        raise SignatureError("signature_shape")
    if _algorithm(reference, "DigestMethod") != _SHA256:
        raise SignatureError("signature_algorithm")
    return _octets(_only(reference, "DigestValue"))


def _only(parent: Any, name: str) -> Any:
    found = parent.findall(f"{{{DSIG}}}{name}")
    if len(found) != 1:
        raise SignatureError("signature_shape")
    return found[0]


def _algorithm(parent: Any, name: str) -> str:
    method = _only(parent, name)
    if len(method):  # parameters: other prefixes, lengths of a truncated digest
        raise SignatureError("signature_algorithm")
    return str(method.get("Algorithm"))


def _octets(element: Any) -> bytes:
    try:
        return base64.b64decode("".join((element.text or "").split()), validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("signature_shape") from None


def _certificate(signature: Any) -> x509.Certificate:
    """Read the first certificate; which one signed is seen when the signature is checked with it."""
    data = _only(_only(signature, "KeyInfo"), "X509Data")
    found = data.findall(f"{{{DSIG}}}X509Certificate")
    if not found:
        raise SignatureError("certificate_broken")
    try:
        return x509.load_der_x509_certificate(_octets(found[0]))
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureError("certificate_broken") from None


def _without_signature(root: Any) -> Any:
    content = copy.deepcopy(root)
    signature = content.find(f"{{{DSIG}}}Signature")
    before = signature.getprevious()
    if signature.tail:  # lxml would drop the text behind the element with it
        if before is None:
            content.text = (content.text or "") + signature.tail
        else:
            before.tail = (before.tail or "") + signature.tail
    signature.tail = None
    content.remove(signature)
    return content


def _canonical(element: Any) -> bytes:
    octets: bytes = etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
    return octets


def _verify(certificate: x509.Certificate, algorithm: str, value: bytes, info: bytes) -> None:
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise SignatureError("certificate_broken") from None
    try:
        if algorithm == _RSA and isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA:
            key.verify(value, info, padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == _ECDSA and isinstance(key, ec.EllipticCurvePublicKey):
            half = (key.curve.key_size + 7) // 8
            if len(value) != 2 * half:
                raise SignatureError("signature_wrong")
            numbers = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
            key.verify(encode_dss_signature(*numbers), info, ec.ECDSA(hashes.SHA256()))
        else:
            raise SignatureError("signature_algorithm")
    except InvalidSignature:
        raise SignatureError("signature_wrong") from None
