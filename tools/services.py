"""Real PostgreSQL, Redis and S3 servers for tests and measurements: on free ports, in a temporary place, ended at exit.

`python tools/services.py` starts all three, prints their addresses and waits for Ctrl-C.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

PATIENCE = 60  # seconds a server may take to answer
_KEPT = 64  # ports; more than are chosen before the program that the first is for has bound it


class MissingError(Exception):
    """A program is not installed, or may not be started from here. The text is the reason."""


_GIVEN: deque[socket.socket] = deque()
"""Names of the ports that this process was given lately. While they are held no other process is given these."""


def free_port(many: int = 1) -> int:
    """The first of so many free ports in a row, below those that the system gives to whoever asks for any.

    A program binds its port a while after it was chosen. Until then nothing but this function could take it, and this
    function gives it to nobody else: not here, not in a test process beside this one.
    """
    while True:
        first = secrets.choice(range(12_000, 32_000))
        with ExitStack() as tried:
            names = [tried.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) for _ in range(many)]
            try:
                for port, name in enumerate(names, first):
                    name.bind(f"\0pli-port-{port}")  # in no folder: it is gone with its socket, however that ends
                    tried.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            _GIVEN.extend(socket.socket(fileno=name.detach()) for name in names)
        while len(_GIVEN) > _KEPT:
            _GIVEN.popleft().close()
        return first


@atexit.register
def _give_back() -> None:
    while _GIVEN:
        _GIVEN.popleft().close()


def program(name: str, *folders: str) -> str:
    path = os.pathsep.join([*folders, os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    found = shutil.which(name, path=path)
    if found is None:
        raise MissingError(f"{name} is not installed")
    return found


def _lives(pid: int) -> bool:
    """Tell whether a process runs; one that only waits to be collected holds nothing."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


@dataclass
class Service:
    """A server process on a free port, its files in a folder of its own."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="pli-service-")))
    port: int = field(default_factory=free_port)
    process: subprocess.Popen | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def options(self) -> dict:
        return {}

    def start(self) -> None:
        """Start the process and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                **self.options(),
            )
        deadline = time.monotonic() + PATIENCE
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                said = (self.folder / "log").read_text(errors="replace")[-2000:]
                self.kill()
                raise MissingError(f"{type(self).__name__} does not start here: {said}")
            time.sleep(0.05)

    def signal(self, number: int) -> None:
        """Send a signal to the process and its children (the whole group)."""
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End the process at once, as a power cut would; its files stay."""
        self.signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(10)

    def remove(self) -> None:
        """End the process and delete its files."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@dataclass
class Postgres(Service):
    """`initdb` and `postgres` as the user postgres when this is root (PostgreSQL refuses to run as root)."""

    _databases: int = 0

    def __post_init__(self) -> None:
        folders = sorted(
            Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), reverse=True
        )
        self._bin = [str(path) for path in folders]
        self.folder.chmod(0o711)  # the other user reaches what is its own
        (self.folder / "log").touch()
        (self.folder / "data").mkdir()
        if "user" in self.options():
            who = pwd.getpwnam("postgres")
            os.chown(self.folder / "data", who.pw_uid, who.pw_gid)
        chosen = ["-U", "pli", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]
        done = subprocess.run(
            [program("initdb", *self._bin), "-D", str(self.folder / "data"), *chosen],
            check=False,
            capture_output=True,
            text=True,
            cwd="/",
            **self.options(),
        )
        if done.returncode != 0:
            raise MissingError(f"initdb failed: {done.stderr[-500:]}")

    def options(self) -> dict:
        if os.geteuid() != 0:
            return {}
        try:
            pwd.getpwnam("postgres")
        except KeyError:
            raise MissingError("there is no user postgres to run PostgreSQL as") from None
        return {"user": "postgres", "group": "postgres", "extra_groups": []}

    def command(self) -> list[str]:
        data = str(self.folder / "data")
        chosen = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "max_connections": "100"}
        options = [f"-c{name}={value}" for name, value in chosen.items()]
        return [program("postgres", *self._bin), "-D", data, "-p", str(self.port), *options]

    def kill(self) -> None:
        """End all of its processes: each connection has one of its own, which would go on with what it was asked."""
        if self.process is None or self.process.poll() is not None:
            return
        self.signal(signal.SIGSTOP)  # so that it begins no further ones
        pid = self.process.pid
        theirs = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        super().kill()
        for each in theirs:
            with suppress(ProcessLookupError):
                os.kill(int(each), signal.SIGKILL)
        deadline = time.monotonic() + PATIENCE
        while any(_lives(int(each)) for each in theirs):  # until then the next start is refused: their memory is in use
            if time.monotonic() > deadline:
                raise TimeoutError("processes of PostgreSQL do not end")
            time.sleep(0.01)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://pli@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str) -> object:
        """Run one statement in the database `postgres` and return its first value. It runs an event loop."""

        async def run() -> object:
            connection = await asyncpg.connect(self.url(), timeout=5)
            try:
                return await connection.fetchval(statement)
            finally:
                await connection.close()

        return asyncio.run(run())

    def answers(self) -> bool:
        if not super().answers():
            return False
        try:
            self.sql("SELECT 1")
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return False
        return True

    def database(self, template: str = "template1") -> str:
        """Make a database and return its name."""
        self._databases += 1
        name = f"pli_{self._databases}"
        self.sql(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name


class Redis(Service):
    """Redis without persistence."""

    def command(self) -> list[str]:
        chosen = {"port": self.port, "bind": "127.0.0.1", "save": "", "appendonly": "no", "dir": self.folder}
        words = [str(word) for name, value in chosen.items() for word in (f"--{name}", value)]
        return [program("redis-server"), *words]

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"


class S3(Service):
    """SeaweedFS: one process with master, volume, filer and S3."""

    def command(self) -> list[str]:
        words = [program("weed"), "server", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-dir={self.folder}"]
        words += ["-s3", f"-s3.port={self.port}", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
        for name in ("master", "volume", "filer"):
            port = free_port(2)
            words += [f"-{name}.port={port}", f"-{name}.port.grpc={port + 1}"]
        grpc = free_port()
        return [*words, f"-s3.port.grpc={grpc}", "-volume.max=500", "-master.volumeSizeLimitMB=64"]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class LockedS3(S3):
    """SeaweedFS that asks for a key: `whole` may do everything, `reader` reads and lists."""

    SECRET = "the-secret-of-a-test"  # noqa: S105

    def command(self) -> list[str]:
        allowed = {"whole": ["Admin"], "reader": ["Read", "List"]}
        identities = [
            {"name": name, "credentials": [{"accessKey": name, "secretKey": self.SECRET}], "actions": actions}
            for name, actions in allowed.items()
        ]
        (self.folder / "s3.json").write_text(json.dumps({"identities": identities}))
        return [*super().command(), f"-s3.config={self.folder / 's3.json'}"]


def main() -> int:
    running = []
    try:
        for kind in (Postgres, Redis, S3):
            service = kind()
            service.start()
            running.append(service)
            print(f"{kind.__name__}: {service.url() if isinstance(service, Postgres) else service.url}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    finally:
        for service in running:
            service.remove()
    return 0


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    sys.exit(main())
