"""A database as each earlier version laid it out, with people's data in it: `pli migrate` brings it along, all is readable."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pysqlite3.dbapi2 as sqlite
import pytest
import pytest_asyncio
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import NullPool
from sqlalchemy.ext.asyncio import create_async_engine

from crypto.codec import b64
from server.admin import migrate
from server.settings import Settings
from server.storage.engine import schema_engine
from server.storage.schema import MIGRATIONS, alembic_config
from tests.fakes.peer import Letter, Peer
from tests.fakes.server import running
from tests.fakes.services import Postgres, of
from tests.hostile.scene import TUS, announced

REVISIONS = sorted(each.revision for each in ScriptDirectory(str(MIGRATIONS)).walk_revisions())
BLOCKS, JOURNALS = "0003", "0004"  # the revisions that brought them
WORDS = ["Bonjour", "Voici le compte rendu"]
DOCUMENT = os.urandom(5_000)

Tables = dict[str, tuple[list[str], list[tuple[Any, ...]]]]
"""Columns and rows of each table."""


@dataclass
class Past:
    """What people have left behind: a data folder, its rows, and the devices that know what stands there."""

    data: Path
    tables: Tables
    claire: Peer
    jean: Peer
    here: bytes
    waiting: Letter
    attachment: bytes
    feeds: dict[str, int] = field(default_factory=dict)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    """Let people talk on a server of this version, and read all rows."""
    data = tmp_path_factory.mktemp("past") / "data"
    async with running(data) as server:
        claire = await Peer.professional(server, "Claire Martin")
        paul = await Peer.professional(server, "Paul Durand")
        letter = await claire.invite("Suivi", WORDS[0])
        jean = await Peer.claim(server, letter)
        await claire.refresh(letter.conversation)
        attachment = os.urandom(16)
        told = TUS | announced(attachment, len(DOCUMENT)) | {"Content-Type": "application/offset+octet-stream"}
        told["Authorization"] = f"Bearer {claire.token}"
        async with claire.http.post("/v1/uploads", headers=told, data=DOCUMENT) as answer:
            assert answer.status == 201
        words = claire.words(letter.conversation, WORDS[1]) | {"attachments": [b64(attachment)]}
        last = await claire.hand_in(letter.conversation, words)
        await jean.read(letter.conversation)
        await jean.ask("PUT", f"/v1/blocks/{b64(paul.id)}")
        await jean.ask("POST", f"/v1/conversations/{b64(letter.conversation)}/read", {"seq": last["seq"]})
        found = Past(data, {}, claire, jean, letter.conversation, await claire.invite("Autre", "Bonsoir"), attachment)
        for peer in (claire, jean):
            found.feeds[peer.name] = (await peer.feed())["last"]
        for peer in (claire, jean, paul):
            await peer.close()
    with closing(sqlite.connect(data / "pli.db")) as database:
        names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (name,) in names:
            rows = database.execute(f'SELECT * FROM "{name}"')
            found.tables[name] = [column[0] for column in rows.description], rows.fetchall()
    del found.tables["alembic_version"]
    return found


def chosen(tables: Tables, name: str, there: set[str]) -> tuple[str, list[tuple[Any, ...]]]:
    """Return the columns that an earlier table has, and their values."""
    columns, rows = tables[name]
    kept = [number for number, column in enumerate(columns) if column in there]
    names = ", ".join(f'"{columns[number]}"' for number in kept)
    return names, [tuple(row[number] for number in kept) for row in rows]


def lay_out_sqlite(path: Path, revision: str, tables: Tables) -> None:
    engine = schema_engine(path)
    with engine.connect() as connection:
        command.upgrade(alembic_config(connection), revision)
    engine.dispose()
    with closing(sqlite.connect(path)) as database, database:
        for name in tables:
            there = {row[1] for row in database.execute(f'PRAGMA table_info("{name}")')}
            if there:
                names, rows = chosen(tables, name, there)
                marks = ", ".join("?" * len(names.split(",")))
                database.executemany(f'INSERT OR REPLACE INTO "{name}" ({names}) VALUES ({marks})', rows)


async def lay_out_postgres(url: str, revision: str, tables: Tables) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(url), poolclass=NullPool
    )
    async with engine.connect() as connection:
        await connection.run_sync(lambda sync: command.upgrade(alembic_config(sync), revision))
    await engine.dispose()
    database = await asyncpg.connect(url)
    try:
        for name in tables:
            sql = "SELECT column_name FROM information_schema.columns WHERE table_name = $1"
            there = {row[0] for row in await database.fetch(sql, name)}
            if there:
                names, rows = chosen(tables, name, there)
                marks = ", ".join(f"${each}" for each in range(1, 1 + len(names.split(","))))
                sql = f'INSERT INTO "{name}" ({names}) VALUES ({marks}) ON CONFLICT DO NOTHING'
                await database.executemany(sql, rows)
    finally:
        await database.close()


@asynccontextmanager
async def brought(past: Past, tmp_path: Path, revision: str, *, postgres: bool) -> AsyncIterator[Any]:
    """Lay out what an earlier version would have left, migrate it as an operator does, serve it."""
    data = tmp_path / "data"
    shutil.copytree(past.data, data, ignore=shutil.ignore_patterns("pli.db*"))
    url = None
    if postgres:
        service = await asyncio.to_thread(of, Postgres)
        url = service.url(await asyncio.to_thread(service.database))
        await lay_out_postgres(url, revision, past.tables)
    else:
        lay_out_sqlite(data / "pli.db", revision, past.tables)
    told = await asyncio.to_thread(migrate.run, Settings(data=data, database_url=url))
    assert told == {"from": revision, "to": REVISIONS[-1]}
    async with running(data, database_url=url) as server:
        yield server


@asynccontextmanager
async def device(peer: Peer, url: str) -> AsyncIterator[Peer]:
    """The device that was there before the migration: its keys, its session."""
    async with aiohttp.ClientSession(url) as http:
        yield replace(peer, url=url, http=http, opened={})


ENGINES = [pytest.param(False, id="sqlite"), pytest.param(True, id="postgres", marks=pytest.mark.postgres)]


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("postgres", ENGINES)
@pytest.mark.parametrize("revision", REVISIONS)
async def test_what_stood_in_an_earlier_schema_is_all_readable_and_goes_on(past, tmp_path, revision, postgres):
    async with (
        brought(past, tmp_path, revision, postgres=postgres) as server,
        device(past.claire, server.url) as claire,
        device(past.jean, server.url) as jean,
    ):
        for reader in (claire, jean):
            assert await reader.read(past.here) == WORDS
            feed = await reader.feed()
            assert [each["position"] for each in feed["events"]] == list(range(1, past.feeds[reader.name] + 1))
        assert len((await claire.ask("GET", "/v1/conversations"))["conversations"]) == 2
        [summary] = (await jean.ask("GET", "/v1/conversations"))["conversations"]
        assert (summary["unread"], summary["may_reply"], summary["refused"], summary["trimmed"]) == (
            0,
            True,
            None,
            None,
        )
        path = f"/v1/conversations/{b64(past.here)}/attachments/{b64(past.attachment)}"
        async with jean.http.get(path, headers={"Authorization": f"Bearer {jean.token}"}) as answer:
            assert await answer.read() == DOCUMENT
        assert len((await jean.ask("GET", "/v1/blocks"))["blocks"]) == (revision >= BLOCKS)
        told = await jean.ask("GET", "/v1/journal")
        assert told["last"] == len(told["entries"]) > (0 if revision >= JOURNALS else -1)

        lea = await Peer.claim(server, past.waiting, "Lea Blanc")
        assert await lea.read(past.waiting.conversation) == ["Bonsoir"]
        await lea.close()
        await jean.login()
        said = await jean.say(past.here, "Merci")
        assert said["seq"] == summary["last_seq"] + 1
        assert (await claire.read(past.here))[-1] == "Merci"


def test_every_revision_is_tried():
    assert [f"{number:04}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert len(list((MIGRATIONS / "versions").glob("*.py"))) == len(REVISIONS)
