"""Opens the doors of a practice for its partners; publishes its slots. Source: docs/operate/agenda-partners.md."""

import asyncio
import base64
import binascii
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Final

from aiohttp import web

from bridges.agenda.adapters import clock, open_agenda
from bridges.agenda.config import load as load_agenda
from bridges.agenda.doors import runner_of
from bridges.agenda.fhir import identifiers
from bridges.agenda.fhir.gate import Caller, CertificateGate
from bridges.agenda.fhir.practice import Place, Professional
from bridges.agenda.fhir.server import Endpoint
from bridges.agenda.listen.settings import (
    Door,
    FhirSettings,
    MllpSettings,
    PlaceSettings,
    PublishSettings,
    PushPartner,
    Settings,
    SiteSettings,
)
from bridges.agenda.provider import Ability, AgendaError, Provider, Window
from bridges.agenda.publish.smart import Publication, Site
from bridges.agenda.push.arrival import MalformedError, known_zone
from bridges.agenda.push.inbox import RETENTION, Inbox
from bridges.agenda.push.mllp import Feed, Listener
from bridges.agenda.push.signature import Keys
from bridges.agenda.push.webhook import Partner, Webhook
from bridges.kit.errors import UsageError

TIDY: Final = 3600.0  # seconds between looks at what may be forgotten
Job = Callable[[], Awaitable[None]]
GRACE: Final = 5.0  # seconds for requests under way when the doors close


@dataclass(slots=True)
class Doors:
    """What is open: the ports, by name."""

    settings: Settings
    inbox: Inbox
    ports: dict[str, int]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Doors]:
    """Open every door that the settings describe. Raises UsageError."""
    inbox = Inbox(settings.beside(settings.inbox))
    async with AsyncExitStack() as stack:
        stack.callback(inbox.close)
        opening = _Opening(settings, inbox, stack, {})
        try:
            doors = await opening.all()
        except (ValueError, MalformedError) as error:
            raise UsageError("usage", f"--config: {error}") from None
        yield doors


@dataclass(slots=True)
class _Opening:
    settings: Settings
    inbox: Inbox
    stack: AsyncExitStack
    agendas: dict[Path, Provider]

    async def all(self) -> Doors:
        known_zone(self.settings.zone)
        doors = Doors(self.settings, self.inbox, {})
        if (told := self.settings.webhook) is not None:
            partners = {each.name: self._partner(each) for each in told.partners}
            webhook = Webhook(inbox=self.inbox, partners=partners, clock=clock)
            tls = self.settings.tls(told, needed=False)
            doors.ports["webhook"] = await self._serve(webhook.app(), told, tls)
        for each in self.settings.mllp:
            doors.ports[f"mllp {each.source}"] = await self._listen(each)
        if (fhir := self.settings.fhir) is not None:
            doors.ports["fhir"] = await self._serve(
                (await self._endpoint(fhir)).app(), fhir, self.settings.tls(fhir, needed=True)
            )
        if (publish := self.settings.publish) is not None:
            self._repeat(await self._publisher(publish), publish.minutes * 60.0)
        self._repeat(self._tidy, TIDY)
        return doors

    def _partner(self, told: PushPartner) -> Partner:
        try:
            public = [base64.b64decode(each, validate=True) for each in told.public_keys]
        except binascii.Error:
            raise ValueError("public_keys: base64") from None
        keys = Keys(secrets=[self.settings.secret(each) for each in told.secret_files], public=public)
        return Partner(name=told.name, keys=keys, zone=known_zone(told.zone or self.settings.zone))

    async def _listen(self, told: MllpSettings) -> int:
        networks = tuple(ip_network(each) for each in told.networks)
        tls = self.settings.tls(told, needed=not networks)
        feed = Feed(source=told.source, zone=known_zone(told.zone or self.settings.zone), networks=networks)
        listener = Listener(inbox=self.inbox, feed=feed, clock=clock)
        port = await listener.start(told.host, told.port, tls=tls)
        self.stack.push_async_callback(listener.stop)
        return port

    async def _endpoint(self, told: FhirSettings) -> Endpoint:
        if not told.authority_file:
            raise ValueError("fhir.authority_file: callers are known by their certificates")
        professionals = [
            Professional(
                identifier=identifiers.person(each.rpps),
                family=each.family,
                given=each.given,
                phone=identifiers.phone(each.phone) if each.phone else "",
                places=[await self._place(place) for place in each.places],
            )
            for each in told.professionals
        ]
        callers = {each.name: Caller(common_name=each.common_name, unit=each.unit) for each in told.callers}
        return Endpoint(
            base=told.base,
            professionals=professionals,
            inbox=self.inbox,
            gate=CertificateGate(callers),
            clock=clock,
            zone=self.settings.zone,
        )

    async def _place(self, told: PlaceSettings) -> Place:
        agenda, zone = await self._agenda(told.agenda)
        return Place(
            key=told.key,
            structure=told.structure,
            lines=told.lines,
            city=told.city,
            postal_code=told.postal_code,
            zone=zone,
            booking=told.booking,
            agenda=agenda,
            audiences=told.audiences,
            specialties=told.specialties,
            walk_in=told.walk_in,
        )

    async def _publisher(self, told: PublishSettings) -> Job:
        sites = [await self._site(each) for each in told.sites]
        publication = Publication(folder=self.settings.beside(told.folder), base=told.base.rstrip("/"), sites=sites)

        async def publish() -> None:
            now = clock()
            await publication.write(Window(start=now, end=now + timedelta(days=told.days)), now)

        return publish

    async def _site(self, told: SiteSettings) -> Site:
        agenda, _ = await self._agenda(told.agenda)
        return Site(
            key=told.key,
            name=told.name,
            phone=told.phone,
            page=told.page,
            lines=told.lines,
            city=told.city,
            postal_code=told.postal_code,
            agenda=agenda,
        )

    async def _agenda(self, name: str) -> tuple[Provider, str]:
        path = self.settings.beside(name)
        config = load_agenda(path)
        if path not in self.agendas:
            self.agendas[path] = await self.stack.enter_async_context(open_agenda(config))
        if not self.agendas[path].capabilities().can(Ability.FIND):
            raise ValueError("agenda: one that can say what is free")
        return self.agendas[path], config.zone

    async def _serve(self, app: web.Application, door: Door, tls: ssl.SSLContext | None) -> int:
        runner = runner_of(app, shutdown_timeout=GRACE)
        await runner.setup()
        self.stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, door.host, door.port, ssl_context=tls).start()
        return int(runner.addresses[0][1])

    def _repeat(self, job: Job, seconds: float) -> None:
        task = asyncio.create_task(self._forever(job, seconds))

        async def end() -> None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        self.stack.push_async_callback(end)

    async def _forever(self, job: Job, seconds: float) -> None:
        """Repeat a job; one that fails is a trouble for the practice, and is tried again."""
        while True:
            try:
                await job()
            except AgendaError as error:
                self.inbox.trouble("publish", error.code, clock())
            except OSError as error:
                self.inbox.trouble("publish", type(error).__name__, clock())
            await asyncio.sleep(seconds)

    async def _tidy(self) -> None:
        self.inbox.forget(before=clock() - RETENTION)
