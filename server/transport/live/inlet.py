"""The reading end of a live socket: what needs no task is taken where it arrives.

aiohttp hands messages to whoever waits in ``receive``: a future, a wake-up and a step of a task for each, a multiple of
what an acknowledgement costs to read. What ``Inlet.take`` is given is called in the same place instead. A message that
it does not want, and everything behind it until that one has been received, goes the ordinary way: the order stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiohttp import WSMsgType, web
from aiohttp._websocket.reader import WebSocketDataQueue
from aiohttp.http import WebSocketReader
from aiohttp.web_request import BaseRequest
from typing_extensions import override

from server.transport.live.frames import frame

BUFFER: Final = 65_536  # bytes; twice as many may wait to be received before the socket is no longer read
_TEXT: Final = WSMsgType.TEXT
_PING: Final = b"\x89\x00"

Take = Callable[[str], bool]
"""Is given the text of a message; True when nothing more has to be done with it. It raises nothing."""


class _Queue(WebSocketDataQueue):
    """Where aiohttp's parser puts messages, in order."""

    take: Take | None = None

    @override
    def feed_data(self, data: Any, size: int) -> None:
        take = self.take
        if take is None or self._buffer or data.type is not _TEXT or not take(data.data):
            super().feed_data(data, size)


class Inlet(web.WebSocketResponse):
    """A WebSocket without compression whose text messages may be taken as they arrive.

    ``largest``: bytes of a message. ``silence``: seconds without a byte after which the peer is pinged, and given up
    when it says nothing for half as long again; none: somebody else takes care of that.
    """

    def __init__(self, *, largest: int, silence: float | None = None) -> None:
        super().__init__(max_msg_size=largest, compress=False)
        self._silence = silence
        self._heard = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def take(self, take: Take | None) -> None:
        """Give every text message to ``take`` from now on, as long as none waits to be received."""
        if isinstance(self._reader, _Queue):
            self._reader.take = take

    def say(self, text: bytes) -> None:
        """Write a text message at once, without asking how much waits already: for what is short and rare."""
        transport = self._req.transport if self._req is not None else None
        if transport is not None and not transport.is_closing():
            transport.write(frame(text))

    def drop(self) -> None:
        """End the connection, whatever still waits to be written."""
        if self._req is not None and self._req.transport is not None:
            self._req.transport.abort()

    @override
    def _handshake(self, request: BaseRequest) -> Any:
        """Check what the peer asks for.

        Raises:
            web.HTTPBadRequest: it is no handshake. aiohttp would quote a key or a version, and stumbles over what is
                no text.

        """
        try:
            return super()._handshake(request)
        except ValueError:
            raise web.HTTPBadRequest from None

    @override
    def _post_start(self, request: BaseRequest, protocol: str | None, writer: Any) -> None:
        """Begin to read, into a queue of ours."""
        loop = asyncio.get_running_loop()
        self._ws_protocol, self._writer = protocol, writer
        self._reader = _Queue(request.protocol, BUFFER, loop=loop)
        self._parser = WebSocketReader(self._reader, self._max_msg_size, compress=False, decode_text=True)
        if self._silence is not None:
            self._heard = loop.time()
            self._timer = loop.call_later(self._silence, self._listen)
        request.protocol.set_parser(self._parser, data_received_cb=self._hear if self._silence else None)
        request.protocol.keep_alive(val=False)

    # --- a peer that has gone without a word --------------------------------------------------------------------------
    # aiohttp would move a timer whenever something arrives; here a byte leaves its time, and the timer looks.

    def _hear(self) -> None:
        assert self._loop is not None
        self._heard = self._loop.time()

    def _listen(self) -> None:
        """Ping when nothing was heard for a while; otherwise look again when that might be so."""
        if self._silence is None or self._loop is None or self._req is None or self._req.transport is None:
            return
        left = self._silence - (self._loop.time() - self._heard)
        if left > 0:
            self._timer = self._loop.call_later(left, self._listen)
        else:
            self._req.transport.write(_PING)
            self._timer = self._loop.call_later(self._silence / 2, self._give_up, self._heard)

    def _give_up(self, heard: float) -> None:
        if self._heard == heard:
            self._handle_ping_pong_exception(TimeoutError("no answer to a ping"))
        else:
            self._listen()

    @override
    def _cancel_heartbeat(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
