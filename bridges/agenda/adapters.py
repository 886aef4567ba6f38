"""Which adapter a configuration asks for. An adapter is one line here and a function that opens it."""

import base64
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from yarl import URL

from bridges.agenda.caldav.adapter import CalDav
from bridges.agenda.caldav.collection import Collection
from bridges.agenda.calendar import limits
from bridges.agenda.calendar.sandbox import Sandbox
from bridges.agenda.coming.source import Taken, inbox_of
from bridges.agenda.config import Config, convert, secret
from bridges.agenda.desk import Desk
from bridges.agenda.holds import Holds
from bridges.agenda.ics.feed import Feed, Subscribed
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.partners import PARTNERS
from bridges.agenda.provider import Ability, Provider
from bridges.agenda.push.inbox import Inbox
from bridges.kit.errors import UsageError

Opener = Callable[[Config], AbstractAsyncContextManager[Provider]]


class CalDavSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[provider]`` of kind ``caldav``."""

    kind: str
    url: str  # of the calendar, of its owner's page or of the server
    user: str
    password_file: str
    calendar: str = ""  # the name it is shown under, when there are several
    also_busy: list[str] = []  # addresses of published calendars of the same person
    write_details: bool = False  # titles with what the practice says; neutral otherwise
    inside: bool = False  # the server stands at a private address
    plain: bool = False  # and speaks without TLS
    authority_file: str = ""  # certificates to trust instead of the world's


class IcsSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``[provider]`` of kind ``ics``."""

    kind: str
    urls: list[str]  # every calendar in which the person can be busy
    inside: bool = False
    plain: bool = False
    authority_file: str = ""


def clock() -> datetime:
    """Give the time, in whole seconds: calendars know no others."""
    return datetime.now(UTC).replace(microsecond=0)


@asynccontextmanager
async def open_agenda(config: Config) -> AsyncIterator[Provider]:
    """Open what the settings describe, behind a desk where one is needed. Raises UsageError (``usage``)."""
    opener = ADAPTERS.get(str(config.provider.get("kind")))
    if opener is None:
        raise UsageError("usage", f"provider.kind: {', '.join(sorted(ADAPTERS))}")
    async with opener(config) as provider:
        known = provider.capabilities()
        if known.holds_natively or not known.can(Ability.BOOK):
            yield provider
            return
        holds = Holds(config.beside(config.store), config.name, clock, most=config.holds_per_person)
        try:
            yield Desk(provider, holds, clock, notice=timedelta(minutes=config.notice_minutes))
        finally:
            holds.close()


@asynccontextmanager
async def _caldav(config: Config) -> AsyncIterator[Provider]:
    settings = convert(config.provider, CalDavSettings, "provider")
    password = secret(config.beside(settings.password_file))
    word = base64.b64encode(f"{settings.user}:{password}".encode()).decode()
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(patient=True))
        out = Outgoing(
            _origin(settings.url, inside=settings.inside, plain=settings.plain),
            headers={"Authorization": f"Basic {word}"},
            tls=_trust(config, settings.authority_file),
        )
        await stack.enter_async_context(out)
        yield CalDav(
            collection=Collection(out, URL(settings.url).raw_path, settings.calendar),
            sandbox=sandbox,
            zone=config.zone,
            openings=config.openings,
            now=clock,
            with_details=settings.write_details,
            page=config.page,
            feeds=[*await _feeds(stack, config, sandbox, settings.also_busy, settings), *_taken(stack, config)],
        )


@asynccontextmanager
async def _ics(config: Config) -> AsyncIterator[Provider]:
    settings = convert(config.provider, IcsSettings, "provider")
    async with AsyncExitStack() as stack:
        sandbox = await stack.enter_async_context(Sandbox(patient=True))
        feeds = await _feeds(stack, config, sandbox, settings.urls, settings)
        yield Subscribed(
            feeds=[*feeds, *_taken(stack, config)], zone=config.zone, openings=config.openings, page=config.page
        )


async def _feeds(
    stack: AsyncExitStack, config: Config, sandbox: Sandbox, urls: Sequence[str], settings: CalDavSettings | IcsSettings
) -> list[Feed]:
    """Open published calendars; no password is sent to them."""
    feeds = []
    for url in urls:
        origin = _origin(url, inside=settings.inside, plain=settings.plain)
        out = Outgoing(origin, tls=_trust(config, settings.authority_file), most=limits.RAW)
        await stack.enter_async_context(out)
        feeds.append(Feed(out, URL(url).raw_path_qs, sandbox, config.zone, clock))
    return feeds


def _taken(stack: AsyncExitStack, config: Config) -> Iterator[Taken]:
    """Open what partners say of the same person's time; no slot is offered there, written into the calendar or not."""
    for partner in config.partners:
        path, source = inbox_of(partner)
        if source:
            inbox = Inbox(config.beside(path or "inbox.db"))
            stack.callback(inbox.close)
            yield Taken(inbox, source, partner.practitioner)


def _origin(url: str, *, inside: bool, plain: bool) -> Origin:
    try:
        return Origin(base=str(URL(url).origin()), inside=inside, plain=plain)
    except ValueError as error:
        raise UsageError("usage", f"provider: {error}") from None


def _trust(config: Config, authority_file: str) -> ssl.SSLContext | None:
    if not authority_file:
        return None
    path = config.beside(authority_file)
    path.read_bytes()  # says which file is missing
    try:
        return ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        raise UsageError("usage", "authority_file: certificates in PEM") from None


ADAPTERS: Final[dict[str, Opener]] = {"caldav": _caldav, "ics": _ics, **PARTNERS}
