"""The generator's own HTTP and WebSocket, as lean as they can be: it must never be slower than the server.

Both speak to loopback only and trust what they hear. Requests are prepared bytes; answers are read with one search.
"""

import asyncio
import base64
import os
import re
from collections import deque
from collections.abc import Callable

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
Answer = tuple[int, bytes, bytes]  # status, headers, body


def request(method: str, path: str, host: str, body: bytes = b"", **headers: str) -> bytes:
    """Return the bytes of a request; ``content_type="…"`` becomes ``Content-Type``."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
    lines += [f"{name.replace('_', '-').title()}: {value}" for name, value in headers.items()]
    if body or method in {"POST", "PATCH", "PUT"}:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


class Http(asyncio.Protocol):
    """One kept connection; requests are answered in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._waiting: deque[asyncio.Future[Answer]] = deque()

    @classmethod
    async def open(cls, host: str, port: int) -> "Http":
        return (await asyncio.get_running_loop().create_connection(cls, host, port))[1]

    def connection_made(self, transport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        for future in self._waiting:
            if not future.done():
                future.set_exception(ConnectionError("the server closed the connection"))

    async def ask(self, data: bytes) -> Answer:
        """Send a prepared request and wait for its answer."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self.transport.write(data)
        return await future

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._waiting and (answer := self._take()):
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(answer)

    def _take(self) -> Answer | None:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        found = LENGTH.search(self._buffer, 0, end + 2)
        size = int(found[1]) if found else 0
        if len(self._buffer) < end + 4 + size:
            return None
        answer = int(self._buffer[9:12]), bytes(self._buffer[:end]), bytes(self._buffer[end + 4 : end + 4 + size])
        del self._buffer[: end + 4 + size]
        return answer

    def close(self) -> None:
        self.transport.close()


def frame(text: bytes, opcode: int = 1) -> bytes:
    """Return a client's frame. The mask is zero: legal, and free to apply."""
    size = len(text)
    if size < 126:
        head = bytes([0x80 | opcode, 0x80 | size])
    elif size < 65_536:
        head = bytes([0x80 | opcode, 0xFE]) + size.to_bytes(2, "big")
    else:
        head = bytes([0x80 | opcode, 0xFF]) + size.to_bytes(8, "big")
    return head + b"\0\0\0\0" + text


class WebSocket(asyncio.Protocol):
    """One WebSocket; ``heard`` gets every text message."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._buffer = bytearray()
        self._open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._greeted = False
        self.heard = heard
        self.closed = False

    async def connect(self, host: str, port: int, path: str) -> None:
        """Greet; messages may be heard before this returns."""
        await asyncio.get_running_loop().create_connection(lambda: self, host, port)
        key = base64.b64encode(os.urandom(16)).decode()
        upgrade = {"upgrade": "websocket", "connection": "Upgrade", "sec_websocket_key": key}
        self.transport.write(request("GET", path, f"{host}:{port}", sec_websocket_version="13", **upgrade))
        await asyncio.wait_for(self._open, 10)

    def connection_made(self, transport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.closed = True
        if not self._open.done():
            self._open.set_exception(ConnectionError("the server closed the socket"))

    def say(self, text: bytes) -> None:
        self.transport.write(frame(text))

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._greeted:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if b" 101 " not in self._buffer[:20]:
                self._open.set_exception(ConnectionError(bytes(self._buffer[:300]).decode(errors="replace")))
                return
            del self._buffer[: end + 4]
            self._greeted = True
            self._open.set_result(None)
        while self._take():
            pass

    def _take(self) -> bool:
        have = len(self._buffer)
        if have < 2:
            return False
        size, start = self._buffer[1] & 0x7F, 2
        if size >= 126:
            start = 4 if size == 126 else 10
            if have < start:
                return False
            size = int.from_bytes(self._buffer[2:start], "big")
        if have < start + size:
            return False
        opcode, message = self._buffer[0] & 0x0F, bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        if opcode == 1:
            self.heard(message)
        elif opcode == 9:
            self.transport.write(frame(message, 10))
        elif opcode == 8:
            self.transport.close()
        return True

    def close(self) -> None:
        if not self.closed:
            self.transport.write(frame(b"\x03\xe8", 8))
            self.transport.close()
