"""Who is asking: a bearer token, or a cookie that counts only beside ``X-Pli: 1``. Source: docs/spec/api.md."""

from __future__ import annotations

from typing import Final

from aiohttp import web

from server.domain.errors import CsrfError, NotPermittedError, UnauthenticatedError
from server.domain.session import Principal
from server.services.sessions import SessionService
from server.transport.origin import is_own
from server.transport.rest.operations import Role

COOKIE: Final = "pli_session"
_BEARER: Final = "Bearer "


def token_of(request: web.Request, public_url: str | None) -> str | None:
    """Return the token that a request carries.

    Raises:
        CsrfError: a cookie without the header that another site cannot send, or with that site's Origin.

    """
    authorization = request.headers.get("Authorization")
    if authorization is not None:
        if not authorization.startswith(_BEARER):
            raise UnauthenticatedError
        return authorization[len(_BEARER) :]
    cookie = request.cookies.get(COOKIE)
    if cookie is not None and request.headers.get("X-Pli") != "1":
        raise CsrfError("send the header X-Pli: 1 with the cookie")
    if cookie is not None and not is_own(request, public_url):
        raise CsrfError("the cookie is for our own pages alone")
    return cookie


async def require(
    request: web.Request, role: Role, sessions: SessionService, public_url: str | None
) -> Principal | None:
    """Return who is asking, as far as ``role`` needs to know. Membership is decided where the conversation is read.

    Raises:
        UnauthenticatedError, CsrfError, NotPermittedError.

    """
    if role is Role.ANYONE:
        return None
    token = token_of(request, public_url)
    if token is None:
        if role is Role.EITHER:
            return None
        raise UnauthenticatedError
    try:
        principal = await sessions.recognise(token)
    except UnauthenticatedError:
        if role is Role.EITHER:  # a browser that still has the cookie of a session long gone
            return None
        raise
    if role is Role.PROFESSIONAL and not principal.professional:
        raise NotPermittedError("for professionals")
    return principal


def set_cookie(response: web.StreamResponse, token: str, *, secure: bool, lifetime: int) -> None:
    """Keep a token in the browser, out of reach of scripts; ``lifetime`` in milliseconds."""
    response.set_cookie(
        COOKIE, token, max_age=lifetime // 1000, path="/", httponly=True, samesite="Strict", secure=secure
    )
