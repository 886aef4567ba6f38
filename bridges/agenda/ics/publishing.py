"""Appointments as a calendar that other programs subscribe to: a file, or a feed at an address that is a secret.

Neutral by default: times and the word for an appointment, no name, no motive. Source: docs/spec/agenda.md 4.4.
"""

import hashlib
import hmac
import os
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from bridges.agenda.calendar.writing import Entry, write
from bridges.agenda.config import Config, secret
from bridges.agenda.doors import runner_of
from bridges.agenda.provider import Appointment

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


def entries(appointments: Iterable[Appointment]) -> list[Entry]:
    """Make neutral entries; the same appointments give the same bytes, so the stamp is of the time it speaks of."""
    return [
        Entry(
            uid=hashlib.sha256(each.reference.encode()).hexdigest()[:32],
            start=each.start,
            end=each.end,
            stamp=each.start,
        )
        for each in appointments
    ]


@asynccontextmanager
async def published(config: Config, booked: Callable[[], Sequence[Appointment]]) -> AsyncIterator[Callable[[], None]]:
    """Publish what is booked as the settings say; gives what to call after something may have changed."""
    chosen = config.publish
    written: list[Entry] | None = None

    def refresh() -> None:
        nonlocal written
        now = entries(booked())
        if chosen is not None and chosen.file and now != written:
            write_file(config.beside(chosen.file), now)
            written = now

    refresh()
    if chosen is None or not chosen.listen:
        yield refresh
        return
    runner = runner_of(feed(secret(config.beside(chosen.secret_file)), lambda: entries(booked())))
    await runner.setup()
    try:
        host, _, port = chosen.listen.rpartition(":")
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        yield refresh
    finally:
        await runner.cleanup()
