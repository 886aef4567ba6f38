"""Agendas of others beside ours: real servers and an independent reader of calendars, from their own environment.

``tools/peers/install.sh`` makes that environment; where it is missing the tests say so and are skipped.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self

import pytest

from tools.services import MissingError, Postgres, Service, program

ROOT = Path(__file__).resolve().parents[2]
PEERS = ROOT / ".venv/peers/bin"
_SOON = datetime.now(UTC) + timedelta(days=14)
SUMMER = datetime(_SOON.year + (_SOON.month > 6), 7, 1, tzinfo=UTC)
"""A day to come within 13 months, whenever the tests run; in the summer time of Europe."""
needs_peers = pytest.mark.skipif(
    not (PEERS / "radicale").exists(), reason="the peers are not installed: tools/peers/install.sh"
)


class Expander:
    """recurring-ical-events, in a process of its own."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [PEERS / "python", ROOT / "tools/peers/expand.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def busy(self, ics: str, start: datetime, end: datetime, zone: str) -> Any:
        """Give the busy stretches as pairs of instants, or the name of the error."""
        asked = {"ics": ics, "start": start.isoformat(), "end": end.isoformat(), "zone": zone}
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if isinstance(answer, str):
            return answer
        return [tuple(datetime.fromisoformat(each) for each in span) for span in answer]


USER, PASSWORD = "alice", "correct horse"


class CalDavService(Service):
    """A CalDAV server with one user, who owns one calendar."""

    calendar = ""  # its path

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"{self.root}{self.calendar}"

    user = USER

    def start(self) -> None:
        super().start()
        if self.ask("PROPFIND", self.calendar, headers={"Depth": "0"})[0] == 404:
            assert self.ask("MKCALENDAR", self.calendar)[0] == 201

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes]:
        """Send one request as the user, as another program of the practice would."""
        word = base64.b64encode(f"{self.user}:{PASSWORD}".encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, {"Authorization": f"Basic {word}", **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def answers(self) -> bool:
        try:
            return super().answers() and self.ask("OPTIONS", "/")[0] < 500
        except (OSError, http.client.HTTPException):
            return False


class Radicale(CalDavService):
    calendar = f"/{USER}/agenda/"

    def command(self) -> list[str]:
        (self.folder / "users").write_text(f"{USER}:{PASSWORD}\n")
        words = ["--server-hosts", f"127.0.0.1:{self.port}", "--storage-filesystem-folder", str(self.folder / "data")]
        words += ["--auth-type", "htpasswd", "--auth-htpasswd-filename", str(self.folder / "users")]
        words += ["--auth-htpasswd-encryption", "plain", "--auth-delay", "0", "--server-max-connections", "200"]
        return [_peer("radicale"), "--config", "", *words]


class Xandikos(CalDavService):
    calendar = f"/{USER}/calendars/calendar/"

    def command(self) -> list[str]:
        words = ["-d", str(self.folder / "data"), "-l", "127.0.0.1", "-p", str(self.port), "--no-detect-systemd"]
        return [_peer("xandikos"), "serve", *words, "--defaults", "--current-user-principal", f"/{USER}/"]


@dataclass
class Davical(CalDavService):
    """DAViCal of Debian on a PostgreSQL of its own, served by PHP itself."""

    calendar = "/caldav.php/admin/agenda/"
    user = "admin"
    database: Postgres = field(default_factory=Postgres)

    SHARE = Path("/usr/share/davical")

    def command(self) -> list[str]:
        if not self.SHARE.is_dir():
            raise MissingError("davical is not installed")
        php = program("php")
        self.database.start()
        known = {"PGHOST": "127.0.0.1", "PGPORT": str(self.database.port), "PGUSER": "pli"}
        where = f"--dbhost 127.0.0.1 --dbport {self.database.port}"
        done = subprocess.run(
            ["sh", str(self.SHARE / "dba/create-database.sh"), "davical", PASSWORD],
            env={**os.environ, **known, "DBAOPTS": where},
            capture_output=True,
            text=True,
        )
        if done.returncode != 0:
            raise MissingError(f"no database: {(done.stdout + done.stderr)[-800:]}")
        for name in ("htdocs", "inc"):
            shutil.copytree(self.SHARE / name, self.folder / name)
        always = self.folder / "htdocs/always.php"
        always.write_text(always.read_text().replace("/etc/davical/config.php", str(self.folder / "config.php")))
        connection = f"dbname=davical user=davical_app host=127.0.0.1 port={self.database.port}"
        (self.folder / "config.php").write_text(
            f'<?php $c->pg_connect[] = "{connection}"; $c->admin_email = "a@example.org"; $c->skip_bad_event_on_import = true;'
        )
        return [php, "-S", f"127.0.0.1:{self.port}", "-t", str(self.folder / "htdocs")]

    def options(self) -> dict:
        return {"env": {**os.environ, "PHP_CLI_SERVER_WORKERS": "8"}}

    def remove(self) -> None:
        super().remove()
        self.database.remove()


SERVERS = [Radicale, Xandikos, Davical]


def _peer(name: str) -> str:
    if not (PEERS / name).exists():
        raise MissingError("the peers are not installed: tools/peers/install.sh")
    return str(PEERS / name)


def settings(folder: Path, url: str, *, user: str = USER, more: str = "", provider: str = "") -> Path:
    """Write the settings of an agenda that is open every day from 8 to 18, in slots of half an hour."""
    password = folder / "password"
    password.write_text(PASSWORD)
    password.chmod(0o600)
    path = folder / "agenda.toml"
    path.write_text(
        f"""name = "dr-lefevre"
zone = "Europe/Paris"
{more}
[provider]
kind = "caldav"
url = "{url}"
user = "{user}"
password_file = "password"
inside = true
plain = true
{provider}
[[openings]]
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
from = 08:00:00
to = 18:00:00
minutes = 30
"""
    )
    return path


def running(kind: type[CalDavService]) -> CalDavService:
    """A server of one's own; skipped, with the reason, where it cannot be had."""
    try:
        service = kind()
        service.start()
    except MissingError as reason:
        pytest.skip(f"{kind.__name__}: {reason}")
    return service


def independent(server: CalDavService, action: str, *more: str) -> list[dict[str, str]]:
    """Read or change the calendar with the library ``caldav``, as the practice's own program does."""
    done = subprocess.run(
        [_peer("python"), str(ROOT / "tools/peers/client.py"), server.url, server.user, action, *more],
        env={**os.environ, "CALDAV_PASSWORD": PASSWORD},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
