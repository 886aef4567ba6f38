"""The configuration of a drop folder: TOML. Source: docs/operate/folder.md."""

from pathlib import Path
from typing import Any

import msgspec

from bridges.kit.errors import UsageError


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All of it. Relative paths start at the folder of the configuration."""

    home: Path
    state: Path
    folder: Path
    owner: str  # whose software writes here, as people in conversations read it
    server: str | None = None
    invite: bool = False  # invite patients who are not known, by the name in the document
    production: bool = True  # test identities are refused
    team: list[str] = []  # accounts of professionals who are let into every conversation
    every: float = 5.0  # seconds between two looks
    settle: float = 2.0  # seconds without a change, after which a file is complete
    patience: float = 3600.0  # seconds after which a file without its sidecar, or half of one, is refused


def load(path: Path) -> Config:
    """Read a configuration; raises UsageError (``file_unreadable``, ``usage``)."""
    try:
        octets = path.read_bytes()
    except OSError as error:
        raise UsageError("file_unreadable", type(error).__name__, path=str(path)) from error
    base = path.resolve().parent

    def decode(kind: type, value: Any) -> Any:
        if kind is not Path or not isinstance(value, str):
            raise ValueError("a path")
        return base / Path(value).expanduser()

    try:
        return msgspec.toml.decode(octets, type=Config, dec_hook=decode)
    except (msgspec.DecodeError, ValueError) as error:
        raise UsageError("usage", f"{path.name}: {error}") from None
