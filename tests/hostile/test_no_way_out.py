"""Nobody can make the server ask elsewhere (SSRF): few places of it can open a connection, each to what a setting names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.hostile.scene import ROOT

SERVER = ROOT / "server"
WAYS = {
    "asyncpg",
    "ftplib",
    "http.client",
    "httpx",
    "obstore",
    "redis",
    "requests",
    "smtplib",
    "socket",
    "ssl",
    "telnetlib",
}
WAYS |= {"urllib.request", "urllib3", "xmlrpc", "websockets", "socketio.AsyncClient", "socketio.Client"}
WAYS |= {"aiohttp.ClientSession", "aiohttp.request", "asyncio.open_connection", "asyncio.open_unix_connection"}
WAYS |= {"loop.create_connection", "loop.sock_connect", "loop.create_datagram_endpoint"}
"""What can open a connection, by import or by name."""

TO = {
    "admin/doctor.py": "its own port",
    "admin/migrate.py": "only names of failures",
    "admin/counter.py": "a socket in the data folder",
    "admin/reach.py": "PLI_DATABASE_URL, PLI_REDIS_URL, PLI_BLOBS_URL, asked by the operator",
    "admin/workers.py": "keeps a port",
    "bus/redis.py": "PLI_REDIS_URL",
    "storage/blobs.py": "PLI_BLOBS_URL, and files",
    "storage/bucket.py": "PLI_BLOBS_URL",
    "storage/postgres.py": "PLI_DATABASE_URL",
    "storage/schema.py": "PLI_DATABASE_URL",
    "traces.py": "PLI_TRACES",
}
"""Where it may, and where to. Nothing here reads an address from a request, a message or a database."""


def ways(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{each.name}" for each in node.names)
        elif isinstance(node, ast.Attribute):
            if isinstance(node.value, ast.Name) and node.value.id in {"aiohttp", "asyncio", "socketio"}:
                yield f"{node.value.id}.{node.attr}"
            yield f"loop.{node.attr}"


def opens(way: str) -> bool:
    return any(way == each or way.startswith(each + ".") for each in WAYS)


def test_only_these_places_can_open_a_connection():
    found = {
        path.relative_to(SERVER).as_posix() for path in SERVER.rglob("*.py") if any(opens(way) for way in ways(path))
    }
    assert found == set(TO)


def test_no_code_that_sees_a_request_is_among_them():
    assert not [place for place in TO if place.startswith(("transport/", "services/", "domain/", "jobs/"))]
