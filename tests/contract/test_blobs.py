"""What every place for sealed documents promises: whole or absent, resumable until whole, any range of it."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from obstore.store import S3Store

from server.domain.errors import UnavailableError
from server.storage.blobs import Blobs, RemoteBlobs
from tests.fakes.services import S3, of

ID = b"i" * 16
CONTENT = os.urandom(6_000_000)


@pytest.fixture(params=["files", "s3"])
async def blobs(request, tmp_path, monkeypatch):
    if request.param == "files":
        return Blobs.open(tmp_path)
    service = of(S3)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")  # this server asks for none
    bucket = f"pli-{os.urandom(4).hex()}"
    await _make(service.url, bucket)
    return RemoteBlobs.at(tmp_path, f"s3://{bucket}/documents?endpoint={service.url}&region=here")


async def _make(url, bucket):
    """Make a bucket; SeaweedFS's S3 makes it on a plain PUT."""
    async with aiohttp.ClientSession() as http, http.put(f"{url}/{bucket}") as answer:
        assert answer.status == 200


async def put(blobs, content=CONTENT, steps=3):
    at = 0
    for step in range(1, steps + 1):
        part = await blobs.open_part(ID, at)
        await part.append(content[at : len(content) * step // steps])
        await part.sync()
        at = part.end
        part.close()
    await blobs.finish(ID)


async def read(document, start=0, stop=6_000_000):
    if isinstance(document, Path):
        return document.read_bytes()[start:stop]
    return b"".join([chunk async for chunk in document.read(start, stop)])


async def test_a_document_in_parts_is_absent_until_it_is_whole(blobs):
    assert not await blobs.has(ID, len(CONTENT))
    await put(blobs)
    assert await blobs.has(ID, len(CONTENT))
    assert not await blobs.has(ID, len(CONTENT) - 1)
    assert await read(blobs.document(ID)) == CONTENT
    assert await read(blobs.document(ID), 1000, 2_000_000) == CONTENT[1000:2_000_000]
    assert not list((blobs.root / "parts").iterdir())


async def test_finishing_again_after_a_crash_is_fine(blobs):
    await put(blobs)
    await blobs.finish(ID)
    assert await read(blobs.document(ID)) == CONTENT


async def test_what_was_not_counted_is_cut_off(blobs):
    part = await blobs.open_part(ID, 0)
    await part.append(b"x" * 1000)
    part.close()
    part = await blobs.open_part(ID, 400)
    await part.append(CONTENT[400:800])
    part.close()
    assert (blobs.root / "parts" / ID.hex()).stat().st_size == 800
    with pytest.raises(FileNotFoundError):
        await blobs.open_part(ID, 801)


async def test_two_writers_of_one_part_do_not_cut_each_other(blobs):
    part = await blobs.open_part(ID, 0)
    await part.append(b"x" * 1000)
    with pytest.raises(BlockingIOError):
        await blobs.open_part(ID, 0)
    part.close()
    assert (blobs.root / "parts" / ID.hex()).stat().st_size == 1000


async def test_discarding_takes_part_and_whole_and_may_be_repeated(blobs):
    await blobs.discard(ID)
    await put(blobs, CONTENT[:1000], 1)
    (await blobs.open_part(ID, 0)).close()
    await blobs.discard(ID)
    await blobs.discard(ID)
    assert not await blobs.has(ID, 1000)
    assert not list((blobs.root / "parts").iterdir())


async def test_a_bucket_that_does_not_answer_keeps_the_part(tmp_path, monkeypatch):
    """The upload is refused, nothing is lost, and finishing later works."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    files = Blobs.open(tmp_path)
    bucket = S3Store(
        "gone",
        config={"endpoint": "http://127.0.0.1:9", "region": "here"},
        client_options={"allow_http": True},
        retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
    )
    gone = RemoteBlobs(root=files.root, store=files.store, bucket=bucket)
    with pytest.raises(UnavailableError):
        await put(gone, CONTENT[:1000], 1)
    assert (tmp_path / "parts" / ID.hex()).read_bytes() == CONTENT[:1000]
