"""Which peer may hand over mail of which domain. Source: docs/spec/mail.md 18."""

import base64
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from cryptography import x509

from bridges.mail import whitelist
from bridges.mail.address import Address, AddressError, read_address
from bridges.mail.names import Attributes, of_certificate, read_name
from bridges.mail.signature import SignatureError
from bridges.mail.whitelist import Whitelist

FIELD: Final = b"X-Pli-Peer: "
_AHEAD: Final = timedelta(days=1)  # that our clock may be behind the signer's
_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{8,2000}")
_FIRST: Final = re.compile(rb"X-Pli-Peer: ([A-Za-z0-9_-]{8,2000})\r\n")
_OWN: Final = re.compile(rb"X-Pli-Own: ([!-~]{3,254})\r\n")


class PeerError(ValueError):
    """Not a certificate, or a name that has no unambiguous text."""


def name_peer(escaped: str) -> str:
    """Give the token of a peer from its certificate, in PEM with %-escapes as nginx hands it over.

    The token is the subject (RFC 4514) in base64url: ASCII of one word, as a login name and a field can be.

    Raises:
        PeerError: no certificate, or a subject that does not come back from its text as the same attributes.

    """
    try:
        subject = x509.load_pem_x509_certificate(unquote_to_bytes(escaped)).subject
        text = subject.rfc4514_string()
        same = read_name(text) == of_certificate(subject)
    except ValueError as error:
        raise PeerError(type(error).__name__) from None
    token = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    if not same or not _TOKEN.fullmatch(token):
        raise PeerError("ambiguous name")
    return token


def read_peer(token: str) -> Attributes:
    """Give the attributes that a token stands for; raises PeerError."""
    try:
        if not _TOKEN.fullmatch(token):
            raise PeerError("not a token")
        return read_name(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)).decode())
    except ValueError:
        raise PeerError("not a token") from None


def split_own(raw: bytes) -> tuple[Address, bytes]:
    """Take the address of a user of our own machine off the first line; raises PeerError when none was named."""
    found = _OWN.match(raw)
    if not found:
        raise PeerError("our mail server named no user")
    try:
        return read_address(found[1].decode("ascii")), raw[found.end() :]
    except AddressError:
        raise PeerError("not an address") from None


def split_peer(raw: bytes) -> tuple[Attributes, bytes]:
    """Take the peer off the first line, where only our own mail server writes; raises PeerError when it did not.

    A stranger's field of this name stands further down, below the Received line of our server, and counts for nothing.
    """
    found = _FIRST.match(raw)
    if not found:
        raise PeerError("our mail server named no peer")
    return read_peer(found[1].decode("ascii")), raw[found.end() :]


@dataclass(slots=True)
class Trust:
    """The signed list on disk, read again when it changes. One that does not count leaves the last good one."""

    path: Path
    authority: x509.Certificate
    issuer: str | None = None
    signer: str | None = None
    longest: timedelta = timedelta(days=30)  # a list older than that trusts nobody any more
    reason: str = "not_read"  # why the newest file does not count; empty when it does
    _list: Whitelist | None = None
    _seen: tuple[int, int] = (0, 0)

    def refresh(self) -> None:
        """Look at the file; never fails."""
        try:
            status = self.path.stat()
            if (mark := (status.st_mtime_ns, status.st_size)) == self._seen:
                return
            octets = self.path.read_bytes()
            self._seen = mark  # also of one that does not count: a large list is not judged again at every question
            self._list = whitelist.verify(octets, issuer=self.issuer, authority=self.authority, signer=self.signer)
            self.reason = ""
        except OSError as error:
            self.reason = type(error).__name__
        except SignatureError as error:
            self.reason = error.reason

    def admits(self, domain: str, peer: Attributes, *, now: datetime | None = None) -> bool | None:
        """Whether this peer may speak for the domain; None when there is no list that counts."""
        self.refresh()
        known = self._list
        if known is None:
            return None
        age = (now or datetime.now(tz=UTC)) - known.generated_at
        if not -_AHEAD <= age <= self.longest:  # one of next year would be young for ever
            return None
        return peer in known.domains.get(domain.lower(), frozenset())
