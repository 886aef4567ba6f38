"""Two nodes on one PostgreSQL and one Redis are one server to whoever uses them, also while either is gone."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from crypto import session
from crypto.codec import b64, unb64
from server import telemetry
from server.app import BUS, GATEWAY
from server.storage.schema import MIGRATIONS, migrate, postgres_revision
from tests.fakes.peer import Peer, Refused
from tests.fakes.server import running
from tests.fakes.services import Postgres, Redis, fresh_postgres, of, own

pytestmark = pytest.mark.postgres
PATIENCE = 30  # seconds


@pytest.fixture
def redis():
    service = own(Redis)
    yield service
    service.remove()


@pytest.fixture
def database():
    return fresh_postgres()


async def until(said, what="it"):
    """Wait until `said()` is true."""
    deadline = time.monotonic() + PATIENCE
    while not said():
        assert time.monotonic() < deadline, f"{what} did not happen"
        await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def two(tmp_path, database, redis):
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    shared = {"database_url": database, "redis_url": redis.url}
    async with running(tmp_path / "one", **shared) as one, running(tmp_path / "two", **shared) as two:
        await until(lambda: not any(node.app[BUS].silent for node in (one, two)), "hearing each other")
        yield one, two


@pytest.fixture
async def nodes(tmp_path, database, redis):
    async with two(tmp_path, database, redis) as both:
        yield both


@pytest.fixture
async def pair(nodes):
    """A doctor on the first node, a patient on the second."""
    claire = await Peer.professional(nodes[0], "Claire Martin")
    letter = await claire.invite()
    jean = await Peer.claim(nodes[1], letter)
    await claire.refresh(letter.conversation)
    yield claire, jean, letter.conversation
    await claire.close()
    await jean.close()


async def ticket(peer):
    return (await peer.ask("POST", "/v1/live/tickets"))["ticket"]


@contextlib.asynccontextmanager
async def line(peer):
    """A live socket from now on."""
    after = (await peer.feed())["last"]
    query = {"ticket": await ticket(peer), "after": str(after)}
    async with peer.http.ws_connect("/v1/live", params=query) as ws:
        yield ws


async def told(ws, *kinds, passed=None):
    """The next frame of these kinds; those before it are appended to `passed`."""
    async with asyncio.timeout(PATIENCE):
        while True:
            frame = await ws.receive_json()
            if frame["t"] in kinds:
                return frame
            if passed is not None:
                passed.append(frame)


async def test_what_is_said_on_one_node_is_heard_on_the_other(pair):
    claire, jean, conversation = pair
    passed = []
    async with line(claire) as hers, line(jean) as his:
        for n in range(10):
            said = await claire.say(conversation, f"Bonjour {n}")
            begun = time.monotonic()
            heard = await told(his, "event")
            assert heard["event"]["id"] == said["id"]
            assert time.monotonic() - begun < 10, "a hint, not a poll: that comes every half minute"
            await his.send_json({"t": "ack", "position": heard["position"]})
            answer = await jean.say(conversation, f"Merci {n}")
            ids = [(await told(hers, "event", passed=passed))["event"]["id"] for _ in range(2)]
            assert ids == [said["id"], answer["id"]]
            await told(his, "event")
        marks = [frame for frame in passed if frame["t"] == "mark"]  # it may come before the last answer or after it
        mark = marks[-1] if marks else await told(hers, "mark")
        assert mark["account"] == b64(jean.id)


async def test_a_long_poll_on_one_node_hears_of_a_message_on_the_other(pair, nodes):
    claire, jean, conversation = pair
    after = (await jean.feed())["last"]
    waiting = asyncio.create_task(jean.feed(after=after, wait=25))
    await until(lambda: nodes[1].services.feed.waiting, "the poll")
    said = await claire.say(conversation, "Bonjour")
    async with asyncio.timeout(15):
        assert [each["event"]["id"] for each in (await waiting)["events"]] == [said["id"]]


async def test_both_nodes_write_one_log_at_once(pair):
    claire, jean, conversation = pair
    async with line(claire) as hers, line(jean) as his:
        said = await asyncio.gather(*(who.say(conversation, str(n)) for n in range(12) for who in (claire, jean)))
        seqs = sorted(each["seq"] for each in said)
        assert seqs == list(range(seqs[0], seqs[0] + 24))
        for ws in (hers, his):
            heard = [await told(ws, "event") for _ in range(24)]
            assert [each["event"]["seq"] for each in heard] == seqs, "in the order of the log, on both nodes"
            assert [each["position"] for each in heard] == list(range(heard[0]["position"], heard[0]["position"] + 24))


@pytest.mark.parametrize("fault", ["killed", "paused"])
async def test_delivery_goes_on_without_redis_and_comes_back_with_it(pair, nodes, redis, fault):
    claire, jean, conversation = pair
    async with line(claire) as hers, line(jean) as his:
        redis.kill() if fault == "killed" else redis.signal(signal.SIGSTOP)
        for n in range(3):
            said = [await claire.say(conversation, f"sans {n}"), await jean.say(conversation, f"Redis {n}")]
            for ws in (hers, his):
                assert [(await told(ws, "event"))["event"]["id"] for _ in range(2)] == [each["id"] for each in said]
        redis.start() if fault == "killed" else redis.signal(signal.SIGCONT)  # a killed one comes back empty
        await until(lambda: not any(node.app[BUS].silent for node in nodes), "hearing Redis again")
        said = await claire.say(conversation, "avec")
        for ws in (hers, his):
            assert (await told(ws, "event"))["event"]["id"] == said["id"]


async def test_an_ended_session_ends_on_every_node(pair, nodes):
    _, jean, _ = pair
    async with device_on(nodes[0], jean) as twin, line(jean) as his:
        assert (await twin.ask("GET", "/v1/me"))["account"] == b64(jean.id)
        sessions = (await twin.ask("GET", "/v1/sessions"))["sessions"]
        (current,) = [each["id"] for each in sessions if each["current"]]
        await twin.ask("DELETE", f"/v1/sessions/{current}")
        assert (await told(his, "ended"))["code"] == "unauthenticated"
        await until(lambda: not nodes[1].app[GATEWAY]._lines, "closing the line")
        for node_of in (twin, jean):
            with pytest.raises(Refused) as refused:
                await node_of.ask("GET", "/v1/me")
            assert refused.value.status == 401


async def test_an_ended_session_ends_on_every_node_without_redis_too(pair, nodes, redis):
    _, jean, _ = pair
    redis.kill()
    await until(lambda: nodes[1].app[BUS].silent, "noticing")
    async with device_on(nodes[0], jean) as twin, line(jean) as his:
        sessions = (await twin.ask("GET", "/v1/sessions"))["sessions"]
        (current,) = [each["id"] for each in sessions if each["current"]]
        await twin.ask("DELETE", f"/v1/sessions/{current}")
        assert (await told(his, "ended"))["code"] == "unauthenticated"


async def test_a_ticket_opens_one_socket_on_any_node(pair, nodes):
    _, jean, _ = pair
    async with device_on(nodes[0], jean) as twin:
        drawn = await ticket(twin)
        async with jean.http.ws_connect("/v1/live", params={"ticket": drawn}):
            pass
        for peer in (twin, jean):
            with pytest.raises(Exception, match="401"):
                await peer.http.ws_connect("/v1/live", params={"ticket": drawn})


async def test_a_challenge_of_one_node_is_answered_on_the_other_once(pair, nodes):
    _, jean, _ = pair
    holder = jean.own.holder
    async with device_on(nodes[0], jean) as twin:
        asked = await twin.ask("POST", "/v1/sessions/challenges", {"holder": b64(holder.id)})
        challenge = unb64(asked["challenge"])
        signature = session.answer(holder, server=jean.server_id, challenge=challenge)
        body = {"holder": b64(holder.id), "challenge": b64(challenge), "signature": b64(signature), "cookie": False}
        assert (await jean.ask("POST", "/v1/sessions", body))["token"]
        for peer in (twin, jean):
            with pytest.raises(Refused):
                await peer.ask("POST", "/v1/sessions", body)


@contextlib.asynccontextmanager
async def device_on(node, peer):
    """The same device, at another node."""
    async with aiohttp.ClientSession(node.url) as http:
        yield dataclasses.replace(peer, url=node.url, http=http)


async def test_a_restart_of_postgresql_is_unavailable_then_forgotten(tmp_path):
    """Whatever was acknowledged before is there after; nobody has to restart a node."""
    postgres = await asyncio.to_thread(own, Postgres)
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    try:
        await asyncio.to_thread(migrate, postgres.url())
        async with running(tmp_path / "data", database_url=postgres.url()) as node:
            claire = await Peer.professional(node, "Claire Martin")
            letter = await claire.invite()
            said = await claire.say(letter.conversation, "avant")
            postgres.kill()
            for ask in (claire.say(letter.conversation, "pendant"), claire.feed()):
                with pytest.raises(Refused) as refused:
                    await ask
                assert (refused.value.status, refused.value.code) == (503, "unavailable")
            assert (await claire.http.get("/readyz")).status == 503
            await asyncio.to_thread(postgres.start)
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    again = await claire.say(letter.conversation, "après")
                    break
                except Refused as refused:
                    if refused.status != 503:
                        raise
                    assert time.monotonic() < deadline
                    await asyncio.sleep(0.1)
            events = await claire.events(letter.conversation, after=0)
            seqs = [event["seq"] for event in events]
            assert seqs == list(range(1, again["seq"] + 1))
            assert said["seq"] in seqs
            assert (await claire.http.get("/readyz")).status == 200
            await claire.close()
    finally:
        postgres.remove()


# --- several processes ------------------------------------------------------------------------------------------------

PLI = Path(sys.executable).with_name("pli")


def pli(*words, **environ):
    return subprocess.run([PLI, *words], env=os.environ | environ, capture_output=True, text=True, timeout=60)


class Program:
    """`pli serve` as an operator starts it."""

    def __init__(self, folder, *words, **environ):
        self.log = folder / "log"
        with self.log.open("wb") as out:
            command = [PLI, "serve", "--data", folder / "data", "--port", "0", "--no-web", *words]
            self.process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | environ)
        deadline = time.monotonic() + 30
        while not (found := re.search(r"^ready (http://\S+)", self.log.read_text(), re.MULTILINE)):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        self.url = found[1]

    def workers(self):
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def end(self):
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def three(tmp_path, database, redis):
    environ = {"PLI_DATABASE_URL": database, "PLI_REDIS_URL": redis.url}
    made = pli("init", "--data", str(tmp_path / "data"), **environ)
    assert made.returncode == 0, made.stderr
    program = Program(tmp_path, "--workers", "3", **environ)
    program.environ = environ
    yield program
    assert program.end() == 0
    assert "worker_ended" not in program.log.read_text() or program.hurt


class Operator:
    """The server as `Peer` wants it: an address, and activations through the operator's program."""

    def __init__(self, program, data):
        self.url, self.data, self.environ = program.url, data, program.environ

    async def activation(self, name, profession, identifier):
        words = ["admin", "professional", "add", "--data", str(self.data), "--name", name, "--profession", profession]
        made = await asyncio.to_thread(pli, *words, "--rpps", identifier, **self.environ)
        return unb64(made.stdout.strip().rpartition("#")[2])


async def test_several_processes_are_one_server_and_one_that_dies_is_replaced(three, tmp_path):
    three.hurt = True
    claire = await Peer.professional(Operator(three, tmp_path / "data"), "Claire Martin")
    letter = await claire.invite()
    jean = await Peer.claim(three, letter)
    await claire.refresh(letter.conversation)
    before = three.workers()
    assert len(before) == 3
    async with contextlib.AsyncExitStack() as kept:
        sockets = [await kept.enter_async_context(line(jean)) for _ in range(8)]  # spread by the kernel
        for n in range(5):
            said = await claire.say(letter.conversation, str(n))
            for ws in sockets:
                assert (await told(ws, "event"))["event"]["id"] == said["id"]
    os.kill(before[1], signal.SIGKILL)
    await until(lambda: len(three.workers()) == 3 and before[1] not in three.workers(), "replacing it")
    deadline = time.monotonic() + PATIENCE
    while True:
        async with aiohttp.ClientSession(three.url) as http, http.get("/readyz") as answer:
            if answer.status == 200:
                break
        assert time.monotonic() < deadline
    await claire.close()
    await jean.close()


def test_several_processes_need_both(tmp_path):
    for environ in ({}, {"PLI_DATABASE_URL": "postgresql://x/y"}, {"PLI_REDIS_URL": "redis://x"}):
        refused = pli("serve", "--data", str(tmp_path / "data"), "--workers", "2", **environ)
        assert refused.returncode == 2
        assert "PLI_DATABASE_URL" in refused.stderr


def test_a_database_that_does_not_answer_is_said_so(tmp_path):
    (tmp_path / "data").mkdir(mode=0o700)
    made = pli("init", "--data", str(tmp_path / "data"))
    assert made.returncode == 0
    refused = pli("serve", "--data", str(tmp_path / "data"), PLI_DATABASE_URL="postgresql://pli@127.0.0.1:1/pli")
    assert refused.returncode not in {0, 1}
    assert "does not answer" in refused.stderr
    assert "Traceback" not in refused.stderr


async def test_nodes_that_start_together_migrate_once():
    postgres = await asyncio.to_thread(of, Postgres)
    url = postgres.url(await asyncio.to_thread(postgres.database))
    await asyncio.gather(*(asyncio.to_thread(migrate, url) for _ in range(4)))
    newest = max(path.name for path in (MIGRATIONS / "versions").glob("0*.py"))
    assert await asyncio.to_thread(postgres_revision, url) == newest[:4]
