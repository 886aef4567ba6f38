"""A disk with no room left, a real one (tmpfs): what is there is read, what is new is refused, and room mends it."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crypto.codec import b64
from server import telemetry
from server.storage import room
from tests.fakes.peer import Peer, Refused
from tests.fakes.server import running

SIZE = 90  # MiB of the disk
OK = (200, {"status": "ok"})
NO_ROOM = (200, {"status": "degraded", "degraded": ["room"]})


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk."""
    at = tmp_path / "disk"
    at.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}m", "tmpfs", at], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip(f"no disk of its own: {made.stderr.decode().strip()}")
    yield at
    subprocess.run(["umount", at], check=True)


def fill(disk: Path, leave: int) -> None:
    """Let no more than ``leave`` bytes be free."""
    found = os.statvfs(disk)
    with (disk / "full").open("ab") as file:
        file.write(bytes(max(0, found.f_bavail * found.f_frsize - leave)))


async def becomes(peer: Peer, wanted: object) -> None:
    until = time.monotonic() + 20
    while (found := await readiness(peer)) != wanted:
        assert time.monotonic() < until, found
        await asyncio.sleep(0.05)


async def readiness(peer: Peer) -> tuple[int, object]:
    async with peer.http.get("/readyz") as answer:
        return answer.status, await answer.json()


async def refused(peer: Peer, method: str, path: str, body: object = None) -> tuple[int, str | None]:
    with pytest.raises(Refused) as told:
        await peer.ask(method, path, body)
    return told.value.status, told.value.code


async def until_full(peer: Peer, conversation: bytes) -> list[int]:
    """Write until there is no room; the seqs that were acknowledged."""
    accepted: list[int] = []
    for _ in range(200):
        try:
            accepted.append((await peer.say(conversation, "y" * 3_000))["seq"])
        except Refused:
            return accepted
    pytest.fail("the disk never was full")


async def test_a_full_disk_is_told_reading_goes_on_and_room_mends_it(disk, monkeypatch):
    monkeypatch.setattr(room, "EVERY", 0.1)
    lines: list[str] = []
    telemetry.configure(strict=True, write=lines.append, foreign=False)
    async with running(disk / "data") as server:
        claire = await Peer.professional(server, "Claire Martin")
        letter = await claire.invite("Suivi", "Bonjour")
        jean = await Peer.claim(server, letter)
        here = f"/v1/conversations/{b64(letter.conversation)}"
        await claire.refresh(letter.conversation)
        words = claire.words(letter.conversation, "x" * 3_000)
        await claire.all_events(letter.conversation)
        assert await readiness(claire) == OK

        fill(disk, room.RESERVE - 2**20)
        await becomes(claire, NO_ROOM)
        assert (await claire.say(letter.conversation, "Encore"))["seq"], "there is room for messages"

        fill(disk, 100_000)
        accepted = await until_full(claire, letter.conversation)
        assert await refused(claire, "POST", here + "/envelopes", words) == (507, "storage_full")
        await becomes(claire, NO_ROOM)
        for reader in (claire, jean):
            assert [each["seq"] for each in await reader.all_events(letter.conversation)][-len(accepted) :] == accepted
            assert (await reader.feed())["events"]
            assert (await reader.ask("GET", "/v1/conversations"))["conversations"]

        (disk / "full").unlink()
        assert (await claire.say(letter.conversation, "Enfin"))["seq"] == accepted[-1] + 1
        await becomes(claire, OK)
        for peer in (claire, jean):
            await peer.close()
    told = "".join(lines)
    assert told.index('"no_room"') < told.index('"room_back"')


async def test_a_server_ends_in_order_on_a_full_disk_and_begins_again_when_there_is_room(disk):
    async with running(disk / "data") as server:
        claire = await Peer.professional(server, "Claire Martin")
        letter = await claire.invite("Suivi", "Bonjour")
        fill(disk, 0)
        await claire.close()
    (disk / "full").unlink()
    async with running(disk / "data") as again:
        count = await again.store.read(lambda view: len(view.log.after(letter.conversation, 0, 10)))
    assert count == letter.seq
