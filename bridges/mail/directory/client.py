"""Asks the Annuaire Santé (FHIR R4, API version 2). Source: docs/spec/mail.md 22.

The key travels to the configured origin and nowhere else: no redirect is followed, pages continue at that origin.
"""

import asyncio
import secrets
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from bridges.kit.outside import GuardedResolver, is_inner_number, origin_of, read_bounded
from bridges.mail.directory.entries import Entry, rpps
from bridges.mail.directory.fhir import PAGE, AnswerError, read_page

GATEWAY: Final = "https://gateway.api.esante.gouv.fr/fhir/v2"
HEADER: Final = "ESANTE-API-KEY"
COUNT: Final = "50"  # results a page
PAGES: Final = 20  # of one search
PER_SECOND: Final = 17  # calls of one application
TRIES: Final = 4
DEADLINE: Final = 30.0  # seconds of one call
LONGEST_WAIT: Final = 30.0  # seconds of one pause, whatever the other side asks for

Query = list[tuple[str, str]]


class DirectoryError(Exception):
    """No answer that counts. ``refused``: the other side does not want this key or question, trying does not help."""

    def __init__(self, detail: str, *, refused: bool = False) -> None:
        super().__init__(detail)
        self.detail = detail
        self.refused = refused


class ForbiddenError(DirectoryError):
    """The answer leads to another place, or the configured one stands inside. Nothing was sent there."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail, refused=True)


@dataclass(slots=True)
class Pace:
    """At most ``per_second`` calls in any second: each waits for its own place in the row."""

    per_second: float = PER_SECOND
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _free_at: float = 0.0

    async def wait(self) -> None:
        """Wait for the next place."""
        now = self.clock()
        place = max(now, self._free_at)
        self._free_at = place + 1 / self.per_second
        if place > now:
            await self.sleep(place - now)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave. ``complete`` is false when there were more pages than we read."""

    entries: tuple[Entry, ...]
    red: frozenset[str]
    complete: bool = True


@dataclass(slots=True, kw_only=True)
class Annuaire:
    """Speaks to one directory. Use as an async context manager."""

    base: str = GATEWAY
    key: str = field(repr=False)
    inside: bool = False  # the base stands at a private address, and may speak without TLS there
    tls: ssl.SSLContext | None = None
    pace: Pace = field(default_factory=Pace)
    deadline: float = DEADLINE
    now: Callable[[], datetime] = lambda: datetime.now(tz=UTC)
    _session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        url = URL(self.base)
        if url.scheme != "https" and not (self.inside and url.scheme == "http"):
            raise ForbiddenError("not_https")
        if not url.host or url.user or (not self.inside and is_inner_number(url.host)):
            raise ForbiddenError("private_address")
        resolver = GuardedResolver(inside=self.inside, refuse=ForbiddenError)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=resolver, ssl=self.tls or True, limit=4, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=self.deadline, sock_connect=10),
            auto_decompress=False,
            headers={"Accept": "application/fhir+json", "Accept-Encoding": "identity", HEADER: self.key},
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    # --- questions --------------------------------------------------------------------------------------------------

    async def of_address(self, address: str) -> Found:
        """Ask who has a mailbox; entries of other addresses are left out, whatever the other side made of it.

        Raises:
            DirectoryError.

        """
        asked = ("mailbox-mss:exact", address)
        parts = [
            await self._search("Practitioner", [asked]),
            await self._search("PractitionerRole", [asked, *_WITH_ROLE]),
            await self._search("Organization", [asked]),
        ]
        joined = _joined(parts)
        return Found(
            tuple(each for each in joined.entries if each.address == address), joined.red & {address}, joined.complete
        )

    async def of_words(self, words: str) -> Found:
        """Search by RPPS number (11 digits, or 8 and 11), by a piece of an address (with an @), or by name.

        Raises:
            DirectoryError.

        """
        with_roles = ("_revinclude", "PractitionerRole:practitioner")
        if number := rpps(words):
            found = await self._search("Practitioner", [("identifier", number), with_roles])
            return Found(tuple(each for each in found.entries if each.owner == number), found.red, found.complete)
        if "@" in words:
            asked = ("mailbox-mss:contains", words)
            return _joined(
                [
                    await self._search("Practitioner", [asked]),
                    await self._search("PractitionerRole", [asked, *_WITH_ROLE]),
                    await self._search("Organization", [asked]),
                ]
            )
        people = await self._search("Practitioner", [("name", words), with_roles])
        return _joined([people, await self._search("Organization", [("name", words)])])

    async def probe(self) -> None:
        """Ask the smallest question that needs the key, once; raises DirectoryError."""
        await self._page(self._address("Organization", [("_count", "1")]), tries=1)

    # --- pages ------------------------------------------------------------------------------------------------------

    def _address(self, kind: str, query: Query) -> URL:
        return URL(f"{self.base.rstrip('/')}/{kind}").with_query(query)

    async def _search(self, kind: str, query: Query) -> Found:
        entries, red, seen = list[Entry](), set[str](), set[URL]()
        url = self._address(kind, [*query, ("_count", COUNT)])
        for _ in range(PAGES):
            seen.add(url)
            octets = await self._page(url)
            try:
                page = await asyncio.to_thread(read_page, octets, self.now())
            except AnswerError as error:
                raise DirectoryError(f"bad_answer {error}") from None
            entries += page.entries
            red |= page.red
            if not page.following:
                return _deduped(entries, red, complete=True)
            url = self._next(page.following)
            if url in seen:
                raise DirectoryError("bad_answer loop")
        return _deduped(entries, red, complete=False)

    def _next(self, written: str) -> URL:
        """Read the address of the next page: below our base, or not at all."""
        try:
            url = URL(self.base).join(URL(written))
        except ValueError:
            raise ForbiddenError("link") from None
        below = url.path.startswith(URL(self.base).path.rstrip("/")) and ".." not in url.raw_path.split("/")
        if origin_of(url) != origin_of(URL(self.base)) or url.user or not below:
            raise ForbiddenError("link_elsewhere")
        return url.with_fragment(None)

    async def _page(self, url: URL, tries: int = TRIES) -> bytes:
        """Get one page; what may pass by itself is tried again, later each time."""
        why = ""
        for attempt in range(tries):
            if attempt:
                await self.pace.sleep(_pause(attempt, why))
            await self.pace.wait()
            try:
                return await self._once(url)
            except _BusyError as busy:
                why = str(busy)
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                why = type(error).__name__
        raise DirectoryError(f"away {why}".strip())

    async def _once(self, url: URL) -> bytes:
        """Ask once; raises DirectoryError for what waiting does not mend, else what ``_page`` knows."""
        assert self._session is not None, "use Annuaire as a context manager"
        async with self._session.get(url, allow_redirects=False) as answer:
            if answer.status == 200:
                return await read_bounded(answer.content, PAGE)
            if answer.status in {401, 403}:
                raise DirectoryError("key_refused", refused=True)
            if 300 <= answer.status < 400:
                raise ForbiddenError("redirect")
            if answer.status == 429 or answer.status >= 500:
                raise _BusyError(f"{answer.status} {_seconds(answer.headers.get('Retry-After', ''))}".strip())
            raise DirectoryError(f"question_refused {answer.status}", refused=True)


_WITH_ROLE: Final[Query] = [
    ("_include", "PractitionerRole:practitioner"),
    ("_include", "PractitionerRole:organization"),
]


class _BusyError(Exception):
    """Asked too much, or a fault of theirs: the status, and the seconds they want us to wait."""


def _seconds(text: str) -> str:
    """Read Retry-After; a date is treated as none."""
    return text if text.isascii() and text.isdigit() and len(text) < 6 else ""


def _pause(attempt: int, why: str) -> float:
    """Give the seconds before another try: what they asked for or twice as long each time, never the same twice."""
    asked = why.partition(" ")[2]
    least: float = max(float(asked) if asked.isdigit() else 0.0, 0.5 * 2 ** (attempt - 1))
    jitter: float = secrets.randbelow(500) / 1000
    return min(least * (1 + jitter), LONGEST_WAIT)


def _joined(parts: list[Found]) -> Found:
    entries = [each for part in parts for each in part.entries]
    red = set[str]().union(*(part.red for part in parts))
    return _deduped(entries, red, complete=all(part.complete for part in parts))


def _deduped(entries: list[Entry], red: set[str], *, complete: bool) -> Found:
    kept = dict.fromkeys(each for each in entries if each.address not in red)
    return Found(tuple(kept), frozenset(red), complete)
