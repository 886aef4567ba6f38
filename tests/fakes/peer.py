"""A complete simulated device: its own keys, its own memory, the real protocol over the real interface.

`peer = await Peer.professional(server, "Claire Martin")`, `letter = await peer.invite("Results", "Bonjour")`,
`jean = await Peer.claim(server, letter)`, `await jean.say(letter.conversation, "Merci")`, `await peer.read(...)`.
A server is anything with `url` and `activation(name, profession, identifier)`.
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from crypto import account, content, conversation, envelope, epoch_record, holder, invitation, session
from crypto.account import HolderBox, OwnAccount
from crypto.account_chain import AccountChain
from crypto.codec import b64, unb64
from crypto.conversation import NewEpoch, Opened
from crypto.conversation_chain import ConversationChain
from crypto.epoch import Roster
from crypto.holder import Holder
from crypto.invitation import PublicInvitation

DAY = 86_400_000  # ms
_numbers = itertools.count(10_000_000_00)


def now() -> int:
    return int(time.time() * 1000)  # the device's own clock


def rpps() -> str:
    """Draw the next RPPS number: ten digits and their Luhn key."""
    digits = str(next(_numbers))
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 - place % 2)
        total += value - 9 if value > 9 else value
    return digits + str(-total % 10)


class Refused(Exception):
    """The server's refusal: its code, its status, its problem document."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status, self.problem = status, problem
        self.code = problem.get("code")


@dataclass(frozen=True)
class Letter:
    """An invitation on paper."""

    conversation: bytes
    link: str
    code: str
    invitation: invitation.Invitation
    seq: int


@dataclass
class Peer:
    name: str
    url: str
    own: OwnAccount
    recovery_code: str
    http: aiohttp.ClientSession = field(repr=False)
    server_id: bytes = b""
    token: str = ""
    opened: dict[bytes, Opened] = field(default_factory=dict, repr=False)

    # --- coming to be -------------------------------------------------------------------------------------------

    @classmethod
    async def professional(cls, server: Any, name: str, profession: str = "10") -> Peer:
        """Make the account of a professional whom the operator knows."""
        token = await server.activation(name, profession, rpps())
        peer, growth = await cls._begin(server, name)
        body = {"activation": b64(token), "chain": [b64(w) for w in growth.links], "boxes": boxes_json(growth.boxes)}
        made = await peer.ask("POST", "/v1/accounts", body)
        await peer.login()
        await peer.grow(account.attest(peer.own, unb64(made["certificate"]), at=now()))
        return peer

    @classmethod
    async def claim(cls, server: Any, letter: Letter, name: str = "Jean Dupont") -> Peer:
        """Open an invitation without an account, then take its place with a new one."""
        peer, growth = await cls._begin(server, name)
        body = await peer.claim_body(letter.link)
        body["account"] = {"chain": [b64(w) for w in growth.links], "boxes": boxes_json(growth.boxes)}
        invited = invitation.read_link(letter.link).invitation
        await peer.ask("POST", f"/v1/invitations/{b64(invited.id)}/claim", body)
        await peer.login()
        return peer

    @classmethod
    async def _begin(cls, server: Any, name: str) -> tuple[Peer, account.Growth]:
        device = holder.from_seed(holder.new_seed(), kind="device", name="Device")
        made = account.create(device, at=now())
        http = aiohttp.ClientSession(server.url)
        peer = cls(name, server.url, made.own, made.recovery_code.text(), http)
        peer.server_id = unb64((await peer.ask("GET", "/v1/server"))["id"])
        return peer, made.growth

    async def close(self) -> None:
        await self.http.close()

    async def login(self, with_holder: Holder | None = None) -> str:
        """Open a session with a holder of the account (this device)."""
        with_holder = with_holder or self.own.holder
        asked = await self.ask("POST", "/v1/sessions/challenges", {"holder": b64(with_holder.id)})
        challenge = unb64(asked["challenge"])
        signature = session.answer(with_holder, server=self.server_id, challenge=challenge)
        body = {
            "holder": b64(with_holder.id),
            "challenge": b64(challenge),
            "signature": b64(signature),
            "cookie": False,
        }
        self.token = (await self.ask("POST", "/v1/sessions", body))["token"]
        return self.token

    # --- talking to the server ----------------------------------------------------------------------------------

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """Call the interface; the JSON of the answer, or `Refused`."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        async with self.http.request(method, path, json=body, headers=headers, **options) as answer:
            told = await answer.json(content_type=None) if answer.content_length else {}
            if answer.status >= 400:
                raise Refused(answer.status, told)
            return told

    async def pages(self, path: str, cursor: str) -> list[dict[str, Any]]:
        """Ask until an answer has no `next`; it goes into the query as `cursor`."""
        found = [await self.ask("GET", path)]
        while found[-1]["next"] is not None:
            found.append(await self.ask("GET", path, params={cursor: found[-1]["next"]}))
        return found

    @property
    def id(self) -> bytes:
        return self.own.id

    async def grow(self, growth: account.Growth) -> None:
        """Append links to the own chain."""
        body = {
            "links": [b64(w) for w in growth.links],
            "boxes": boxes_json(growth.boxes),
            "previous": [{"generation": p.generation, "sealed": b64(p.sealed)} for p in growth.previous],
        }
        await self.ask("POST", "/v1/me/chain", body)
        self.own = growth.own

    async def chain_of(self, account_id: bytes) -> AccountChain:
        path, links = f"/v1/accounts/{b64(account_id)}/chain", []
        while page := (await self.ask("GET", path, params={"after": len(links) - 1}))["links"]:
            links += [unb64(wire) for wire in page]
        return AccountChain.replay(links)

    # --- conversations ------------------------------------------------------------------------------------------

    def start_body(self, begun: NewEpoch, invited: list[dict[str, Any]] | None = None) -> dict[str, Any]:
        return {"record": b64(begun.record), "boxes": member_boxes(begun), "invitations": invited or []}

    async def invite(
        self,
        subject: str = "Renouvellement",
        text: str = "Bonjour",
        patient: str = "Jean",
        *,
        with_code: bool = False,
        expires: int | None = None,
        lasts: int = 30 * DAY,
        reply: Any = "open",
    ) -> Letter:
        """Begin a conversation with somebody who has no account; the message leaves at once. A code costs 0.2 s.

        It ``lasts`` so many milliseconds from when the code is there, unless it is said when it ``expires``.
        """
        invited, coded, code = invitation.draw(), {}, ""
        if with_code:
            typed = invitation.draw_code()
            stretched = typed.stretch(unb64((await self.ask("GET", "/v1/server"))["code_salt"]))
            coded = {"locator": b64(stretched.locator), "code_box": b64(stretched.seal(invited, self.id))}
            code = typed.text()
        expires = expires or now() + lasts
        place = conversation.invited_seat(invited.public, "patient", expires=expires)
        begun = conversation.create(self.own, [place], Roster(subject, {invited.member: patient}), at=now())
        offered = invitation_json(invited.public, expires) | coded
        body = self.start_body(begun, [offered])
        body["envelope"] = self.submission(begun.opened, content.words(text, reply=reply))
        started = await self.ask("POST", "/v1/conversations", body)
        self.opened[begun.opened.id] = begun.opened
        link = invited.link(self.url, self.id)
        return Letter(begun.opened.id, link, code, invited, started["message"]["seq"])

    async def start(self, *others: tuple[bytes, str], role: str = "owner", text: str | None = None) -> bytes:
        """Begin a conversation with accounts: `(account id, role)`."""
        seats = [conversation.seat(await self.chain_of(each), as_role) for each, as_role in others]  # type: ignore[arg-type]
        begun = conversation.create(self.own, seats, Roster("Sujet", {}), at=now(), role=role)  # type: ignore[arg-type]
        body = self.start_body(begun)
        if text is not None:
            reply = "open" if role == "owner" else None
            body["envelope"] = self.submission(begun.opened, content.words(text, reply=reply))
        await self.ask("POST", "/v1/conversations", body)
        self.opened[begun.opened.id] = begun.opened
        return begun.opened.id

    def submission(self, opened: Opened, payload: content.Payload, **more: Any) -> dict[str, Any]:
        """Seal and wrap what is to be handed in."""
        wire = envelope.seal_message(payload, self.own, opened, at=now())
        reply = payload.plain.get("reply")
        return {
            "envelope": b64(wire),
            "kind": payload.kind,
            "reply": reply,
            "attachments": [],
            "read_seq": None,
            **more,
        }

    def role_in(self, conversation_id: bytes) -> str:
        return self.opened[conversation_id].chain.members[self.id].role

    def words(self, conversation_id: bytes, text: str, reply: Any = "open") -> dict[str, Any]:
        """Return the submission of a text; the reply right only where the role has one."""
        caring = self.role_in(conversation_id) in {"owner", "professional"}
        payload = content.words(text, reply=reply if caring else None)
        return self.submission(self.opened[conversation_id], payload)

    async def hand_in(self, conversation_id: bytes, submission: dict[str, Any]) -> dict[str, Any]:
        return await self.ask("POST", f"/v1/conversations/{b64(conversation_id)}/envelopes", submission)

    async def say(self, conversation_id: bytes, text: str, reply: Any = "open") -> dict[str, Any]:
        """Write a message."""
        if conversation_id not in self.opened:
            await self.refresh(conversation_id)
        return await self.hand_in(conversation_id, self.words(conversation_id, text, reply))

    async def acknowledge(self, conversation_id: bytes, message_id: bytes, seq: int) -> dict[str, Any]:
        """Say that everything up to a message is read."""
        opened = self.opened[conversation_id]
        return await self.hand_in(conversation_id, self.submission(opened, content.receipt(message_id), read_seq=seq))

    async def end(self, conversation_id: bytes, text: str = "") -> dict[str, Any]:
        """End the conversation."""
        return await self.hand_in(conversation_id, self.submission(self.opened[conversation_id], content.end(text)))

    async def change(self, conversation_id: bytes, new: NewEpoch, invited: Any = None) -> dict[str, Any]:
        """Commit the next epoch."""
        body = self.start_body(new, invited)
        begun = await self.ask("POST", f"/v1/conversations/{b64(conversation_id)}/epochs", body)
        self.opened[conversation_id] = new.opened
        return begun

    async def add(self, conversation_id: bytes, who: bytes, role: str = "professional", history: str = "full") -> Any:
        """Let an account in."""
        seat = conversation.seat(await self.chain_of(who), role, history=history)  # type: ignore[arg-type]
        return await self.change(
            conversation_id, conversation.add(self.own, self.opened[conversation_id], [seat], at=now())
        )

    async def remove(self, conversation_id: bytes, who: bytes) -> Any:
        """Take an account out."""
        opened = self.opened[conversation_id]
        return await self.change(conversation_id, conversation.remove(self.own, opened, [who], at=now()))

    async def refresh(self, conversation_id: bytes) -> Opened:
        """Fetch and check records, chains and keys of a conversation from scratch."""
        path = f"/v1/conversations/{b64(conversation_id)}"
        rows: list[dict[str, Any]] = []
        while page := (await self.ask("GET", path + "/epochs", params={"after": len(rows)}))["epochs"]:
            rows += page
        records = [unb64(row["record"]) for row in rows]
        boxes = {row["epoch"]: unb64(row["box"]) for row in rows if row["box"] is not None}
        ids = {m.id for r in records for m in epoch_record.read(r).draft.members if m.kind != "invite"}
        accounts = {each: await self.chain_of(each) for each in ids}
        chain = ConversationChain.replay(records, accounts)
        waiting = [each for page in await self.pages(path, "invitations") for each in page["invitations"]]
        invitations = {
            unb64(i["member"]): PublicInvitation(unb64(i["id"]), unb64(i["sign"]), unb64(i["enc"]))
            for i in waiting
            if i["state"] == "open"
        }
        opened = conversation.open_conversation(chain, accounts, self.id, self.own.opening_key, boxes)
        self.opened[conversation_id] = replace(opened, invitations=invitations)
        return self.opened[conversation_id]

    async def events(self, conversation_id: bytes, **query: int) -> list[dict[str, Any]]:
        path = f"/v1/conversations/{b64(conversation_id)}/events"
        return (await self.ask("GET", path, params=query))["events"]

    async def all_events(self, conversation_id: bytes) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while page := await self.events(conversation_id, after=found[-1]["seq"] if found else 0, limit=200):
            found += page
        return found

    async def read(self, conversation_id: bytes) -> list[str]:
        """Fetch, check and open every text of a conversation, in order."""
        opened = await self.refresh(conversation_id)
        texts = []
        for event in await self.all_events(conversation_id):
            if event["type"] == "envelope" and event["envelope"] and event["epoch"] in opened.keyring:
                message = envelope.open_message(unb64(event["envelope"]), opened, kind=event["kind"])
                if message.content.type == "text":
                    texts.append(message.content.payload["text"])
        return texts

    async def is_read(self, conversation_id: bytes) -> bool:
        """Tell whether somebody has signed to have read the newest text."""
        opened = await self.refresh(conversation_id)
        newest, read = b"", set[bytes]()
        for event in await self.all_events(conversation_id):
            if event["type"] == "envelope" and event["envelope"] and event["epoch"] in opened.keyring:
                said = envelope.open_message(unb64(event["envelope"]), opened, kind=event["kind"]).content
                newest = unb64(event["id"]) if said.type == "text" else newest
                read |= {said.payload["upto"]} if said.type == "receipt" else set()
        return newest in read

    async def feed(self, after: int = 0, **query: int) -> dict[str, Any]:
        return await self.ask("GET", "/v1/feed", params={"after": after, **query})

    # --- invitations --------------------------------------------------------------------------------------------

    async def preview(self, link: str) -> Opened:
        """Open a conversation with an invitation, as its holder may before there is an account."""
        carried = invitation.read_link(link)
        invited = carried.invitation
        pages = await self.pages(f"/v1/invitations/{b64(invited.id)}", "after")
        links: dict[bytes, list[bytes]] = {}
        for each in itertools.chain.from_iterable(page["chains"] for page in pages):
            links.setdefault(unb64(each["account"]), []).extend(unb64(wire) for wire in each["links"])
        accounts = {each: AccountChain.replay(wires) for each, wires in links.items()}
        chain = ConversationChain.replay([unb64(w) for page in pages for w in page["epochs"]], accounts)
        conversation.require_inviter(chain, carried.inviter)
        boxes = {each["epoch"]: unb64(each["box"]) for page in pages for each in page["boxes"]}
        return conversation.open_conversation(chain, accounts, invited.member, invited.opening_key, boxes)

    async def claim_body(self, link: str) -> dict[str, Any]:
        """Build the claim of an invitation for the own account."""
        opened = await self.preview(link)
        invited = invitation.read_link(link).invitation
        taken = conversation.claim(self.own, opened, invited, at=now())
        self.opened[opened.id] = taken.opened
        return {
            "account": None,
            "sign": b64(invited.public.sign),
            "enc": b64(invited.public.enc),
            "record": b64(taken.record),
            "boxes": member_boxes(taken),
            "cookie": False,
        }


def boxes_json(boxes: tuple[HolderBox, ...]) -> list[dict[str, Any]]:
    return [{"holder": b64(box.holder), "generation": box.generation, "box": b64(box.box)} for box in boxes]


def member_boxes(new: NewEpoch) -> list[dict[str, str]]:
    return [{"member": b64(member), "box": b64(box)} for member, box in new.boxes.items()]


def invitation_json(invited: PublicInvitation, expires: int) -> dict[str, Any]:
    return {
        "id": b64(invited.id),
        "sign": b64(invited.sign),
        "enc": b64(invited.enc),
        "member": b64(invited.member),
        "expires": expires,
        "locator": None,
        "code_box": None,
    }
