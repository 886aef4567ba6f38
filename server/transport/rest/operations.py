"""What an operation of the interface is, and the one table of who may do what.

``routes`` builds the addresses from this table; ``tools/describe_api.py`` the documents; a test walks it, role by role.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import msgspec
from aiohttp import web

from server.domain.errors import UnauthenticatedError
from server.domain.session import Principal
from server.services.container import Services
from server.transport import wire
from server.transport.rest import limits
from server.transport.rest.limits import Limits


class Role(StrEnum):
    """Who may call an operation. Source: docs/spec/api.md, Authentication."""

    ANYONE = "anyone"
    EITHER = "anyone, or a session"
    SESSION = "session"
    PROFESSIONAL = "session of a professional"
    MEMBER = "member of the conversation"


@dataclass(slots=True)
class Call:
    """One request: who asks for what, parsed."""

    request: web.Request
    services: Services
    principal: Principal | None
    ids: Mapping[str, bytes]
    """The ids of the path, decoded."""
    limits: Limits
    body: Any = None
    query: Any = None

    @property
    def who(self) -> Principal:
        """Who is asking, where a session is required."""
        if self.principal is None:
            raise UnauthenticatedError
        return self.principal

    @property
    def address(self) -> str:
        """Whom a limit counts."""
        return limits.address(self.request, self.services.settings.trusted_proxies)


Handler = Callable[[Call], Awaitable[msgspec.Struct | web.StreamResponse | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One line of the table. ``request`` none: the handler reads the body itself, or there is none."""

    name: str
    method: str
    path: str
    role: Role
    summary: str
    handler: Handler
    request: type[msgspec.Struct] | None = None
    query: type[msgspec.Struct] | None = None
    response: type[msgspec.Struct] | None = None
    status: int = 200
    refuses: tuple[str, ...] = ()
    """Codes of docs/spec/errors.md beside those that every operation of its role has."""
    knocks: bool = False
    """Costs work and needs no session: counted by address."""
    checks_protocol: bool = False
    """May refuse with any code of docs/spec/protocol.md 13."""


class Answer(web.Response):
    """A JSON answer with a status of its own, or one that is written already."""

    def __init__(self, body: msgspec.Struct | bytes, status: int = 200) -> None:
        written = body if isinstance(body, bytes) else wire.encode(body)
        super().__init__(body=written, status=status, content_type="application/json")
