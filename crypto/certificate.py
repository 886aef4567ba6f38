"""What the operator of a server has checked about a professional, signed with the registry key.

Source: docs/spec/protocol.md 5.4.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from crypto import codec, sign
from crypto.codec import Signed, b64
from crypto.errors import require
from crypto.schema import Field, binary, exact, integer, one_of, text, time
from crypto.suite import ACCOUNT_ID, VERSION

_RPPS: Final = re.compile(r"[0-9]{11}", re.ASCII)
_PROFESSION: Final = re.compile(r"[0-9]{2,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Certificate:
    """A well-formed certificate."""

    account: bytes
    at: int
    identifier: str
    """RPPS number."""
    name: str
    profession: str
    """Code of TRE_G15."""
    source: str


def issue(registry: sign.SigningKey, certificate: Certificate) -> bytes:
    """Sign a certificate with the registry key of a server; returns its wire form.

    Raises:
        ProtocolError: ``bad_format``: an identifier, name or profession that no reader would accept.

    """
    body = codec.encode(
        {
            "account": b64(certificate.account),
            "at": certificate.at,
            "identifier": certificate.identifier,
            "name": certificate.name,
            "profession": certificate.profession,
            "source": certificate.source,
            "type": "professional",
            "v": VERSION,
        }
    )
    wire = Signed(body, (registry.sign("certificate", body),)).pack()
    read(wire)
    return wire


def read(wire: bytes) -> Certificate:
    """Read a certificate without judging its signature.

    Raises:
        ProtocolError: ``bad_format``; ``unknown_version``.

    """
    signed = Signed.unpack(wire)
    fields = exact(codec.decode(signed.body), _FIELDS)
    require(len(signed.signatures) == 1 and fields.pop("type"), "bad_format", "signatures")
    require(fields.pop("v") == VERSION, "unknown_version")
    return Certificate(**fields)


def verify(wire: bytes, *, registry: bytes, account: bytes) -> Certificate:
    """Read a certificate that counts: signed by the pinned registry key (32 bytes), for this account.

    Raises:
        ProtocolError: ``bad_format``, ``unknown_version``, ``bad_signature``, ``wrong_account``.

    """
    certificate = read(wire)
    signed = Signed.unpack(wire)
    require(sign.verify(registry, "certificate", signed.body, signed.signatures[0]), "bad_signature")
    require(certificate.account == account, "wrong_account")
    return certificate


def is_rpps(number: str) -> bool:
    """Eleven digits with a valid Luhn key."""
    if not _RPPS.fullmatch(number):
        return False
    doubled = (int(digit) * (1 + i % 2) for i, digit in enumerate(reversed(number)))
    return sum(d - 9 * (d > 9) for d in doubled) % 10 == 0


def _identifier(value: Any) -> str:
    require(type(value) is str and is_rpps(value), "bad_format", "RPPS number")
    return str(value)


def _name(value: Any) -> str:
    name: str = text(120, 1)(value)
    require(all(unicodedata.category(character) != "Cc" for character in name), "bad_format", "control character")
    return name


def _profession(value: Any) -> str:
    require(type(value) is str and _PROFESSION.fullmatch(value), "bad_format", "profession")
    return str(value)


_FIELDS: Final[Mapping[str, Field]] = {
    "account": binary(ACCOUNT_ID),
    "at": time,
    "identifier": _identifier,
    "name": _name,
    "profession": _profession,
    "source": one_of("operator"),
    "type": one_of("professional"),
    "v": integer(),
}
