"""``pli restore``: a backup becomes a data folder, whole or not at all.

Nobody is let in by what was true once: sessions are gone, open activation links have ended, uploads that no message
names start again. What was revoked or sent after the backup is unknown to the restored server; the devices that know
better raise the alarm (``rollback``). docs/operate/backup.md says what to do then.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Final

import pysqlite3.dbapi2 as sqlite

from server.admin import archive, seal
from server.admin.folder import sync
from server.admin.migrate import upgrade
from server.admin.terminal import NOT_FOUND, CommandError, progress
from server.storage.identity import DATABASE

_FORGET: Final = (
    "DELETE FROM session",
    "UPDATE activation SET expires = 0 WHERE account IS NULL",
    "DELETE FROM attachment WHERE id NOT IN (SELECT attachment FROM attachment_link)",
)


def bring_back(backup: Path, data: Path, opener: seal.Opener) -> dict[str, Any]:
    """Make the data folder ``data``, absent or empty, from the file ``backup``.

    Raises:
        CommandError: ``not_found``, ``folder_not_empty``, ``backup_damaged``, ``backup_sealed``, ``wrong_key``,
            ``schema_newer``.

    """
    if data.exists() and (not data.is_dir() or any(data.iterdir())):
        raise CommandError("folder_not_empty", f"{data} is not empty; a restore never mixes with what is there")
    data.parent.mkdir(parents=True, exist_ok=True)
    draft = data.with_name(f".{data.name}.restoring")
    shutil.rmtree(draft, ignore_errors=True)  # of a restore that was killed
    draft.mkdir(mode=0o700)
    try:
        manifest = take_out(backup, draft, opener)
        progress("every file is what the manifest says")
        _forget(draft / DATABASE)
        upgrade(draft / DATABASE)
        _settle(draft, data)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return {"data": str(data), "made": manifest.made, "server": manifest.server, "counts": manifest.counts}


def take_out(backup: Path, to: Path, opener: seal.Opener) -> archive.Manifest:
    """Unpack ``backup`` into the folder ``to``.

    Raises:
        CommandError: see ``bring_back``.

    """
    try:
        with backup.open("rb") as source:
            return archive.unpack(seal.opened(source, opener), to)
    except (FileNotFoundError, IsADirectoryError):
        raise CommandError("not_found", f"there is no file {backup}", status=NOT_FOUND) from None


def _forget(database: Path) -> None:
    connection = sqlite.connect(database, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        for statement in _FORGET:
            connection.execute(statement)
        connection.execute("COMMIT")
    finally:
        connection.close()


def _settle(draft: Path, data: Path) -> None:
    """Give the folder its name once everything in it is on the disk."""
    for path in (*draft.rglob("*"), draft):
        if path.is_dir() or path.name.startswith("pli.db"):
            sync(path)
    if data.exists():
        data.rmdir()
    draft.rename(data)
    sync(data.parent)
