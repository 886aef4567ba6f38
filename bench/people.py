"""Pairs with real accounts, made through the public API: a professional, and a patient who claimed an invitation."""

import asyncio
import contextlib
import io
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from bench.wire import Http, request
from crypto import account, codec, content, conversation, envelope, holder, invitation
from crypto.account import Growth, OwnAccount
from crypto.codec import b64, unb64
from crypto.conversation import Opened
from crypto.epoch import Roster
from crypto.suite import SUITE, VERSION
from server.__main__ import main as pli

TEXT = "A sentence of a doctor to a patient. " * 14  # seals to about 1 KB
MONTH = 30 * 24 * 3_600_000  # milliseconds
FEWEST = 16  # pairs that a run needs


def now() -> int:
    return time.time_ns() // 1_000_000


class Caller:
    """JSON calls on one kept connection."""

    def __init__(self, http: Http, host: str) -> None:
        self.http, self.host = http, host

    async def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> Any:
        headers = {"content_type": "application/json"} if body is not None else {}
        if token:
            headers["authorization"] = f"Bearer {token}"
        data = msgspec.json.encode(body) if body is not None else b""
        status, _, answer = await self.http.ask(request(method, path, self.host, data, **headers))
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {status} {answer.decode(errors='replace')}")
        return msgspec.json.decode(answer) if answer else None


@dataclass(slots=True)
class Person:
    """Somebody with a device and a session."""

    own: OwnAccount
    token: str


@dataclass(slots=True)
class Prepared:
    """A sealed envelope, ready to go."""

    id: str
    size: int
    """Bytes of the envelope."""
    body: bytes
    """The submission as JSON."""


@dataclass(slots=True)
class Pair:
    """A conversation of two."""

    doctor: Person
    patient: Person
    opened: Opened
    """As the doctor sees it; the patient has the same keys."""

    @property
    def conversation(self) -> str:
        return b64(self.opened.id)

    def messages(self, count: int) -> list[Prepared]:
        """Seal messages of the doctor: one content, a salt and a signature each, as cheap as it can be."""
        own, record = self.doctor.own, self.opened.chain.head
        said = content.Said(own.id, own.holder.id, own.chain.position, own.chain.head)
        written = content.write(content.words(TEXT, reply="open"), said, at=now(), parents=())
        start = bytes([VERSION, SUITE]) + self.opened.id[:16] + record.epoch.to_bytes(4)
        prepared = []
        for _ in range(count):
            header = start + os.urandom(envelope.SALT)
            signature = own.holder.sign.sign("message", header + record.hash + written)
            wire = envelope.seal_inner(header, self.opened.keys, codec.pad(written, signature))
            prepared.append(_submission(wire, "message", reply="open"))
        return prepared

    def receipt(self, upto: str, seq: int) -> Prepared:
        """Seal a receipt of the patient."""
        wire = envelope.seal_message(content.receipt(unb64(upto)), self.patient.own, self.opened, at=now())
        return _submission(wire, "receipt", read_seq=seq)

    def linked(self, attachment: str) -> Prepared:
        """Seal a message beside which an upload is linked (the reference inside is left out: the server is blind)."""
        wire = envelope.seal_message(content.words("a document", reply="open"), self.doctor.own, self.opened, at=now())
        return _submission(wire, "message", attachments=[attachment], reply="open")


def _submission(wire: bytes, kind: str, **beside: Any) -> Prepared:
    submission = {"envelope": b64(wire), "kind": kind, "reply": None, "attachments": [], "read_seq": None, **beside}
    return Prepared(b64(envelope.message_id(wire)), len(wire), msgspec.json.encode(submission))


def identifiers() -> Iterator[str]:
    """RPPS numbers with a valid Luhn key, from a range that no register gives out."""
    for number in range(9_999_900_100, 9_999_999_999):
        digits = [int(digit) for digit in reversed(str(number))]
        total = sum(sum(divmod(2 * digit, 10)) if i % 2 == 0 else digit for i, digit in enumerate(digits))
        yield f"{number}{-total % 10}"


def activations(data: Path, count: int, seconds: float = 60) -> list[str]:
    """Make activation links as the operator of the running server does, until time is over; returns their tokens."""
    tokens: list[str] = []
    end = time.monotonic() + seconds
    for index, rpps in zip(range(count), identifiers(), strict=False):
        if time.monotonic() > end and len(tokens) >= FEWEST:
            break
        said = io.StringIO()
        arguments = ["admin", "professional", "add", "--data", str(data), "--name", f"Dr Bench {index}"]
        with contextlib.redirect_stdout(said):
            code = pli([*arguments, "--profession", "10", "--rpps", rpps, "--json"])
        if code:
            raise RuntimeError(said.getvalue())
        tokens.append(msgspec.json.decode(said.getvalue())["activation_link"].rpartition("#")[2])
    return tokens


def _chain(growth: Growth) -> dict[str, Any]:
    boxes = [{"holder": b64(box.holder), "generation": box.generation, "box": b64(box.box)} for box in growth.boxes]
    return {"chain": [b64(link) for link in growth.links], "boxes": boxes}


async def _session(caller: Caller, server_id: bytes, own: OwnAccount) -> str:
    asked = await caller.call("POST", "/v1/sessions/challenges", {"holder": b64(own.holder.id)})
    signed = own.holder.sign.sign("session", server_id + unb64(asked["challenge"]) + own.holder.id)
    proof = {"holder": b64(own.holder.id), "challenge": asked["challenge"], "signature": b64(signed), "cookie": False}
    return (await caller.call("POST", "/v1/sessions", proof))["token"]


def _new_account() -> account.NewAccount:
    return account.create(holder.from_seed(holder.new_seed(), kind="device", name="bench"), at=now())


async def _doctor(caller: Caller, server_id: bytes, token: str) -> Person:
    made = _new_account()
    answer = await caller.call("POST", "/v1/accounts", {"activation": token, **_chain(made.growth)})
    session = await _session(caller, server_id, made.own)
    attested = account.attest(made.own, unb64(answer["certificate"]), at=now())
    links = {"links": [b64(link) for link in attested.links], "boxes": [], "previous": []}
    await caller.call("POST", "/v1/me/chain", links, session)
    return Person(attested.own, session)


def _boxes(new: conversation.NewEpoch) -> list[dict[str, str]]:
    return [{"member": b64(member), "box": b64(box)} for member, box in new.boxes.items()]


async def _pair(caller: Caller, server_id: bytes, token: str) -> Pair:
    doctor = await _doctor(caller, server_id, token)
    invited = invitation.draw()
    expires = now() + MONTH
    roster = Roster("A subject", {doctor.own.id: "Dr Bench", invited.member: "A patient"})
    seats = [conversation.invited_seat(invited.public, "patient", expires=expires)]
    begun = conversation.create(doctor.own, seats, roster, at=now())
    keys = {"sign": b64(invited.public.sign), "enc": b64(invited.public.enc)}
    card = {"id": b64(invited.id), "member": b64(invited.member), "expires": expires, **keys}
    body = {"record": b64(begun.record), "boxes": _boxes(begun), "envelope": None}
    await caller.call(
        "POST",
        "/v1/conversations",
        {**body, "invitations": [{**card, "locator": None, "code_box": None}]},
        doctor.token,
    )
    made = _new_account()
    accounts = {doctor.own.id: doctor.own.chain, made.own.id: made.own.chain}
    letter = conversation.open_conversation(
        begun.opened.chain, accounts, invited.member, invited.opening_key, {1: begun.boxes[invited.member]}
    )
    claimed = conversation.claim(made.own, letter, invited, at=now())
    claim = {"account": _chain(made.growth), "record": b64(claimed.record), "boxes": _boxes(claimed), "cookie": False}
    await caller.call("POST", f"/v1/invitations/{b64(invited.id)}/claim", {**claim, **keys})
    patient = Person(made.own, await _session(caller, server_id, made.own))
    return Pair(doctor, patient, replace(claimed.opened, accounts=accounts))


async def make_pairs(host: str, port: int, tokens: list[str], seconds: float) -> list[Pair]:
    """Make one pair for each activation, a few at a time, until they are all made or the time is over."""
    pairs: list[Pair] = []
    waiting, end = list(tokens), time.monotonic() + seconds

    async def work() -> None:
        http = await Http.open(host, port)
        caller = Caller(http, f"{host}:{port}")
        server_id = unb64((await caller.call("GET", "/v1/server"))["id"])
        while waiting and (time.monotonic() < end or len(pairs) < FEWEST):
            pairs.append(await _pair(caller, server_id, waiting.pop()))
        http.close()

    await asyncio.gather(*(work() for _ in range(min(8, len(tokens)))))
    return pairs
