"""What a member, an owner or an account can fill is told in answers of a bounded size, page after page, to its end."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pysqlite3.dbapi2 as sqlite3
import pytest
import pytest_asyncio

from crypto import conversation, epoch, invitation
from crypto.codec import b64, unb64
from crypto.epoch import Roster
from server.transport.rest.routes import OPERATIONS
from tests.fakes.peer import now
from tests.hostile.scene import Scene

pytestmark = pytest.mark.asyncio(loop_scope="module")

BOUND = 2_621_440  # bytes: docs/spec/api.md 9.1
LARGE = 700_000  # bytes: what was filled shows
ROSTER = 190_000  # bytes that nobody can open: the largest record that is taken
EPOCHS, CONVERSATIONS = 12, 9

Next = Callable[[dict[str, Any]], dict[str, Any] | None]


def cursor(query: str, member: str = "next") -> Next:
    return lambda told: None if told[member] is None else {query: told[member]}


def after(member: str, place: str) -> Next:
    return lambda told: {"after": told[member][-1][place]} if told[member] else None


def once(_: dict[str, Any]) -> None:
    return None


def chain(told: dict[str, Any], had: list[int]) -> dict[str, Any] | None:
    had.append(len(told["links"]))
    return {"after": sum(had) - 1} if told["links"] else None


ROWS: dict[str, tuple[str, dict[str, Any], Next | None, bool]] = {
    # who asks, how, how the next page is asked for, whether anybody can make it large
    "showServer": ("", {}, once, False),
    "showActivation": ("", {}, once, False),
    "showAccount": ("claire", {}, once, False),
    "showChain": ("claire", {}, None, True),
    "showMe": ("claire", {}, once, True),
    "searchDirectory": ("claire", {"q": "a"}, once, False),
    "showPasskey": ("", {}, once, False),
    "listSessions": ("claire", {}, once, False),
    "listConversations": ("claire", {"limit": 200}, cursor("before"), True),
    "showConversation": ("claire", {}, cursor("invitations"), True),
    "showEpochs": ("claire", {}, after("epochs", "epoch"), True),
    "showEvents": ("claire", {"limit": 200}, after("events", "seq"), True),
    "listBlocks": ("jean", {}, once, True),
    "findInvitationByCode": ("", {}, once, False),
    "showInvitation": ("", {}, cursor("after"), True),
    "showInvitationEvents": ("", {"limit": 200}, after("events", "seq"), True),
    "readFeed": ("claire", {"limit": 500}, after("events", "position"), True),
    "readJournal": ("jean", {"limit": 200}, after("entries", "position"), False),
}
STREAMED = {"readAttachment"}  # from the disk, whatever its size: tests/integration/test_uploads.py


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def filled(practice: Scene) -> Scene:
    """Fill what can be filled: records by the owner's own requests, the rest as years of requests would."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(epoch, "seal_roster", lambda *_: os.urandom(ROSTER))
        await _large_records(practice)
    with closing(sqlite3.connect(practice.server.data / "pli.db", timeout=10)) as database, database:
        _many_rows(practice, database)
    return practice


async def _large_records(practice: Scene) -> None:
    claire, sonia = practice.peers["claire"], practice.peers["sonia"]
    for _ in range(CONVERSATIONS):
        await claire.start((sonia.id, "professional"))
    for each in (practice.conversation, practice.letter.conversation):
        opened = await claire.refresh(each)
        for _ in range(EPOCHS):
            new = conversation.rotate(claire.own, opened, at=now(), roster=Roster("", {}))
            await claire.change(each, new)
            opened = replace(new.opened, invitations=opened.invitations)


def _many_rows(practice: Scene, database: sqlite3.Connection) -> None:
    claire, jean = practice.peers["claire"].id, practice.peers["jean"].id
    here = practice.conversation
    put = database.executemany
    rows = range(1_200)
    drawn = invitation.draw().public
    put(
        "INSERT INTO invitation VALUES (?, ?, ?, ?, ?, ?, 'open', NULL, NULL, NULL)",
        [(os.urandom(16), here, os.urandom(32), drawn.sign, drawn.enc, now() + each // 7) for each in rows],
    )
    put(
        "INSERT INTO session VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(os.urandom(16), os.urandom(32), claire, os.urandom(16), now(), now(), now() + 10**9) for _ in range(12_000)],
    )
    put("INSERT INTO reply_right VALUES (?, ?, 0, ?)", [(jean, os.urandom(32), each) for each in range(20_000)])
    put(
        "INSERT OR IGNORE INTO previous_secret VALUES (?, ?, ?)",
        [(claire, each, bytes(48)) for each in range(2, 10_001)],
    )
    for account in (claire, jean):
        (length,) = database.execute("SELECT COUNT(*) FROM link WHERE account = ?", (account,)).fetchone()
        put("INSERT INTO link VALUES (?, ?, ?)", [(account, each, os.urandom(3_600)) for each in range(length, 1_200)])
        database.execute("UPDATE account SET position = 1199 WHERE id = ?", (account,))
    named = json.dumps({"attachments": [b64(os.urandom(16)) for _ in range(20)]})
    (last,) = database.execute("SELECT last_seq FROM conversation WHERE id = ?", (here,)).fetchone()
    (told,) = database.execute("SELECT MAX(position) FROM feed WHERE account = ?", (claire,)).fetchone()
    put(
        "INSERT INTO event VALUES (?, ?, 'envelope', 1, ?, 1, 'message', ?, ?, ?)",
        [(here, last + each, claire, os.urandom(32), os.urandom(2_090), named) for each in range(1, 1_100)],
    )
    put("INSERT INTO feed VALUES (?, ?, ?, ?)", [(claire, told + each, here, last + each) for each in range(1, 1_100)])


def gets() -> Iterator[str]:
    return (one.name for one in OPERATIONS if one.method == "GET")


async def test_every_answer_is_asked_for():
    assert set(ROWS) | STREAMED == set(gets())


async def pages(practice: Scene, name: str) -> list[bytes]:
    """Ask for all of it."""
    who, query, following, _ = ROWS[name]
    found: list[bytes] = []
    had: list[int] = []
    more: dict[str, Any] | None = {}
    while more is not None:
        answer = await practice.call(name, who=who, params=query | more)
        assert answer.status == 200, answer.body[:300]
        found.append(answer.body)
        told = json.loads(answer.body)
        more = chain(told, had) if following is None else following(told)
    return found


@pytest.mark.parametrize("name", ROWS)
async def test_an_answer_is_bounded_whoever_fills_it(filled: Scene, name: str):
    sizes = [len(page) for page in await pages(filled, name)]
    assert max(sizes) <= BOUND, sizes
    assert not ROWS[name][3] or max(sizes) > LARGE, f"not filled: {sizes}"


async def test_the_pages_together_are_all_of_it(filled: Scene):
    async def joined(name: str, member: str) -> list[Any]:
        return [each for page in await pages(filled, name) for each in json.loads(page)[member]]

    claire = filled.peers["claire"]
    with closing(sqlite3.connect(filled.server.data / "pli.db")) as database:

        def count(table: str, column: str, value: bytes) -> int:
            sql = f"SELECT COUNT(*) FROM {table} WHERE {column} = ?"
            return int(database.execute(sql, (value,)).fetchone()[0])

        assert len(await joined("listConversations", "conversations")) == count("member", "account", claire.id)
        assert len(await joined("showConversation", "invitations")) == count(
            "invitation", "conversation", filled.conversation
        )
        assert len(await joined("showEpochs", "epochs")) == count("epoch", "conversation", filled.conversation)
        assert len(await joined("showEvents", "events")) == count("event", "conversation", filled.conversation)
        assert len(await joined("readFeed", "events")) == count("feed", "account", claire.id)
        letter = filled.letter.conversation
        assert len(await joined("showInvitation", "epochs")) == count("epoch", "conversation", letter)
        links = [each for part in await joined("showInvitation", "chains") for each in part["links"]]
        stored = database.execute("SELECT wire FROM link WHERE account = ? ORDER BY position", (claire.id,)).fetchall()
        assert [unb64(each) for each in links] == [row[0] for row in stored]
        assert len(await joined("showChain", "links")) == count("link", "account", filled.peers["jean"].id)
    assert {part["account"] for part in await joined("showInvitation", "chains")} == {b64(claire.id)}


async def test_a_place_in_the_pages_that_nobody_was_given_is_refused_or_empty(filled: Scene):
    for query in ({"after": "x"}, {"after": b64(bytes(5))}, {"after": b64(bytes(41))}, {"after": ""}):
        assert (await filled.call("showInvitation", who="", params=query)).status == 400, query
    for query in ({"after": b64(b"\xff" * 4)}, {"after": b64(b"\xff" * 40)}):
        told = json.loads((await filled.call("showInvitation", who="", params=query)).body)
        assert (told["epochs"], told["next"]) == ([], None) or told["chains"]
    far = await filled.call("showConversation", params={"invitations": b64(b"\xff" * 24)})
    assert json.loads(far.body)["invitations"] == []
    assert (await filled.call("showConversation", params={"invitations": b64(bytes(23))})).status == 400
    assert (await filled.call("listConversations", params={"before": b64(b"\xff" * 40)})).status == 200
