"""The table of bad input, over every operation there is: a documented refusal, and nothing has moved.

It walks the table of operations; an operation that is added without a right body in `scene.RIGHT` fails here.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from crypto.codec import b64
from server.transport.rest.json import LIMIT
from server.transport.rest.operations import Role
from server.transport.rest.routes import OPERATIONS, PARAMETERS
from tests.hostile.scene import (
    BODIED,
    BY_NAME,
    CORPORA,
    DESCRIBED,
    RIGHT,
    TUS,
    Scene,
    announced,
    check_refusal,
    responses,
    right_bytes,
    scene,
    send,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
EVERY = pytest.mark.parametrize("name", BODIED)
WRONG = (7, -1, 2**63, 1e308, 1.5, True, "x", "", [], {}, None, [[]], {"until": "x"})


async def test_every_operation_that_reads_a_body_is_tried():
    assert sorted(RIGHT) == sorted(BODIED)
    assert len(BODIED) >= 12


def allowed(name: str, body: Any) -> bool:
    """Tell whether the committed description allows a body."""
    operation = BY_NAME[name]
    described = DESCRIBED["paths"][operation.path][operation.method.lower()]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    return jsonschema.Draft202012Validator(schema | {"components": DESCRIBED["components"]}).is_valid(body)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield where every value of a body stands; of a list, its first member."""
    yield path
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*path, key))
    elif isinstance(value, list) and value:
        yield from places(value[0], (*path, 0))


def put(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    changed = copy.deepcopy(body)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return changed


def drop(body: Any, path: tuple[Any, ...]) -> Any:
    changed = copy.deepcopy(body)
    inner = changed
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return changed


@EVERY
async def test_a_value_of_another_type_is_refused_wherever_it_stands(practice: Scene, name: str):
    body = await practice.right(name)
    assert allowed(name, body)
    before, tried = practice.fingerprint(), 0
    for path in places(body):
        for value in WRONG:
            changed = put(body, path, value)
            if allowed(name, changed):
                continue
            answer = await send(practice, name, json.dumps(changed).encode())
            assert (answer.status, answer.problem["code"]) == (400, "bad_request"), (path, value, answer)
            tried += 1
    assert tried >= len(WRONG)
    assert practice.fingerprint() == before


@EVERY
async def test_a_key_that_is_missing_or_unknown_is_refused(practice: Scene, name: str):
    body = await practice.right(name)
    before = practice.fingerprint()
    for path in places(body):
        if path and isinstance(path[-1], str) and not allowed(name, without := drop(body, path)):
            check_refusal(name, answer := await send(practice, name, json.dumps(without).encode()))
            assert answer.status == 400
        inner = body
        for step in path:
            inner = inner[step]
        if isinstance(inner, dict):
            for key in ("x", "__proto__", "Seq", " id"):
                answer = await send(practice, name, json.dumps(put(body, path, inner | {key: 1})).encode())
                assert answer.status == 400, (path, key, answer)
    assert practice.fingerprint() == before


SEALED = {"box", "sealed", "blob", "envelope"}
"""What the server cannot open: it knows what is no base64url, not what is wrong inside."""


@EVERY
async def test_bytes_that_are_not_the_right_ones_are_refused(practice: Scene, name: str):
    """Every base64url text: empty, cut, longer, padded, of the other alphabet, one bit flipped, not ASCII."""
    body = await practice.right(name)
    free = {"language", "kind", "reply"} | ({"holder"} if name == "askChallenge" else set())
    before = practice.fingerprint()
    for path in places(body):
        text = at(body, path)
        if not isinstance(text, str) or path[-1] in free:
            continue
        bad = ["é" + text, text + "\n", text + "====", "+/" + text[2:], " " + text, "A" * 5]
        if path[-1] not in SEALED:
            bad += ["", text[:-1], text[:-4], text + "AAAA", ("A" if text[0] != "A" else "B") + text[1:]]
        for each in bad:
            answer = await send(practice, name, json.dumps(put(body, path, each)).encode())
            assert answer.status >= 400, (path, each[:40], answer)
            check_refusal(name, answer)
    assert practice.fingerprint() == before


HUGE = (2**31, 2**53, 2**63 - 1, 2**63, 2**64, 10**40, -1, -(2**63), -(2**63) - 1, 0)


async def test_a_number_that_is_too_large_is_no_surprise(tmp_path):
    """Some are allowed; none is a failure of the server."""
    tried = 0
    async with scene(tmp_path) as practice:
        for name in ("markRead", "acknowledgeFeed", "submitEnvelope", "createAccount", "claimInvitation", "growChain"):
            body = await practice.right(name)
            if name == "submitEnvelope":
                body |= {"read_seq": 1, "reply": {"until": 1}}
            for path, value in [(p, v) for p in places(body) if type(at(body, p)) is int for v in HUGE]:
                answer = await send(practice, name, json.dumps(put(body, path, value)).encode())
                tried += 1
                if answer.status >= 300:
                    check_refusal(name, answer)
    assert tried >= 60


@EVERY
async def test_what_is_not_json_is_refused(practice: Scene, name: str):
    """Every `n_` file of JSONTestSuite, and a right body cut at many places."""
    files = sorted((CORPORA / "json" / "JSONTestSuite" / "test_parsing").glob("n_*.json"))
    if not files:
        pytest.skip(f"no corpus at {CORPORA.name}/json/JSONTestSuite beside the repository")
    assert len(files) >= 180
    right = await right_bytes(practice, name)
    cuts = [right[:length] for length in range(0, len(right), max(1, len(right) // 40))]
    before = practice.fingerprint()
    for tried in [*(file.read_bytes() for file in files), *cuts, right + b"x", b"\xef\xbb\xbf" + right, right * 2]:
        answer = await send(practice, name, tried)
        assert (answer.status, answer.problem["code"]) == (400, "bad_request"), (tried[:80], answer)
    assert practice.fingerprint() == before


@EVERY
async def test_naughty_strings_are_no_surprise(practice: Scene, name: str):
    file = CORPORA / "text" / "blns" / "blns.json"
    if not file.is_file():
        pytest.skip(f"no corpus at {CORPORA.name}/text/blns beside the repository")
    body = await practice.right(name)
    strings = [text for text in json.loads(file.read_text()) if text]
    texts = [path for path in places(body) if isinstance(at(body, path), str)]
    assert texts or name in {"markRead", "acknowledgeFeed"}
    before = practice.fingerprint()
    for number, text in enumerate(strings if texts else []):
        path = texts[number % len(texts)]
        answer = await send(practice, name, json.dumps(put(body, path, text)).encode())
        if path == ("language",) and answer.status == 200:
            assert answer.problem["language"] == text
        elif path not in {("blob",), ("holder",)} or answer.status >= 300:
            check_refusal(name, answer)
    before.pop({"changeSettings": "account", "keepPasskey": "passkey"}.get(name, ""), None)
    after = practice.fingerprint()
    assert {table: after[table] for table in before} == before


def at(body: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        body = body[step]
    return body


@EVERY
async def test_too_large_or_otherwise_wrapped_is_refused(practice: Scene, name: str):
    right = await right_bytes(practice, name)
    before = practice.fingerprint()
    fat = right[:-1] + b" " * LIMIT + right[-1:]
    deep = b"[" * 200_000
    for body, headers, expected in [
        (fat, {}, (413, "request_too_large")),
        (deep, {}, (400, "bad_request")),
        (right, {"Content-Type": "text/plain"}, (415, "unsupported_media_type")),
        (right, {"Content-Type": "application/x-www-form-urlencoded"}, (415, "unsupported_media_type")),
        (right, {"Content-Type": "multipart/form-data; boundary=x"}, (415, "unsupported_media_type")),
        (right, {"Content-Type": "application/json+x"}, (415, "unsupported_media_type")),
        (right, {"Content-Encoding": "gzip"}, (415, "unsupported_media_type")),
        (right, {"Content-Encoding": "identity"}, (415, "unsupported_media_type")),
        (right.decode().encode("utf-16"), {"Content-Type": "application/json; charset=utf-16"}, (400, "bad_request")),
    ]:
        answer = await send(practice, name, body, **headers)
        assert (answer.status, answer.problem["code"]) == expected, (headers, answer)
        check_refusal(name, answer)
    assert practice.fingerprint() == before


@EVERY
async def test_a_body_that_is_cut_by_the_network_does_nothing(practice: Scene, name: str):
    """The length is told, less is sent, and the connection ends."""
    right = await right_bytes(practice, name)
    who = "claire" if BY_NAME[name].role not in {Role.ANYONE, Role.EITHER} else ""
    before = practice.fingerprint()
    host, port = practice.server.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = [
        f"{BY_NAME[name].method} {practice.path(BY_NAME[name])} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
    ]
    head += [f"Content-Length: {len(right)}"] + ([f"Authorization: Bearer {practice.tokens[who]}"] if who else [])
    writer.write("\r\n".join([*head, "", ""]).encode() + right[:-1])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    assert (await practice.ask("GET", "/readyz")).status == 200
    assert practice.fingerprint() == before


# --- ids and queries -----------------------------------------------------------------------------------------------------

BAD_IDS = (
    "x",
    "A" * 21,
    "A" * 4000,
    "%00",
    "..%2f..%2fetc",
    "A" * 43 + "%3D",
    "%F0%9F%98%80",
    "+" * 43,
    "B" * 43,
    "null",
)
WITH_IDS = [operation.name for operation in OPERATIONS if "{" in operation.path]


@pytest.mark.parametrize("name", WITH_IDS)
async def test_an_id_that_is_malformed_is_answered_like_one_that_does_not_exist(practice: Scene, name: str):
    operation = BY_NAME[name]
    body = await practice.right(name) if operation.request else None
    names = [key for key in PARAMETERS if "{" + key + "}" in operation.path]
    if name == "submitEnvelope":
        names = []  # of a well-formed id it is already said that the envelope names another: 422 to anybody
    before = practice.fingerprint()
    for key in names:
        length = PARAMETERS[key][0]
        if length is None:
            continue
        unknown = "A" * (-(-length * 4 // 3))
        seen = set()
        for bad in (unknown, *BAD_IDS):
            answer = await practice.call(name, ids={key: bad}, json=body, headers=right_headers(name))
            check_refusal(name, answer)
            seen.add((answer.status, answer.body))
        assert len(seen) == 1, (key, seen)
    assert practice.fingerprint() == before


def right_headers(name: str) -> dict[str, str]:
    """Return the headers of tus that an operation without JSON needs."""
    if name == "beginUpload":
        return TUS | announced(b"u" * 16, 100)
    if name == "appendUpload":
        return TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    return TUS if name == "discardUpload" else {}


QUERIED = [operation.name for operation in OPERATIONS if operation.query is not None]
BAD_VALUES = ("", "x", "-2", "1.5", "99999999999999999999", "٣", "0x10", "+1", "1%00", "true", "A" * 5000)


@pytest.mark.parametrize("name", QUERIED)
async def test_a_query_of_another_form_is_refused(practice: Scene, name: str):
    operation = BY_NAME[name]
    described = DESCRIBED["paths"][operation.path]["get"]["parameters"]
    queried = [one for one in described if one["in"] == "query"]
    path = practice.path(operation)
    for one in queried:
        for value in BAD_VALUES:
            numeric = "integer" in json.dumps(one["schema"])
            answer = await practice.ask("GET", f"{path}?{one['name']}={value}", who=who_for(name))
            if numeric or answer.status >= 400:
                check_refusal(name, answer)
        first = f"{one['name']}=1"
        check_refusal(name, await practice.ask("GET", f"{path}?{first}&{first}", who=who_for(name)))
    check_refusal(name, await practice.ask("GET", f"{path}?unknown=1", who=who_for(name)))


def who_for(name: str) -> str:
    return "" if BY_NAME[name].role is Role.ANYONE else "claire"


# --- the headers of tus ----------------------------------------------------------------------------------------------------

BAD_HEADERS = {
    "Tus-Resumable": ("", "0.2.2", "1.0", "1.0.0, 1.0.0"),
    "Upload-Length": ("", "x", "-1", "1.5", "9" * 30, "0", "55", "٣", "1, 2"),
    "Upload-Offset": ("", "x", "-1", "1.5", "9" * 30, "41", "0, 0"),
    "Upload-Metadata": ("", "attachment", "attachment !", "attachment AAAA", "x AAAA", "attachment " + "A" * 4000, ","),
    "Content-Type": ("", "application/json", "application/octet-stream"),
}


@pytest.mark.parametrize("name", ["beginUpload", "appendUpload", "discardUpload"])
async def test_a_header_of_another_form_is_refused(practice: Scene, name: str):
    before, tried = practice.fingerprint(), 0
    for header, values in BAD_HEADERS.items():
        right = right_headers(name)
        if name == "appendUpload":
            right["Upload-Offset"] = "40"
        if header not in right:
            continue
        for value in (*values, None):
            told = {key: each for key, each in (right | {header: value}).items() if each is not None}
            if value is None and header == "Content-Type":
                continue
            body = b"s" if name == "appendUpload" else None
            answer = await practice.call(
                name,
                ids={"attachment": b64(practice.upload)},
                headers=told,
                data=body,
                skip_auto_headers=["Content-Type"],
            )
            check_refusal(name, answer)
            tried += 1
    assert tried >= 4
    assert practice.fingerprint() == before


@pytest.mark.parametrize("name", [operation.name for operation in OPERATIONS])
async def test_every_operation_promises_its_own_failures(name: str):
    assert {"500", "503"} <= set(responses(name))
