"""``pli doctor``: a line for everything that an operator can get wrong: ``OK``, or what to do."""

from __future__ import annotations

import http.client
import os
import resource
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pysqlite3.dbapi2 as sqlite
from alembic.script import ScriptDirectory

from server.admin import migrate, reach
from server.admin.folder import require_keys, require_laid_out
from server.admin.lock import NAME as LOCK
from server.admin.lock import FolderLock
from server.admin.reach import OK, Told, UnaskedError, Verdict
from server.admin.terminal import CommandError
from server.clock import Clock, SystemClock
from server.jobs.work import JOBS
from server.settings import Settings
from server.storage.blobs import RESERVE
from server.storage.engine import FLOOR
from server.storage.identity import NAME
from server.storage.schema import MIGRATIONS
from server.transport import pages

ROOM: Final = 2 * 1024**3  # bytes free below which somebody should look
LONG_WAL: Final = 256 * 1024**2  # bytes of write-ahead log that a checkpoint should have folded in
DESCRIPTORS: Final = 4096
LATE: Final = 120_000  # milliseconds by which a clock may be behind what it has written


@dataclass(frozen=True, slots=True)
class Line:
    """What was looked at; ``look``: it works, but; ``fix``: it does not."""

    name: str
    verdict: Verdict
    told: str = ""

    def text(self) -> str:
        """Return the line for a person."""
        return f"OK    {self.name}" if self.verdict == "ok" else f"{self.verdict.upper():5} {self.name}: {self.told}"


def examine(settings: Settings, clock: Clock | None = None) -> list[Line]:
    """Look at everything; a check that cannot be made says so, and the others go on."""
    look = _Look(settings, clock or SystemClock())
    return [_guarded(name, check) for name, check in look.checks()]


def document(lines: list[Line]) -> dict[str, Any]:
    """Return the answer of the command."""
    told = [{"name": line.name, "verdict": line.verdict, "told": line.told} for line in lines]
    return {"healthy": all(line.verdict != "fix" for line in lines), "checks": told}


def _guarded(name: str, check: Callable[[], Told]) -> Line:
    try:
        verdict, told = check()
    except CommandError as exc:
        verdict, told = "fix", f"{exc.message}; {exc.hint}"
    except UnaskedError:
        verdict, told = "look", "not examined: see PostgreSQL and schema"
    except (OSError, sqlite.Error) as exc:
        verdict, told = "fix", f"cannot be examined ({exc})"
    return Line(name, verdict, told)


@dataclass(frozen=True, slots=True)
class _Look:
    settings: Settings
    clock: Clock

    def checks(self) -> Iterator[tuple[str, Callable[[], Told]]]:
        yield "data folder", self._folder
        yield "keys of the server", self._keys
        yield from self._kept()
        yield "schema", self._schema
        yield "disk room", self._room
        yield "clock", self._clock
        yield "background jobs", self._jobs
        yield "port", self._port
        yield "public URL", self._url
        yield "proxies", self._proxies
        yield "web client", self._web
        yield "file descriptors", self._descriptors

    def _kept(self) -> Iterator[tuple[str, Callable[[], Told]]]:
        """Look at what keeps everything: files here, or what the settings name."""
        database, redis, bucket = self.settings.database_url, self.settings.redis_url, self.settings.blobs_url
        if database:
            yield "PostgreSQL", lambda: reach.database(database)
        else:
            yield "SQLite", self._sqlite
            yield "write-ahead log", self._wal
        if redis:
            yield "Redis", lambda: reach.hints(redis)
        yield "documents", (lambda: reach.documents(bucket)) if bucket else self._documents

    @property
    def _data(self) -> Path:
        return self.settings.data

    def _laid_out(self) -> None:
        if self.settings.database_url:
            require_keys(self._data)
        else:
            require_laid_out(self._data)

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Ask the database that this installation uses, which is not changed by it."""
        self._laid_out()
        if self.settings.database_url:
            return reach.rows(self.settings.database_url, sql)
        with closing(sqlite.connect(f"file:{self.settings.database}?mode=ro", uri=True)) as connection:
            found: list[tuple[Any, ...]] = connection.execute(sql).fetchall()
            return found

    def _folder(self) -> Told:
        self._laid_out()
        return _private(self._data, 0o700)

    def _keys(self) -> Told:
        self._laid_out()
        return _private(self._data / NAME, 0o600)

    def _sqlite(self) -> Told:
        floor = ".".join(map(str, FLOOR))
        if sqlite.sqlite_version_info < FLOOR:
            return "fix", f"{sqlite.sqlite_version} can lose data; install the locked pysqlite3 ({floor} or newer)"
        return OK

    def _documents(self) -> Told:
        require_keys(self._data)
        for name in ("parts", "blobs"):  # made at the first start
            told = _private(self._data / name, 0o700) if (self._data / name).exists() else OK
            if told != OK:
                return told
        return OK

    def _schema(self) -> Told:
        self._laid_out()
        url = self.settings.database_url
        here = reach.revision(url) if url else migrate.revision(self.settings.database)
        known = [each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions()]
        newest = known[0]
        if here == newest:
            return OK
        if here is not None and here not in known:
            return "fix", f"at {here}, written by a newer version of Pli: install that, or restore a backup"
        return "look", f"at {here or 'nothing'}, not yet {newest}: run `pli migrate` (or let `pli serve` do it)"

    def _room(self) -> Told:
        free = shutil.disk_usage(self._data).free
        if free < RESERVE:
            return "fix", f"{free >> 20} MiB free: documents are refused, soon messages too; make room"
        return OK if free >= ROOM else ("look", f"{free >> 20} MiB free; plan more room")

    def _wal(self) -> Told:
        wal = self.settings.database.with_name(self.settings.database.name + "-wal")
        size = wal.stat().st_size if wal.exists() else 0
        if size <= LONG_WAL:
            return OK
        return "look", f"{size >> 20} MiB: a long reader (backup, verify) holds it up, or end and start the server"

    def _clock(self) -> Told:
        newest = self._rows("SELECT max(last_at) FROM conversation")[0][0] or 0
        written = max(newest, int((self._data / NAME).stat().st_mtime * 1000))
        behind = written - self.clock.now()
        if behind <= LATE:
            return OK
        return "fix", f"{behind // 1000} s behind what this server has written before: set the clock (chrony, NTP)"

    def _jobs(self) -> Told:
        rows = dict(self._rows("SELECT name, coalesce(done, began) FROM job"))
        wanted = [job for job in JOBS if job.wanted(self.settings) and job.name in rows]
        late = [job.name for job in wanted if self._runs() and self.clock.now() - rows[job.name] > 4 * job.every]
        if not late:
            return OK
        return "look", f"{', '.join(late)}: not done for a while; the log says why (`job_failed`)"

    def _port(self) -> Told:
        host, port = self.settings.host, self.settings.port
        if self._runs():
            return OK if port == 0 or _ready(host, port) else ("fix", f"the server runs, but not ready on port {port}")
        try:
            with socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET):
                return OK
        except OSError as exc:
            return "fix", f"{host} port {port}: {os.strerror(exc.errno or 0)}; choose another PLI_PORT or PLI_HOST"

    def _runs(self) -> bool:
        if not (self._data / LOCK).exists():
            return False
        lock = FolderLock(self._data)
        free = lock.take()
        lock.release()
        return not free

    def _url(self) -> Told:
        url = self.settings.public_url
        if url is None:
            return "look", "not set: invitations carry this machine's own address; set PLI_PUBLIC_URL for good"
        said = urlsplit(url)
        if said.scheme == "http" and said.hostname not in {"localhost", "127.0.0.1", "::1"}:
            return "fix", "http: browsers refuse the keys' interface; let a proxy end TLS and say https://"
        return OK

    def _proxies(self) -> Told:
        if (self.settings.public_url or "").startswith("https:") and not self.settings.trusted_proxies:
            return "look", "PLI_TRUSTED_PROXIES is empty: behind a proxy all people share one limit of tries"
        return OK

    def _web(self) -> Told:
        if not self.settings.web:
            return OK
        try:
            pages.load(pages.ROOT, https=True)
        except pages.WebrootError as exc:
            return "fix", f"{exc}; or serve the API alone with --no-web"
        return OK

    def _descriptors(self) -> Told:
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        if limit >= DESCRIPTORS or limit == resource.RLIM_INFINITY:
            return OK
        return "look", f"{limit} open files: fewer connections than that; LimitNOFILE=65536 in the unit"


def _private(path: Path, mode: int) -> Told:
    told = path.stat()
    if told.st_uid != os.geteuid():
        return "fix", f"{path} belongs to another user; run this as that user, or chown -R"
    if stat.S_IMODE(told.st_mode) & 0o077:
        return "fix", f"others can read {path}: chmod {mode:o} {path}"
    if not os.access(path, os.W_OK):
        return "fix", f"{path} cannot be written"
    return OK


def _ready(host: str, port: int) -> bool:
    own = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  # compared, not bound
    connection = http.client.HTTPConnection(own, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.client.OK
    except OSError:
        return False
    finally:
        connection.close()
