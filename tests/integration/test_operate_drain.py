"""SIGTERM while people write: what was acknowledged stays, what was not is said so, sockets are told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from dataclasses import dataclass

import aiohttp
import pytest

from crypto.codec import unb64
from server.storage.identity import init_data
from tests.fakes.peer import Peer, Refused

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PLI_")}
PLI = [sys.executable, "-m", "server"]
GRACE = 10


@dataclass
class Process:
    """`pli serve` as its own process, as a peer sees it."""

    url: str
    data: object
    process: asyncio.subprocess.Process

    async def activation(self, name, profession, identifier):
        add = ["admin", "professional", "add", "--name", name, "--profession", profession, "--rpps", identifier]
        asked = await asyncio.create_subprocess_exec(
            *PLI, *add, "--data", str(self.data), "--json", stdout=asyncio.subprocess.PIPE, env=CLEAN
        )
        out, _ = await asked.communicate()
        return unb64(json.loads(out)["activation_link"].partition("#")[2])


@contextlib.asynccontextmanager
async def serving(data):
    command = [*PLI, "serve", "--data", str(data), "--port", "0", "--no-web", "--access-log", "no"]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE, env=CLEAN)
    try:
        while not (line := (await asyncio.wait_for(process.stderr.readline(), 60)).decode()).startswith("ready "):
            assert line, "the server ended"
        yield Process(line.removeprefix("ready ").strip(), data, process)
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.communicate(), 30)


async def write(peer, conversation, results):
    """Write until the server refuses or is gone; note each message and what became of it."""
    while True:
        submission = peer.words(conversation, f"message {len(results)}")
        try:
            done = await peer.hand_in(conversation, submission)
        except Refused as exc:
            results.append((submission, exc.code))
            return
        except aiohttp.ClientError:
            results.append((submission, "unknown"))
            return
        results.append((submission, done["seq"]))


async def told(socket):
    """Return everything that a lean socket is told until it closes."""
    return [json.loads(message.data) async for message in socket if message.type is aiohttp.WSMsgType.TEXT]


@pytest.mark.slow
async def test_sigterm_while_people_write_loses_and_doubles_nothing(tmp_path):
    data = tmp_path / "data"
    init_data(data)
    results = []
    async with serving(data) as server:
        claire = await Peer.professional(server, "Claire")
        conversation = (await claire.invite()).conversation
        ticket = (await claire.ask("POST", "/v1/live/tickets"))["ticket"]
        socket = await claire.http.ws_connect(f"/v1/live?ticket={ticket}&after=0")
        listening = asyncio.ensure_future(told(socket))
        writers = [asyncio.ensure_future(write(claire, conversation, results)) for _ in range(8)]
        while len(results) < 40:
            assert server.process.returncode is None
            await asyncio.sleep(0.01)
        began = asyncio.get_running_loop().time()
        server.process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(server.process.wait(), GRACE + 5) == 0
        assert asyncio.get_running_loop().time() - began < GRACE, "it waited for somebody who will not leave"
        await asyncio.wait_for(asyncio.gather(*writers), 10)
        heard = await asyncio.wait_for(listening, 10)
    assert {"t": "ended", "code": "unavailable"} in heard
    assert {what for _, what in results if isinstance(what, str)} <= {"unavailable", "unknown"}
    await claire.http.close()

    async with serving(data) as again:
        claire.http, claire.url = aiohttp.ClientSession(again.url), again.url
        log, after = {}, 0
        while page := await claire.events(conversation, after=after, limit=200):
            log |= {event["envelope"]: event["seq"] for event in page if event["type"] == "envelope"}
            after = page[-1]["seq"]
        acknowledged = [(said["envelope"], what) for said, what in results if isinstance(what, int)]
        assert len(acknowledged) >= 32
        assert [(envelope, log.get(envelope)) for envelope, _ in acknowledged] == acknowledged
        for said, what in results:
            if isinstance(what, str):  # the outcome is not known: sending it again puts it in the log once
                once = (await claire.hand_in(conversation, said))["seq"]
                assert (await claire.hand_in(conversation, said))["seq"] == once
        await claire.close()
    shutil.rmtree(data)
