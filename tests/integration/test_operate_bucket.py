"""`/readyz` and the bucket of documents: what is wrong with it is named, and messages go on without it."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
import socket
import time

import pytest
from aiohttp import test_utils, web

from server import telemetry
from server.jobs.work import JOBS, Worker
from server.storage import bucket as buckets
from server.storage.bucket import RefusedBucketError
from tests.fakes.peer import Peer
from tests.fakes.server import running
from tests.fakes.services import LockedS3, at, make_bucket, own

pytestmark = pytest.mark.postgres
SECRET = "hunter2-of-a-test"  # what must never be printed
PATIENCE = 60  # seconds


async def readiness(peer):
    answer = await peer.http.get("/readyz")
    return answer.status, await answer.json()


DEGRADED = (200, {"status": "degraded", "degraded": ["documents"]})


async def becomes(peer, wanted):
    deadline = time.monotonic() + PATIENCE
    while (found := await readiness(peer)) != wanted:
        assert time.monotonic() < deadline, found
        await asyncio.sleep(0.05)


async def test_a_bucket_that_goes_away_and_comes_back_leaves_the_node_in(tmp_path, key, monkeypatch):
    """`/readyz` names it within seconds, messages go on, and nobody has to restart the node."""
    monkeypatch.setattr(buckets, "EVERY", 0.1)
    key("whole")
    lines = []
    telemetry.configure(strict=True, write=lines.append, foreign=False)
    service = await asyncio.to_thread(own, LockedS3)
    try:
        await asyncio.to_thread(make_bucket, service)
        async with running(tmp_path / "data", blobs_url=at(service)) as node:
            claire = await Peer.professional(node, "Claire Martin")
            assert await readiness(claire) == (200, {"status": "ok"})
            await asyncio.to_thread(service.kill)
            await becomes(claire, DEGRADED)
            letter = await claire.invite()
            assert (await claire.say(letter.conversation, "sans document"))["seq"]
            begun = time.monotonic()
            for _ in range(20):
                assert await readiness(claire) == DEGRADED
            assert time.monotonic() - begun < buckets.PATIENCE, "an answer that is kept, not one question each"
            await asyncio.to_thread(service.start)
            await becomes(claire, (200, {"status": "ok"}))
            await claire.close()
    finally:
        service.remove()
    said = [json.loads(line) for line in lines if "documents_" in line]
    assert [(each["event"], each.get("code")) for each in said] == [
        ("documents_away", "away"),
        ("documents_back", None),
    ]


class Narrow:
    """A bucket in memory, as S3 shows it, whose key may be told to write no more."""

    def __init__(self):
        self.objects = {}
        self.writes = True

    async def answer(self, request):
        headers = {"ETag": '"x"', "Last-Modified": "Sun, 29 Nov 2026 12:00:00 GMT"}
        if request.method == "PUT":
            if not self.writes:
                return web.Response(status=403, text="<Error><Code>AccessDenied</Code></Error>")
            self.objects[request.path] = await request.read()
            return web.Response(headers=headers)
        found = self.objects.get(request.path)
        if found is None:
            return web.Response(status=404, text="<Error><Code>NoSuchKey</Code></Error>")
        return web.Response(body=found, headers=headers)

    @contextlib.asynccontextmanager
    async def open(self):
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        async with test_utils.TestServer(app) as server:
            yield f"s3://documents?endpoint={str(server.make_url('')).rstrip('/')}&region=here"


async def test_a_key_that_may_no_longer_write_is_found_out_without_a_document(tmp_path, key, monkeypatch):
    """Reading goes on: only writing shows it. One node writes now and then, under a lease; all hear how that went."""
    monkeypatch.setattr(buckets, "EVERY", 0.1)
    key("whole")
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    narrow = Narrow()
    async with narrow.open() as url, running(tmp_path / "data", blobs_url=url) as node:
        claire = await Peer.professional(node, "Claire Martin")
        worker, job = Worker(node.services), next(job for job in JOBS if job.name == "documents")
        assert job.wanted(node.services.settings)
        due = dataclasses.replace(job, every=0)
        while not await worker.run(due):  # the node's own may have it just now
            await asyncio.sleep(0.01)
        narrow.writes = False
        assert await readiness(claire) == (200, {"status": "ok"})
        assert not await worker.run(due)
        await becomes(claire, DEGRADED)
        narrow.writes = True
        await becomes(claire, (200, {"status": "ok"}))
        assert len(narrow.objects) == 1, "one key, written over"
        await claire.close()


async def test_a_node_starts_while_its_bucket_is_away(tmp_path, key):
    key("whole")
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    async with running(tmp_path / "data", blobs_url="s3://documents?endpoint=http://127.0.0.1:1") as node:
        claire = await Peer.professional(node, "Claire Martin")
        assert await readiness(claire) == DEGRADED
        await claire.close()


async def test_a_bucket_that_hangs_holds_nothing_up(tmp_path, key, monkeypatch):
    """A socket that takes the question and never answers: the start goes on after the time an answer may take."""
    monkeypatch.setattr(buckets, "PATIENCE", 0.5)
    key("whole")
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        async with running(tmp_path / "data", blobs_url=f"s3://documents?endpoint={endpoint}") as node:
            assert time.monotonic() - begun < 30, "the client's own patience is a minute"
            claire = await Peer.professional(node, "Claire Martin")
            assert await readiness(claire) == DEGRADED
            await claire.close()


async def test_a_refused_bucket_leaves_nothing_begun(tmp_path, shared, key):
    key("whole", SECRET)
    before = {task.get_name() for task in asyncio.all_tasks()}
    with pytest.raises(RefusedBucketError):
        async with running(tmp_path / "data", blobs_url=at(shared)):
            pytest.fail("it serves")
    assert {task.get_name() for task in asyncio.all_tasks()} == before
