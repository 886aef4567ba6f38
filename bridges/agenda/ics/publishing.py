"""Appointments as a calendar that other programs subscribe to: a file, or a feed at an address that is a secret.

Neutral by default: times and the word for an appointment, no name, no motive. Source: docs/spec/agenda.md 4.4.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from bridges.agenda.calendar.writing import Entry, write

SECRET: Final = 24  # signs at least: 144 bits in base64url


def write_file(path: Path, entries: Sequence[Entry], *, name: str = "") -> None:
    """Write a calendar whole or not at all, for its owner's eyes."""
    beside = path.with_name(f".{path.name}.new")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
        stream.write(write(entries, name=name))
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)


def feed(secret: str, entries: Callable[[], Sequence[Entry]], *, name: str = "") -> web.Application:
    """Make the application that serves ``/SECRET.ics`` and nothing else. Raises ValueError for a short secret."""
    if len(secret) < SECRET:
        raise ValueError("the secret of a feed has 24 signs or more")

    async def serve(request: web.Request) -> web.Response:
        if not hmac.compare_digest(request.match_info["secret"].encode(), secret.encode()):
            raise web.HTTPNotFound
        body = write(entries(), name=name)
        etag = hashlib.sha256(body).hexdigest()[:32]
        headers = {
            "ETag": f'"{etag}"',
            "Cache-Control": "private, no-cache",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
        if request.if_none_match and any(each.value == etag for each in request.if_none_match):
            return web.Response(status=304, headers=headers)
        return web.Response(body=body, content_type="text/calendar", charset="utf-8", headers=headers)

    application = web.Application()
    application.router.add_get("/{secret}.ics", serve)
    return application
