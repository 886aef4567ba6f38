"""Devices of the cast: they write, read, follow and repeat over real sockets, and note all that they see."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from bench.wire import Http, WebSocket, request
from crypto.codec import b64
from tests.faults.cast import Cast, Envelope, Person, digest, envelope
from tests.faults.history import History

PATIENCE = 3.0  # seconds for an answer; then nobody knows
PERSISTENCE = 60.0  # seconds in which a removal is taken where no fault, or only a simulated one, is in its way
BROKEN = (OSError, TimeoutError)


@dataclass
class Stage:
    """What all devices share."""

    cast: Cast
    history: History
    chance: random.Random
    ports: list[int]
    """Ways to the server: directly, and through the bad network."""
    up: asyncio.Event = field(default_factory=asyncio.Event)
    ending: bool = False
    epochs: dict[str, int] = field(default_factory=dict)
    lasts: dict[str, int] = field(default_factory=dict)
    recent: dict[str, Envelope] = field(default_factory=dict)
    """The newest envelope of each conversation, for those who repeat what is not theirs."""
    counts: dict[str, int] = field(default_factory=dict)
    documents: list[tuple[str, str]] = field(default_factory=list)
    """(conversation, attachment) of every acknowledged upload."""
    clock_jumps: bool = False
    removing: list[asyncio.Future[None]] = field(default_factory=list)
    """Removals under way: faults may delay them, what comes after the faults may not."""
    starved: Callable[[], float] = lambda: 0.0
    """Seconds that the servers and we have waited for a processor so far."""

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


@dataclass
class Device:
    """A session of a person, and its one kept connection."""

    stage: Stage
    person: Person
    _http: Http | None = field(default=None, init=False)

    async def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        """Call the interface; (status, answer).

        Raises:
            OSError, TimeoutError: nobody knows what became of it.

        """
        try:
            async with asyncio.timeout(PATIENCE):
                if self._http is None or self._http.transport.is_closing():
                    self._http = await Http.open("127.0.0.1", self.stage.chance.choice(self.stage.ports))
                headers = {
                    "authorization": f"Bearer {self.person.token}",
                    "content_type": "application/json",
                    **headers,
                }
                status, _, answer = await self._http.ask(request(method, path, "127.0.0.1", body, **headers))
        except BROKEN:
            self.close()
            raise
        if method == "GET" and "/attachments/" in path:
            return status, answer
        try:
            return status, msgspec.json.decode(answer) if answer else None
        except msgspec.DecodeError:
            if status >= 500:  # a disk that is pulled out says ECONNABORTED, which the server takes for its client's
                return status, None
            raise RuntimeError(f"{method} {path}: {status} {answer[:200]!r} is no JSON") from None

    async def listen(self, after: int, hear: Callable[[bytes], None]) -> WebSocket:
        """Open a live line from a position on.

        Raises:
            OSError, TimeoutError: it did not open.

        """
        status, ticket = await self.ask("POST", "/v1/live/tickets")
        if status != 201:
            raise TimeoutError
        socket = WebSocket(hear)
        path = f"/v1/live?ticket={ticket['ticket']}&after={after}"
        await socket.connect("127.0.0.1", self.stage.chance.choice(self.stage.ports), path)
        return socket

    def close(self) -> None:
        if self._http is not None:
            self._http.close()
            self._http = None

    async def persist(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, Any]:
        """Ask until there is an answer that is not "later"."""
        while True:
            with contextlib.suppress(*BROKEN):
                status, answer = await self.ask(method, path, body, **headers)
                if status < 500:
                    return status, answer
            await asyncio.sleep(0.02)
            await self.stage.up.wait()


# --- writing ----------------------------------------------------------------------------------------------------------


async def hand_in(device: Device, sent: Envelope) -> int | None:
    """Hand an envelope in once, and note what came of it; its seq when it was accepted. None: unknown, 0: refused."""
    history, conv = device.stage.history, sent.conv
    op = history.invoke(device.person.id, conv, sent.id, sent.hash)
    try:
        status, answer = await device.ask("POST", f"/v1/conversations/{conv}/envelopes", sent.body)
    except BROKEN:
        history.add("unknown", op=op)
        return None
    if status in {200, 201}:
        history.add("ok", op=op, seq=answer["seq"])
        device.stage.lasts[conv] = max(answer["seq"], device.stage.lasts.get(conv, 0))
        return int(answer["seq"])
    if status >= 500 and status != 507:
        history.add("unknown", op=op)
        await asyncio.sleep(0.05)
        return None
    history.add("fail", op=op, code=answer["code"])
    device.stage.count(answer["code"])
    if answer["code"] == "stale_epoch":
        device.stage.epochs[conv] = max(answer["epoch"], device.stage.epochs.get(conv, 1))  # it may come late
    return 0


async def write(device: Device, conv: str) -> None:
    """Write message after message; repeat what has no answer, and sometimes what has one."""
    stage, spare = device.stage, replace(device)
    while not stage.ending:
        sent = _next(stage, conv)
        if stage.chance.random() < 0.06:
            await asyncio.gather(hand_in(device, sent), hand_in(spare, sent))
        while (seq := await hand_in(device, sent)) is None and stage.chance.random() < 0.95:
            await asyncio.sleep(0.01)
            await stage.up.wait()
        await _mischief(device, sent, accepted=bool(seq))
        if seq:
            stage.recent[conv] = sent
            stage.count("acknowledged")
        if seq == 0 and device.person.id == stage.cast.leaver and conv == stage.cast.left:
            break
        await asyncio.sleep(stage.chance.random() * 0.01)
    spare.close()
    device.close()


def _next(stage: Stage, conv: str) -> Envelope:
    epoch = stage.epochs.get(conv, 1)
    if stage.chance.random() < 0.15:
        return envelope(conv, epoch, kind="receipt", read=stage.chance.randint(0, stage.lasts.get(conv, 0)))
    return envelope(conv, epoch)


async def _mischief(device: Device, sent: Envelope, *, accepted: bool) -> None:
    """Repeat what was answered, hand in what another wrote, or what no epoch allows."""
    stage, lot = device.stage, device.stage.chance.random()
    if accepted and lot < 0.05:
        await hand_in(device, sent)
    elif lot < 0.10 and sent.conv in stage.recent:
        await hand_in(device, stage.recent[sent.conv])
    elif lot < 0.14:
        await hand_in(device, envelope(sent.conv, 77))


async def remove(stage: Stage, remover: Device | None = None, *, patience: float | None = PERSISTENCE) -> None:
    """Take the leaver out of a conversation, and note when that is acknowledged; no patience: whoever waits judges."""
    cast = stage.cast
    device = remover or Device(stage, next(person for person in cast.people if person.id == cast.remover))
    body = msgspec.json.encode(cast.removal)
    try:
        async with asyncio.timeout(patience):
            status, answer = await device.persist("POST", f"/v1/conversations/{cast.left}/epochs", body)
    except TimeoutError:
        stage.history.add("stuck", who="the removal of a member", seconds=patience)
        return
    if status != 201:
        raise RuntimeError(f"the removal was refused: {answer}")
    stage.epochs[cast.left] = answer["epoch"]
    stage.history.add("removed", conv=cast.left, account=cast.leaver, seq=answer["seq"])
    device.close()


async def upload(device: Device, conv: str, size: int = 40_000) -> None:
    """Upload document after document, and name each in a message."""
    stage = device.stage
    while not stage.ending:
        document, sealed = b64(os.urandom(16)), os.urandom(size)
        named = b64(document.encode()).replace("-", "+").replace("_", "/")
        named += "=" * (-len(named) % 4)
        tus = {"tus_resumable": "1.0.0"}
        first = {"upload_length": str(size), "upload_metadata": f"attachment {named}", **tus}
        await device.persist("POST", "/v1/uploads", **first)
        more = {"content_type": "application/offset+octet-stream", **tus}
        status, _ = await device.persist("PATCH", f"/v1/uploads/{document}", sealed, upload_offset="0", **more)
        if status == 204:
            sent = envelope(conv, stage.epochs.get(conv, 1), documents=[document])
            while (seq := await hand_in(device, sent)) is None:
                await stage.up.wait()
            if seq or not stage.clock_jumps:  # a wrong clock may sweep what no message names yet
                stage.history.add("blob", id=document, hash=digest(b64(sealed)))
                stage.documents.append((conv, document))
        await asyncio.sleep(0.02)
    device.close()


# --- reading ----------------------------------------------------------------------------------------------------------


def _seen(event: dict[str, Any]) -> list[Any]:
    who = event.get("author") or event.get("by") or event.get("from")  # of a trimmed log: where it begins
    return [event["seq"], event.get("id"), digest(event.get("envelope")), who]


async def page(device: Device, conv: str, after: int, *, whole: bool = False) -> list[Any]:
    """Read a piece of a log; returns its items."""
    history, began = device.stage.history, _clock()
    status, answer = await device.ask("GET", f"/v1/conversations/{conv}/events?after={after}&limit=200")
    if status != 200:
        return []
    items = [_seen(event) for event in answer["events"]]
    history.add(
        "page",
        who=device.person.id,
        conv=conv,
        began=began,
        after=after,
        last=answer["last_seq"],
        items=items,
        whole=whole,
    )
    return items


async def feed(device: Device, after: int, *, whole: bool = False) -> tuple[int, int]:
    """Read a piece of the feed; returns how far it went, and how far there is."""
    history, began = device.stage.history, _clock()
    status, answer = await device.ask("GET", f"/v1/feed?after={after}&wait=0&limit=500")
    if status != 200:
        raise TimeoutError
    items = [[each["position"], each["conversation"], *_seen(each["event"])[:3]] for each in answer["events"]]
    ends = {"first": answer["first"], "last": answer["last"]}
    history.add("feed", who=device.person.id, began=began, after=after, **ends, items=items, whole=whole)
    return answer["position"], answer["last"]


async def marks(device: Device, conv: str) -> None:
    """Look at what is delivered, and at the own reading mark."""
    began = _clock()
    status, answer = await device.ask("GET", f"/v1/conversations/{conv}")
    if status != 200:
        return

    def note(account: str, delivered: int | None, read: int | None) -> None:
        told = {"by": device.person.id, "began": began, "conv": conv, "account": account}
        device.stage.history.add("mark", **told, delivered=delivered, read=read)

    for mark in answer["delivered"]:
        note(mark["account"], mark["seq"], None)
    note(device.person.id, None, answer["read_seq"])


async def acknowledge(device: Device, position: int) -> None:
    """Say that all up to a position is here."""
    status, _ = await device.ask("POST", "/v1/feed/ack", b'{"position":%d}' % position)
    if status == 204:
        device.stage.history.add("ack", who=device.person.id, position=position)


async def read(device: Device) -> None:
    """Read logs, feeds and marks in any order, and acknowledge, sometimes late (another device of the same person)."""
    stage, position = device.stage, 0
    mine = [conv for conv, members in stage.cast.conversations.items() if device.person.id in members]
    while not stage.ending:
        try:
            conv = stage.chance.choice(mine)
            await page(device, conv, max(0, stage.lasts.get(conv, 0) - stage.chance.randint(1, 40)))
            position, _ = await feed(device, position)
            await acknowledge(device, position if stage.chance.random() < 0.7 else position // 2)
            await marks(device, conv)
        except BROKEN:
            await asyncio.sleep(0.01)
            await stage.up.wait()
        await asyncio.sleep(stage.chance.random() * 0.05)
    device.close()


async def follow(device: Device, calm: asyncio.Event) -> None:
    """Keep a live line open, fetch what it says is missing, and end once the faults are over and nothing is missing."""
    stage, history, at, lines = device.stage, device.stage.history, 0, 0
    history.add("follower", who=device.person.id)
    while True:
        lines += 1
        with contextlib.suppress(*BROKEN):
            at = await follow_line(device, f"{device.person.id[:6]}/{lines}", at, lambda _: stage.ending)
            at, last = await feed(device, at)
            if calm.is_set() and at >= last:
                history.add("level", who=device.person.id, starved=stage.starved())
                break
        await asyncio.sleep(0.02)
        await stage.up.wait()
    device.close()


async def follow_line(device: Device, line: str, after: int, enough: Callable[[int], bool]) -> int:
    """Follow one line until it breaks, or falls silent after ``enough``; return the position reached."""
    stage, who = device.stage, device.person.id
    heard: asyncio.Queue[bytes] = asyncio.Queue()
    socket = await device.listen(after, heard.put_nowait)
    at = after
    while not socket.closed or not heard.empty():
        try:
            said = msgspec.json.decode(await asyncio.wait_for(heard.get(), 0.3))
        except TimeoutError:
            if enough(at):
                break
            continue
        if said["t"] == "event":
            at, seen = said["position"], _seen(said["event"])[:3]
            stage.history.add(
                "push",
                who=who,
                line=line,
                after=after,
                position=at,
                conv=said["conversation"],
                seq=seen[0],
                id=seen[1],
                hash=seen[2],
            )
        elif said["t"] == "behind":
            stage.history.add("behind", who=who, line=line)
            while at < said["last"]:
                at, _ = await feed(device, at)
        elif said["t"] == "ended":
            break
        if not socket.closed and said["t"] != "mark":
            socket.say(b'{"t":"ack","position":%d}' % at)
    socket.close()
    return at


def _clock() -> float:
    return asyncio.get_running_loop().time()
