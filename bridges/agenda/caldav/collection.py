"""One calendar collection on a CalDAV server: the few requests that the bridge makes. Source: RFC 4791, RFC 6578."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from yarl import URL

from bridges.agenda.caldav.multistatus import CALDAV, DAV, Multistatus, Response, read_multistatus
from bridges.agenda.outgoing import Outgoing, Reply
from bridges.agenda.provider import CredentialsRevokedError, RefusedError, UnreachableError, Window

_HEAD: Final = '<?xml version="1.0" encoding="utf-8"?>'
_SPACES: Final = 'xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"'
_XML: Final = {"Content-Type": "application/xml; charset=utf-8"}
_EVENT: Final = "text/calendar; charset=utf-8"
AT_ONCE: Final = 50  # resources asked for in one request
CALENDARS: Final = 200  # collections looked at


@dataclass(frozen=True, slots=True)
class Item:
    """One resource of the collection."""

    href: str  # path on the server
    etag: str  # as the server writes it, quotes included; empty when it gives none
    body: bytes

    def says_the_same(self, other: "Item") -> bool:
        """Compare what is written, however the lines end: inside of XML they end otherwise."""
        return self.body.splitlines() == other.body.splitlines()

    def is_of(self, uid: str) -> bool:
        """Say whether it is the event of a UID, whatever the server calls it."""
        return re.search(rb"^UID:%b\s*$" % re.escape(uid.encode()), self.body, re.IGNORECASE | re.MULTILINE) is not None


@dataclass(frozen=True, slots=True)
class Synced:
    """What changed since a token."""

    token: str
    present: dict[str, str]  # href → ETag
    gone: list[str]


class LostTokenError(Exception):
    """The server no longer knows that token, or knows no tokens."""


@dataclass(slots=True)
class Collection:
    """A calendar on a server, found when it is first needed: a server that is away delays nothing else."""

    out: Outgoing
    start: str  # a path on the server: of the calendar, of its owner's page, or its root
    name: str = ""  # the name the calendar is shown under; empty takes the only one there is
    path: str = ""  # ends with a slash; known once ``ready`` has answered

    async def ready(self) -> None:
        """Find the calendar. Raises RefusedError when no calendar, or more than one, fits."""
        if not self.path:
            self.path = await discover(self.out, self.start, self.name)

    def href(self, name: str) -> str:
        """Give the path of a resource."""
        return f"{self.path}{name}"

    async def between(self, window: Window) -> list[Item]:
        """Give the resources with an event in a window."""
        times = f'start="{window.start:%Y%m%dT%H%M%SZ}" end="{window.end:%Y%m%dT%H%M%SZ}"'
        wanted = f'<c:comp-filter name="VEVENT"><c:time-range {times}/></c:comp-filter>'
        body = f'<c:filter><c:comp-filter name="VCALENDAR">{wanted}</c:comp-filter></c:filter>'
        found = await self._report("calendar-query", f"{_WANTED}{body}")
        return _items(found)

    async def many(self, hrefs: Sequence[str]) -> list[Item]:
        """Give resources by their paths; those that are gone are left out."""
        items: list[Item] = []
        for first in range(0, len(hrefs), AT_ONCE):
            named = "".join(f"<d:href>{escape(href)}</d:href>" for href in hrefs[first : first + AT_ONCE])
            items += _items(await self._report("calendar-multiget", f"{_WANTED}{named}"))
        return items

    async def get(self, href: str) -> Item | None:
        """Give one resource, or None when there is none."""
        reply = await self.out.ask("GET", href)
        if reply.status in {404, 410}:
            return None
        _require(reply)
        return Item(href, reply.headers.get("ETag", ""), reply.body)

    async def put(self, href: str, body: bytes, *, over: str | None = "") -> Reply:
        """Write a resource: a new one, over the ETag that was read, or with None over whatever is there."""
        condition = {} if over is None else {"If-Match": over} if over else {"If-None-Match": "*"}
        return await self._write("PUT", href, {"Content-Type": _EVENT, **condition}, body)

    async def delete(self, href: str, *, etag: str) -> Reply:
        """Delete a resource, if it still is what was read."""
        return await self._write("DELETE", href, {"If-Match": etag} if etag else {}, None)

    async def changed(self, token: str) -> Synced:
        """Give what changed since a token, or everything for an empty one. Raises LostTokenError."""
        known = f"<d:sync-token>{escape(token)}</d:sync-token>" if token else "<d:sync-token/>"
        body = f"{known}<d:sync-level>1</d:sync-level><d:prop><d:getetag/></d:prop>"
        request = f"{_HEAD}<d:sync-collection {_SPACES}>{body}</d:sync-collection>".encode()
        try:
            reply = await self.out.ask("REPORT", self.path, headers=_XML, body=request)
        except CredentialsRevokedError as error:  # RFC 6578 3.2: 403 with a precondition
            raise (LostTokenError if str(error) == "403" else error) from error
        except UnreachableError as error:
            raise (LostTokenError if str(error) == "501" else error) from error
        if reply.status != 207:
            raise LostTokenError
        found = read_multistatus(reply.body)
        if not found.sync_token:
            raise LostTokenError
        gone = [self._path(each.href) for each in found.responses if each.status in {404, 410}]
        return Synced(found.sync_token, self._etags(found), gone)

    async def etags(self) -> dict[str, str]:
        """Give the ETag of every resource, for servers without tokens."""
        body = f"{_HEAD}<d:propfind {_SPACES}><d:prop><d:getetag/></d:prop></d:propfind>".encode()
        reply = await self.out.ask("PROPFIND", self.path, headers={**_XML, "Depth": "1"}, body=body)
        return self._etags(_multistatus(reply))

    async def _report(self, name: str, inside: str) -> Multistatus:
        body = f"{_HEAD}<c:{name} {_SPACES}>{inside}</c:{name}>".encode()
        return _multistatus(await self.out.ask("REPORT", self.path, headers={**_XML, "Depth": "1"}, body=body))

    async def _write(self, method: str, href: str, headers: dict[str, str], body: bytes | None) -> Reply:
        try:
            return await self.out.ask(method, href, headers=headers, body=body)
        except CredentialsRevokedError as error:
            if str(error) == "403":  # let in, and not allowed to do this
                raise RefusedError("403") from error
            raise

    def _etags(self, found: Multistatus) -> dict[str, str]:
        paths = ((self._path(each.href), each.text(f"{DAV}getetag")) for each in found.responses if each.status < 400)
        return {path: etag for path, etag in paths if path.rstrip("/") != self.path.rstrip("/") and etag}

    def _path(self, href: str) -> str:
        return URL(href).raw_path


_WANTED: Final = "<d:prop><d:getetag/><c:calendar-data/></d:prop>"


async def discover(out: Outgoing, start: str, name: str) -> str:
    """Find the path of a calendar from an address: the calendar itself, its owner's page, or the root of the server.

    Args:
        out: the server.
        start: a path on it.
        name: the name the calendar is shown under; empty takes the only one there is.

    Raises RefusedError when no calendar, or more than one, fits.

    """
    here = await _about(out, start)
    if _is_calendar(here):
        return _folder(here.href)
    principal = here.text(f"{DAV}current-user-principal", f"{DAV}href") or start
    home = (await _about(out, URL(principal).raw_path)).text(f"{CALDAV}calendar-home-set", f"{DAV}href") or principal
    found = [each for each in await _children(out, URL(home).raw_path) if _is_calendar(each)][:CALENDARS]
    fitting = [each for each in found if not name or each.text(f"{DAV}displayname") == name]
    if len(fitting) != 1:
        raise RefusedError("no_calendar" if not fitting else "several_calendars")
    return _folder(fitting[0].href)


_ABOUT: Final = (
    f"{_HEAD}<d:propfind {_SPACES}><d:prop><d:resourcetype/><d:displayname/><d:current-user-principal/>"
    "<c:calendar-home-set/></d:prop></d:propfind>"
).encode()


async def _about(out: Outgoing, path: str) -> Response:
    found = _multistatus(await out.ask("PROPFIND", path, headers={**_XML, "Depth": "0"}, body=_ABOUT))
    if not found.responses:
        raise UnreachableError("nothing there")
    return found.responses[0]


async def _children(out: Outgoing, path: str) -> list[Response]:
    return _multistatus(await out.ask("PROPFIND", path, headers={**_XML, "Depth": "1"}, body=_ABOUT)).responses


def _is_calendar(response: Response) -> bool:
    return bool(response.properties.all(f"{DAV}resourcetype", f"{CALDAV}calendar"))


def _folder(href: str) -> str:
    return URL(href).raw_path.rstrip("/") + "/"


def _items(found: Multistatus) -> list[Item]:
    items = []
    for each in found.responses:
        body = each.text(f"{CALDAV}calendar-data")
        if body and each.status < 400:
            items.append(Item(URL(each.href).raw_path, each.text(f"{DAV}getetag"), body.encode()))
    return items


def _multistatus(reply: Reply) -> Multistatus:
    _require(reply)
    return read_multistatus(reply.body)


def _require(reply: Reply) -> None:
    if not 200 <= reply.status < 300:
        raise RefusedError(str(reply.status))
