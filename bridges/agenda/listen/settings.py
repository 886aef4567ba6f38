"""What ``pli-bridge agenda listen`` is told: one TOML file, refused when anything in it is unknown.

Source: docs/operate/agenda-partners.md.
"""

import ssl
import tomllib
from ipaddress import ip_address
from pathlib import Path

import msgspec

from bridges.agenda.config import convert, secret
from bridges.agenda.fhir.gate import server_context
from bridges.agenda.fhir.terms import Audience
from bridges.kit.errors import UsageError


class _Told(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Door(_Told, frozen=True, kw_only=True):
    """Where something listens, and its TLS. A door beyond this machine has TLS."""

    host: str = "127.0.0.1"
    port: int
    certificate_file: str = ""
    key_file: str = ""
    authority_file: str = ""  # whose certificates callers must show


class PushPartner(_Told, frozen=True, kw_only=True):
    """Somebody who signs messages."""

    name: str
    secret_files: list[str] = []
    public_keys: list[str] = []  # base64, 32 bytes each
    zone: str = ""


class WebhookSettings(Door, frozen=True, kw_only=True):
    """Signed HTTPS messages."""

    partners: list[PushPartner]


class MllpSettings(Door, frozen=True, kw_only=True):
    """HL7 v2 of one practice software."""

    source: str
    networks: list[str] = []
    zone: str = ""


class CallerSettings(_Told, frozen=True, kw_only=True):
    """A partner of the FHIR endpoint, as its certificate names it."""

    name: str
    common_name: str
    unit: str


class PlaceSettings(_Told, frozen=True, kw_only=True):
    """A place of one professional; ``agenda`` names the settings of its agenda."""

    key: str
    agenda: str
    structure: str
    lines: list[str]
    city: str
    postal_code: str
    booking: str
    audiences: tuple[Audience, ...] = ("PUBLIC",)
    specialties: list[str] = []
    walk_in: bool = False


class ProfessionalSettings(_Told, frozen=True, kw_only=True):
    """Somebody whose slots are published."""

    rpps: str
    family: str
    given: str
    phone: str = ""
    places: list[PlaceSettings]


class FhirSettings(Door, frozen=True, kw_only=True):
    """Our FHIR endpoint."""

    base: str  # public address, without a slash at its end
    callers: list[CallerSettings]
    professionals: list[ProfessionalSettings]


class SiteSettings(_Told, frozen=True, kw_only=True):
    """A place whose free slots are published as files."""

    key: str
    agenda: str
    name: str
    phone: str
    page: str
    lines: list[str]
    city: str
    postal_code: str


class PublishSettings(_Told, frozen=True, kw_only=True):
    """SMART Scheduling Links."""

    folder: str
    base: str
    sites: list[SiteSettings]
    days: int = 28
    minutes: int = 5  # between two publications


class Settings(_Told, frozen=True, kw_only=True):
    """Everything that listens or publishes for one practice."""

    inbox: str = "inbox.db"
    zone: str = "Europe/Paris"
    webhook: WebhookSettings | None = None
    mllp: list[MllpSettings] = []
    fhir: FhirSettings | None = None
    publish: PublishSettings | None = None
    folder: Path = Path()  # where the file lies; set by ``load``

    def beside(self, name: str) -> Path:
        """Give the path of a file that the settings name."""
        return self.folder / Path(name).expanduser()

    def secret(self, name: str) -> bytes:
        """Read a secret that only its owner may read."""
        return secret(self.beside(name)).encode()

    def tls(self, door: Door, *, needed: bool) -> ssl.SSLContext | None:
        """Make the TLS of a door. Raises UsageError when it needs one and has none.

        Args:
            door: that listens.
            needed: whether it needs one even on this machine: callers are known by their certificates.

        """
        if not door.certificate_file:
            if needed or not _is_here(door.host):
                raise UsageError("usage", "certificate_file: a door beyond this machine has TLS")
            return None
        certificate, key = (self.beside(each) for each in (door.certificate_file, door.key_file))
        try:
            if door.authority_file:
                return server_context(certificate, key, self.beside(door.authority_file))
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(certificate, key)
        except ssl.SSLError:
            raise UsageError("usage", "certificate_file, key_file, authority_file: PEM") from None
        return context


def load(path: Path) -> Settings:
    """Read the settings. Raises UsageError (``usage``) with what is wrong, never with a value."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError("usage", f"--config: {error}") from None
    return convert({**told, "folder": path.resolve().parent}, Settings, "--config")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
