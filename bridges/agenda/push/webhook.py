"""Signed HTTPS messages of partners in generic JSON. Source: docs/spec/agenda-partners.md 3."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from secrets import token_bytes
from typing import Any, Final

import msgspec
from aiohttp import web

from bridges.agenda.provider import Mode
from bridges.agenda.push.arrival import Arrival, Kind, MalformedError, known_zone, to_utc
from bridges.agenda.push.inbox import EventReusedError, Inbox
from bridges.agenda.push.signature import Keys, SignatureError, verify
from bridges.kit.local_file import FileError

BODY: Final = 64 * 1024  # bytes of one message
READING: Final = 10.0  # seconds a partner may take to send one

STATUS: Final[Mapping[str, int]] = {
    "signature_missing": 401,
    "signature_wrong": 401,
    "timestamp_broken": 401,
    "timestamp_outside": 401,
    "too_slow": 408,
    "event_reused": 409,
    "body_too_large": 413,
    "media_type": 415,
    "unavailable": 503,
}
"""Refusals that are not 422, which says that the message is understood and cannot be true."""


_NOBODY: Final = Keys(secrets=(token_bytes(32),))


class Told(msgspec.Struct, kw_only=True):
    """One message. What is not listed here is not read."""

    event: str
    kind: Kind
    occurred_at: datetime
    appointment: "Entry"
    practitioner: str = ""
    correlation: str = ""
    person: str = ""


class Entry(msgspec.Struct, kw_only=True):
    """The appointment that a message is about."""

    reference: str
    start: datetime | None = None
    end: datetime | None = None
    zone: str = ""
    mode: Mode = Mode.PRACTICE
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partner:
    """Somebody who may push: a name of the practice's choice, and what it signs with."""

    name: str
    keys: Keys
    zone: str = "Europe/Paris"  # of the place, where the message does not say it


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """Takes messages at ``POST /push/{partner}``."""

    inbox: Inbox
    partners: Mapping[str, Partner]
    clock: Callable[[], datetime]

    def app(self) -> web.Application:
        """Make the application; the caller serves it, over TLS."""
        app = web.Application(client_max_size=BODY)
        app.router.add_post("/push/{partner}", self._receive)
        return app

    async def _receive(self, request: web.Request) -> web.Response:
        name = request.match_info["partner"]
        try:
            body = await _read(request)
            partner = self._authenticate(name, request, body)
        except MalformedError as error:
            return self._refuse(None, error.code)
        except SignatureError as error:
            return self._refuse(name if name in self.partners else None, error.code)
        try:
            taken = self.inbox.take(read(body, partner), now=self.clock())
        except MalformedError as error:
            return self._refuse(name, error.code, error.where)
        except EventReusedError:
            return self._refuse(name, "event_reused")
        except FileError:
            return self._refuse(None, "unavailable")  # the file that would hold the trouble is the trouble
        return web.json_response({"outcome": taken.outcome, "appointment": taken.known.token})

    def _authenticate(self, name: str, request: web.Request, body: bytes) -> Partner:
        partner = self.partners.get(name)
        headers = request.headers
        verify(
            partner.keys if partner else _NOBODY,  # a stranger's name takes as long as a wrong signature
            stamp=headers.get("Pli-Timestamp", ""),
            header=headers.get("Pli-Signature", ""),
            body=body,
            now=self.clock(),
        )
        if partner is None:
            raise SignatureError("signature_wrong")
        if request.content_type != "application/json":
            raise MalformedError("media_type")
        return partner

    def _refuse(self, source: str | None, code: str, where: str = "") -> web.Response:
        if source is not None:
            self.inbox.trouble(source, code, self.clock())
        status = STATUS.get(code, 422)
        headers = {"Retry-After": "60"} if status == 503 else {}
        answer: dict[str, Any] = {"code": code, "where": where} if where else {"code": code}
        return web.json_response(answer, status=status, headers=headers)


async def _read(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(READING):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise MalformedError("body_too_large") from None
    except TimeoutError:
        raise MalformedError("too_slow") from None


def read(body: bytes, partner: Partner) -> Arrival:
    """Read one message; raises MalformedError."""
    try:
        told = msgspec.json.decode(body, type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedError("malformed", _place(str(error))) from None
    entry = told.appointment
    if not told.event:
        raise MalformedError("id_length", "event")
    try:
        return Arrival(
            source=partner.name,
            event=told.event,
            kind=told.kind,
            said_at=to_utc(told.occurred_at, "occurred_at"),
            reference=entry.reference,
            start=entry.start and to_utc(entry.start, "start"),
            end=entry.end and to_utc(entry.end, "end"),
            zone=known_zone(entry.zone or partner.zone),
            mode=entry.mode,
            link=entry.link,
            practitioner=told.practitioner,
            correlation=told.correlation,
            person=told.person,
        )
    except UnicodeEncodeError:
        raise MalformedError("malformed", "text") from None


def _place(said: str) -> str:
    """Keep the path of msgspec's sentence: the sentence may repeat a value."""
    _, found, path = said.rpartition(" - at `")
    return path.rstrip("`") if found else ""
