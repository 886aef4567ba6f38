"""Sealed documents in a bucket: sent and read through the interface as if they were files."""

from __future__ import annotations

import asyncio
import base64
import io
import os

import aiohttp
import pytest

from crypto import content
from crypto.codec import b64
from server import telemetry
from server.storage.blobs import RemoteDocument
from tests.fakes.peer import Peer
from tests.fakes.server import running
from tests.fakes.services import S3, own

TUS = {"Tus-Resumable": "1.0.0"}
SEALED = os.urandom(5_000_000)


@pytest.fixture
async def bucket(monkeypatch):
    service = own(S3)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")  # this server asks for none
    async with aiohttp.ClientSession() as http, http.put(f"{service.url}/documents") as answer:
        assert answer.status == 200
    service.bucket = f"s3://documents?endpoint={service.url}"
    yield service
    service.remove()


@pytest.fixture
async def server(tmp_path, bucket):
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    async with running(tmp_path / "data", blobs_url=bucket.bucket) as local:
        yield local


async def send(peer, method, path, data=None, **headers):
    headers = TUS | {name.replace("_", "-"): value for name, value in headers.items()}
    headers["Authorization"] = f"Bearer {peer.token}"
    return await peer.http.request(method, path, data=data, headers=headers)


async def upload(peer, attachment, *cuts):
    metadata = "attachment " + base64.b64encode(b64(attachment).encode()).decode()
    begun = await send(peer, "POST", "/v1/uploads", Upload_Length=str(len(SEALED)), Upload_Metadata=metadata)
    assert begun.status == 201
    at = 0
    for cut in (*cuts, len(SEALED)):
        chunk = {"Content_Type": "application/offset+octet-stream", "Upload_Offset": str(at)}
        appended = await send(peer, "PATCH", f"/v1/uploads/{b64(attachment)}", io.BytesIO(SEALED[at:cut]), **chunk)
        assert appended.status == 204, await appended.text()
        at = cut


@pytest.fixture
async def pair(server):
    claire = await Peer.professional(server, "Claire Martin")
    letter = await claire.invite()
    jean = await Peer.claim(server, letter)
    await claire.refresh(letter.conversation)
    yield claire, jean, letter.conversation
    await claire.close()
    await jean.close()


async def test_a_document_goes_through_a_bucket_in_parts_and_ranges(pair, server):
    claire, jean, conversation = pair
    attachment = os.urandom(16)
    await upload(claire, attachment, 1_000_000, 3_333_333)
    words = claire.submission(claire.opened[conversation], content.words("voici", reply="open"))
    await claire.hand_in(conversation, words | {"attachments": [b64(attachment)]})
    path = f"/v1/conversations/{b64(conversation)}/attachments/{b64(attachment)}"
    whole = await send(jean, "GET", path)
    assert (whole.status, whole.headers["Content-Length"]) == (200, "5000000")
    assert await whole.read() == SEALED
    for asked, start, stop in (
        ("bytes=0-9", 0, 10),
        ("bytes=4000000-", 4_000_000, 5_000_000),
        ("bytes=-7", 4_999_993, 5_000_000),
    ):
        part = await send(jean, "GET", path, Range=asked)
        assert (part.status, part.headers["Content-Range"]) == (206, f"bytes {start}-{stop - 1}/5000000")
        assert await part.read() == SEALED[start:stop]
    assert (await send(jean, "GET", path, Range="bytes=5000000-")).status == 416
    assert (await send(claire, "HEAD", path)).status in {200, 405}
    assert not list((server.data / "parts").iterdir())
    assert not [each for each in (server.data / "blobs").rglob("*") if each.is_file()]
    stranger = await Peer.professional(server, "Paul Blanc")
    assert (await send(stranger, "GET", path)).status == 404
    await stranger.close()


async def test_a_bucket_that_is_gone_is_unavailable(pair, bucket):
    claire, _, conversation = pair
    attachment = os.urandom(16)
    await upload(claire, attachment)
    words = claire.submission(claire.opened[conversation], content.words("voici", reply="open"))
    await claire.hand_in(conversation, words | {"attachments": [b64(attachment)]})
    bucket.kill()
    path = f"/v1/conversations/{b64(conversation)}/attachments/{b64(attachment)}"
    refused = await send(claire, "GET", path)
    assert refused.status == 503
    assert (await refused.json())["code"] == "unavailable"


async def test_a_bucket_that_goes_away_during_a_document_ends_the_connection(pair, server, monkeypatch):
    """The words of a refusal would be read as the rest of the document."""
    claire, jean, conversation = pair
    attachment = os.urandom(16)
    await upload(claire, attachment)
    words = claire.submission(claire.opened[conversation], content.words("voici", reply="open"))
    await claire.hand_in(conversation, words | {"attachments": [b64(attachment)]})

    async def breaks_off(_document, start, _stop):
        yield SEALED[start:1_000]
        raise OSError("the bucket has gone")

    monkeypatch.setattr(RemoteDocument, "read", breaks_off)
    path = f"/v1/conversations/{b64(conversation)}/attachments/{b64(attachment)}"
    async with asyncio.timeout(10):
        answer = await send(jean, "GET", path)
        assert await answer.content.readexactly(1_000) == SEALED[:1_000]
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.content.readany()
        answer.close()
    assert (await jean.ask("GET", "/v1/me"))["role"] == "patient"
