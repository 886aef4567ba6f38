"""Traces for OpenTelemetry, when the operator has said where: OTLP over HTTP, in its JSON form.

Written out here, as the metrics are: a span is ten values, and an allow-list is only worth something where nothing else
can add to it. A span says which route was asked for, how it ended and how long it and its writes took: no id of
anything that is kept, no name, no address, nothing that anybody has written. What a request says about traces is not
taken over, so nobody outside chooses an id. Source: opentelemetry.io/docs/specs/otlp, version 1.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from importlib.metadata import version
from time import perf_counter
from typing import Any, Final

import aiohttp
import msgspec

from server import metrics, telemetry
from server.clock import Clock

PATH: Final = "/v1/traces"
ROOM: Final = 4096  # spans that wait; beyond it the oldest are dropped and counted
BATCH: Final = 512  # spans sent at once
PAUSE: Final = 2.0  # seconds between batches
PATIENCE: Final = 5  # seconds for the receiver to answer

Value = str | int
ATTRIBUTES: Final = frozenset({"http.request.method", "http.route", "http.response.status_code", "error.type"})
"""Every attribute that a span may have. Values are templates, methods, numbers and names of types."""
SERVER: Final = 2
INTERNAL: Final = 1


@dataclass(slots=True)
class Span:
    """Something that took time. ``began`` is ``perf_counter``; ``trace`` and ``id`` are random."""

    name: str
    kind: int
    trace: str
    parent: str | None = None
    id: str = field(default_factory=lambda: secrets.token_hex(8))
    began: float = field(default_factory=perf_counter)
    seconds: float = 0.0
    failed: bool = False
    attributes: dict[str, Value] = field(default_factory=dict)

    def tell(self, **values: Value) -> None:
        """Add attributes; their dots are written ``__``. One that is not listed does not exist."""
        named = {key.replace("__", "."): value for key, value in values.items()}
        self.attributes |= {key: value for key, value in named.items() if key in ATTRIBUTES}


_current: ContextVar[Span | None] = ContextVar("span", default=None)


@dataclass(slots=True)
class Tracer:
    """Collects spans and sends them; never waits for the receiver, never fails for it."""

    receiver: str
    clock: Clock
    every: int = 1
    """One request of so many is traced."""
    _seen: int = 0
    _waiting: deque[dict[str, Any]] = field(default_factory=deque)
    _instance: str = field(default_factory=lambda: secrets.token_hex(8))
    _away: bool = False

    @contextmanager
    def request(self) -> Iterator[Span | None]:
        """Trace one request, or (none) leave it out."""
        self._seen += 1
        if self._seen % self.every:
            yield None
            return
        with self._spanning(Span("request", SERVER, secrets.token_hex(16))) as span:
            yield span

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Trace a part of the request that is being answered, if that is traced."""
        above = _current.get()
        if above is None:
            yield
            return
        with self._spanning(Span(name, INTERNAL, above.trace, above.id)):
            yield

    @contextmanager
    def _spanning(self, span: Span) -> Iterator[Span]:
        before = _current.set(span)
        try:
            yield span
        except BaseException as exc:
            span.failed = True
            span.tell(error__type=type(exc).__name__)
            raise
        finally:
            _current.reset(before)
            span.seconds = perf_counter() - span.began
            self._keep(span)

    def _keep(self, span: Span) -> None:
        if len(self._waiting) >= ROOM:
            self._waiting.popleft()
            metrics.SPANS.add("dropped")
        ended = self.clock.now() * 1_000_000
        self._waiting.append(_told(span, ended - round(span.seconds * 1e9), ended))

    async def send_for_ever(self) -> None:
        """Send what waits, now and then, until cancelled; then what is left, once."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as http:
            try:
                while True:
                    await asyncio.sleep(PAUSE)
                    await self.send(http)
            except asyncio.CancelledError:
                await self.send(http)
                raise

    async def send(self, http: aiohttp.ClientSession) -> None:
        """Send what waits. What the receiver does not take is dropped: traces are worth no memory."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            taken = await self._post(http, batch)
            metrics.SPANS.add("sent" if taken else "dropped", by=len(batch))
            if not taken:
                return

    async def _post(self, http: aiohttp.ClientSession, batch: list[dict[str, Any]]) -> bool:
        body = msgspec.json.encode(self._document(batch))
        try:
            headers = {"Content-Type": "application/json"}
            async with http.post(self.receiver + PATH, data=body, headers=headers, allow_redirects=False) as answer:
                taken = answer.status < 300  # all of 2xx
        except (aiohttp.ClientError, TimeoutError, OSError):
            taken = False
        if taken == self._away:  # told once when it goes away, once when it is back
            self._away = not taken
            (telemetry.info if taken else telemetry.warning)("traces_taken" if taken else "traces_refused")
        return taken

    def _document(self, spans: list[dict[str, Any]]) -> dict[str, Any]:
        about = {"service.name": "pli", "service.version": version("pli"), "service.instance.id": self._instance}
        scope = {"name": "pli", "version": version("pli")}
        told = {"resource": {"attributes": _attributes(about)}, "scopeSpans": [{"scope": scope, "spans": spans}]}
        return {"resourceSpans": [told]}


def _told(span: Span, began: int, ended: int) -> dict[str, Any]:
    """Return a span in the JSON form of OTLP; times in nanoseconds."""
    told: dict[str, Any] = {
        "traceId": span.trace,
        "spanId": span.id,
        "name": span.name,
        "kind": span.kind,
        "startTimeUnixNano": str(began),
        "endTimeUnixNano": str(ended),
        "attributes": _attributes(span.attributes),
        "status": {"code": 2 if span.failed else 0},
    }
    return told if span.parent is None else told | {"parentSpanId": span.parent}


def _attributes(values: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"key": key, "value": {"intValue": str(value)} if isinstance(value, int) else {"stringValue": value}}
        for key, value in values.items()
    ]
