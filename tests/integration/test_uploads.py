"""Sealed documents: resumed after every kind of interruption, handed out to members, and to nobody else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import subprocess
import sys
import time

import pytest
from aiohttp.test_utils import RawTestServer, TestClient
from yarl import URL

from server.clock import SystemClock
from server.domain.attachment import sealed_size
from server.domain.ids import b64
from server.transport.rest import uploads
from tests.fakes.house import CHUNKS, LIMIT, House, drawn, open_house

# --- the ordinary way --------------------------------------------------------------------------------------------------


async def test_a_document_travels_in_parts_and_comes_back_as_it_was(house):
    attachment, data = drawn(), os.urandom(2_500_000)
    begun = await house.begin(attachment, len(data))
    assert (begun.status, begun.headers["Location"]) == (201, f"/v1/uploads/{b64(attachment)}")
    assert await house.offset(attachment) == 0
    first = await house.append(attachment, 0, data[:1_000_001])
    assert (first.status, first.headers["Upload-Offset"]) == (204, "1000001")
    assert await house.offset(attachment) == 1_000_001
    assert (await house.append(attachment, 1_000_001, data[1_000_001:])).status == 204
    await house.link(attachment)
    for who in ("sender", "member"):
        answer = await house.fetch(attachment, who)
        assert answer.status == 200
        assert await answer.read() == data
        assert answer.content_type == "application/octet-stream"
        assert answer.headers["Content-Disposition"] == "attachment"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not answer.headers["ETag"].startswith("W/")


async def test_it_is_told_what_of_tus_is_spoken_without_a_session(house):
    answer = await house.client.options("/v1/uploads")
    assert answer.status == 204
    assert answer.headers["Tus-Version"] == "1.0.0"
    assert answer.headers["Tus-Extension"] == "creation,creation-with-upload,termination"
    assert int(answer.headers["Tus-Max-Size"]) == sealed_size(LIMIT)


async def test_announcing_the_same_again_changes_nothing_and_another_cannot_take_the_id(house):
    attachment = drawn()
    assert (await house.begin(attachment, 1000)).status == 201
    await house.append(attachment, 0, b"x" * 400)
    assert (await house.begin(attachment, 1000)).status == 200
    assert await house.offset(attachment) == 400
    assert await house.code(await house.begin(attachment, 1001)) == (409, "attachment_exists")
    assert await house.code(await house.begin(attachment, 1000, "stranger")) == (409, "attachment_exists")
    assert await house.offset(attachment) == 400


async def test_a_document_comes_along_with_its_announcement_whole_or_in_part(house):
    attachment, part, data = drawn(), drawn(), b"x" * 5000
    whole = await house.begin(attachment, len(data), data=data)
    assert (whole.status, whole.headers["Upload-Offset"]) == (201, "5000")
    await house.link(attachment)
    assert await (await house.fetch(attachment, "member")).read() == data
    first = await house.begin(part, len(data), data=data[:2000])
    assert (first.status, first.headers["Upload-Offset"]) == (201, "2000")
    again = await house.begin(part, len(data), data=b"y" * 5000)  # its answer was lost: nothing of the repeat is taken
    assert (again.status, again.headers["Upload-Offset"]) == (200, "2000")
    assert (await house.append(part, 2000, data[2000:])).headers["Upload-Offset"] == "5000"
    assert (await house.begin(drawn(), 10, data=data)).status == 422  # more than was announced
    assert await house.code(await house.begin(attachment, len(data), "stranger", data=data)) == (
        409,
        "attachment_exists",
    )


async def test_an_answer_that_was_lost_can_be_asked_for_again(house):
    attachment = drawn()
    await house.upload(attachment, b"x" * 100)
    assert (await house.append(attachment, 100, b"")).status == 204
    assert await house.code(await house.append(attachment, 0, b"x" * 100)) == (409, "offset_conflict")


# --- interruptions -----------------------------------------------------------------------------------------------------


async def cut(house, attachment, offset, data, announced):
    """Send some of a request's body on a connection of its own, and return it still open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.client.port)
    lines = {
        **house.headers("sender", **CHUNKS),
        "Host": "pli",
        "Upload-Offset": str(offset),
        "Content-Length": str(announced),
    }
    head = f"PATCH /v1/uploads/{b64(attachment)} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
    writer.write(head.encode() + b"\r\n" + data)
    await writer.drain()
    return reader, writer


async def test_what_came_before_a_cut_counts(house):
    attachment, data = drawn(), os.urandom(200_000)
    await house.begin(attachment, len(data))
    _, writer = await cut(house, attachment, 0, data[:70_000], len(data))
    await house.reads(70_000)
    writer.transport.abort()
    await house.until(attachment, 70_000)
    assert (await house.append(attachment, 70_000, data[70_000:])).status == 204
    await house.link(attachment)
    assert await (await house.fetch(attachment)).read() == data


async def test_a_client_that_lost_its_connection_goes_on_though_the_server_has_not_noticed(house):
    attachment, data = drawn(), os.urandom(200_000)
    await house.begin(attachment, len(data))
    _, writer = await cut(house, attachment, 0, data[:50_000], len(data))
    await house.reads(50_000)
    assert await house.offset(attachment) == 0
    assert await house.code(await house.append(attachment, 0, data)) == (409, "offset_conflict")
    assert await house.offset(attachment) == 50_000
    assert (await house.append(attachment, 50_000, data[50_000:])).status == 204
    writer.close()
    await house.link(attachment)
    assert await (await house.fetch(attachment)).read() == data


async def test_a_peer_that_says_nothing_is_let_go_and_keeps_what_it_sent(house, monkeypatch):
    monkeypatch.setattr(uploads, "SILENCE", 0.1)
    attachment = drawn()
    await house.begin(attachment, 1000)
    reader, writer = await cut(house, attachment, 0, b"y" * 300, 1000)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    assert b" 400 " in head
    assert b"connection: close" in head.lower()
    writer.close()
    await house.until(attachment, 300)


async def test_bytes_that_a_crash_left_uncounted_are_cut_off_before_going_on(house):
    attachment, data = drawn(), os.urandom(1000)
    await house.begin(attachment, len(data))
    await house.append(attachment, 0, data[:400])
    with (house.data / "parts" / attachment.hex()).open("ab") as part:
        part.write(b"written, never synced, never counted" * 100)
    assert (await house.append(attachment, 400, data[400:])).status == 204
    await house.link(attachment)
    assert await (await house.fetch(attachment)).read() == data


async def test_a_crash_between_the_rename_and_its_count_is_noticed(house):
    attachment, data = drawn(), os.urandom(1000)
    await house.upload(attachment, data)
    await house.services.store.write(lambda tx: tx.attachments.advance(attachment, 600))
    answer = await house.append(attachment, 600, data[600:])
    problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["code"], problem["offset"]) == (409, "offset_conflict", 1000)
    assert await house.offset(attachment) == 1000
    await house.link(attachment)
    assert await (await house.fetch(attachment)).read() == data


@pytest.mark.parametrize("left", [None, 399])
async def test_a_part_that_the_disk_lost_starts_again_instead_of_being_filled_with_nothing(house, left):
    attachment, data = drawn(), os.urandom(1000)
    await house.begin(attachment, len(data))
    await house.append(attachment, 0, data[:400])
    part = house.data / "parts" / attachment.hex()
    part.unlink() if left is None else os.truncate(part, left)
    assert await house.code(await house.append(attachment, 400, data[400:])) == (409, "offset_conflict")
    assert await house.offset(attachment) == 0
    assert (await house.append(attachment, 0, data)).status == 204


async def test_an_upload_goes_on_after_kill_9(laid_out, tmp_path):
    data = shutil.copytree(laid_out, tmp_path / "data")
    attachment, document = drawn(), os.urandom(20 * 1024 * 1024)
    async with open_house(data, SystemClock()) as house:
        tokens = house.tokens
    with serve(data) as (port, process):
        async with TestClient(Elsewhere(port)) as client:
            house = House(client, None, None, data, tokens)
            assert (await house.begin(attachment, len(document))).status == 201
            _, writer = await cut(house, attachment, 0, document[: 12 * 1024 * 1024], len(document))
            deadline = time.monotonic() + 20
            while not (safe := await house.offset(attachment)) and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            process.kill()
            process.wait(timeout=20)
            writer.transport.abort()
    assert 8 * 1024 * 1024 <= safe < 12 * 1024 * 1024
    with serve(data) as (port, _):
        async with TestClient(Elsewhere(port)) as client:
            house = House(client, None, None, data, tokens)
            assert await house.offset(attachment) == safe
            assert (await house.append(attachment, safe, document[safe:])).status == 204
    (blob,) = data.glob("blobs/*/*")
    assert blob.read_bytes() == document


@contextlib.contextmanager
def serve(data):
    command = [sys.executable, "-m", "server", "serve", "--data", str(data), "--port", "0", "--no-web"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        ready = next(line for line in process.stderr if line.startswith("ready "))
        yield int(ready.rsplit(":", 1)[1]), process
    finally:
        process.kill()
        process.wait(timeout=20)
        process.stderr.close()


class Elsewhere(RawTestServer):
    """A server of another process, for the same client."""

    def __init__(self, port):
        super().__init__(None)
        self.port, self._root = port, URL(f"http://127.0.0.1:{port}")

    async def start_server(self, **_):
        pass

    async def close(self):
        pass
