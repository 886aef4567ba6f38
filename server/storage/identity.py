"""What makes this server itself: its id, its registry key, its salt. One file, readable by its owner alone."""

from __future__ import annotations

import json
import os
import secrets
from pathlib import Path
from typing import Final

from crypto.kdf import hkdf
from crypto.secret import Secret
from crypto.sign import SigningKey
from server.domain.ids import b64, unb64
from server.services.identity import ServerIdentity
from server.storage.schema import migrate

NAME: Final = "server.key"
DATABASE: Final = "pli.db"


def init_data(data: Path, database_url: str | None = None) -> ServerIdentity:
    """Lay out a data folder (0700), its database and its keys (0600). What is already there stays as it is.

    The database is a file in the folder, or the PostgreSQL at ``database_url``.
    """
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    data.chmod(0o700)
    path = data / NAME
    if not path.exists():
        drawn = {
            "id": secrets.token_bytes(16),
            "registry": secrets.token_bytes(32),
            "code_salt": secrets.token_bytes(16),
        }
        _write_once(path, json.dumps({name: b64(value) for name, value in drawn.items()}).encode())
    migrate(database_url or data / DATABASE)
    if not database_url:
        (data / DATABASE).chmod(0o600)
    return load_identity(data)


def load_identity(data: Path) -> ServerIdentity:
    """Read the keys of a data folder.

    Raises:
        FileNotFoundError: the folder has not been laid out (``pli init``).

    """
    kept = json.loads((data / NAME).read_bytes())
    seed = unb64(kept["registry"], 32)
    return ServerIdentity(
        id=unb64(kept["id"], 16), registry=SigningKey(Secret(seed)), code_salt=unb64(kept["code_salt"], 16)
    )


def stamp_key(data: Path) -> bytes:
    """Return the key (32 bytes) of stamps that every node with the keys of this data folder takes."""
    kept = json.loads((data / NAME).read_bytes())
    return hkdf(unb64(kept["registry"], 32), salt=unb64(kept["id"], 16), info=b"pli/stamps", length=32)


def _write_once(path: Path, content: bytes) -> None:
    """Write a file that is either whole or absent, and on the disk before anybody relies on it."""
    draft = path.with_suffix(".draft")
    handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        os.write(handle, content)
        os.fsync(handle)
    finally:
        os.close(handle)
    draft.rename(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
