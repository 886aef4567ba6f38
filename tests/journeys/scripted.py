"""Scripted correspondents for the journeys: the real protocol at once, where a second browser would only cost time."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any

import aiohttp

from crypto.codec import b64, unb64
from tests.fakes.peer import Letter, Peer
from tests.journeys.support import Server

AT_ONCE = 200
"""Envelopes on their way over one lean socket."""


class Script:
    """An event loop of its own: the browser's driver already runs one in the thread of the tests."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._peers: list[Peer] = []
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do it and return its result; 2 minutes at most."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(120)

    def professional(self, server: Server, name: str, profession: str = "10") -> Peer:
        """Make and activate an account."""
        return self._keep(self.run(Peer.professional(Office(server), name, profession)))

    def claim(self, server: Server, letter: Letter) -> Peer:
        """Take the invited place of a letter."""
        return self._keep(self.run(Peer.claim(Office(server), letter)))

    def say(self, peer: Peer, conversation: bytes, text: str) -> None:
        """Write a message to whoever is a member by now."""
        self.run(peer.refresh(conversation))
        self.run(peer.say(conversation, text))

    def close(self) -> None:
        for peer in self._peers:
            self.run(peer.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _keep(self, peer: Peer) -> Peer:
        self._peers.append(peer)
        return peer


class Office:
    """What `Peer` wants of a server, by the operator's own command line."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.url = server.url

    async def activation(self, name: str, profession: str, identifier: str) -> bytes:
        """Return the token of a new activation link."""
        link = await asyncio.to_thread(self._server.add_professional, name, profession, identifier)
        return unb64(link.split("#")[1], 32)


async def say_many(peer: Peer, conversation: bytes, texts: list[str]) -> None:
    """Send all in their order over the lean socket, many at a time."""
    await peer.refresh(conversation)
    last = (await peer.feed())["last"]
    ticket = (await peer.ask("POST", "/v1/live/tickets"))["ticket"]
    room = asyncio.Semaphore(AT_ONCE)
    query = {"ticket": ticket, "after": last}
    async with peer.http.ws_connect("/v1/live", params=query, max_msg_size=0) as socket, asyncio.TaskGroup() as both:
        both.create_task(_hear(socket, len(texts), room))
        for number, text in enumerate(texts):
            await room.acquire()
            said = peer.words(conversation, text)
            await socket.send_json({"t": "send", "ref": number, "conversation": b64(conversation), "submission": said})


async def _hear(socket: aiohttp.ClientWebSocketResponse, count: int, room: asyncio.Semaphore) -> None:
    while count:
        told = await socket.receive_json()
        assert told["t"] != "refused", told
        if told["t"] == "sent":
            count -= 1
            room.release()
