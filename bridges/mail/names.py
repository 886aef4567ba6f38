"""Names of certificates, compared as what they hold: order, case and spaces do not count.

Source: RFC 4514; what Java writes besides: a value between quotes, ``OID.`` before a number.
"""

import re
from typing import Final

from cryptography import x509
from cryptography.x509.oid import NameOID

Attributes = frozenset[tuple[str, str]]
"""(dotted OID, value without case and with single spaces); the order in which a name lists them is dropped."""

_PAIR: Final = re.compile(
    r"\s*(?:OID\.)?(?P<type>[A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*"
    r"""(?:"(?P<quoted>(?:[^"\\]|\\.)*)"\s*|(?P<value>(?:\\.|[^,+\\])*))(?:[,+]|\Z)""",
    re.DOTALL | re.IGNORECASE,
)
_ESCAPE: Final = re.compile(r"(?:\\[0-9A-Fa-f]{2})+|\\(.)", re.DOTALL)
_TYPES: Final = {
    "cn": NameOID.COMMON_NAME,
    "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
    "o": NameOID.ORGANIZATION_NAME,
    "st": NameOID.STATE_OR_PROVINCE_NAME,
    "s": NameOID.STATE_OR_PROVINCE_NAME,
    "l": NameOID.LOCALITY_NAME,
    "c": NameOID.COUNTRY_NAME,
    "street": NameOID.STREET_ADDRESS,
    "dc": NameOID.DOMAIN_COMPONENT,
    "uid": NameOID.USER_ID,
    "serialnumber": NameOID.SERIAL_NUMBER,
    "organizationidentifier": NameOID.ORGANIZATION_IDENTIFIER,
    "emailaddress": NameOID.EMAIL_ADDRESS,
    "e": NameOID.EMAIL_ADDRESS,
    "t": NameOID.TITLE,
    "title": NameOID.TITLE,
    "givenname": NameOID.GIVEN_NAME,
    "surname": NameOID.SURNAME,
}


def read_name(text: str) -> Attributes:
    """Read ``CN=…,O=…,C=…``; raises ValueError for what is no name, or one that holds an attribute twice alike."""
    pairs, at = [], 0
    while at < len(text):
        found = _PAIR.match(text, at)
        if not found or found.end() == at:
            raise ValueError("not a distinguished name")
        written = found["value"] if found["quoted"] is None else found["quoted"]
        pairs.append((_type(found["type"]), _value(_unescape(written))))
        at = found.end()
    if not pairs or text.rstrip().endswith((",", "+")):
        raise ValueError("not a distinguished name")
    return _distinct(pairs)


def of_certificate(name: x509.Name) -> Attributes:
    """Give the attributes of a name inside a certificate; raises ValueError for one with an attribute twice alike."""
    return _distinct([(each.oid.dotted_string, _value(str(each.value))) for each in name])


def _distinct(pairs: list[tuple[str, str]]) -> Attributes:
    if len(set(pairs)) != len(pairs):
        raise ValueError("the same attribute twice")
    return frozenset(pairs)


def _type(name: str) -> str:
    known = _TYPES.get(name.lower())
    if known is not None:
        return known.dotted_string
    if not name[0].isdigit():
        raise ValueError("unknown kind of attribute")
    return name


def _value(text: str) -> str:
    return " ".join(text.split()).casefold()


def _unescape(text: str) -> str:
    def plain(found: re.Match[str]) -> str:
        return found[1] if found[1] is not None else bytes.fromhex(found[0].replace("\\", "")).decode("utf-8")

    return _ESCAPE.sub(plain, text)
