"""The signed list of trusted domains, and every way we know to make it say what its signer did not.

The lists are signed here by hand, from the text of XMLDSig: no code of ours makes signatures.
"""

import base64
import hashlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from bridges.mail.names import of_certificate, read_name
from bridges.mail.signature import SignatureError
from bridges.mail.whitelist import verify

MADE_AT = datetime(2025, 2, 28, 15, 42, 7, tzinfo=UTC)
DS = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
OPERATOR = "CN=mx.operateur.fr,OU=318310021300028,O=GIP É,ST=Bouches-du-Rhône (13),C=FR"
# Already canonical: exclusive C14N of it is itself, so the digest below needs no code of ours.
LIST = (
    '<ListeBlancheMSSante xmlns="https://listeblanche.mssante.fr/schema">\n'
    "  <DateDeGeneration>2025-02-28T15:42:07Z</DateDeGeneration>\n  <ListeDomaines>\n"
    f"    <Domaine><Nom>chu.mssante.fr</Nom><DNCertificatOperateur>{OPERATOR}</DNCertificatOperateur></Domaine>\n"
    "    <Domaine><Nom>chu.mssante.fr</Nom><DNCertificatOperateur>CN=two,C=FR</DNCertificatOperateur></Domaine>\n"
    "    <Domaine><Nom>cabinet.mssante.fr</Nom><DNCertificatOperateur>CN=two,C=FR</DNCertificatOperateur></Domaine>\n"
    "  </ListeDomaines>\n</ListeBlancheMSSante>"
)
AUTHORITY = rsa.generate_private_key(65537, 2048)
OTHER_AUTHORITY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
WEAK_KEY = rsa.generate_private_key(65537, 1024)
ISSUER = "CN=AC TEST,O=ASIP-SANTE,C=FR"


def name(text: str) -> x509.Name:
    kinds = {"CN": NameOID.COMMON_NAME, "O": NameOID.ORGANIZATION_NAME, "C": NameOID.COUNTRY_NAME}
    pairs = [each.split("=") for each in reversed(text.split(","))]
    return x509.Name([x509.NameAttribute(kinds[kind], value) for kind, value in pairs])


def certificate(key, *, subject="CN=alb.mssante.fr,O=X,C=FR", issuer=ISSUER, signer=AUTHORITY, until=1000):
    return (
        x509.CertificateBuilder()
        .subject_name(name(subject))
        .issuer_name(name(issuer))
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(MADE_AT - timedelta(days=100))
        .not_valid_after(MADE_AT + timedelta(days=until))
        .sign(signer, hashes.SHA256())
    )


def sign(key, info: str) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(info.encode(), padding.PKCS1v15(), hashes.SHA256())
    return b"".join(
        one.to_bytes(32, "big") for one in decode_dss_signature(key.sign(info.encode(), ec.ECDSA(hashes.SHA256())))
    )


def signature(
    content: str, key=RSA_KEY, shown=None, *, uri="", method=None, transforms=("enveloped", C14N), inner=""
) -> str:
    algorithms = [f"{DS}enveloped-signature" if each == "enveloped" else each for each in transforms]
    digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
    method = method or (RSA_SHA256 if isinstance(key, rsa.RSAPrivateKey) else ECDSA_SHA256)
    info = (
        f'<SignedInfo xmlns="{DS}"><CanonicalizationMethod Algorithm="{C14N}"></CanonicalizationMethod>'
        f'<SignatureMethod Algorithm="{method}"></SignatureMethod><Reference URI="{uri}"><Transforms>'
        + "".join(f'<Transform Algorithm="{each}">{inner if each == C14N else ""}</Transform>' for each in algorithms)
        + '</Transforms><DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"></DigestMethod>'
        f"<DigestValue>{digest}</DigestValue></Reference></SignedInfo>"
    )
    der = (shown or certificate(key)).public_bytes(Encoding.DER)
    value = base64.encodebytes(sign(key, info)).decode().replace("\n", "&#13;\n")
    return (
        f'<Signature xmlns="{DS}">{info.replace(f" xmlns={chr(34)}{DS}{chr(34)}", "")}<SignatureValue>{value}</SignatureValue>'
        f"<KeyInfo><X509Data><X509Certificate>{base64.b64encode(der).decode()}</X509Certificate></X509Data></KeyInfo></Signature>"
    )


def signed(content: str = LIST, key=RSA_KEY, shown=None, **more) -> str:
    return content.replace("</ListeBlancheMSSante>", signature(content, key, shown, **more) + "</ListeBlancheMSSante>")


def reason(text: str, **how) -> str:
    with pytest.raises(SignatureError) as refused:
        verify(text.encode(), **how)
    return refused.value.reason


@pytest.mark.parametrize("key", [RSA_KEY, EC_KEY], ids=["rsa", "ecdsa"])
def test_a_signed_list_counts(key):
    found = verify(signed(key=key).encode())
    assert (found.generated_at, found.entries, set(found.domains)) == (
        MADE_AT,
        3,
        {"chu.mssante.fr", "cabinet.mssante.fr"},
    )
    assert len(found.domains["chu.mssante.fr"]) == 2
    assert found.trust == "none"


def test_a_domain_is_spoken_for_by_its_certificates_only():
    found = verify(signed().encode())
    two, stranger = name("CN=two,C=FR"), name("CN=three,C=FR")
    assert found.admits("CHU.mssante.fr", two)
    assert not found.admits("chu.mssante.fr", stranger)
    assert not found.admits("evil.fr", two)
    assert not found.admits("sub.chu.mssante.fr", two)
    assert not found.admits("chu.mssante.fr", name("CN=two,C=FR,O=more"))
    assert not found.admits("chu.mssante.fr", name("CN=two"))


def test_a_changed_list_does_not_count():
    assert reason(signed().replace("chu.mssante.fr", "evil.mssante.fr")) == "digest_wrong"
    assert reason(signed().replace("2025-02-28", "2025-02-27")) == "digest_wrong"


def test_a_changed_digest_does_not_help():
    changed = LIST.replace("chu.", "evil.")
    digest, other = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in (LIST, changed))
    assert reason(signed().replace("chu.", "evil.").replace(digest, other)) == "signature_wrong"


def test_a_comment_cuts_no_name():
    text = signed().replace("cabinet.mssante.fr", "cabinet.mss<!-- -->ante.fr")
    assert "cabinet.mssante.fr" in verify(text.encode()).domains


def test_the_key_of_another_certificate_does_not_count():
    assert reason(signed(key=RSA_KEY, shown=certificate(rsa.generate_private_key(65537, 2048)))) == "signature_wrong"


def test_no_signature_two_or_one_in_another_place():
    assert reason(LIST) == "signature_missing"
    twice = signed().replace("</ListeBlancheMSSante>", signature(LIST) + "</ListeBlancheMSSante>")
    assert reason(twice) == "signature_shape"
    deep = LIST.replace("</ListeDomaines>", signature(LIST) + "</ListeDomaines>")
    assert reason(deep) == "signature_shape"


def test_a_signed_list_wrapped_into_another_does_not_count():
    evil = LIST.replace("chu.", "evil.").replace("</ListeBlancheMSSante>", "")
    assert reason(evil + signed() + "</ListeBlancheMSSante>") == "signature_shape"
    moved = evil + f"<Object>{LIST}</Object>" + signature(LIST) + "</ListeBlancheMSSante>"
    assert reason(moved) == "digest_wrong"
    pointed = evil + LIST.replace("<ListeB", "<ListeB", 1) + signature(LIST, uri="#a") + "</ListeBlancheMSSante>"
    assert reason(pointed) == "signature_shape"


@pytest.mark.parametrize(
    "shape",
    [
        {"uri": "#whole"},
        {"uri": "http://127.0.0.1:1/list.xml"},
        {"transforms": (C14N,)},
        {"transforms": ("enveloped",)},
        {"transforms": ("enveloped", "http://www.w3.org/TR/1999/REC-xslt-19991116", C14N)},
        {"transforms": ("enveloped", "http://www.w3.org/TR/1999/REC-xpath-19991116", C14N)},
        {"inner": f'<InclusiveNamespaces xmlns="{C14N}" PrefixList="x"></InclusiveNamespaces>'},
    ],
)
def test_only_one_shape_of_signature_counts(shape):
    assert reason(signed(**shape)) == "signature_shape"


@pytest.mark.parametrize(
    "more",
    [
        {"method": f"{DS}rsa-sha1"},
        {"method": f"{DS}hmac-sha1"},
        {"method": ECDSA_SHA256},
        {"key": WEAK_KEY},
    ],
)
def test_weak_or_confused_algorithms_do_not_count(more):
    assert reason(signed(**more)) == "signature_algorithm"


def test_the_certificate_is_valid_when_the_list_is_made_or_at_the_day_asked_for():
    old = signed(shown=certificate(RSA_KEY, until=-1))
    assert reason(old) == "certificate_expired"
    good = signed(shown=certificate(RSA_KEY, until=30))
    assert verify(good.encode(), at=MADE_AT + timedelta(days=10))
    assert reason(good, at=MADE_AT + timedelta(days=31)) == "certificate_expired"
    assert reason(good, at=MADE_AT - timedelta(days=1)) == "list_from_the_future"


def test_the_issuer_is_compared_by_what_it_holds():
    assert verify(signed().encode(), issuer="c=FR, o=asip-sante, cn=AC TEST").trust == "name"
    assert reason(signed(), issuer="CN=AC TEST,O=ASIP-SANTE") == "issuer_differs"
    assert reason(signed(), issuer="nonsense") == "issuer_differs"


def test_the_authority_is_more_than_a_name():
    real = certificate(AUTHORITY, subject=ISSUER, signer=AUTHORITY)
    claimed = signed(shown=certificate(RSA_KEY, signer=OTHER_AUTHORITY))
    assert verify(signed().encode(), issuer=ISSUER, authority=real).trust == "authority"
    assert verify(claimed.encode(), issuer=ISSUER).trust == "name"
    assert reason(claimed, issuer=ISSUER, authority=real) == "authority_differs"


def test_another_member_of_the_space_signs_no_list():
    real = certificate(AUTHORITY, subject=ISSUER, signer=AUTHORITY)
    member = signed(shown=certificate(RSA_KEY, subject="CN=smtp.chu.fr,O=CHU,C=FR"))
    assert verify(member.encode(), authority=real).trust == "authority"
    assert reason(member, authority=real, signer="CN=alb.mssante.fr,O=X,C=FR") == "signer_differs"
    assert verify(signed().encode(), authority=real, signer="C=FR, O=x, CN=ALB.mssante.fr").trust == "authority"
    assert reason(signed(), signer="nonsense") == "signer_differs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "xml_broken"),
        ("<a/>", "not_a_whitelist"),
        ("<ListeBlancheMSSante/>", "not_a_whitelist"),
        (LIST[:300], "xml_broken"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>' + LIST, "xml_doctype"),
        (signed(LIST.replace("2025-02-28T15:42:07Z", "soon")), "list_without_date"),
        (signed(LIST.replace(OPERATOR, "nonsense").replace("CN=two,C=FR", "")), "list_empty"),
    ],
)
def test_what_is_no_list(text, expected):
    assert reason(text) == expected


def test_names_are_compared_by_attributes():
    assert read_name("CN=a,O=b") == read_name("O=B , CN=A") == read_name("2.5.4.3=a+O=b")
    assert read_name("O=a\\, b") != read_name("O=a")
    assert read_name("O=a\\2C b") == read_name("O=a\\, b")
    assert read_name("O=\\C3\\89") == read_name("O=é")
    assert of_certificate(name("CN=a,C=FR")) == read_name("C=fr,CN=A")
    java = 'CN=a, O="CHU, É \\"Nord\\"", OID.2.5.4.97=NTRFR-1, T=x'
    assert read_name(java) == read_name('2.5.4.97=NTRFR-1,TITLE=x,cn=a,O=CHU\\, \\C3\\89 \\"Nord\\"')
    assert read_name("CN=a\\ ,O=b") == read_name("CN=a,O=b")
    assert read_name('O="a" b') != read_name("O=a b")
    for bad in ("", "a", "CN=a,", "CN=a,,O=b", "XY=a", "CN=a,CN=a", "CN"):
        with pytest.raises(ValueError):
            read_name(bad)
