"""Opens the agendas of partners that a configuration asks for. Source: docs/operate/agenda-partners.md."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec

from bridges.agenda.clicrdv.adapter import ClicRdvProvider, Habits
from bridges.agenda.clicrdv.api import Account, Api
from bridges.agenda.config import Config, convert, secret
from bridges.agenda.fhir import identifiers
from bridges.agenda.fhir.appointments import Writing
from bridges.agenda.fhir.client import Agenda, FhirProvider
from bridges.agenda.fhir.gate import client_context
from bridges.agenda.fhir.terms import CORES
from bridges.agenda.imip.adapter import ImipProvider, Sender
from bridges.agenda.imip.intake import Intake
from bridges.agenda.imip.ledger import Ledger
from bridges.agenda.imip.sandbox import Sandbox
from bridges.agenda.imip.spool import Spool
from bridges.agenda.links.adapter import LinkProvider
from bridges.agenda.links.availability import Agreement, Reader
from bridges.agenda.outgoing import Origin, Outgoing
from bridges.agenda.provider import Provider
from bridges.agenda.push.adapter import PushProvider
from bridges.agenda.push.inbox import Inbox
from bridges.kit.errors import UsageError


class _Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    kind: str


class FhirSettings(_Settings, frozen=True, kw_only=True):
    """``[provider]`` of kind ``fhir``."""

    url: str
    practitioner: str  # RPPS or ADELI, with or without its prefix
    system: str  # our own OID or address: names our identifiers
    operator: str = ""  # "system|value"; the practitioner otherwise
    structure: str = ""  # with its prefix, for one place of several
    core: str = "1.1"
    origin: str = ""
    reads: bool = True
    certificate_file: str = ""  # ours, with its key in the same file
    authority_file: str = ""
    inside: bool = False
    plain: bool = False


class LinkSettings(_Settings, frozen=True, kw_only=True):
    """``[provider]`` of kind ``link``; the page is ``page`` of the settings."""

    inbox: str = ""  # where the partner's events arrive
    source: str = ""  # its name there
    parameter: str = ""  # of the page, under which it takes a token and gives it back
    partner_agreement: str = ""  # what allows to read free times: with whom, since when
    availability_url: str = ""  # that the agreement names
    availability_path: str = ""
    availability_query: dict[str, str] = {}
    minutes: int = 15


class ClicRdvSettings(_Settings, frozen=True, kw_only=True):
    """``[provider]`` of kind ``clicrdv``."""

    group: int
    calendar: int
    intervention: int
    minutes: int
    user: str
    password_file: str
    apikey_file: str
    url: str = "https://www.clicrdv.com"
    fiche: int = 0
    write_details: bool = False
    inside: bool = False
    plain: bool = False


class ImipSettings(_Settings, frozen=True, kw_only=True):
    """``[provider]`` of kind ``imip``."""

    spool: str  # folder that the mail bridge shares
    address: str  # of the practice
    inbox: str = "inbox.db"
    partners: list[str] = []  # addresses of organizers who may book with the practice
    addresses: dict[str, str] = {}  # mail address of those who agreed to mail, by holder


class PushSettings(_Settings, frozen=True, kw_only=True):
    """``[provider]`` of kind ``push``: what ``pli-bridge agenda listen`` takes."""

    source: str
    inbox: str = "inbox.db"


@asynccontextmanager
async def open_fhir(config: Config) -> AsyncIterator[Provider]:
    """Open an agenda that speaks SAS or GAP."""
    told = convert(config.provider, FhirSettings, "provider")
    if told.core not in CORES:
        raise UsageError("usage", f"provider.core: {', '.join(CORES)}")
    try:
        practitioner = identifiers.person(told.practitioner)
        writing = Writing(system=told.system, practitioner=practitioner, operator=told.operator, core=CORES[told.core])
        agenda = Agenda(
            writing=writing,
            zone=config.zone,
            structure=told.structure,
            booking=config.page,
            origin=told.origin,
            reads=told.reads,
        )
    except ValueError as error:
        raise UsageError("usage", f"provider: {error}") from None
    tls = _tls(config, told.authority_file, told.certificate_file)
    async with Outgoing(_origin(told.url, inside=told.inside, plain=told.plain), tls=tls) as outgoing:
        yield FhirProvider(outgoing, agenda)


@asynccontextmanager
async def open_link(config: Config) -> AsyncIterator[Provider]:
    """Open a booking page, with its free times only where an agreement says so."""
    told = convert(config.provider, LinkSettings, "provider")
    inbox = Inbox(config.beside(told.inbox)) if told.inbox else None
    try:
        link: dict[str, Any] = {"inbox": inbox, "source": told.source, "parameter": told.parameter}
        if not told.availability_url:
            yield _link(config.page, link)
            return
        agreement = _agreement(told, config.zone)
        async with Outgoing(_origin(told.availability_url, inside=False, plain=False)) as outgoing:
            yield _link(config.page, {**link, "reader": Reader(outgoing, agreement)})
    finally:
        if inbox is not None:
            inbox.close()


def _link(page: str, told: dict[str, Any]) -> LinkProvider:
    try:
        return LinkProvider(page, **told)
    except ValueError as error:
        raise UsageError("usage", f"page: {error}") from None


def _agreement(told: LinkSettings, zone: str) -> Agreement:
    try:
        return Agreement(
            text=told.partner_agreement,
            path=told.availability_path,
            query=told.availability_query,
            zone=zone,
            minutes=told.minutes,
        )
    except ValueError as error:
        raise UsageError("usage", f"provider: {error}") from None


@asynccontextmanager
async def open_clicrdv(config: Config) -> AsyncIterator[Provider]:
    """Open a calendar at ClicRDV."""
    told = convert(config.provider, ClicRdvSettings, "provider")
    account = Account(
        group=told.group,
        calendar=told.calendar,
        intervention=told.intervention,
        user=told.user,
        password=secret(config.beside(told.password_file)),
        apikey=secret(config.beside(told.apikey_file)),
        zone=config.zone,
        fiche=told.fiche,
    )
    habits = Habits(minutes=told.minutes, page=config.page, with_details=told.write_details)
    async with Outgoing(_origin(told.url, inside=told.inside, plain=told.plain)) as outgoing:
        yield ClicRdvProvider(Api(outgoing, account), habits)


@asynccontextmanager
async def open_imip(config: Config) -> AsyncIterator[Provider]:
    """Open appointments by mail, through the spool of the mail bridge."""
    told = convert(config.provider, ImipSettings, "provider")
    folder = config.beside(told.spool)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        sender = Sender(
            address=told.address, zone=config.zone, address_of=lambda holder: told.addresses.get(holder, "")
        )
    except ValueError as error:
        raise UsageError("usage", f"provider: {error}") from None
    inbox, ledger = Inbox(config.beside(told.inbox)), Ledger(folder / "imip.db")
    try:
        async with Sandbox() as sandbox:
            intake = Intake(
                spool=Spool(folder),
                sandbox=sandbox,
                ledger=ledger,
                inbox=inbox,
                partners=frozenset(each.lower() for each in told.partners),
                zone=config.zone,
                clock=_clock,
            )
            yield ImipProvider(sender, intake)
    finally:
        ledger.close()
        inbox.close()


@asynccontextmanager
async def open_push(config: Config) -> AsyncIterator[Provider]:
    """Open what a partner pushes."""
    told = convert(config.provider, PushSettings, "provider")
    inbox = Inbox(config.beside(told.inbox))
    try:
        yield PushProvider(inbox, told.source)
    finally:
        inbox.close()


def _clock() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _origin(url: str, *, inside: bool, plain: bool) -> Origin:
    try:
        return Origin(base=url, inside=inside, plain=plain)
    except ValueError as error:
        raise UsageError("usage", f"provider: {error}") from None


def _tls(config: Config, authority: str, certificate: str) -> ssl.SSLContext | None:
    if not authority and not certificate:
        return None
    paths = [config.beside(each) if each else None for each in (authority, certificate)]
    try:
        return client_context(*paths)
    except ssl.SSLError:
        raise UsageError("usage", "provider: certificates in PEM, ours with its key in the same file") from None


PARTNERS = {
    "clicrdv": open_clicrdv,
    "fhir": open_fhir,
    "imip": open_imip,
    "link": open_link,
    "push": open_push,
}
