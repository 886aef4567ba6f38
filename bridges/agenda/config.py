"""The settings of an agenda: one TOML file, refused when anything in it is unknown. Source: docs/operate/agenda.md."""

import tomllib
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from bridges.agenda.calendar.zones import of_place
from bridges.agenda.openings import Opening
from bridges.kit.errors import UsageError

_T = TypeVar("_T")


class Publish(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where what is booked can be subscribed to: neutral entries, no name, no motive."""

    file: str = ""  # written whole after each change, mode 600
    listen: str = ""  # address:port of a feed; a reverse proxy with TLS stands in front
    secret_file: str = ""  # mode 600; the feed is at /SECRET.ics

    def __post_init__(self) -> None:
        host, _, port = self.listen.rpartition(":")
        if self.listen and not (host and port.isascii() and port.isdigit() and int(port) < 65536):
            raise ValueError("listen: address:port")
        if bool(self.listen) != bool(self.secret_file) or not (self.listen or self.file):
            raise ValueError("publish: a file, or listen with secret_file")


class Partner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody who books for the same person elsewhere, and tells."""

    name: str  # as the practice calls it
    provider: dict[str, Any]  # ``kind`` push, link or imip, and what that adapter asks for
    write: bool = False  # copy its appointments into the calendar of this agenda
    practitioner: str = ""  # with its national prefix, where the partner tells of several people's

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 60 or not self.name.isprintable():
            raise ValueError("partners: name: one line of 1 to 60 characters")


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One agenda of one person at one place."""

    name: str  # of this agenda among those of the practice; never leaves it
    zone: str  # of the place
    provider: dict[str, Any]  # ``kind`` and what that adapter asks for
    openings: list[Opening] = []
    store: str = "agenda.db"  # beside the settings; several agendas of a practice may share it
    page: str = ""  # https address where people book by hand
    answer_with_page: bool = False  # a patient who asks for an appointment is given it
    notice_minutes: int = 120  # between the choice and the slot
    holds_per_person: int = 2
    publish: Publish | None = None
    partners: list[Partner] = []
    folder: Path = Path()  # where the file lies; set by ``load``

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 60 or not self.name.isprintable():
            raise ValueError("name: one line of 1 to 60 characters")
        of_place(self.zone)
        if self.page and not self.page.startswith("https://"):
            raise ValueError("page: begins with https://")
        if not 0 <= self.notice_minutes <= 60 * 24 * 60:
            raise ValueError("notice_minutes: 0 to 60 days")
        if len({each.name for each in self.partners} | {self.name}) <= len(self.partners):
            raise ValueError("partners: each has a name of its own")
        if not 1 <= self.holds_per_person <= 20:
            raise ValueError("holds_per_person: 1 to 20")

    def beside(self, name: str) -> Path:
        """Give the path of a file that the settings name, beside them unless it is absolute."""
        return self.folder / Path(name).expanduser()


def load(path: Path) -> Config:
    """Read the settings. Raises UsageError (``usage``) with what is wrong, never with a value."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError("usage", f"--config: {error}") from None
    if "folder" in told:
        raise UsageError("usage", "--config: unknown field `folder`")
    return convert({**told, "folder": path.resolve().parent}, Config, "--config")


def convert(told: Any, kind: type[_T], where: str) -> _T:
    """Make settings of what a file says; raises UsageError (``usage``)."""
    try:
        return msgspec.convert(told, kind)
    except msgspec.ValidationError as error:
        raise UsageError("usage", f"{where}: {error}") from None


def secret(path: Path) -> str:
    """Read a password that only its owner may read. Raises UsageError (``usage``) for one that others may."""
    if path.stat().st_mode & 0o077:
        raise UsageError("usage", "password_file: only its owner may read it (chmod 600)")
    return path.read_text("utf-8").rstrip("\n")
