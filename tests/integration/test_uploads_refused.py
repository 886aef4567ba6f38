"""Sealed documents: what is refused, what there is room for, and who may have them."""

from __future__ import annotations

import base64
import errno
import os
import shutil

import pytest

from server.domain.attachment import SMALLEST, sealed_size
from server.domain.ids import b64
from tests.fakes.house import CONVERSATION, LIMIT, drawn

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
