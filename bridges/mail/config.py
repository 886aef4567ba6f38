"""The configuration of a running mail bridge: TOML, secrets in files of their own. Source: docs/operate/mail.md."""

import re
import ssl
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from bridges.kit.errors import UsageError
from bridges.kit.keystore import refuse_wide
from bridges.mail.address import Address, AddressError, read_address
from bridges.mail.causes import Language
from bridges.mail.imap import Security
from bridges.mail.inputs import Writer
from bridges.mail.lmtp_service import Operator

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
_CODE: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_DOMAIN: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?\.[a-z]{2,}")

RevocationPolicy = Literal["named", "required", "off"]
"""``named``: asked where the certificate says where. ``required``: a certificate that does not say is not taken."""


class Refresh(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a fresh access token is fetched with a refresh token (RFC 6749 6). The access token is kept nowhere."""

    url: str
    client_id: str
    refresh_token_file: Path
    client_secret_file: Path | None = None


class Login(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a box is entered: exactly one of password, token command and refresh, or a client certificate alone."""

    user: str = ""
    password_file: Path | None = None
    token_command: list[str] = []  # prints an access token on its first line
    refresh: Refresh | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def check(self, where: str) -> None:
        """Raise UsageError (``usage``) for a way in that is none, or several."""
        ways = sum(map(bool, (self.password_file, self.token_command, self.refresh)))
        if ways > 1 or (ways == 0 and self.certificate_file is None):
            raise UsageError("usage", f"{where}: one of password_file, token_command, refresh, certificate_file")
        if ways and not self.user:
            raise UsageError("usage", f"{where}: user")


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where IMAP or SMTP is. Without ``host`` it is looked up in the DNS of the address (RFC 6186)."""

    login: Login
    host: str = ""
    port: int = 0
    security: Security = "tls"
    folder: str = "INBOX"  # IMAP
    ca_file: Path | None = None  # PEM; else the system's authorities
    revocation: RevocationPolicy = "named"


class Box(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One mailbox. Without ``imap`` its mail comes by LMTP or a drop folder."""

    name: str
    address: str
    owner: str  # whose mailbox it is, as people in conversations read it
    imap: Server | None = None
    smtp: Server | None = None
    operator: Operator | None = None  # mail of a whole patient domain, by LMTP behind Postfix
    deliver: Literal["smtp", "append"] = "smtp"
    unknown: Literal["leave", "bounce"] = "leave"  # mail about somebody who is no patient here
    history: bool = False  # also carry what lies in the mailbox when the bridge first sees it
    receipts: bool = True  # answer requests for a read receipt, and ask for some

    @property
    def mailbox(self) -> Address:
        """The address, read."""
        return read_address(self.address)


class DirectorySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the national directory is asked, and with which key; without ``key_file`` it is not."""

    key_file: Path | None = None
    url: str = "https://gateway.api.esante.gouv.fr/fhir/v2"
    inside: bool = False  # a copy at an address of the inside, where http:// may be spoken
    ca_file: Path | None = None  # PEM; else the system's authorities


class Trust(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whose mail counts: domains and what is below them, or the domains of the signed list."""

    senders: tuple[str, ...] = ("mssante.fr",)
    list_file: Path | None = None
    issuer: str | None = None
    signer: str | None = None  # name of the certificate that signs it
    ca_file: Path | None = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it."""

    home: Path
    state: Path
    box: list[Box]
    server: str | None = None
    software: str = "PLI"  # X-MSS-NIL
    language: Language = "fr"  # of what the bridge says about mails that did not arrive
    production: bool = True  # test identities are refused
    patient_domains: list[str] = []  # <15 signs>@domain is a patient of ours
    team: list[str] = []  # accounts of professionals who are let into every conversation
    every: float = 20.0  # seconds between two looks when nothing was announced
    trust: Trust = Trust()
    directory: DirectorySettings = DirectorySettings()
    entitlements: Path | None = (
        None  # which professions write which documents; else bridges/mail/codes/entitlements.tsv
    )
    pdf_a: bool = True  # PDFs of archives leave as PDF/A-1b, where Ghostscript is installed
    calendar: Path | None = None  # folder shared with the agenda bridge: calendars by mail, in and out
    writer: dict[str, Writer] = {}  # RPPS → the professional as an archive names it (docs/operate/mail.md)

    @property
    def own_domains(self) -> list[str]:
        """Domains whose addresses name patients of ours."""
        return [*self.patient_domains, *(box.operator.domain.lower() for box in self.box if box.operator)]

    def named(self, name: str) -> Box | None:
        """Find a box."""
        return next((box for box in self.box if box.name == name), None)


def load(path: Path) -> Config:
    """Read a configuration; paths in it are relative to it.

    Raises:
        UsageError: ``file_unreadable``, ``home_unsafe`` (others may change it), ``usage``.

    """
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
    try:
        config = msgspec.toml.decode(octets, type=Config, dec_hook=_path(path.resolve().parent))
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError("usage", f"{path.name}: {error}") from None
    _check(config)
    return config


def _path(base: Path) -> Any:
    def decode(kind: type, value: Any) -> Any:
        if kind is not Path or not isinstance(value, str):
            raise ValueError("a path")
        return base / Path(value).expanduser()

    return decode


def _check(config: Config) -> None:
    names = [box.name for box in config.box]
    if not names or len(set(names)) != len(names) or not all(map(_NAME.fullmatch, names)):
        raise UsageError("usage", "box: names of a to z, 0 to 9, - and _, each once")
    if not _CODE.fullmatch(config.software):
        raise UsageError("usage", "software")
    for domain in (*config.patient_domains, *config.trust.senders):
        if not _DOMAIN.fullmatch(domain):
            raise UsageError("usage", f"not a domain: {domain[:60]}")
    for box in config.box:
        _check_box(box)


def _check_box(box: Box) -> None:
    try:
        read_address(box.address)
    except AddressError:
        raise UsageError("usage", f"box {box.name}: address") from None
    if box.deliver == "append" and box.imap is None:
        raise UsageError("usage", f"box {box.name}: deliver = append needs imap")
    for server, kind in ((box.imap, "imap"), (box.smtp, "smtp")):
        if server is not None:
            server.login.check(f"box {box.name}: {kind}")


def context_of_authority(path: Path | None) -> ssl.SSLContext:
    """Give a TLS context that believes one authority, or the system's; raises UsageError (``file_unreadable``)."""
    try:
        context = ssl.create_default_context(cafile=str(path) if path else None)
    except (OSError, ssl.SSLError) as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def read_secret(path: Path) -> str:
    """Read the first line of a file of mode 0600; raises UsageError (``home_unsafe``, ``file_unreadable``)."""
    try:
        refuse_wide(path)
        return path.read_text("utf-8").partition("\n")[0].rstrip("\r")
    except OSError as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
