"""Sessions: challenge, open, list, end. Source: docs/spec/api.md 3."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import msgspec
from aiohttp import web

from server.domain.errors import SignatureRefusedError
from server.domain.ids import HolderId, SessionId, b64, unb64
from server.services.sessions import Opened
from server.transport.rest import auth
from server.transport.rest.limits import tries
from server.transport.rest.operations import Answer, Call, Operation, Role
from server.transport.wire import Wire

T = TypeVar("T")


class AskChallenge(Wire):
    holder: str


class Challenge(Wire):
    challenge: str
    expires: int


class OpenSession(Wire):
    holder: str
    challenge: str
    signature: str
    cookie: bool = False


class SessionOpened(Wire):
    token: str | None
    account: str
    expires: int


class AskEnd(Wire):
    holder: str
    challenge: str
    signature: str
    after: Annotated[int, msgspec.Meta(ge=-1, le=2**53 - 1)] = -1


class EndShown(Wire):
    links: list[str]


class SessionShown(Wire):
    id: str
    holder: str
    holder_name: str
    created: int
    last_used: int
    current: bool


class SessionsShown(Wire):
    sessions: list[SessionShown]


async def ask_challenge(call: Call) -> Challenge:
    """Give a challenge, to a holder that exists or not."""
    holder = HolderId(unb64(call.body.holder, 16))
    drawn, ends = call.services.sessions.challenge(holder)
    return Challenge(challenge=b64(drawn), expires=ends)


async def open_session(call: Call) -> Answer:
    """Open a session for the holder that has signed the challenge."""
    body: OpenSession = call.body
    opened = await _signed(call, body, call.services.sessions.open)
    shown = SessionOpened(
        token=None if body.cookie else opened.token, account=b64(opened.account), expires=opened.expires
    )
    answer = Answer(shown, 201)
    if body.cookie:
        keep(answer, call, opened)
    return answer


async def show_end(call: Call) -> EndShown:
    """Show an ended holder the links of its account up to the one that ended it."""
    body: AskEnd = call.body
    account = await _signed(call, body, call.services.sessions.ended_holder)
    links = await call.services.accounts.end_of(account, HolderId(unb64(body.holder, 16)), body.after)
    return EndShown(links=[b64(each) for each in links])


async def _signed(call: Call, body: OpenSession | AskEnd, ask: Callable[[HolderId, bytes, bytes], Awaitable[T]]) -> T:
    """Ask with an answer to a challenge; one that is refused counts against its holder and its address."""
    holder, challenge, signature = unb64(body.holder, 16), unb64(body.challenge, 32), unb64(body.signature, 64)
    with (
        tries(call.limits.session_holder, body.holder, SignatureRefusedError),
        tries(call.limits.session_address, call.address, SignatureRefusedError),
    ):
        return await ask(HolderId(holder), challenge, signature)


def keep(answer: web.StreamResponse, call: Call, opened: Opened) -> None:
    """Put a session into the browser's cookie."""
    settings = call.services.settings
    secure = (settings.public_url or "").startswith("https:")
    auth.set_cookie(answer, opened.token, secure=secure, lifetime=call.services.sessions.lifetime)


async def browse(call: Call) -> SessionsShown:
    """List one's open sessions."""
    found = await call.services.sessions.of_account(call.who.account)
    return SessionsShown(
        sessions=[
            SessionShown(
                id=b64(session.id),
                holder=b64(session.holder),
                holder_name=name,
                created=session.created,
                last_used=session.last_used,
                current=session.id == call.who.session,
            )
            for session, name in found
        ]
    )


async def end_current(call: Call) -> web.Response:
    """End the session that asks."""
    await call.services.sessions.end(call.who.account, call.who.session)
    answer = web.Response(status=204)
    answer.del_cookie(auth.COOKIE, path="/")
    return answer


async def end(call: Call) -> None:
    """End one of one's sessions."""
    await call.services.sessions.end(call.who.account, SessionId(call.ids["session"]))


OPERATIONS = (
    Operation(
        name="askChallenge",
        method="POST",
        path="/v1/sessions/challenges",
        role=Role.ANYONE,
        summary="A challenge to sign",
        handler=ask_challenge,
        request=AskChallenge,
        response=Challenge,
        status=201,
        knocks=True,
    ),
    Operation(
        name="openSession",
        method="POST",
        path="/v1/sessions",
        role=Role.ANYONE,
        summary="Open a session with a signed challenge",
        handler=open_session,
        request=OpenSession,
        response=SessionOpened,
        status=201,
        refuses=("signature_refused", "too_many_tries"),
        knocks=True,
    ),
    Operation(
        name="showEndOfHolder",
        method="POST",
        path="/v1/sessions/ended",
        role=Role.ANYONE,
        summary="How a holder was ended, for that holder",
        handler=show_end,
        request=AskEnd,
        response=EndShown,
        refuses=("signature_refused", "too_many_tries"),
        knocks=True,
    ),
    Operation(
        name="listSessions",
        method="GET",
        path="/v1/sessions",
        role=Role.SESSION,
        summary="One's open sessions",
        handler=browse,
        response=SessionsShown,
    ),
    Operation(
        name="endCurrentSession",
        method="DELETE",
        path="/v1/sessions/current",
        role=Role.SESSION,
        summary="End this session",
        handler=end_current,
        status=204,
    ),
    Operation(
        name="endSession",
        method="DELETE",
        path="/v1/sessions/{session}",
        role=Role.SESSION,
        summary="End one of one's sessions",
        handler=end,
        status=204,
        refuses=("not_found",),
    ),
)
