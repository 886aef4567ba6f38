"""Sealed documents: resumed after every kind of interruption, handed out to members, and to nobody else."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import errno
import io
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from aiohttp.test_utils import RawTestServer, TestClient, TestServer
from yarl import URL

from server import telemetry
from server.app import SERVICES, build_app
from server.clock import SetClock, SystemClock
from server.domain.account import Account, Holder
from server.domain.attachment import SMALLEST, sealed_size
from server.domain.conversation import Conversation, History, Member, Policy, Role
from server.domain.ids import b64
from server.settings import Settings
from server.storage.identity import init_data
from server.transport.rest import uploads

LIMIT = 3_000_000
QUOTA = 8_000_000
TUS = {"Tus-Resumable": "1.0.0"}
CHUNKS = {"Content-Type": "application/offset+octet-stream"}
CONVERSATION = b"c" * 32


@dataclass
class House:
    """A running server, three accounts with sessions: the sender, another member, a stranger."""

    client: TestClient
    services: object
    clock: SetClock
    data: object
    tokens: dict

    def headers(self, who, **more):
        return {"Authorization": f"Bearer {self.tokens[who]}", **TUS, **more}

    async def begin(self, attachment, size, who="sender", **headers):
        metadata = base64.b64encode(b64(attachment).encode()).decode()
        told = {"Upload-Length": str(size), "Upload-Metadata": f"attachment {metadata}"} | headers
        told = {name: value for name, value in told.items() if value is not None}
        return await self.client.post("/v1/uploads", headers=self.headers(who, **told))

    async def append(self, attachment, offset, data, who="sender", **headers):
        told = CHUNKS | {"Upload-Offset": str(offset)} | headers
        told = {name: value for name, value in told.items() if value is not None}
        return await self.client.patch(
            f"/v1/uploads/{b64(attachment)}", data=io.BytesIO(data), headers=self.headers(who, **told)
        )

    async def offset(self, attachment, who="sender"):
        answer = await self.client.head(f"/v1/uploads/{b64(attachment)}", headers=self.headers(who))
        return int(answer.headers["Upload-Offset"]) if answer.status == 200 else answer.status

    async def until(self, attachment, offset):
        deadline = time.monotonic() + 30
        while await self.offset(attachment) != offset and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
        assert await self.offset(attachment) == offset

    async def writing(self):
        deadline = time.monotonic() + 30
        while not self.services.attachments._writing and time.monotonic() < deadline:
            await asyncio.sleep(0.005)
        await asyncio.sleep(0.05)

    async def upload(self, attachment, data):
        assert (await self.begin(attachment, len(data))).status == 201
        assert (await self.append(attachment, 0, data)).status == 204

    async def link(self, attachment):
        await self.services.store.write(lambda tx: tx.attachments.link([attachment], CONVERSATION))

    async def fetch(self, attachment, who="member", conversation=CONVERSATION, **headers):
        path = f"/v1/conversations/{b64(conversation)}/attachments/{b64(attachment)}"
        return await self.client.get(path, headers=self.headers(who, **headers))

    async def code(self, answer):
        return answer.status, (await answer.json(content_type="application/problem+json"))["code"]


@contextlib.asynccontextmanager
async def open_house(data, clock=None):
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    clock = clock or SetClock()
    app = build_app(Settings(data=data, attachment_limit=LIMIT, attachment_quota=QUOTA), clock=clock)
    async with TestClient(TestServer(app)) as client:
        services = app[SERVICES]
        tokens = await services.store.write(lambda tx: populate(tx, services, clock))
        yield House(client, services, clock, data, tokens)
    telemetry.configure(strict=False, foreign=False)


def populate(tx, services, clock):
    tokens = {}
    for name in ("sender", "member", "stranger"):
        account, holder = name.encode().ljust(32), name.encode().ljust(16)
        if tx.accounts.get(account) is None:
            tx.accounts.add(Account(account, "user", 1, b"h" * 32, 1, True, clock.now()))
            tx.accounts.save_holder(Holder(holder, account, "device", name, b"k" * 32, True))
        tokens[name] = services.sessions.begin(tx, account, holder).token
    if tx.conversations.head(CONVERSATION) is None:
        head = Conversation(CONVERSATION, 1, b"h" * 32, 1, clock.now(), Policy())
        for name, role in (("sender", Role.OWNER), ("member", Role.PATIENT)):
            account = name.encode().ljust(32)
            head.members[account] = Member(account, role, History.FULL, 1)
        tx.conversations.add(head)
    return tokens


@pytest.fixture(scope="module")
def laid_out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("laid-out") / "data"
    init_data(folder)
    return folder


@pytest.fixture
async def house(laid_out, tmp_path):
    async with open_house(shutil.copytree(laid_out, tmp_path / "data")) as made:
        yield made


def drawn():
    return os.urandom(16)


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
    assert answer.headers["Tus-Extension"] == "creation,termination"
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
    await house.writing()
    writer.transport.abort()
    await house.until(attachment, 70_000)
    assert (await house.append(attachment, 70_000, data[70_000:])).status == 204
    await house.link(attachment)
    assert await (await house.fetch(attachment)).read() == data


async def test_a_client_that_lost_its_connection_goes_on_though_the_server_has_not_noticed(house):
    attachment, data = drawn(), os.urandom(200_000)
    await house.begin(attachment, len(data))
    _, writer = await cut(house, attachment, 0, data[:50_000], len(data))
    await house.writing()
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


# --- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Tus-Resumable": "0.2.2"}, (400, "bad_request")),
        ({"Upload-Length": None}, (400, "bad_request")),
        ({"Upload-Length": "-1"}, (400, "bad_request")),
        ({"Upload-Length": "1e3"}, (400, "bad_request")),
        ({"Upload-Length": "²"}, (400, "bad_request")),
        ({"Upload-Length": "9" * 16}, (400, "bad_request")),
        ({"Upload-Length": "0"}, (422, "attachment_empty")),
        ({"Upload-Length": str(SMALLEST - 1)}, (422, "attachment_empty")),
        ({"Upload-Length": str(sealed_size(LIMIT) + 1)}, (413, "attachment_too_large")),
        ({"Upload-Metadata": None}, (400, "bad_request")),
        ({"Upload-Metadata": "filename eA=="}, (400, "bad_request")),
        ({"Upload-Metadata": "attachment"}, (400, "bad_request")),
        ({"Upload-Metadata": "attachment ***"}, (400, "bad_request")),
        ({"Upload-Metadata": "attachment " + base64.b64encode(b"AAAA").decode()}, (400, "bad_request")),
        ({"Upload-Metadata": "attachment " + base64.b64encode(b"../../../etc/passwd").decode()}, (400, "bad_request")),
        ({"Upload-Metadata": "attachment w6k="}, (400, "bad_request")),
        ({"Content-Encoding": "gzip"}, (415, "unsupported_media_type")),
        ({"Authorization": "Bearer nobody"}, (401, "unauthenticated")),
    ],
)
async def test_a_document_that_cannot_be_is_refused_and_leaves_nothing(house, headers, refused):
    assert await house.code(await house.begin(drawn(), 1000, **headers)) == refused
    assert await house.services.store.read(lambda view: view.attachments.used(b"sender".ljust(32))) == 0
    assert not list((house.data / "parts").iterdir())


@pytest.mark.parametrize(
    ("headers", "refused"),
    [
        ({"Tus-Resumable": "1.0"}, (400, "bad_request")),
        ({"Upload-Offset": None}, (400, "bad_request")),
        ({"Upload-Offset": "x"}, (400, "bad_request")),
        ({"Upload-Offset": "1"}, (409, "offset_conflict")),
        ({"Upload-Offset": "99999"}, (409, "offset_conflict")),
        ({"Content-Type": "application/octet-stream"}, (415, "unsupported_media_type")),
        ({"Content-Encoding": "identity"}, (415, "unsupported_media_type")),
    ],
)
async def test_a_part_that_does_not_fit_is_refused_and_the_upload_goes_on(house, headers, refused):
    attachment = drawn()
    await house.begin(attachment, 1000)
    assert await house.code(await house.append(attachment, 0, b"x" * 10, **headers)) == refused
    assert await house.offset(attachment) == 0
    assert (await house.append(attachment, 0, b"x" * 1000)).status == 204


async def test_more_bytes_than_announced_are_refused(house):
    attachment = drawn()
    await house.begin(attachment, 1000)
    assert await house.code(await house.append(attachment, 0, b"x" * 1001)) == (400, "bad_request")
    offset = await house.offset(attachment)
    assert offset <= 1000
    assert (await house.append(attachment, offset, b"x" * (1000 - offset))).status == 204


async def test_an_upload_of_somebody_else_looks_like_one_that_does_not_exist(house):
    attachment = drawn()
    await house.begin(attachment, 1000)
    foreign = await house.append(attachment, 0, b"x" * 10, "stranger")
    unknown = await house.append(drawn(), 0, b"x" * 10, "stranger")
    assert (foreign.status, await foreign.read()) == (unknown.status, await unknown.read())
    assert foreign.status == 404
    assert await house.offset(attachment, "stranger") == 404
    gone = await house.client.delete(f"/v1/uploads/{b64(attachment)}", headers=house.headers("stranger"))
    assert gone.status == 404
    assert await house.offset(attachment) == 0


@pytest.mark.parametrize("name", ["x", "A" * 21, "A" * 23, "..%2f..%2fpli.db", "AAAAAAAAAAAAAAAAAAAAAB", "%00"])
async def test_a_malformed_id_is_not_found(house, name):
    answer = await house.client.head(f"/v1/uploads/{name}", headers=house.headers("sender"))
    assert answer.status == 404


# --- room --------------------------------------------------------------------------------------------------------------


async def test_an_account_keeps_as_much_as_its_quota_and_room_comes_back(house):
    first, second, third = drawn(), drawn(), drawn()
    assert (await house.begin(first, LIMIT)).status == 201
    assert (await house.begin(second, LIMIT)).status == 201
    assert await house.code(await house.begin(third, LIMIT)) == (413, "quota_exceeded")
    assert (await house.begin(third, LIMIT, "member")).status == 201
    gone = await house.client.delete(f"/v1/uploads/{b64(first)}", headers=house.headers("sender"))
    assert gone.status == 204
    assert (await house.begin(drawn(), LIMIT)).status == 201


async def test_without_room_on_the_disk_an_upload_is_not_even_begun(house, monkeypatch):
    free = shutil.disk_usage(house.data)._replace(free=64 * 1024 * 1024 + 999)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    assert await house.code(await house.begin(drawn(), 1000)) == (507, "storage_full")
    assert await house.services.store.read(lambda view: view.attachments.used(b"sender".ljust(32))) == 0


async def test_a_disk_that_fills_up_keeps_what_was_safe_and_goes_on_later(house, monkeypatch):
    attachment, data = drawn(), os.urandom(1000)
    await house.begin(attachment, len(data))
    await house.append(attachment, 0, data[:300])

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(os, "pwrite", full)
        assert await house.code(await house.append(attachment, 300, data[300:])) == (507, "storage_full")
    assert await house.offset(attachment) == 300
    assert (await house.append(attachment, 300, data[300:])).status == 204
    await house.link(attachment)
    assert await (await house.fetch(attachment)).read() == data


async def test_bytes_that_the_disk_does_not_confirm_do_not_count(house, monkeypatch):
    attachment = drawn()
    await house.begin(attachment, 1000)

    def broken(_):
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as failing:
        failing.setattr(os, "fdatasync", broken)
        assert await house.code(await house.append(attachment, 0, b"x" * 400)) == (500, "internal")
    assert await house.offset(attachment) == 0
    assert (await house.append(attachment, 0, b"x" * 1000)).status == 204


async def test_what_no_message_names_is_swept_after_a_day_and_what_one_names_stays(house):
    begun, whole, linked = drawn(), drawn(), drawn()
    await house.begin(begun, 1000)
    await house.append(begun, 0, b"x" * 10)
    await house.upload(whole, b"x" * 100)
    await house.upload(linked, b"x" * 100)
    await house.link(linked)
    house.clock.advance(24 * 3600)
    assert await house.services.attachments.sweep(24) == 0
    house.clock.advance(1)
    assert await house.services.attachments.sweep(24) == 2
    assert (await house.offset(begun), await house.offset(whole), await house.offset(linked)) == (404, 404, 100)
    kept = [path.name for path in house.data.glob("*/*/*")] + [path.name for path in (house.data / "parts").iterdir()]
    assert kept == [linked.hex()]


async def test_a_document_that_a_message_names_cannot_be_taken_back(house):
    attachment = drawn()
    await house.upload(attachment, b"x" * 100)
    await house.link(attachment)
    answer = await house.client.delete(f"/v1/uploads/{b64(attachment)}", headers=house.headers("sender"))
    assert await house.code(answer) == (403, "not_permitted")
    assert (await house.fetch(attachment)).status == 200


# --- on the way out ----------------------------------------------------------------------------------------------------


async def test_a_stranger_and_a_missing_document_get_the_same_answer(house):
    linked, unlinked = drawn(), drawn()
    await house.upload(linked, b"x" * 100)
    await house.link(linked)
    await house.upload(unlinked, b"x" * 100)
    answers = [
        await house.fetch(linked, "stranger"),
        await house.fetch(drawn(), "stranger"),
        await house.fetch(linked, "stranger", conversation=b"d" * 32),
        await house.fetch(unlinked, "member"),
        await house.fetch(linked, "member", conversation=b"d" * 32),
    ]
    assert {(answer.status, await answer.read()) for answer in answers} == {(404, await answers[0].read())}


async def test_who_has_left_a_conversation_reads_no_more(house):
    attachment = drawn()
    await house.upload(attachment, b"x" * 100)
    await house.link(attachment)
    await house.services.store.write(lambda tx: tx.conversations.end_member(CONVERSATION, b"member".ljust(32), 9))
    assert (await house.fetch(attachment, "member")).status == 404


DATA = bytes(range(200))


@pytest.mark.parametrize(
    ("asked", "status", "expected"),
    [
        ("bytes=0-9", 206, DATA[:10]),
        ("bytes=190-", 206, DATA[190:]),
        ("bytes=-10", 206, DATA[-10:]),
        ("bytes=150-9999", 206, DATA[150:]),
        ("bytes=-9999", 206, DATA),
        ("bytes=199-199", 206, DATA[199:]),
        ("bytes=200-", 416, None),
        ("bytes=5000-6000", 416, None),
        ("bytes=9-0", 416, None),
        ("bytes=0-1,5-6", 416, None),
        ("lines=1-2", 416, None),
        ("bytes=a-b", 416, None),
    ],
)
async def test_one_range_is_handed_out(house, asked, status, expected):
    attachment = drawn()
    await house.upload(attachment, DATA)
    await house.link(attachment)
    answer = await house.fetch(attachment, Range=asked)
    assert answer.status == status
    if expected is None:
        assert await house.code(answer) == (416, "range_not_satisfiable")
        assert answer.headers["Content-Range"] == "bytes */200"
    else:
        assert await answer.read() == expected
