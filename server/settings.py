"""What an operator can choose: flags of ``pli serve`` and ``PLI_*`` variables, read once at start.

A value is passed down from here; nothing else reads the environment. An unknown ``PLI_`` variable stops the start: a
misspelt setting must not be a silent default. ``.env.example`` and ``docs/operate/settings.md`` are written from this
file (``tools/describe_api.py``) and compared by a test.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, get_type_hints
from urllib.parse import urlsplit

from server.domain.retention import SHORTEST

PREFIX: Final = "PLI_"
FOREIGN: Final = frozenset({"PLI_HOME", "PLI_SERVER", "PLI_PASSPHRASE", "PLI_TEST_LIMIT"})
"""Variables of ``pli-bridge`` and of the test suite, which may stand in the same environment."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(Exception):
    """A setting is unknown or has a value it cannot have. The text is for the operator."""


def _path(text: str) -> Path:
    return Path(text).expanduser()


def _yes(text: str) -> bool:
    if text.lower() not in {"0", "1", "no", "yes", "false", "true"}:
        raise ValueError("say yes or no")
    return text.lower() in {"1", "yes", "true"}


def _number(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"say a whole number, not {text!r}") from None


def _port(text: str) -> int:
    port = _number(text)
    if not 0 <= port <= 65_535:
        raise ValueError("a port is between 0 and 65535")
    return port


def _amount(text: str) -> int:
    amount = _number(text)
    if amount <= 0:
        raise ValueError("say a number above zero")
    return amount


def _term(text: str) -> int:
    days = _amount(text)
    if days < SHORTEST:
        raise ValueError(f"at least {SHORTEST} days: devices take a shorter term for a lie")
    return days


def _url(text: str) -> str:
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.netloc or url.query or url.fragment or url.path.strip("/"):
        raise ValueError("say http(s)://name[:port], without a path")
    return text.rstrip("/")


def _scheme(*names: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text.partition("://")[0] not in names:
            raise ValueError(f"say {names[0]}://…")
        if not _is_plain(text):  # each library would cut it elsewhere, and tell a part of the password
            raise ValueError("this address cannot be read: write special characters of a user or password as %XX")
        return text

    return read


def _is_plain(text: str) -> bool:
    try:
        url = urlsplit(text)
        return url.netloc.count("@") <= 1 and not url.fragment and (url.port is None or url.port > 0)
    except ValueError:
        return False


def _endpoint(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host:
        raise ValueError("say address:port")
    return host.strip("[]"), _port(port)


def _networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part.strip(), strict=False) for part in text.split(",") if part.strip())


@dataclass(frozen=True, slots=True)
class _As:
    """How a setting is read from text, and the sentence that the operator's page prints."""

    read: Callable[[str], Any]
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything an operator chooses. Sizes are bytes unless the name says otherwise."""

    data: Annotated[Path, _As(_path, "Folder of everything this server keeps (0700).")] = Path("data")
    host: Annotated[str, _As(str, "Address to listen on. Behind a proxy that ends TLS, leave it.")] = "127.0.0.1"
    port: Annotated[int, _As(_port, "Port to listen on; 0 takes a free one.")] = 8420
    public_url: Annotated[
        str | None, _As(_url, "Where people reach this server (`https://care.example.org`); in every invitation.")
    ] = None
    web: Annotated[bool, _As(_yes, "Serve the web client; `no` leaves the API alone.")] = True
    demo: Annotated[bool, _As(_yes, "Tell every client that this is a demonstration.")] = False
    trusted_proxies: Annotated[
        tuple[Network, ...],
        _As(_networks, "Networks of your own proxies, with commas; only they may say `X-Forwarded-For`."),
    ] = ()
    attachment_limit: Annotated[int, _As(_amount, "Largest document, in bytes, before sealing.")] = 100 * 1024**2
    attachment_quota: Annotated[int, _As(_amount, "Bytes of documents one account may keep.")] = 20 * 1024**3
    upload_hours: Annotated[int, _As(_amount, "Hours after which a document that no message names is removed.")] = 24
    session_days: Annotated[int, _As(_amount, "Days without use after which a session ends.")] = 30
    invitation_days: Annotated[
        int | None,
        _As(_amount, "Days after the end of an invitation when its typed code is forgotten; never when empty."),
    ] = None
    journal_days: Annotated[
        int | None,
        _As(
            _amount,
            "Days that the access journal of patients is kept; for ever when empty. Ask your data protection officer.",
        ),
    ] = None
    message_days: Annotated[
        int | None,
        _As(
            _term,
            "Days that messages and their documents are kept, 30 or more; for ever when empty. Read"
            " `docs/operate/retention.md` first.",
        ),
    ] = None
    database_url: Annotated[
        str | None,
        _As(
            _scheme("postgresql", "postgres"),
            "PostgreSQL 15 or newer (`postgresql://pli@host/pli`) instead of SQLite; the password in `PGPASSFILE`.",
        ),
    ] = dataclasses.field(default=None, repr=False)
    redis_url: Annotated[
        str | None,
        _As(
            _scheme("redis", "rediss"),
            "Redis 7 (`redis://host/0`) through which nodes of one database wake each other.",
        ),
    ] = dataclasses.field(default=None, repr=False)
    blobs_url: Annotated[
        str | None,
        _As(
            _scheme("s3"),
            "Bucket of documents (`s3://bucket?endpoint=https://host&region=here`) instead of files; keys in `AWS_*`.",
        ),
    ] = None
    workers: Annotated[int, _As(_amount, "Processes on one port; more than one needs PostgreSQL and Redis.")] = 1
    account_pace: Annotated[int, _As(_amount, "Envelopes that one account may hand in a minute.")] = 24_000
    conversation_pace: Annotated[int, _As(_amount, "The same for one account in one conversation.")] = 12_000
    sockets: Annotated[int, _As(_amount, "Live sockets that may be open at once.")] = 20_000
    sockets_each: Annotated[int, _As(_amount, "Live sockets from one address at once.")] = 2_000
    connections: Annotated[
        int, _As(_amount, "Connections that may be open at once beside live sockets; idle ones make room.")
    ] = 5_000
    connections_each: Annotated[
        int, _As(_amount, "The same from one address; `PLI_TRUSTED_PROXIES` are not counted by it.")
    ] = 1_000
    metrics: Annotated[
        tuple[str, int] | None,
        _As(_endpoint, "Where Prometheus asks for `/metrics` (`127.0.0.1:9420`); nowhere when empty."),
    ] = None
    traces: Annotated[
        str | None,
        _As(_url, "OpenTelemetry receiver of traces, OTLP over HTTP (`http://127.0.0.1:4318`); none when empty."),
    ] = None
    traces_every: Annotated[int, _As(_amount, "Of so many requests one is traced.")] = 1
    access_log: Annotated[bool, _As(_yes, "Write one line a request: method, route, status, milliseconds.")] = True
    strict_logs: Annotated[bool, _As(_yes, "Stop on a log line outside the allow-list (development).")] = False

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.data / "pli.db"

    @property
    def where(self) -> Path | str:
        """The database that is used: the SQLite file, or the address of PostgreSQL."""
        return self.database_url or self.database

    def address(self, port: int) -> str:
        """Return where people reach this server, once the port is known."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{port}"


def read(flags: Mapping[str, object], environ: Mapping[str, str]) -> Settings:
    """Read the settings: a flag wins over its variable, a variable over the default.

    ``None`` as a flag and an empty variable are "not given".

    Raises:
        SettingsError: an unknown ``PLI_`` variable, or a value that cannot be read.

    """
    known = _declared()
    values: dict[str, Any] = {}
    for name, text in environ.items():
        if not name.startswith(PREFIX) or name in FOREIGN:
            continue
        key = name.removeprefix(PREFIX).lower()
        if key not in known:
            raise SettingsError(f"{name} is not a setting of this version{_meant(key, known)}")
        if text.strip():  # an empty line of `.env` chooses nothing
            values[key] = _value(known[key], name, text)
    for name, given in flags.items():
        if given is not None:
            values[name] = _value(known[name], "--" + name.replace("_", "-"), str(given))
    chosen = Settings(**values)
    if (chosen.workers > 1 or chosen.redis_url) and not (chosen.database_url and chosen.redis_url):
        raise SettingsError("several processes need PLI_DATABASE_URL (PostgreSQL) and PLI_REDIS_URL (Redis)")
    return chosen


def _meant(key: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(key, known, 1)
    return f": do you mean {PREFIX}{near[0].upper()}?" if near else ""


def _declared() -> dict[str, _As]:
    return {name: hint.__metadata__[0] for name, hint in get_type_hints(Settings, include_extras=True).items()}


def _value(how: _As, name: str, text: str) -> Any:
    try:
        return how.read(text)
    except ValueError as exc:
        raise SettingsError(f"{name}: {exc}") from exc


# --- what is written from the declarations above ---------------------------------------------------------------------


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None or isinstance(value, tuple):
        return ""
    return str(value)


def _lines() -> Iterator[tuple[str, str, str]]:
    for field in dataclasses.fields(Settings):
        yield PREFIX + field.name.upper(), _shown(field.default), _declared()[field.name].text


def example() -> str:
    """Return ``.env.example``."""
    head = "# Settings of `pli serve`. Every line is optional; flags of the same name win.\n"
    return head + "".join(f"\n# {text}\n#{name}={default}\n" for name, default, text in _lines())


def table() -> str:
    """Return ``docs/operate/settings.md``."""
    head = """# Settings

Read once, at start, from flags (`--public-url`) and from the environment (`PLI_PUBLIC_URL`); a flag wins.
An unknown `PLI_` variable stops the start. This page is written by `make api` from `server/settings.py`.

| variable | default | what it does |
|---|---|---|
"""
    return head + "".join(
        f"| `{name}` | {f'`{default}`' if default else ''} | {text} |\n" for name, default, text in _lines()
    )
