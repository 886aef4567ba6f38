"""The composition root: the one place that knows every concrete class."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from aiohttp import web

from server.bus.memory import MemoryBus
from server.bus.redis import RedisBus
from server.clock import Clock, SystemClock
from server.domain.errors import DomainError, UnavailableError
from server.domain.ids import AccountId, SessionId
from server.jobs.work import DOCUMENTS, Worker
from server.services import ports
from server.services.accounts import AccountService, ActivationService
from server.services.attachments import AttachmentService
from server.services.chains import Chains
from server.services.container import Services
from server.services.conversations import ConversationService
from server.services.envelopes import EnvelopeService
from server.services.feed import FeedService
from server.services.invitations import InvitationService
from server.services.journal import JournalService
from server.services.opposition import OppositionService
from server.services.pace import Pace
from server.services.retention import RetentionService
from server.services.sessions import DAY, SessionService
from server.services.stamps import Stamps
from server.settings import Settings
from server.storage.blobs import Blobs, RemoteBlobs
from server.storage.bucket import BucketWatch
from server.storage.identity import load_identity, stamp_key
from server.storage.measured import MeasuredStore
from server.storage.postgres_store import PostgresStore
from server.storage.room import RoomWatch
from server.storage.store import SqliteStore, Store
from server.storage.traced import TracedStore
from server.traces import Tracer
from server.transport.connections import CONNECTIONS, Connections
from server.transport.live.doors import Doors
from server.transport.live.gateway import Gateway
from server.transport.live.lean import LeanSocket
from server.transport.live.socket_io import SocketIO
from server.transport.rest import health, problems
from server.transport.rest.json import LIMIT
from server.transport.rest.routes import routes
from server.transport.traced import tracing

SERVICES: Final = web.AppKey("services", Services)
STORE: Final = web.AppKey("store", Store)
BUS: Final = web.AppKey("bus", MemoryBus)
GATEWAY: Final = web.AppKey("gateway", Gateway)


def build_app(settings: Settings, *, clock: Clock | None = None) -> web.Application:
    """Build the application that serves ``settings.data``, which ``pli init`` has laid out."""
    clock = clock or SystemClock()
    store, bus = _kept(settings)
    measured: ports.Store = MeasuredStore(store)
    middlewares = [problems.edge(access_log=settings.access_log)]
    tracer = Tracer(settings.traces, clock, every=settings.traces_every) if settings.traces else None
    if tracer is not None:
        measured = TracedStore(measured, tracer)
        middlewares.insert(0, tracing(tracer))
    blobs = RemoteBlobs.at(settings.data, settings.blobs_url) if settings.blobs_url else Blobs.open(settings.data)
    services = _services(settings, clock, measured, bus, blobs)
    app = web.Application(
        middlewares=middlewares,
        client_max_size=LIMIT,
        handler_args={"auto_decompress": False},  # not even of a body that is refused and read to its end
    )
    app[SERVICES], app[STORE], app[BUS] = services, store, bus
    app[CONNECTIONS] = Connections(settings.connections, settings.connections_each, settings.trusted_proxies)
    if tracer is not None:
        app.cleanup_ctx.append(_sending(tracer))
    documents = BucketWatch(blobs.bucket, _written(store)) if isinstance(blobs, RemoteBlobs) else None
    if documents is not None:
        app.cleanup_ctx.append(_watching(documents))  # before the store: a refused bucket leaves nothing begun
    app.cleanup_ctx.append(_storage)
    app.cleanup_ctx.append(_working)
    app.add_routes(routes(services))
    _live(app, services, bus)
    app.router.add_get("/healthz", health.healthz)
    room = RoomWatch(settings.data, lambda: store.full_at)
    app.router.add_get("/readyz", health.readyz([("store", store.ready)], _spared(room, documents)))
    return app


def _kept(settings: Settings) -> tuple[Store, MemoryBus]:
    """Choose where everything is kept, and how nodes of one database wake each other."""
    store: Store

    async def ask(accounts: list[AccountId], sessions: list[SessionId]) -> tuple[dict[AccountId, int], set[SessionId]]:
        return await store.read(lambda view: (view.log.last_positions(accounts), view.sessions.still_open(sessions)))

    bus = RedisBus(settings.redis_url, ask) if settings.redis_url else MemoryBus()
    if settings.database_url:
        store = PostgresStore(settings.database_url, bus.announce)
    else:
        store = SqliteStore(settings.database, bus.announce)
    return store, bus


def _services(settings: Settings, clock: Clock, store: ports.Store, bus: MemoryBus, blobs: Blobs) -> Services:
    identity, chains = load_identity(settings.data), Chains()
    shared = settings.redis_url is not None
    stamps = Stamps(clock, stamp_key(settings.data)) if shared else Stamps(clock)
    sessions = SessionService(store, bus, clock, identity, stamps, lifetime=settings.session_days * DAY, shared=shared)
    pace = Pace.of(clock, account=settings.account_pace, conversation=settings.conversation_pace)
    journal, feed = JournalService(store, clock), FeedService(store, bus)
    envelopes = EnvelopeService(store, clock, pace, journal)
    bus.listen(sessions)
    bus.listen(feed)
    return Services(
        settings=settings,
        clock=clock,
        store=store,
        identity=identity,
        attachments=AttachmentService(
            store, blobs, clock, journal, limit=settings.attachment_limit, quota=settings.attachment_quota
        ),
        activations=ActivationService(store, clock),
        accounts=AccountService(store, clock, identity, chains, sessions),
        sessions=sessions,
        conversations=ConversationService(store, clock, chains, envelopes, journal),
        envelopes=envelopes,
        invitations=InvitationService(store, clock, chains, sessions),
        opposition=OppositionService(store, clock, pace, chains),
        journal=journal,
        retention=RetentionService(store, clock),
        feed=feed,
    )


def _live(app: web.Application, services: Services, bus: MemoryBus) -> None:
    """Add the live sockets: one gateway, two framings."""
    gateway = Gateway(services.feed, Doors(services.settings.sockets, services.settings.sockets_each))
    bus.listen(gateway)
    app[GATEWAY] = gateway
    app.router.add_get("/v1/live", LeanSocket(services, gateway, _document).connect)
    SocketIO(services, gateway).attach(app)

    async def end(_: web.Application) -> None:
        services.feed.end_waiting()
        await gateway.close()

    app.on_shutdown.append(end)


def _document(refusal: BaseException) -> bytes:
    """Render a refusal as a problem document, for a socket."""
    response = problems.refusal(refusal) if isinstance(refusal, DomainError) else problems.problem("internal")
    return response.body if isinstance(response.body, bytes) else b"{}"


def _spared(room: RoomWatch, documents: BucketWatch | None) -> list[tuple[str, health.Ready]]:
    """Return the parts without which something goes on: reading, messages.

    The bucket is one for all nodes, the folder of a server the only one: to take any node out helps nobody.
    """
    return [("room", room.ready), *([("documents", documents.ready)] if documents else [])]


def _watching(documents: BucketWatch) -> Callable[[web.Application], AsyncIterator[None]]:
    async def watch(_: web.Application) -> AsyncIterator[None]:
        await documents.require()
        watching = asyncio.create_task(documents.watch_for_ever())
        yield
        watching.cancel()
        await asyncio.wait([watching])

    return watch


def _written(store: Store) -> Callable[[], Awaitable[bool]]:
    async def written() -> bool:
        """Tell whether the bucket took what was last written to it, by whatever node."""
        try:
            states = await store.read(lambda view: view.jobs.states())
        except UnavailableError:
            return True  # nobody knows, and `/readyz` says that nothing works
        return not any(state.name == DOCUMENTS and state.failed for state in states)

    return written


async def _storage(app: web.Application) -> AsyncIterator[None]:
    await app[STORE].start()
    await app[BUS].start()
    yield
    await app[STORE].stop()  # commits what is queued, and announces it
    await app[BUS].stop()


def _sending(tracer: Tracer) -> Callable[[web.Application], AsyncIterator[None]]:
    async def send(_: web.Application) -> AsyncIterator[None]:
        sending = asyncio.create_task(tracer.send_for_ever())
        yield
        sending.cancel()
        await asyncio.wait([sending])

    return send


async def _working(app: web.Application) -> AsyncIterator[None]:
    working = asyncio.create_task(Worker(app[SERVICES]).work_for_ever())
    yield
    working.cancel()
    await asyncio.wait([working])
