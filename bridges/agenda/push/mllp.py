"""HL7 v2 over TCP: frames, acknowledgements and their limits. Source: docs/spec/agenda-partners.md 4."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, Literal

from bridges.agenda.push import siu
from bridges.agenda.push.arrival import MalformedError
from bridges.agenda.push.er7 import MESSAGE, Message, Separators, escape, parse
from bridges.agenda.push.inbox import EventReusedError, Inbox
from bridges.kit.local_file import FileError

START: Final = b"\x0b"
END: Final = b"\x1c\r"
IDLE: Final = 600.0  # seconds a connection may say nothing
PATIENCE: Final = 30.0  # seconds from the first byte of a frame to its last
CONNECTIONS: Final = 16  # at once
USUAL: Final = Separators("|", "^", "~", "\\", "&")

Verdict = Literal["AA", "AE", "AR"]
REJECTED: Final[Mapping[str, str]] = {
    "not_for_us": "200",  # unsupported message type
    "not_hl7": "207",
    "separators_broken": "207",
    "too_large": "207",
}
"""Codes of table HL7 0357 for what is not an appointment at all; everything else is 207, an error of ours or theirs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """One practice software that may connect. ``source`` is the name the practice gave it."""

    source: str
    zone: str
    networks: tuple[IPv4Network | IPv6Network, ...] = ()  # empty: anybody who passes TLS


@dataclass(slots=True, kw_only=True)
class Listener:
    """Takes SIU messages on one port."""

    inbox: Inbox
    feed: Feed
    clock: Callable[[], datetime]
    _live: set[asyncio.Task[None]] = field(default_factory=set, init=False)
    _server: asyncio.Server | None = field(default=None, init=False)

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen; gives the port."""
        self._server = await asyncio.start_server(self._meet, host, port, ssl=tls, limit=MESSAGE + 2)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Stop listening and end what is open; a message that was acknowledged is kept."""
        if self._server is not None:
            self._server.close()
        for task in self._live:
            task.cancel()
        await asyncio.gather(*self._live, return_exceptions=True)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._live.add(task)
        try:
            if len(self._live) <= CONNECTIONS and self._is_welcome(writer):
                await self._converse(reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass  # the other side left, or sleeps: it sends again what was not acknowledged
        finally:
            self._live.discard(task)
            writer.close()
            with suppress(OSError, TimeoutError):
                await writer.wait_closed()

    def _is_welcome(self, writer: asyncio.StreamWriter) -> bool:
        if not self.feed.networks:
            return True
        address = ip_address(writer.get_extra_info("peername")[0])
        return any(address in each for each in self.feed.networks)

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                raw = await _frame(reader)
            except asyncio.LimitOverrunError:
                self.inbox.trouble(self.feed.source, "too_large", self.clock())
                await _send(writer, self._answer(None, "AR", "too_large"))
                return  # where the next frame begins is not known
            if raw is None:
                return
            await _send(writer, self.receive(raw))

    def receive(self, raw: bytes) -> bytes:
        """Take one message; gives the acknowledgement, whatever came."""
        message: Message | None = None
        try:
            message = parse(raw)
            arrival = siu.read(message, source=self.feed.source, zone=self.feed.zone)
            self.inbox.take(arrival, now=self.clock())
        except MalformedError as error:
            self.inbox.trouble(self.feed.source, error.code, self.clock())
            return self._answer(message, "AR" if error.code in REJECTED else "AE", error.code, error.where)
        except EventReusedError:
            self.inbox.trouble(self.feed.source, "event_reused", self.clock())
            return self._answer(message, "AE", "event_reused", "MSH-10")
        except FileError:
            return self._answer(message, "AE", "unavailable")
        return self._answer(message, "AA")

    def _answer(self, message: Message | None, verdict: Verdict, code: str = "", where: str = "") -> bytes:
        return acknowledge(message, verdict, code=code, where=where, now=self.clock())


def acknowledge(message: Message | None, verdict: Verdict, *, code: str, where: str, now: datetime) -> bytes:
    """Write the answer to a message: MSH, MSA, and ERR when it was not taken. The names of both sides change places."""
    head = message.header if message else None
    signs = head.signs if head else USUAL

    def given(number: int, otherwise: str = "") -> str:
        return head.field(number) if head and head.field(number) else otherwise

    trigger = signs.component.join(["ACK", *([head.component(9, 2)] if head and head.component(9, 2) else [])])
    stamp = f"{now:%Y%m%d%H%M%S%z}"
    marks = signs.component + signs.repetition + signs.escape + signs.subcomponent
    number = f"{now:%Y%m%d%H%M%S%f}"
    header = ["MSH", marks, given(5), given(6), given(3), given(4), stamp, "", trigger, number, given(11, "P")]
    lines = [
        [*header, given(12, "2.5"), *[""] * 5, "UNICODE UTF-8"],
        ["MSA", verdict, given(10)],
    ]
    if verdict != "AA":
        place = signs.component.join(
            [segment, "1", position] if (segment := where[:3]) and where[3:4] == "-" and (position := where[4:]) else []
        )
        kind = "205" if code == "event_reused" else REJECTED.get(code, "207")
        lines.append(["ERR", "", place, kind, "E", "", "", escape(code, signs)])
    return "".join(signs.field.join(line) + "\r" for line in lines).encode()


async def _frame(reader: asyncio.StreamReader) -> bytes | None:
    """Wait for one frame; None when the other side has ended, or sends what is none."""
    async with asyncio.timeout(IDLE):
        first = await reader.read(1)
    while first in {b"\r", b"\n"}:  # some send a line end between frames
        async with asyncio.timeout(IDLE):
            first = await reader.read(1)
    if first != START:
        return None
    async with asyncio.timeout(PATIENCE):
        whole = await reader.readuntil(END)
    return whole.removesuffix(END)


async def _send(writer: asyncio.StreamWriter, answer: bytes) -> None:
    writer.write(START + answer + END)
    async with asyncio.timeout(PATIENCE):
        await writer.drain()
