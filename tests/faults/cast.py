"""The people of a campaign: six professionals in five conversations, made once through the public API."""

from __future__ import annotations

import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from crypto import conversation
from crypto.codec import b64, unb64
from crypto.envelope import message_id
from tests.fakes.peer import Peer, now
from tests.fakes.server import running

NAMES = ("Ann", "Bob", "Cid", "Dan", "Eve", "Fay")
GROUPS = ((0, 1, 2), (2, 3), (3, 4, 5), (0, 5), (1, 2, 3, 4, 5))  # the last one loses its last member
SMALLEST = 256 + 16  # bytes of the smallest sealed content
fresh = os.urandom  # the simulation draws by its seed instead


@dataclass
class Person:
    """An account and an open session."""

    id: str
    token: str


@dataclass
class Cast:
    """Who there is, and a data folder in which they exist."""

    people: list[Person]
    conversations: dict[str, list[str]]
    """The members of each conversation."""
    leaver: str
    left: str
    """The conversation that the leaver is removed from."""
    remover: str
    removal: dict[str, Any]
    """The body of the removal, signed and ready to be handed in."""


async def make(folder: Path, **shared: str) -> Cast:
    """Lay out ``folder/data`` with the cast in it (or in the database of ``shared``); asked again, it is only read."""
    written = folder / "cast.json"
    if written.exists():
        return msgspec.json.decode(written.read_bytes(), type=Cast)
    peers: list[Peer] = []
    async with running(folder / "data", **shared) as server:
        try:
            for name in NAMES:
                peers.append(await Peer.professional(server, name))
            cast = await _together(peers)
        finally:
            for peer in peers:
                await peer.close()
    written.write_bytes(msgspec.json.encode(asdict(cast)))
    return cast


async def _together(peers: list[Peer]) -> Cast:
    conversations: dict[str, list[str]] = {}
    opened = b""
    for group in GROUPS:
        first, *others = (peers[index] for index in group)
        opened = await first.start(*((each.id, "professional") for each in others))
        conversations[b64(opened)] = [b64(peers[index].id) for index in group]
    first, last = peers[GROUPS[-1][0]], peers[GROUPS[-1][-1]]
    without = conversation.remove(first.own, first.opened[opened], [last.id], at=now())
    people = [Person(b64(peer.id), peer.token) for peer in peers]
    return Cast(people, conversations, b64(last.id), b64(opened), b64(first.id), first.start_body(without))


def copy(folder: Path, to: Path) -> Path:
    """Return a fresh copy of the data folder."""
    shutil.copytree(folder / "data", to)
    return to


@dataclass(frozen=True)
class Envelope:
    """What is handed in. The server is blind, so the sealed part is as good as random."""

    conv: str
    id: str
    hash: str | None
    kind: str
    body: bytes
    """The submission, as JSON."""


def envelope(
    conv: str,
    epoch: int,
    *,
    kind: str = "message",
    read: int | None = None,
    documents: list[str] | None = None,
    size: int = SMALLEST,
) -> Envelope:
    """Make an envelope of protocol 7.1 with random content."""
    wire = bytes([1, 1]) + unb64(conv)[:16] + epoch.to_bytes(4, "big") + fresh(32 + size)
    submission = {
        "envelope": b64(wire), "kind": kind, "reply": "open" if kind == "message" else None,
        "attachments": documents or [], "read_seq": read,
    }  # fmt: skip
    return Envelope(conv, b64(message_id(wire)), digest(submission["envelope"]), kind, msgspec.json.encode(submission))


def digest(text: str | None) -> str | None:
    """Return a short fingerprint of an envelope as it travels."""
    if text is None:
        return None
    return b64(message_id(text.encode()))[:16]
