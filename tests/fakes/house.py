"""A server with room for documents: three accounts, one conversation, and the steps of an upload."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import os
import time
from dataclasses import dataclass

from aiohttp.test_utils import TestClient, TestServer

from server import telemetry
from server.app import SERVICES, build_app
from server.clock import SetClock
from server.domain.account import Account, Holder
from server.domain.conversation import Conversation, History, Member, Policy, Role
from server.domain.ids import b64
from server.settings import Settings

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

    async def begin(self, attachment, size, who="sender", data=None, **headers):
        metadata = base64.b64encode(b64(attachment).encode()).decode()
        told = {"Upload-Length": str(size), "Upload-Metadata": f"attachment {metadata}"} | headers
        told = {name: value for name, value in told.items() if value is not None}
        body = {} if data is None else {"data": io.BytesIO(data)}
        along = {} if data is None else CHUNKS
        return await self.client.post("/v1/uploads", headers=self.headers(who, **told, **along), **body)

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

    async def reads(self, count):
        """Wait until the server has read so many bytes of the one body that is under way."""
        async with asyncio.timeout(30):
            while self._read() < count:
                await asyncio.sleep(0.005)

    def _read(self):
        requests = [each._current_request for each in self.client.server.runner.server.connections]
        return max((each.content.total_bytes - each.content._size for each in requests if each is not None), default=0)

    async def upload(self, attachment, data):
        assert (await self.begin(attachment, len(data))).status == 201
        assert (await self.append(attachment, 0, data)).status == 204

    async def link(self, attachment):
        await self.services.store.write(lambda tx: tx.attachments.link([attachment], CONVERSATION, 1))

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


def drawn():
    return os.urandom(16)
