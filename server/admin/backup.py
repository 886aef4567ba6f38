"""``pli backup``: one file with everything, made while the server runs.

The database is copied first, through SQLite's own backup interface inside one read transaction: a consistent state that
holds every message acknowledged before it began, and no writer waits for it. The documents follow: what that state
names is on the disk, and stays there while the backup has its lock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import pysqlite3.dbapi2 as sqlite

from server.admin import archive, seal
from server.admin.archive import Entry, Manifest
from server.admin.folder import require_laid_out, sync
from server.admin.lock import FolderLock
from server.admin.terminal import UNREACHABLE, CommandError, progress
from server.clock import Clock, SystemClock
from server.domain.ids import b64
from server.settings import Settings
from server.storage.identity import DATABASE, NAME, load_identity

LOCK: Final = "backup.lock"
STAGING: Final = "backup-staging"
PAGES: Final = 4096  # pages copied between two lines of progress
_COUNTED: Final = ("account", "conversation", "event", "attachment")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A copy of the database, and what it says."""

    path: Path
    at: int
    schema: str
    counts: dict[str, int]
    documents: list[tuple[bytes, int]]
    """Id and size of every document that a message names."""


def make(settings: Settings, to: Path, lock: seal.Lock | None, clock: Clock | None = None) -> dict[str, Any]:
    """Write a backup of ``settings.data`` to the file ``to``, or to a file named by the time in the folder ``to``.

    Raises:
        CommandError: ``not_initialised``, ``file_exists``, ``backup_running``, ``no_room``, ``document_missing``.

    """
    clock = clock or SystemClock()
    require_laid_out(settings.data)
    target = _target(to, clock, sealed=lock is not None)
    with _alone(settings.data) as staging, _whole_or_absent(target) as out:
        snapshot = _copy_database(settings.database, staging, clock)
        stream = seal.SealedWriter(out, lock) if lock else out
        manifest = archive.write(
            cast("BinaryIO", stream), _files(settings.data, snapshot), _describe(settings.data, snapshot)
        )
        if isinstance(stream, seal.SealedWriter):
            stream.finish()
    size = target.stat().st_size
    return {"file": str(target), "bytes": size, "made": manifest.made, "sealed": lock is not None} | {
        "counts": manifest.counts
    }


def _target(to: Path, clock: Clock, *, sealed: bool) -> Path:
    if to.is_dir():
        stamp = datetime.fromtimestamp(clock.now() / 1000, UTC).strftime("%Y%m%dT%H%M%SZ")
        to /= f"pli-{stamp}.{'sealed' if sealed else 'tar'}"
    if to.exists():
        raise CommandError("file_exists", f"{to} is there already; nothing is overwritten")
    if not to.parent.is_dir():
        raise CommandError("no_folder", f"there is no folder {to.parent}")
    return to


@contextmanager
def _alone(data: Path) -> Iterator[Path]:
    """Hold the lock of backups; yield an empty folder for the copy of the database."""
    lock, staging = FolderLock(data, LOCK), data / STAGING
    if not lock.take():
        raise CommandError("backup_running", "another backup of this folder is being made")
    try:
        shutil.rmtree(staging, ignore_errors=True)  # of a backup that was killed
        staging.mkdir(mode=0o700)
        yield staging
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        lock.release()


@contextmanager
def _whole_or_absent(target: Path) -> Iterator[BinaryIO]:
    """Yield a file that gets its name when it is complete and on the disk."""
    draft = target.with_name(f".{target.name}.part")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        draft.rename(target)
        sync(target.parent)
    except (OSError, sqlite.Error) as exc:
        why = os.strerror(exc.errno) if isinstance(exc, OSError) and exc.errno else str(exc)
        message = f"the backup cannot be made: {why}"
        raise CommandError("no_room", message, hint="nothing was left half-written", status=UNREACHABLE) from None
    finally:
        draft.unlink(missing_ok=True)


def _copy_database(database: Path, staging: Path, clock: Clock) -> Snapshot:
    free, size = shutil.disk_usage(staging).free, database.stat().st_size
    if free < size:
        message = f"the data folder has room for {free} bytes, the copy of the database needs {size}"
        raise CommandError("no_room", message, hint="make room", status=UNREACHABLE)
    path, at = staging / DATABASE, clock.now()
    source = sqlite.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)
    copy = sqlite.connect(path, isolation_level=None)
    try:
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # from here on the reader sees one state
        source.backup(copy, pages=PAGES, progress=_tell)
        _forget_sessions(copy)
        return _look(copy, path, at)
    finally:
        copy.close()
        source.close()


def _tell(_status: int, remaining: int, total: int) -> None:
    if total:
        progress(f"database {100 * (total - remaining) // total} %")


def _forget_sessions(copy: Any) -> None:
    """A backup carries no session: a copy of it opens no account, and a restored one resurrects none."""
    for statement in ("PRAGMA journal_mode=DELETE", "PRAGMA secure_delete=ON", "DELETE FROM session"):
        copy.execute(statement).fetchall()


def _look(copy: Any, path: Path, at: int) -> Snapshot:
    counts = {name: copy.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in _COUNTED}  # noqa: S608
    documents = copy.execute(
        "SELECT a.id, a.size FROM attachment a WHERE EXISTS"
        " (SELECT 1 FROM attachment_link l WHERE l.attachment = a.id) ORDER BY a.id"
    ).fetchall()
    schema = copy.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    return Snapshot(path, at, schema, counts | {"attachment": len(documents)}, documents)


def _files(data: Path, snapshot: Snapshot) -> Iterator[tuple[str, Path]]:
    yield NAME, data / NAME
    yield DATABASE, snapshot.path
    step = max(1, len(snapshot.documents) // 20)
    for done, (document, size) in enumerate(snapshot.documents, 1):
        name = f"blobs/{document.hex()[:2]}/{document.hex()}"
        path = data / name
        if not path.is_file() or path.stat().st_size != size:
            message = f"{name} is named by a message and not there, or of another size"
            raise CommandError("document_missing", message, hint="run `pli verify`; the last good backup has it")
        yield name, path
        if done % step == 0:
            progress(f"documents {done} of {len(snapshot.documents)}")


def _describe(data: Path, snapshot: Snapshot) -> Callable[[dict[str, Entry]], Manifest]:
    def manifest(files: dict[str, Entry]) -> Manifest:
        return Manifest(
            format=archive.FORMAT,
            made=snapshot.at,
            version=version("pli"),
            schema=snapshot.schema,
            server=b64(load_identity(data).id),
            counts=snapshot.counts,
            files=files,
        )

    return manifest
