"""Receivers: devices on the Socket.IO socket or the lean one, which acknowledge and catch up as real clients do."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from bench.wire import Http, WebSocket, request

ACK_EVERY = 16  # events; half of the server's window (docs/spec/api.md 8)
ACK_AFTER = 0.02  # seconds


class Told(msgspec.Struct):
    """The part of an event that a receiver looks at."""

    type: str
    id: str | None = None


class Entry(msgspec.Struct):
    """One entry of the feed."""

    position: int
    event: Told


class Page(msgspec.Struct):
    events: list[Entry]
    position: int


class Lean(msgspec.Struct):
    """A frame of the lean socket."""

    t: str
    position: int = 0
    last: int = 0
    event: Told | None = None
    ref: int = 0
    seq: int = 0


_entry = msgspec.json.Decoder(Entry)
_page = msgspec.json.Decoder(Page)
_lean = msgspec.json.Decoder(Lean)


@dataclass
class Arrivals:
    """When each expected envelope reached its recipient."""

    at: dict[str, float] = field(default_factory=dict)

    def note(self, envelope: str) -> None:
        self.at.setdefault(envelope, time.perf_counter())


class Receiver:
    """A connected device of one account. ``open`` connects; ``note`` hears the id of each envelope."""

    def __init__(self, host: str, port: int, token: str, note: Callable[[str], None]) -> None:
        self.host, self.port, self.token, self.note = host, port, token, note
        self.position = 0
        self._acked = 0
        self._timer: asyncio.TimerHandle | None = None
        self._catching_up: asyncio.Task[None] | None = None
        self.behind = 0

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        http = await Http.open(self.host, self.port)
        kind = {"content_type": "application/json"} if body else {}
        status, _, answer = await http.ask(
            request(method, path, self.address, body, authorization=f"Bearer {self.token}", **kind)
        )
        http.close()
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {answer.decode(errors='replace')}")
        return status, answer

    async def open(self) -> None:
        """Go to the newest position, then connect."""
        last = msgspec.json.decode((await self.ask("GET", "/v1/feed?after=0&wait=0&limit=1"))[1])["last"]
        self.position = self._acked = last
        ticket = msgspec.json.decode((await self.ask("POST", "/v1/live/tickets"))[1])["ticket"]
        await self.connect(ticket)

    async def connect(self, ticket: str) -> None:
        raise NotImplementedError

    def acknowledge(self, position: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        if self._timer:
            self._timer.cancel()
        self.socket.close()

    def take(self, position: int, event: Told) -> None:
        """An event was pushed."""
        if event.id:
            self.note(event.id)
        self.position = max(self.position, position)
        if self.position - self._acked >= ACK_EVERY:
            self._send_ack()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(ACK_AFTER, self._send_ack)

    def _send_ack(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
        if self.position > self._acked and not self.socket.closed:
            self._acked = self.position
            self.acknowledge(self.position)

    def fall_behind(self) -> None:
        """The server stopped pushing: read the feed over HTTP, then acknowledge."""
        self.behind += 1
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = asyncio.ensure_future(self._catch_up())

    async def _catch_up(self) -> None:
        while True:
            _, answer = await self.ask("GET", f"/v1/feed?after={self.position}&wait=0&limit=500")
            page = _page.decode(answer)
            if not page.events:
                break
            for entry in page.events:
                if entry.event.id:
                    self.note(entry.event.id)
            self.position = max(self.position, page.position)
        self._acked = self.position
        self.acknowledge(self.position)


class SocketIo(Receiver):
    """Engine.IO 4 and Socket.IO 5 over one WebSocket, written out: four kinds of packet are enough."""

    async def connect(self, ticket: str) -> None:
        self._joined: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._ticket = ticket
        self.socket = WebSocket(self._heard)
        await self.socket.connect(self.host, self.port, "/v1/socket.io/?EIO=4&transport=websocket")
        await asyncio.wait_for(self._joined, 10)

    def _heard(self, text: bytes) -> None:
        if text.startswith(b'42["event",'):
            entry = _entry.decode(text[11:-1])
            self.take(entry.position, entry.event)
        elif text.startswith(b"42"):
            name, *_ = msgspec.json.decode(text[2:])
            if name == "behind":
                self.fall_behind()
        elif text.startswith(b"2"):
            self.socket.say(b"3")
        elif text.startswith(b"0"):
            self.socket.say(b"40" + msgspec.json.encode({"ticket": self._ticket, "after": self.position}))
        elif text.startswith(b"40"):
            self._joined.set_result(None)
        elif text.startswith(b"44"):
            self._joined.set_exception(RuntimeError(text.decode()))

    def acknowledge(self, position: int) -> None:
        self.socket.say(b'42["ack",{"position":%d}]' % position)


class LeanSocket(Receiver):
    """The plain WebSocket: receives, and sends with an answer by ``ref``."""

    async def connect(self, ticket: str) -> None:
        self._answers: dict[int, asyncio.Future[bool]] = {}
        self._ref = 0
        self.socket = WebSocket(self._heard)
        await self.socket.connect(self.host, self.port, f"/v1/live?ticket={ticket}&after={self.position}")

    def _heard(self, text: bytes) -> None:
        told = _lean.decode(text)
        if told.t == "event" and told.event:
            self.take(told.position, told.event)
        elif told.t in {"sent", "refused"}:
            future = self._answers.pop(told.ref)
            if not future.done():
                future.set_result(told.t == "sent")
        elif told.t == "behind":
            self.fall_behind()

    def acknowledge(self, position: int) -> None:
        self.socket.say(b'{"t":"ack","position":%d}' % position)

    async def send(self, conversation: str, submission: bytes) -> bool:
        """Send a prepared submission; True when it was accepted."""
        self._ref += 1
        future = self._answers[self._ref] = asyncio.get_running_loop().create_future()
        self.socket.say(
            b'{"t":"send","ref":%d,"conversation":"%s","submission":%s}'
            % (self._ref, conversation.encode(), submission)
        )
        return await future
