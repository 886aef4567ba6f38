"""The HTTP interface as methods, one for each call a device makes. Source: docs/spec/api.md."""

import base64
from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from msgspec import structs

from bridges.kit import wire
from bridges.kit.errors import UnreachableError
from bridges.kit.transport import Answer, Transport
from bridges.kit.wire import B64, to_text

TUS: Final = {"Tus-Resumable": "1.0.0"}
CHUNKS: Final = {"Content-Type": "application/offset+octet-stream"}
PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Api:
    """Calls of one device on one server. Ids are bytes here and text on the wire.

    Every method raises ``RefusedError`` (the server's code) or ``UnreachableError``.
    """

    transport: Transport

    # --- server, accounts, sessions -------------------------------------------------------------------------------

    async def server(self) -> wire.ServerInfo:
        """Read what the server announces."""
        return await self._open_get("/v1/server", wire.ServerInfo)

    async def activation(self, token: bytes) -> wire.Activation:
        """Read whom an activation link is for."""
        return await self._open_get(f"/v1/activations/{to_text(token)}", wire.Activation)

    async def create_account(self, body: dict[str, Any]) -> wire.NewAccount:
        """Register a professional's account; a repeat gives the same answer."""
        answer = await self.transport.ask("POST", "/v1/accounts", json=body, session=False, again=True)
        return answer.read(wire.NewAccount)

    async def account(self, account: bytes) -> wire.AccountInfo:
        """Read the public face of an account."""
        return await self._get(f"/v1/accounts/{to_text(account)}", wire.AccountInfo)

    async def chain(self, account: bytes, after: int | None) -> wire.ChainPart:
        """Read links after a position, a page of them: until the chain has the position told, or there are none."""
        params = {} if after is None else {"after": after}
        return await self._get(f"/v1/accounts/{to_text(account)}/chain", wire.ChainPart, **params)

    async def me(self) -> wire.Me:
        """Read the account as this session's holder sees it."""
        return await self._get("/v1/me", wire.Me)

    async def extend_chain(self, body: dict[str, Any]) -> wire.ChainHead:
        """Append links to the own chain; a repeat of accepted links is fine."""
        return (await self.transport.ask("POST", "/v1/me/chain", json=body, again=True)).read(wire.ChainHead)

    async def settings(self, changes: dict[str, Any]) -> None:
        """Change settings of the account."""
        await self.transport.ask("PUT", "/v1/me/settings", json=changes)

    async def directory(self, words: str) -> list[wire.Person]:
        """Search professionals by words of the name or by identifier."""
        return (await self._get("/v1/directory", wire.People, q=words)).people

    async def pharmacies(self) -> list[wire.Person]:
        """List the pharmacies that accept patients."""
        return (await self._get("/v1/directory", wire.People, open=1)).people

    async def challenge(self, holder: bytes) -> wire.Challenge:
        """Ask for something to sign."""
        body = {"holder": B64(holder)}
        answer = await self.transport.ask("POST", "/v1/sessions/challenges", json=body, session=False, again=True)
        return answer.read(wire.Challenge)

    async def open_session(self, holder: bytes, challenge: bytes, signature: bytes) -> wire.SessionGrant:
        """Prove possession of a holder's key. Not repeated: a challenge counts once."""
        body = {"holder": B64(holder), "challenge": B64(challenge), "signature": B64(signature), "cookie": False}
        answer = await self.transport.ask("POST", "/v1/sessions", json=body, session=False)
        return answer.read(wire.SessionGrant)

    async def end_of_holder(self, holder: bytes, challenge: bytes, signature: bytes, after: int) -> list[bytes]:
        """Ask how a holder was ended: a page of the links after a position, up to that one. Not repeated."""
        body = {"holder": B64(holder), "challenge": B64(challenge), "signature": B64(signature), "after": after}
        answer = await self.transport.ask("POST", "/v1/sessions/ended", json=body, session=False)
        return [bytes(each) for each in answer.read(wire.EndOfHolder).links]

    # --- conversations --------------------------------------------------------------------------------------------

    async def conversations(self) -> list[wire.Summary]:
        """List all conversations of the account, newest first."""
        found: list[wire.Summary] = []
        before: str | int | None = None
        while True:
            params: dict[str, str | int] = {"limit": PAGE} if before is None else {"limit": PAGE, "before": before}
            page = await self._get("/v1/conversations", wire.SummaryPage, **params)
            found += page.conversations
            before = page.next
            if before is None or not page.conversations:
                return found

    async def conversation(self, conversation: bytes) -> wire.Detail:
        """Read one conversation's state, with every invitation there was."""
        path = f"/v1/conversations/{to_text(conversation)}"
        detail = await self._get(path, wire.Detail)
        found = list(detail.invitations)
        while detail.next is not None and detail.invitations:
            detail = await self._get(path, wire.Detail, invitations=detail.next)
            found += detail.invitations
        return structs.replace(detail, invitations=found)

    async def epochs(self, conversation: bytes, after: int) -> list[wire.EpochEntry]:
        """Read epoch records after an epoch, a page of them: until there are none."""
        path = f"/v1/conversations/{to_text(conversation)}/epochs"
        return (await self._get(path, wire.EpochPage, after=after)).epochs

    async def events(self, conversation: bytes, after: int) -> wire.EventPage:
        """Read events after a seq, at most 200."""
        path = f"/v1/conversations/{to_text(conversation)}/events"
        return await self._get(path, wire.EventPage, after=after, limit=PAGE)

    async def start(self, body: Any) -> wire.Started:
        """Create a conversation; a repeat of the same record gives the same answer."""
        return (await self.transport.ask("POST", "/v1/conversations", json=body, again=True)).read(wire.Started)

    async def commit_epoch(self, conversation: bytes, body: dict[str, Any]) -> wire.Committed:
        """Propose the next epoch. Not repeated by itself: the caller looks whether it took effect."""
        path = f"/v1/conversations/{to_text(conversation)}/epochs"
        return (await self.transport.ask("POST", path, json=body)).read(wire.Committed)

    async def submit(self, conversation: bytes, submission: Any) -> wire.Accepted:
        """Hand over a sealed envelope; a repeat of the same bytes gives the first result."""
        path = f"/v1/conversations/{to_text(conversation)}/envelopes"
        return (await self.transport.ask("POST", path, json=submission, again=True)).read(wire.Accepted)

    async def retract(self, conversation: bytes, envelope: bytes) -> None:
        """Take back an own envelope that nobody has read."""
        path = f"/v1/conversations/{to_text(conversation)}/envelopes/{to_text(envelope)}"
        await self.transport.ask("DELETE", path)

    async def leave(self, conversation: bytes) -> None:
        """Leave a conversation."""
        await self.transport.ask("POST", f"/v1/conversations/{to_text(conversation)}/leave", again=True)

    async def block(self, account: bytes) -> None:
        """Take nothing more from a professional."""
        await self.transport.ask("PUT", f"/v1/blocks/{to_text(account)}", again=True)

    async def unblock(self, account: bytes) -> None:
        """Take messages of a professional again."""
        await self.transport.ask("DELETE", f"/v1/blocks/{to_text(account)}", again=True)

    async def blocks(self) -> list[wire.Block]:
        """List whom this account takes nothing from, newest first."""
        return (await self._get("/v1/blocks", wire.Blocks)).blocks

    async def journal(self, *, after: int) -> wire.JournalPage:
        """Read who had access to what, after a position, at most 200 entries."""
        return await self._get("/v1/journal", wire.JournalPage, after=after, limit=PAGE)

    # --- invitations ----------------------------------------------------------------------------------------------

    async def invitation(self, invitation: bytes) -> wire.InvitationView:
        """Read what an invitation opens, all pages of it. ``_look`` checks the whole."""
        path = f"/v1/invitations/{to_text(invitation)}"
        view = page = await self._open_get(path, wire.InvitationView)
        while page.next is not None and (page.epochs or page.chains):
            page = await self._open_get(path, wire.InvitationView, after=page.next)
            view = _joined(view, page)
        return view

    async def invitation_by_code(self, locator: bytes) -> wire.CodeBox:
        """Find the invitation behind a typed code."""
        return await self._open_get(f"/v1/invitations/code/{to_text(locator)}", wire.CodeBox)

    async def refuse(self, invitation: bytes, body: dict[str, Any]) -> None:
        """End an invitation for whoever holds it and wants no account; may be repeated."""
        path = f"/v1/invitations/{to_text(invitation)}/refuse"
        await self.transport.ask("POST", path, json=body, session=False, again=True)

    async def claim(self, invitation: bytes, body: dict[str, Any], *, session: bool) -> wire.Claimed:
        """Take an invitation's place; a repeat of the same record gives the same answer."""
        path = f"/v1/invitations/{to_text(invitation)}/claim"
        return (await self.transport.ask("POST", path, json=body, session=session, again=True)).read(wire.Claimed)

    # --- feed and live --------------------------------------------------------------------------------------------

    async def feed(self, after: int, *, wait: int = 0) -> wire.FeedPage:
        """Read the feed after a position, waiting up to ``wait`` (0 to 25) seconds when there is nothing."""
        return await self._get("/v1/feed", wire.FeedPage, after=after, wait=wait, limit=500)

    async def acknowledge(self, position: int) -> None:
        """Say that everything up to ``position`` is on this device."""
        await self.transport.ask("POST", "/v1/feed/ack", json={"position": position}, again=True)

    async def live_ticket(self) -> wire.Ticket:
        """Get a single-use ticket for the live socket."""
        return (await self.transport.ask("POST", "/v1/live/tickets", again=True)).read(wire.Ticket)

    # --- attachments (tus 1.0) ------------------------------------------------------------------------------------

    async def begin_upload(self, attachment: bytes, size: int) -> str:
        """Announce an upload and give its path; the same id and size again resumes."""
        name = base64.b64encode(to_text(attachment).encode()).decode()
        headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": f"attachment {name}"}
        answer = await self.transport.ask("POST", "/v1/uploads", headers=headers, again=True)
        return urlsplit(answer.headers.get("Location", "")).path or f"/v1/uploads/{to_text(attachment)}"

    async def upload_whole(self, attachment: bytes, sealed: bytes) -> int:
        """Announce an upload and send all of it at once; gives how many bytes the server has then."""
        name = base64.b64encode(to_text(attachment).encode()).decode()
        headers = TUS | {"Upload-Length": str(len(sealed)), "Upload-Metadata": f"attachment {name}", **CHUNKS}
        answer = await self.transport.ask("POST", "/v1/uploads", headers=headers, data=sealed, again=True)
        return _offset(answer)

    async def upload_offset(self, path: str) -> int:
        """Ask how many bytes the server has."""
        return _offset(await self.transport.ask("HEAD", path, headers=TUS))

    async def upload_part(self, path: str, offset: int, part: bytes) -> int:
        """Send one part and give the new offset. Not repeated: after a cut ask for the offset."""
        headers = TUS | {"Upload-Offset": str(offset), **CHUNKS}
        return _offset(await self.transport.ask("PATCH", path, headers=headers, data=part))

    def download(self, conversation: bytes, attachment: bytes, start: int) -> AsyncIterable[bytes]:
        """Stream the sealed bytes of an attachment from ``start`` on."""
        path = f"/v1/conversations/{to_text(conversation)}/attachments/{to_text(attachment)}"
        return self.transport.stream(path, start=start)

    # --- the two ways to get --------------------------------------------------------------------------------------

    async def _get(self, path: str, shape: type[wire.T], **params: str | int) -> wire.T:
        return (await self.transport.ask("GET", path, params=params)).read(shape)

    async def _open_get(self, path: str, shape: type[wire.T], **params: str | int) -> wire.T:
        return (await self.transport.ask("GET", path, params=params, session=False)).read(shape)


def _joined(view: wire.InvitationView, more: wire.InvitationView) -> wire.InvitationView:
    """Put a page behind those before it; a chain may go on where a page ended."""
    chains = list(view.chains)
    for chain in more.chains:
        if chains and chains[-1].account == chain.account:
            chains[-1] = structs.replace(chain, links=[*chains[-1].links, *chain.links])
        else:
            chains.append(chain)
    return structs.replace(more, epochs=[*view.epochs, *more.epochs], boxes=[*view.boxes, *more.boxes], chains=chains)


def _offset(answer: Answer) -> int:
    text = answer.headers.get("Upload-Offset", "")
    if not text.isdecimal():
        raise UnreachableError("bad_answer", "Upload-Offset is missing")
    return int(text)
