"""Requests to the one origin that the practice configured, and to no other. Source: docs/spec/agenda-partners.md 6.

Addresses of the inside (loopback, private, link-local…) are refused after the name is resolved, so that no name leads
there, unless the practice said that its partner stands inside. Redirects stay at the origin. Answers are bounded.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from bridges.agenda.provider import CredentialsRevokedError, RefusedError, UnknownOutcomeError, UnreachableError
from bridges.kit.outside import GuardedResolver, is_inner_number, origin_of, read_bounded

DEADLINE: Final = 30.0  # seconds of one request, redirects included
REDIRECTS: Final = 3
ANSWER: Final = 8 * 1024 * 1024  # bytes
READING: Final = frozenset({"GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"})
CERTIFICATE: Final = "certificate"
"""Detail of an UnreachableError: who answers cannot show that it is the partner. Nothing was sent."""
FORBIDDEN: Final = frozenset({"private address", "redirect to another origin", "redirect of a write"})
"""Details of a ForbiddenError that say where an address leads."""
MOVED: Final = frozenset({301, 302, 303, 307, 308})


class ForbiddenError(RefusedError):
    """This address is not one that the practice configured. Nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a partner is. Raises ValueError for what is no address of the web.

    ``inside`` lets it stand at a private address; ``plain`` lets it speak without TLS, which only an inside one may.
    """

    base: str
    inside: bool = False
    plain: bool = False

    def __post_init__(self) -> None:
        url = URL(self.base)
        if url.scheme not in ({"https", "http"} if self.plain and self.inside else {"https"}) or not url.host:
            raise ValueError("the address of a partner begins with https://")
        if url.user or url.query_string or url.fragment:
            raise ValueError("the address of a partner holds no password, question or fragment")

    def url(self, path: str, query: "Query" = ()) -> URL:
        """Give an address below the base; ``path`` is taken as it is, quoted by us."""
        found = URL(self.base.rstrip("/") + "/" + path.lstrip("/"))
        return found.with_query(list(query)) if query else found


Query = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer whose status is not a failure of the way: 2xx, 4xx but 401, 403 and 429."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Outgoing:
    """Speaks to one origin. Use as an async context manager."""

    origin: Origin
    headers: Mapping[str, str] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None  # with a certificate of ours where the partner asks for one
    most: int = ANSWER
    deadline: float = DEADLINE
    _session: aiohttp.ClientSession | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(
            resolver=GuardedResolver(inside=self.origin.inside, refuse=ForbiddenError),
            ssl=self.tls or True,
            limit=8,
            force_close=True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.deadline, sock_connect=10),
            auto_decompress=False,  # an answer that grows when it is unpacked is not asked for
            headers={"Accept-Encoding": "identity"},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        """Send one request.

        Raises:
            ForbiddenError: the address, or where it led, is not the partner's. UnreachableError: no usable answer, and
                nothing was changed. UnknownOutcomeError: none to a write. CredentialsRevokedError: 401 or 403.

        """
        return await self._guarded(method, self.origin.url(path, query), headers or {}, body)

    async def visit(self, address: str) -> Reply:
        """Read an address that an answer named, at the same origin; raises as ``ask``."""
        try:
            url = URL(address)
        except ValueError:
            raise ForbiddenError("address") from None
        if origin_of(url) != origin_of(URL(self.origin.base)):
            raise ForbiddenError("link to another origin")
        return await self._guarded("GET", url, {}, None)

    async def _guarded(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Reply:
        writes = method not in READING
        try:
            return await self._follow(method, url, headers, body)
        except aiohttp.ClientConnectorCertificateError as error:
            raise UnreachableError(CERTIFICATE) from error
        except (aiohttp.ClientConnectorError, socket.gaierror) as error:
            raise UnreachableError("connection") from error  # nothing was sent
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise (UnknownOutcomeError if writes else UnreachableError)(type(error).__name__) from error

    async def _follow(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Reply:
        for _ in range(REDIRECTS + 1):
            reply = await self._once(method, url, headers, body)
            if reply.status not in MOVED:
                return _judged(reply, writes=method not in READING)
            if method not in READING:
                raise ForbiddenError("redirect of a write")
            target = url.join(URL(reply.headers.get("Location", "")))
            if origin_of(target) != origin_of(url):
                raise ForbiddenError("redirect to another origin")
            url = target
        raise UnreachableError("redirects")

    async def _once(self, method: str, url: URL, headers: Mapping[str, str], body: bytes | None) -> Reply:
        assert self._session is not None, "use Outgoing as a context manager"
        if not self.origin.inside and is_inner_number(url.host or ""):
            raise ForbiddenError("private address")
        sent = {**self.headers, **headers}
        async with self._session.request(method, url, data=body, headers=sent, allow_redirects=False) as answer:
            return Reply(answer.status, answer.headers.copy(), await read_bounded(answer.content, self.most))


def _judged(reply: Reply, *, writes: bool) -> Reply:
    if reply.status in {401, 403}:
        raise CredentialsRevokedError(str(reply.status))
    if reply.status in {429, 503}:
        raise UnreachableError(str(reply.status))  # both say that nothing was done
    if reply.status >= 500:
        raise (UnknownOutcomeError if writes else UnreachableError)(str(reply.status))
    return reply
