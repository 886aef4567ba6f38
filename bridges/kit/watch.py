"""Following live: the feed says what arrived, a socket only says when to look. Source: docs/spec/api.md 8."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import aiohttp

from bridges.kit import wire
from bridges.kit.client import Client, Reading
from bridges.kit.errors import RefusedError, UnreachableError
from bridges.kit.views import message_view
from bridges.kit.wire import FeedEntry, to_text
from crypto.errors import ProtocolError

WATCHED: Final = "watch_position"
REST: Final = 20.0  # seconds after which the feed is looked at even when nothing was announced
PAUSES: Final = (1.0, 2.0, 5.0, 10.0, 30.0)  # seconds between tries while the server is away
Event = dict[str, Any]


class Alone(Protocol):
    """Keeps other processes out of the home while it is used."""

    def __call__(self) -> AbstractAsyncContextManager[None]: ...


@dataclass(slots=True)
class Watch:
    """Gives what arrives, each once per home and at least once after a crash."""

    client: Client
    alone: Alone
    failures: int = 0
    _socket: aiohttp.ClientWebSocketResponse | None = None
    _hints: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    async def events(self) -> AsyncIterator[Event]:
        """Yield events for ever; stop by cancelling.

        Raises:
            ProtocolError: an alarm, after yielding it as an event of type ``alarm``.

        """
        async with self.alone():
            if self.client.device.store.fact(WATCHED) is None:  # the first time: what arrives from now on
                self.client.device.store.learn(WATCHED, str(self.client.feed.position).encode())
        socket = asyncio.create_task(self._listen())
        try:
            while True:
                async for event in self._look():
                    yield event
                for hint in await self._wait():
                    yield hint
        finally:
            socket.cancel()
            with suppress(asyncio.CancelledError):
                await socket

    async def _look(self) -> AsyncIterator[Event]:
        try:
            async with self.alone():
                self.client.device.directory.forget()
                await self.client.device.catch_up_own()
                await self.client.outbox.flush()
                await self.client.feed.drain()
                if self._socket and not self._socket.closed:  # opens its window again; only what is stored is told
                    await self._socket.send_json({"t": "ack", "position": self.client.feed.position})
                async for event in self._unseen():
                    yield event
        except (UnreachableError, aiohttp.ClientError):
            self.failures += 1
            await asyncio.sleep(PAUSES[min(self.failures, len(PAUSES)) - 1])
        else:
            self.failures = 0

    async def _unseen(self) -> AsyncIterator[Event]:
        store = self.client.device.store
        kept = store.fact(WATCHED)
        position = int(kept) if kept else 0
        while (page := await self.client.device.api.feed(position)).events:
            readings: dict[bytes, Reading | None] = {}
            for entry in page.events:
                try:
                    yield await self._event(entry, readings)
                except ProtocolError as failed:
                    yield {"type": "alarm", "conversation": to_text(entry.conversation), "code": failed.code}
                    raise
                position = entry.position
                store.learn(WATCHED, str(position).encode())

    async def _event(self, entry: FeedEntry, readings: dict[bytes, Reading | None]) -> Event:
        conversation = bytes(entry.conversation)
        if conversation not in readings:
            try:
                readings[conversation] = await self.client.look(conversation)
            except RefusedError as refused:
                if refused.code != "not_found":
                    raise
                readings[conversation] = None
        reading = readings[conversation]
        base = {"conversation": to_text(conversation), "position": entry.position, "seq": entry.event.seq}
        return {**_describe(entry, reading), **base}

    async def _wait(self) -> list[Event]:
        """Wait until the socket says that something arrived, or a while; gives marks that came along."""
        with suppress(TimeoutError):
            async with asyncio.timeout(REST):
                hints = [await self._hints.get()]
                while not self._hints.empty():
                    hints.append(self._hints.get_nowait())
                return [hint for hint in hints if hint["type"] != "wake"]
        return []

    async def _listen(self) -> None:
        """Keep the lean socket open. Whatever goes wrong with it, the feed is looked at every ``REST`` seconds."""
        for attempt in range(1_000_000):
            with suppress(UnreachableError, RefusedError, aiohttp.ClientError, TimeoutError, OSError, ValueError):
                await self._listen_once()
            await asyncio.sleep(PAUSES[min(attempt, len(PAUSES) - 1)])

    async def _listen_once(self) -> None:
        device = self.client.device
        ticket = await device.api.live_ticket()
        params = {"ticket": ticket.ticket, "after": str(self.client.feed.position)}
        transport = device.api.transport
        async with transport.http.ws_connect(transport.base + "/v1/live", params=params, heartbeat=30) as socket:
            self._socket = socket
            async for frame in socket:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    return
                said = json.loads(frame.data)
                self._hints.put_nowait(_mark(said) if said.get("t") == "mark" else {"type": "wake"})


def _mark(said: Event) -> Event:
    fields = {"conversation": said.get("conversation"), "account": said.get("account"), "seq": said.get("delivered")}
    return {"type": "delivered", **fields}


def _describe(entry: FeedEntry, reading: Reading | None) -> Event:
    event = entry.event
    if reading is None:
        return {"type": event.type, "at": event.at}
    if event.type == "envelope":
        return _envelope(entry, reading)
    if event.type == "epoch":
        return {"type": "members", "at": event.at, "epoch": event.epoch, "members": reading.people.members()}
    if event.type == "trimmed":
        return {"type": "trimmed", "at": event.at, "before": event.before}
    if event.type == "policy" and event.policy:
        return {"type": "reply", "at": event.at, "reply": event.policy.reply, "until": event.policy.until}
    return {"type": event.type, "at": event.at, **_refusal(entry.event, reading)}


def _refusal(event: wire.Event, reading: Reading) -> Event:
    """Who has left, who takes nothing from whom; for anything else, the message that it is about."""
    name = reading.people.name
    if event.type == "left" and event.account:
        return {"name": name(event.account)}
    if event.type == "blocked" and event.patient and event.professional:
        return {"blocked": bool(event.blocked), "by": name(event.patient), "name": name(event.professional)}
    return {"message": to_text(event.id or b"")}


def _envelope(entry: FeedEntry, reading: Reading) -> Event:
    line = next((each for each in reading.log.lines if each.id == entry.event.id), None)
    if line is None:
        raise ProtocolError("withheld", "announced in the feed, missing in the log")
    if line.message and line.message.content.type == "receipt":
        content = line.message.content
        by = reading.people.author(line.message.author)
        return {"type": "receipt", "at": content.at, "by": by, "upto": to_text(content.payload["upto"])}
    if line.message and line.message.content.type == "mailed":
        content = line.message.content
        said = [
            {"message": to_text(id_), "state": state, "reason": why} for id_, state, why in content.payload["states"]
        ]
        return {"type": "mailed", "at": content.at, "by": reading.people.author(line.message.author), "states": said}
    view = message_view(line, reading.log, reading.people, delivered=reading.delivered)
    return {"type": "message", "at": line.at, "message": view}
