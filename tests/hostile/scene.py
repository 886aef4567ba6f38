"""A small practice under attack: who is there, what is there, a right request for each operation, and what must not move.

Claire (owner), Karim (professional) and Jean (patient) share a conversation with a document. Paul has been taken out
of it; Sonia, a professional, and Lea, a patient, never were in it; Claire's lost phone has been revoked.
"""

from __future__ import annotations

import base64
import hashlib
import io
import ipaddress
import itertools
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pysqlite3.dbapi2 as sqlite3
from aiohttp import hdrs

from crypto import account, conversation, holder, invitation, session
from crypto.codec import b64, unb64
from crypto.epoch import Roster
from server import telemetry
from server.transport.rest.operations import Operation, Role
from server.transport.rest.routes import OPERATIONS
from tests.fakes.peer import Letter, Peer, boxes_json, now, rpps
from tests.fakes.server import LocalServer, running

ROOT = Path(__file__).parents[2]
CORPORA = ROOT.parent / "shared" / "corpora"
DESCRIBED = json.loads((ROOT / "docs" / "api" / "openapi.json").read_text())
BY_NAME = {operation.name: operation for operation in OPERATIONS}
BODIED = [operation.name for operation in OPERATIONS if operation.request is not None]
HERE = (ipaddress.ip_network("127.0.0.1/32"),)
TUS = {"Tus-Resumable": "1.0.0"}
_addresses = itertools.count(1)

Ids = dict[str, str]


@dataclass
class Answer:
    """An answer, read to its end."""

    status: int
    body: bytes
    headers: Any

    @property
    def problem(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Scene:
    server: LocalServer
    peers: dict[str, Peer]
    conversation: bytes
    letter: Letter
    attachment: bytes
    upload: bytes
    tokens: dict[str, str] = field(default_factory=dict)
    lost: Any = None  # the holder of the lost phone

    # --- requests -----------------------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, *, who: str = "", headers: Any = None, **more: Any) -> Answer:
        """Send a request as somebody (by name in `tokens`), each from an address of its own."""
        told = {"X-Forwarded-For": address()} | dict(headers or {})
        if who:
            told["Authorization"] = f"Bearer {self.tokens[who]}"
        http = self.peers["claire"].http
        async with http.request(method, path, headers=told, allow_redirects=False, **more) as answer:
            return Answer(answer.status, await answer.read(), answer.headers)

    async def call(self, name: str, *, who: str = "claire", ids: Ids | None = None, **more: Any) -> Answer:
        """Call an operation on what is there, or on `ids`."""
        operation = BY_NAME[name]
        return await self.ask(operation.method, self.path(operation, ids), who=who, **more)

    def ids(self) -> Ids:
        """Return the ids of what is there."""
        return {
            "account": b64(self.peers["jean"].id),
            "conversation": b64(self.conversation),
            "envelope": self.tokens.get("envelope", ""),
            "attachment": b64(self.attachment),
            "session": self.tokens.get("session", ""),
            "credential": b64(b"credential of Claire"),
            "invitation": b64(self.letter.invitation.id),
            "locator": self.tokens.get("locator", ""),
            "token": self.tokens.get("activation", ""),
        }

    def path(self, operation: Operation, ids: Ids | None = None) -> str:
        return operation.path.format(**(self.ids() | (ids or {})))

    async def right(self, name: str) -> dict[str, Any]:
        """Return a body with which the operation would do something."""
        return await RIGHT[name](self)

    # --- what must not move -------------------------------------------------------------------------------------

    def fingerprint(self) -> dict[str, str]:
        """Return a hash of each table and of the folder of documents."""
        found = {}
        with closing(sqlite3.connect(f"file:{self.server.data / 'pli.db'}?mode=ro", uri=True)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in tables:
                if name in UNWATCHED:
                    continue
                columns = [row[1] for row in database.execute(f"PRAGMA table_info({name})")]
                kept = ", ".join(f'"{column}"' for column in columns if column not in TOUCHED)
                rows = sorted(repr(row) for row in database.execute(f"SELECT {kept} FROM {name}"))
                found[name] = hashlib.sha256("\n".join(rows).encode()).hexdigest()[:16] + f" ({len(rows)} rows)"
        files = [p for p in self.server.data.rglob("*") if p.is_file() and not p.name.startswith("pli.db")]
        found["files"] = repr(sorted((p.relative_to(self.server.data).as_posix(), p.stat().st_size) for p in files))
        return found


UNWATCHED = {"spent_stamp", "turn"}
"""Used stamps are written by being refused twice; the turn counts transactions. Neither is anything of anybody."""

TOUCHED = {"last_used", "expires"}
"""Of a session, by every request."""


def address() -> str:
    """Return an address that has asked for nothing yet, so that no limit meets what a test is not about."""
    number = next(_addresses)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"


@asynccontextmanager
async def scene(folder: Path, **chosen: Any) -> AsyncIterator[Scene]:
    """Lay out the practice on a server of its own."""
    telemetry.configure(strict=True, write=lambda _: None, foreign=False)
    async with running(folder / "data", trusted_proxies=HERE, **chosen) as server:
        laid = await _lay_out(server)
        try:
            yield laid
        finally:
            for peer in laid.peers.values():
                await peer.close()


async def _lay_out(server: LocalServer) -> Scene:
    peers = {
        "claire": await Peer.professional(server, "Claire Martin"),
        "karim": await Peer.professional(server, "Karim Haddad", "21"),
        "paul": await Peer.professional(server, "Paul Durand"),
        "sonia": await Peer.professional(server, "Sonia Petit"),
    }
    claire = peers["claire"]
    first = await claire.invite("Résultats", "Bonjour")
    peers["jean"] = await Peer.claim(server, first)
    peers["lea"] = await Peer.claim(server, await peers["sonia"].invite("Autre", "Bonjour"), "Lea Blanc")
    await claire.refresh(first.conversation)
    await claire.add(first.conversation, peers["karim"].id)
    await claire.add(first.conversation, peers["paul"].id)
    await claire.say(first.conversation, "Pour Paul aussi")
    await claire.remove(first.conversation, peers["paul"].id)
    laid = Scene(server, peers, first.conversation, await claire.invite(with_code=True), os.urandom(16), os.urandom(16))
    laid.tokens |= {name: peer.token for name, peer in peers.items()}
    await _lose_a_phone(laid)
    await _documents(laid)
    laid.tokens["activation"] = b64(await server.activation("Nadia Roy", "10", rpps()))
    state = await claire.ask("GET", "/v1/sessions")
    laid.tokens["session"] = next(one["id"] for one in state["sessions"] if one["current"])
    laid.tokens["locator"] = await _locator(claire, laid.letter.code)
    return laid


async def _locator(claire: Peer, code: str) -> str:
    salt = unb64((await claire.ask("GET", "/v1/server"))["code_salt"])
    return b64(invitation.read_code(code).stretch(salt).locator)


async def _lose_a_phone(laid: Scene) -> None:
    """A second device of Claire's opens a session, then is revoked."""
    claire, phone = laid.peers["claire"], holder.from_seed(holder.new_seed(), kind="device", name="Phone")
    await claire.grow(account.add_holder(claire.own, phone, at=now()))
    desk = claire.token
    laid.tokens["lost phone"] = await claire.login(phone)
    claire.token, laid.lost = desk, phone
    await claire.grow(account.revoke_holder(claire.own, phone.id, at=now()))
    await claire.ask(
        "PUT",
        f"/v1/passkeys/{b64(b'credential of Claire')}",
        {"holder": b64(claire.own.holder.id), "blob": b64(b"sealed")},
    )


async def _documents(laid: Scene) -> None:
    """One document in the conversation, one upload that is under way; and a message that Claire may take back."""
    claire = laid.peers["claire"]
    for attachment, sent in ((laid.attachment, 100), (laid.upload, 40)):
        begun = await laid.call("beginUpload", headers=TUS | announced(attachment, 100))
        assert begun.status == 201
        told = TUS | {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
        part = await laid.call("appendUpload", ids={"attachment": b64(attachment)}, headers=told, data=b"s" * sent)
        assert part.status == 204
    words = claire.words(laid.conversation, "Voici") | {"attachments": [b64(laid.attachment)]}
    laid.tokens["envelope"] = (await claire.hand_in(laid.conversation, words))["id"]


def announced(attachment: bytes, size: int) -> dict[str, str]:
    named = base64.b64encode(b64(attachment).encode()).decode()
    return {"Upload-Length": str(size), "Upload-Metadata": f"attachment {named}"}


# --- a right body for every operation that reads one ---------------------------------------------------------------------


async def _create_account(laid: Scene) -> dict[str, Any]:
    token = await laid.server.activation("Nadia Roy", "10", rpps())
    peer, growth = await Peer._begin(laid.server, "Nadia Roy")
    await peer.close()
    return {"activation": b64(token), "chain": [b64(w) for w in growth.links], "boxes": boxes_json(growth.boxes)}


async def _grow(laid: Scene) -> dict[str, Any]:
    growth = account.rotate(laid.peers["claire"].own, at=now())
    previous = [{"generation": each.generation, "sealed": b64(each.sealed)} for each in growth.previous]
    return {"links": [b64(w) for w in growth.links], "boxes": boxes_json(growth.boxes), "previous": previous}


async def _settings(_: Scene) -> dict[str, Any]:
    return {"language": "fr"}


async def _passkey(laid: Scene) -> dict[str, Any]:
    return {"holder": b64(laid.peers["claire"].own.holder.id), "blob": b64(b"another")}


async def _challenge(laid: Scene) -> dict[str, Any]:
    return {"holder": b64(laid.peers["claire"].own.holder.id)}


async def _session(laid: Scene) -> dict[str, Any]:
    claire = laid.peers["claire"]
    asked = (await laid.call("askChallenge", who="", json=await _challenge(laid))).problem
    signed = session.answer(claire.own.holder, server=claire.server_id, challenge=unb64(asked["challenge"]))
    return {
        "holder": b64(claire.own.holder.id),
        "challenge": asked["challenge"],
        "signature": b64(signed),
        "cookie": False,
    }


async def _ended(laid: Scene) -> dict[str, Any]:
    """The lost phone asks how it was ended."""
    asked = (await laid.call("askChallenge", who="", json={"holder": b64(laid.lost.id)})).problem
    signed = session.answer(laid.lost, server=laid.peers["claire"].server_id, challenge=unb64(asked["challenge"]))
    return {"holder": b64(laid.lost.id), "challenge": asked["challenge"], "signature": b64(signed), "after": 0}


async def _envelope(laid: Scene) -> dict[str, Any]:
    return laid.peers["claire"].words(laid.conversation, "Encore")


async def _start(laid: Scene) -> dict[str, Any]:
    claire = laid.peers["claire"]
    seat = conversation.seat(await claire.chain_of(laid.peers["sonia"].id), "professional")
    begun = conversation.create(claire.own, [seat], Roster("Avis", {}), at=now())
    return claire.start_body(begun)


async def _epoch(laid: Scene) -> dict[str, Any]:
    claire = laid.peers["claire"]
    seat = conversation.seat(await claire.chain_of(laid.peers["sonia"].id), "professional", history="none")
    return claire.start_body(conversation.add(claire.own, claire.opened[laid.conversation], [seat], at=now()))


async def _read(_: Scene) -> dict[str, Any]:
    return {"seq": 1}


async def _ack(_: Scene) -> dict[str, Any]:
    return {"position": 1}


async def _claim(laid: Scene) -> dict[str, Any]:
    peer, growth = await Peer._begin(laid.server, "Marc Noir")
    body = await peer.claim_body(laid.letter.link)
    await peer.close()
    chain = [b64(w) for w in growth.links]
    return body | {"account": {"chain": chain, "boxes": boxes_json(growth.boxes)}}


async def _refuse(laid: Scene) -> dict[str, Any]:
    invited = (await laid.peers["claire"].invite()).invitation  # signed for another conversation: the letter stays
    signature = invited.refuse(conversation=laid.letter.conversation)
    return {"sign": b64(invited.public.sign), "enc": b64(invited.public.enc), "signature": b64(signature)}


RIGHT: dict[str, Callable[[Scene], Awaitable[dict[str, Any]]]] = {
    "createAccount": _create_account,
    "growChain": _grow,
    "changeSettings": _settings,
    "keepPasskey": _passkey,
    "askChallenge": _challenge,
    "openSession": _session,
    "showEndOfHolder": _ended,
    "submitEnvelope": _envelope,
    "startConversation": _start,
    "beginEpoch": _epoch,
    "markRead": _read,
    "acknowledgeFeed": _ack,
    "claimInvitation": _claim,
    "refuseInvitation": _refuse,
}


# --- what is promised ----------------------------------------------------------------------------------------------------


async def send(practice: Scene, name: str, body: bytes, **headers: str) -> Answer:
    who = "" if BY_NAME[name].role in {Role.ANYONE, Role.EITHER} else "claire"
    return await practice.call(
        name, who=who, data=io.BytesIO(body), headers={"Content-Type": "application/json"} | headers
    )


async def right_bytes(practice: Scene, name: str) -> bytes:
    return json.dumps(await practice.right(name)).encode()


def check_refusal(name: str, answer: Answer) -> None:
    """Check that a refusal is one that the committed description promises for this operation, and says what to do."""
    where = f"{name}: {answer.status} {answer.body[:300]!r}"
    assert 400 <= answer.status < 500, where
    assert answer.headers[hdrs.CONTENT_TYPE].startswith("application/problem+json"), where
    promised = responses(name).get(str(answer.status))
    assert promised is not None, f"{where} is not in docs/api/openapi.json"
    if BY_NAME[name].method == "HEAD":
        return
    told = answer.problem
    codes = promised["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
    assert told["code"] in codes, f"{where} is not in docs/api/openapi.json"
    assert told["status"] == answer.status, where
    assert told["title"], where
    assert told["hint"], where


def responses(name: str) -> dict[str, Any]:
    operation = BY_NAME[name]
    return DESCRIBED["paths"][operation.path][operation.method.lower()]["responses"]
