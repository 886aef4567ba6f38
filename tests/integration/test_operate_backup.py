"""A backup made while people write, restored elsewhere: nothing acknowledged before it is missing, nobody comes back."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import json
import os
import random
import shutil
import stat
import sys
import tarfile

import aiohttp
import pysqlite3.dbapi2 as sqlite3
import pytest

from crypto import account, content, holder
from server.__main__ import main
from server.admin import verify
from server.admin.lock import FolderLock
from server.domain.ids import b64
from tests.fakes.peer import Refused, now
from tests.fakes.server import running

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith("PLI_")}
DOCUMENT = bytes(range(256)) * 800


async def pli(*arguments):
    """Run a command in a thread, beside the server; return its exit code and its answer."""
    out = io.StringIO()

    def run():
        with contextlib.redirect_stdout(out):
            return main([*map(str, arguments), "--json"])

    return await asyncio.to_thread(run), json.loads(out.getvalue())


async def program(*arguments):
    """Run a command as operators do: as another process."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server", *map(str, arguments), "--json",
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL, env=CLEAN,
    )  # fmt: skip
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    return process.returncode, json.loads(out)


async def upload(peer, attachment, data):
    headers = {"Authorization": f"Bearer {peer.token}", "Tus-Resumable": "1.0.0"}
    named = base64.b64encode(b64(attachment).encode()).decode()
    told = headers | {"Upload-Length": str(len(data)), "Upload-Metadata": f"attachment {named}"}
    async with peer.http.post("/v1/uploads", headers=told) as answer:
        assert answer.status == 201
    told = headers | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    async with peer.http.patch(f"/v1/uploads/{b64(attachment)}", data=data, headers=told) as answer:
        assert answer.status == 204


async def hand_over(peer, conversation, attachment):
    """Send a document to a conversation."""
    await upload(peer, attachment, DOCUMENT)
    submission = peer.submission(peer.opened[conversation], content.words("Voici", reply="open"))
    await peer.hand_in(conversation, submission | {"attachments": [b64(attachment)]})


@contextlib.asynccontextmanager
async def writing(peer, conversation, acknowledged):
    """Let a peer write without pause; what was acknowledged is appended to the list."""

    async def write():
        while True:
            submission = peer.words(conversation, f"message {len(acknowledged)}")
            done = await peer.hand_in(conversation, submission)
            acknowledged.append((done["seq"], submission["envelope"]))

    task = asyncio.create_task(write())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def grown(acknowledged, more):
    wanted, deadline = len(acknowledged) + more, asyncio.get_running_loop().time() + 30
    while len(acknowledged) < wanted:
        assert asyncio.get_running_loop().time() < deadline, "nobody writes any more"
        await asyncio.sleep(0.01)


@pytest.fixture
async def talk(server, people):
    """A doctor, a patient, a conversation with a document in it."""
    claire = await people("Claire")
    letter = await claire.invite()
    jean = await people(letter)
    await claire.refresh(letter.conversation)
    await hand_over(claire, letter.conversation, b"d" * 16)
    return claire, jean, letter.conversation


async def moved(peer, to):
    """The same device in front of another address."""
    await peer.http.close()
    peer.http, peer.url = aiohttp.ClientSession(to.url), to.url


# --- the drill ---------------------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_a_backup_under_load_restores_to_all_that_was_acknowledged_before_it(server, talk, tmp_path):
    claire, jean, conversation = talk
    lost = holder.from_seed(holder.new_seed(), kind="device", name="Lost phone")
    await claire.grow(account.add_holder(claire.own, lost, at=now()))
    await claire.grow(account.revoke_holder(claire.own, lost.id, at=now()))
    old_token, acknowledged = claire.token, []
    async with writing(jean, conversation, acknowledged):
        await grown(acknowledged, 20)
        before = list(acknowledged)
        status, made = await program("backup", "--data", server.data, "--to", tmp_path / "b.tar")
        assert status == 0
        during = len(acknowledged) - len(before)
        await grown(acknowledged, 5)
    assert during > 0, "the server stood still while it was backed up"
    assert made["counts"]["event"] >= len(before)

    status, verified = await pli("verify", "--backup", tmp_path / "b.tar")
    assert (status, verified["verified"]) == (0, True)
    status, _ = await pli("restore", "--from", tmp_path / "b.tar", "--data", tmp_path / "back")
    assert status == 0
    assert not stat.S_IMODE((tmp_path / "back").stat().st_mode) & 0o077
    status, verified = await pli("verify", "--data", tmp_path / "back")
    assert (status, verified["checked"]["documents"]) == (0, 1)

    async with running(tmp_path / "back") as restored:
        for peer in (claire, jean):
            await moved(peer, restored)
        with pytest.raises(Refused) as refused:
            await claire.ask("GET", "/v1/me")
        assert (refused.value.code, claire.token) == ("unauthenticated", old_token)
        with pytest.raises(Refused) as refused:
            await claire.login(lost)
        assert refused.value.code == "signature_refused"
        await claire.login()
        await jean.login()
        kept = {each["seq"]: each.get("envelope") for each in await all_events(claire, conversation)}
        assert {seq: kept.get(seq) for seq, _ in before} == dict(before)
        headers = {"Authorization": f"Bearer {jean.token}"}
        path = f"/v1/conversations/{b64(conversation)}/attachments/{b64(b'd' * 16)}"
        async with jean.http.get(path, headers=headers) as answer:
            assert await answer.read() == DOCUMENT
        again = await jean.hand_in(conversation, {**jean.words(conversation, "x"), "envelope": before[0][1]})
        assert again["seq"] == before[0][0], "what is sent again is not doubled"
        assert (await claire.say(conversation, "On continue"))["seq"] == max(kept) + 1
    assert (await pli("verify", "--data", tmp_path / "back"))[1]["verified"]


async def all_events(peer, conversation):
    found = []
    while page := await peer.events(conversation, after=len(found), limit=200):
        found += page
    return found


# --- sealed ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["key", "passphrase"])
async def test_a_sealed_backup_shows_nothing_and_opens_only_with_what_it_was_sealed_for(server, talk, tmp_path, how):
    key, words, other = tmp_path / "key", tmp_path / "words", tmp_path / "other"
    words.write_text("correct horse battery\n")
    other.write_text("another horse battery\n")
    await pli("backup-key", "--to", key)
    await pli("backup-key", "--to", tmp_path / "key2")
    seal, good, wrong = {
        "key": (["--encrypt-to", f"{key}.pub"], ["--key", key], ["--key", tmp_path / "key2"]),
        "passphrase": (["--passphrase-file", words], ["--passphrase-file", words], ["--passphrase-file", other]),
    }[how]
    file = tmp_path / "b.sealed"
    status, made = await pli("backup", "--data", server.data, "--to", file, *seal)
    assert (status, made["sealed"]) == (0, True)
    sealed = file.read_bytes()
    for canary in (b"SQLite format", b"registry", b"server.key", b"blobs/", DOCUMENT[:64]):
        assert canary not in sealed
    assert (await pli("verify", "--backup", file, *good))[0] == 0
    for arguments, code in ((wrong, "wrong_key"), ([], "backup_sealed")):
        status, refused = await pli("verify", "--backup", file, *arguments)
        assert (status != 0, refused["error"]["code"]) == (True, code)
    for damaged in (sealed[:-1], sealed[: len(sealed) // 2], flipped(sealed, len(sealed) // 2)):
        file.write_bytes(damaged)
        status, refused = await pli("restore", "--from", file, "--data", tmp_path / "back", *good)
        assert (status, refused["error"]["code"]) == (6, "backup_damaged")
        assert not list(tmp_path.glob("*back*"))


def flipped(data, place):
    return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]


# --- refusals ----------------------------------------------------------------------------------------------------------


async def test_a_backup_is_never_half_written_and_never_overwrites(server, talk, tmp_path):
    target = tmp_path / "b.tar"
    target.write_bytes(b"precious")
    status, refused = await pli("backup", "--data", server.data, "--to", target)
    assert (status, refused["error"]["code"], target.read_bytes()) == (3, "file_exists", b"precious")
    document = next((server.data / "blobs").glob("*/*"))
    document.rename(tmp_path / "gone")
    (tmp_path / "backups").mkdir()
    status, refused = await pli("backup", "--data", server.data, "--to", tmp_path / "backups")
    assert (status, refused["error"]["code"]) == (3, "document_missing")
    assert list((tmp_path / "backups").iterdir()) == []
    assert not (server.data / "backup-staging").exists()


async def test_a_restore_mixes_with_nothing(server, talk, tmp_path):
    await pli("backup", "--data", server.data, "--to", tmp_path / "b.tar")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "something").touch()
    status, refused = await pli("restore", "--from", tmp_path / "b.tar", "--data", tmp_path / "full")
    assert (status, refused["error"]["code"]) == (3, "folder_not_empty")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["something"]


async def test_a_backup_carries_no_session(server, talk, tmp_path):
    await pli("backup", "--data", server.data, "--to", tmp_path / "b.tar")
    with tarfile.open(tmp_path / "b.tar") as tar:
        tar.extractall(tmp_path / "out", filter="data")
    with contextlib.closing(sqlite3.connect(server.data / "pli.db")) as live:
        (token_hash,) = live.execute("SELECT token_hash FROM session").fetchone()
    assert token_hash not in (tmp_path / "out" / "pli.db").read_bytes()


@pytest.mark.parametrize("name", ["../evil", "blobs/../../evil", "/tmp/evil", "blobs/aa/bb", "lock"])
async def test_a_file_that_only_pretends_to_be_a_backup_writes_nothing_outside(tmp_path, name):
    with tarfile.open(tmp_path / "b.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    status, refused = await pli("restore", "--from", tmp_path / "b.tar", "--data", tmp_path / "in" / "back")
    assert (status, refused["error"]["code"]) == (6, "backup_damaged")
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["b.tar", "in"]


# --- verify finds it ---------------------------------------------------------------------------------------------------

EDITS = {
    "a message was changed": ("UPDATE event SET body = CAST(substr(body, 1, length(body) - 1) || x'00' AS BLOB) WHERE kind IS NOT NULL", "events"),
    "a message was taken out": ("DELETE FROM event WHERE kind IS NOT NULL AND seq = 2", "events"),
    "two messages changed places": ("UPDATE event SET seq = 1000 - seq WHERE kind IS NOT NULL", "events"),
    "an event was hidden from a feed": ("DELETE FROM feed WHERE position = 2", "feeds"),
    "a link was cut off": ("DELETE FROM link WHERE position = 1", "accounts"),
    "a link was changed": ("UPDATE link SET wire = zeroblob(length(wire)) WHERE position = 1", "accounts"),
    "a name was certified by somebody": ("UPDATE account SET certificate = x'00' WHERE name IS NOT NULL", "accounts"),
    "a device was smuggled in": ("UPDATE holder SET id = randomblob(16)", "accounts"),
    "a record was taken out": ("DELETE FROM epoch WHERE epoch = 2", "conversations"),
    "a record was changed": ("UPDATE epoch SET record = x'00' WHERE epoch = 2", "conversations"),
    "a key box was replaced": ("UPDATE epoch_box SET box = randomblob(length(box))", "boxes"),
    "the head lies": ("UPDATE conversation SET last_seq = last_seq + 1", "conversations"),
    "a document never came": ("UPDATE attachment SET received = 1", "documents"),
}  # fmt: skip


@pytest.mark.parametrize("what", EDITS)
async def test_verify_finds_and_locates_what_was_edited(server, talk, what):
    assert not verify.folder(server.data).wrong
    edit, check = EDITS[what]
    with contextlib.closing(sqlite3.connect(server.data / "pli.db")) as database, database:
        assert database.execute(edit).rowcount
    report = verify.folder(server.data)
    assert check in {finding["check"] for finding in report.findings}
    assert all(finding["where"] and finding["problem"] for finding in report.findings)


async def test_verify_misses_a_document_and_says_so_with_its_exit_code(server, talk):
    document = next((server.data / "blobs").glob("*/*"))
    document.write_bytes(b"short")
    status, told = await pli("verify", "--data", server.data)
    assert (status, told["verified"]) == (6, False)
    assert told["findings"][0]["check"] == "documents"


HELD = {
    "link": "wire",
    "epoch": "record",
    "epoch_box": "box",
    "event": "body",
    "account": "certificate",
}


async def test_one_flipped_bit_in_anything_signed_or_hashed_is_found_and_located(server, talk, tmp_path):
    claire, _, conversation = talk
    await claire.say(conversation, "Encore un mot")
    dice = random.Random(20261122)
    for round_ in range(80):
        table, column = dice.choice(sorted(HELD.items()))
        copy = tmp_path / "copy"
        shutil.copytree(server.data, copy, ignore=shutil.ignore_patterns("*.sock"))
        with contextlib.closing(sqlite3.connect(copy / "pli.db")) as database, database:
            rows = database.execute(f"SELECT rowid, {column} FROM {table} WHERE {column} IS NOT NULL").fetchall()
            row, value = dice.choice(rows)
            place = dice.randrange(len(value))
            edited = value[:place] + bytes([value[place] ^ (1 << dice.randrange(8))]) + value[place + 1 :]
            database.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (edited, row))
        report = verify.folder(copy)
        assert report.wrong, f"round {round_}: {table}.{column} byte {place}"
        assert all(finding["where"] for finding in report.findings)
        shutil.rmtree(copy)


async def test_what_a_killed_backup_left_is_cleared_by_the_next(server, talk, tmp_path):
    (server.data / "backup-staging").mkdir()
    (server.data / "backup-staging" / "pli.db").write_bytes(b"half")
    (tmp_path / ".b.tar.part").write_bytes(b"half")
    assert (await pli("backup", "--data", server.data, "--to", tmp_path / "b.tar"))[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "data"]
    assert not (server.data / "backup-staging").exists()


async def test_two_backups_at_once_are_one_too_many(server, talk, tmp_path):
    lock = FolderLock(server.data, "backup.lock")
    assert lock.take()
    status, refused = await pli("backup", "--data", server.data, "--to", tmp_path / "b.tar")
    assert (status, refused["error"]["code"]) == (3, "backup_running")
    lock.release()


def rewritten(file, change):
    """Write the tar again, with `change(name, content)` in place of each content; `None` leaves a file out."""
    with tarfile.open(file) as tar:
        parts = [(member.name, tar.extractfile(member).read()) for member in tar]
    with tarfile.open(file, "w") as tar:
        for name, content in parts:
            if (new := change(name, content)) is not None:
                member = tarfile.TarInfo(name)
                member.size = len(new)
                tar.addfile(member, io.BytesIO(new))


CHANGES = {
    "a document of the same size": lambda name, content: flipped(content, 9) if name.startswith("blobs") else content,
    "another key": lambda name, content: flipped(content, 20) if name == "server.key" else content,
    "no document": lambda name, content: None if name.startswith("blobs") else content,
    "no manifest": lambda name, content: None if name == "manifest.json" else content,
    "no database": lambda name, content: None if name == "pli.db" else content,
    "an empty manifest": lambda name, content: b"{}" if name == "manifest.json" else content,
}


@pytest.mark.parametrize("what", CHANGES)
async def test_an_open_backup_that_was_changed_is_refused(server, talk, tmp_path, what):
    file = tmp_path / "b.tar"
    await pli("backup", "--data", server.data, "--to", file)
    rewritten(file, CHANGES[what])
    for command in (["verify", "--backup", file], ["restore", "--from", file, "--data", tmp_path / "back"]):
        status, refused = await pli(*command)
        assert refused["error"]["code"] in {"backup_damaged", "backup_unknown"}
        assert status in {3, 6}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b.tar", "data"]


async def test_an_activation_link_of_before_lets_nobody_in_after(server, talk, tmp_path):
    token = await server.activation("Dr Malo", "10", "99999000013")
    await pli("backup", "--data", server.data, "--to", tmp_path / "b.tar")
    await pli("restore", "--from", tmp_path / "b.tar", "--data", tmp_path / "back")
    path = f"/v1/activations/{b64(token)}"
    async with running(tmp_path / "back") as restored, aiohttp.request("GET", restored.url + path) as answer:
        assert (answer.status, (await answer.json())["code"]) == (410, "activation_invalid")
