"""One HTTP request: deadline, retries where a repeat is harmless, problems turned into refusals."""

import asyncio
import io
import ssl
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
import msgspec

from bridges.kit import wire
from bridges.kit.errors import RefusedError, UnreachableError

T = TypeVar("T")

PAUSES: Final = (0.2, 0.8, 2.0)  # seconds before the second, third and fourth try
DEADLINE: Final = aiohttp.ClientTimeout(total=60, sock_connect=10, sock_read=40)
STREAM_DEADLINE: Final = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=60)
PASSING: Final = frozenset({502, 503, 504})
MAX_ANSWER: Final = 64 * 1024 * 1024  # bytes; a page of 500 envelopes of 256 KiB in b64 does not reach it in practice

Authorise = Callable[[bool], Awaitable[str]]
"""Gives a bearer token; ``True`` asks for a fresh one since the last was refused."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, shape: type[T]) -> T:
        """Decode the body; raises UnreachableError (``bad_answer``) when this is not what the interface promises."""
        try:
            return wire.loads(self.body, shape)
        except (msgspec.DecodeError, ValueError) as error:
            raise UnreachableError("bad_answer", "the answer is not of the form of docs/spec/api.md") from error


@dataclass(slots=True)
class Transport:
    """Talks to one server. Use as an async context manager."""

    base: str
    authorise: Authorise | None = None
    _http: aiohttp.ClientSession | None = field(default=None, init=False)

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(timeout=DEADLINE, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._http:
            await self._http.close()

    @property
    def http(self) -> aiohttp.ClientSession:
        """The open client session."""
        assert self._http is not None, "use Transport as a context manager"
        return self._http

    async def ask(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str | int] | None = None,
        session: bool = True,
        again: bool | None = None,
    ) -> Answer:
        """Send one request and give the answer.

        Args:
            method: the verb.
            path: from the root, already quoted.
            json: a body, encoded by ``wire.dumps``.
            data: a body as it is.
            headers: more headers.
            params: the query.
            session: whether the request carries this device's session.
            again: whether a repeat is harmless; by default GET, HEAD, PUT and DELETE are.

        Raises:
            RefusedError: the server answered with a problem. UnreachableError: no usable answer.

        """
        body = wire.dumps(json) if json is not None else data
        wanted = {**({"Content-Type": "application/json"} if json is not None else {}), **(headers or {})}
        repeat = again if again is not None else method in {"GET", "HEAD", "PUT", "DELETE"}
        call = _Call(method, self.base + path, body, wanted, params)
        answer = await self._patiently(call, session=session, repeat=repeat)
        if answer.status == 401 and session and _problem(answer).code == "unauthenticated":
            answer = await self._patiently(call, session=session, repeat=repeat, fresh=True)
        if answer.status >= 400:
            raise refusal(answer)
        return answer

    async def _patiently(self, call: "_Call", *, session: bool, repeat: bool, fresh: bool = False) -> Answer:
        if session and self.authorise:
            call = call.carrying(await self.authorise(fresh))
        for pause in (*PAUSES, None):
            try:
                answer = await self._once(call)
            except UnreachableError:
                if pause is None or not repeat:
                    raise
            else:
                if pause is None or not repeat or answer.status not in PASSING:
                    return answer
            await asyncio.sleep(pause)
        raise UnreachableError("network")

    async def _once(self, call: "_Call") -> Answer:
        body = None if call.body is None else io.BytesIO(call.body)  # in pieces: a part of a document has 4 MiB
        try:
            async with self.http.request(
                call.method, call.url, data=body, headers=call.headers, params=call.params, allow_redirects=False
            ) as response:
                return Answer(response.status, response.headers.copy(), await response.read())
        except (aiohttp.ClientError, TimeoutError, OSError, ssl.SSLError) as error:
            raise UnreachableError("network", type(error).__name__) from error

    async def stream(self, path: str, *, start: int = 0) -> AsyncIterable[bytes]:
        """Download from byte ``start`` on, in blocks as they come.

        Raises:
            RefusedError, UnreachableError: also in the middle; the caller resumes from what it has.

        """
        headers = {"Range": f"bytes={start}-"} if start else {}
        if self.authorise:
            headers["Authorization"] = f"Bearer {await self.authorise(False)}"  # noqa: FBT003  a callback's one argument
        try:
            async with self.http.get(self.base + path, headers=headers, timeout=STREAM_DEADLINE) as response:
                if response.status >= 400:
                    raise refusal(Answer(response.status, response.headers.copy(), await response.read()))
                if start and response.status != 206:
                    raise UnreachableError("bad_answer", "the server ignored Range")
                async for block in response.content.iter_chunked(256 * 1024):
                    yield block
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise UnreachableError("network", type(error).__name__) from error


@dataclass(frozen=True, slots=True)
class _Call:
    method: str
    url: str
    body: bytes | None
    headers: Mapping[str, str]
    params: Mapping[str, str | int] | None

    def carrying(self, token: str) -> "_Call":
        return _Call(
            self.method, self.url, self.body, {**self.headers, "Authorization": f"Bearer {token}"}, self.params
        )


def _problem(answer: Answer) -> wire.Problem:
    try:
        return wire.loads(answer.body, wire.Problem)
    except (msgspec.DecodeError, ValueError):
        return wire.Problem(code="unavailable" if answer.status in PASSING else "bad_answer")


def refusal(answer: Answer) -> RefusedError:
    """Turn a problem document into the exception to raise, with its extra members."""
    problem = _problem(answer)
    try:
        more = msgspec.json.decode(answer.body, type=dict[str, Any])
    except msgspec.DecodeError:
        more = {}
    extra = {k: v for k, v in more.items() if k not in {"type", "title", "status", "code", "detail", "hint"}}
    if wait := answer.headers.get("Retry-After"):
        extra["retry_after"] = wait
    return RefusedError(problem.code, problem.detail, status=answer.status, **extra)
