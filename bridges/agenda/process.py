"""``pli-bridge agenda --config FILE``: the automate at work, for ever. Source: docs/spec/appointments.md 6."""

import argparse
import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from bridges.agenda.adapters import clock, open_agenda
from bridges.agenda.agent import PATIENCE, WINDOW, Agent
from bridges.agenda.agent_memory import Memory
from bridges.agenda.coming.following import Following
from bridges.agenda.coming.links import links_of
from bridges.agenda.coming.practice import Practice
from bridges.agenda.coming.source import Source, open_sources
from bridges.agenda.coming.table import Table
from bridges.agenda.config import Config, load
from bridges.agenda.desk import Desk
from bridges.agenda.ics.publishing import published
from bridges.agenda.provider import Provider
from bridges.kit.client import Client
from bridges.kit.errors import RefusedError, UnreachableError, UsageError
from bridges.kit.home import Home
from bridges.kit.messages import Draft
from bridges.kit.watch import Alone, Watch
from bridges.kit.wire import from_text, to_text
from bridges.kit.words import say
from bridges.terminal.entry import entered_shared
from bridges.terminal.output import Output

REST: Final = 10.0  # seconds between looks at the agenda
ROUND: Final = timedelta(minutes=5)  # between looks at every conversation: reminders, answers that waited
SUBJECT: Final = "Agenda du cabinet (automate)"
HEALTH: Final = {
    "ready": ("L'agenda répond de nouveau.", "The agenda answers again."),
    "incomplete": (
        "Des événements de l'agenda ne se lisent pas : un créneau proposé peut déjà être pris.",
        "Some events of the agenda cannot be read: a slot that is offered may be taken.",
    ),
    "unreachable": ("L'agenda ne répond pas.", "The agenda does not answer."),
    "revoked": (
        "L'agenda refuse l'accès : vérifiez son mot de passe.",
        "The agenda lets nobody in: check its password.",
    ),
    "untrusted": (
        "L'agenda montre un certificat auquel cette machine ne se fie pas : rien ne lui est envoyé.",
        "The agenda shows a certificate that this machine does not trust: nothing is sent to it.",
    ),
    "misled": (
        "L'adresse de l'agenda mène ailleurs que prévu : rien n'y est envoyé.",
        "The address of the agenda leads elsewhere than it should: nothing is sent there.",
    ),
    "refused": ("L'agenda refuse ce qui lui est demandé.", "The agenda refuses what it is asked."),
}


async def run(args: argparse.Namespace, out: Output) -> None:
    """Work until it is stopped.

    Raises:
        UsageError: of the settings. ProtocolError: an alarm of a conversation.

    """
    if args.config is None:
        raise UsageError("usage", "--config FILE")
    config = load(args.config)
    home = Home(args.home)
    store = config.beside(config.store)
    memory, table = Memory(store, config.name), Table(store, config.name)
    try:
        async with (
            open_agenda(config) as provider,
            published(config, provider.appointments if isinstance(provider, Desk) else list) as publish,
            open_sources(config, provider) as sources,
            entered_shared(args, out) as client,
        ):
            agent = Agent(client, provider, memory, config.zone, clock)
            work = Work(agent, lambda: home.alone(_nobody), publish)
            work.following = following_of(work, table, sources, config)
            out.tell(say("L'automate de l'agenda travaille.", "The automate of the agenda works."))
            await work.forever()
    finally:
        memory.close()
        table.close()


@dataclass(slots=True)
class Work:
    """Looks where something happened at once, and everywhere from time to time."""

    agent: Agent
    alone: Alone
    publish: Callable[[], None] = lambda: None
    following: Following | None = None
    _waiting: set[bytes] = field(default_factory=set)
    _woken: asyncio.Event = field(default_factory=asyncio.Event)

    async def forever(self) -> None:
        """Work; stop by cancelling. Raises ProtocolError."""
        async with self.alone():
            await self._begin()
        listening = asyncio.create_task(self._listen())
        try:
            last = clock()
            while not listening.done():
                everywhere = clock() - last >= ROUND
                last = clock() if everywhere else last
                await self._step(everywhere=everywhere)
                await self._rest()
            await listening
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError):
                await listening

    async def _begin(self) -> None:
        """Find or make the conversation with the practice alone, and look everywhere once."""
        with suppress(UnreachableError, RefusedError):
            await self._client.feed.drain()
            desk = await self.own_conversation()
            now = clock()
            if not self.agent.memory.fact("published"):
                await self.agent.publish(desk, now, now + WINDOW, key="first")
                self.agent.memory.learn("published", "yes")
        self._waiting.update(self._client.device.store.conversations())

    async def _step(self, *, everywhere: bool) -> None:
        async with self.alone():
            if everywhere:
                self._waiting.update(self._client.device.store.conversations())
            with suppress(UnreachableError, RefusedError):
                await self._client.outbox.flush()
                if isinstance(self.agent.provider, Desk):
                    await self.agent.provider.settle()
                await self.agent.follow()
                await self._tell_health(self.agent.provider)
                while self._waiting:
                    await self._attend(self._waiting.pop())
                if self.following is not None:  # after the conversations: what they were given is known by now
                    await self.following.follow()
                self.publish()

    async def _attend(self, conversation: bytes) -> None:
        """Attend to one; what a server refuses there keeps no other waiting, and is tried at the next round."""
        try:
            looked = await self.agent.attend(conversation)
            if self.following is not None:
                await self.following.notice(looked)
        except UnreachableError:
            self._waiting.add(conversation)
            raise
        except RefusedError as refused:
            self._client.device.tell(f"{to_text(conversation)}: {refused.code}")

    async def own_conversation(self) -> bytes:
        """Give the conversation that only the practice is in, and begin it when there is none."""
        known = self.agent.memory.fact("conversation")
        if not known:
            started = await self._client.starting.alone(SUBJECT, Draft(_welcome()))
            known = to_text(started.conversation)
            self.agent.memory.learn("conversation", known)
        return from_text(known)

    async def _tell_health(self, provider: Provider) -> None:
        """Tell the practice, once, that its agenda stopped answering for a while, or answers again."""
        health = provider.health if isinstance(provider, Desk) else "ready"
        told = self.agent.memory.fact("health") or "ready"
        seen, _, since = self.agent.memory.fact("health_seen").partition(" ")
        if seen != health:
            since = clock().isoformat()
            self.agent.memory.learn("health_seen", f"{health} {since}")
            if health == "ready":  # whoever chose meanwhile waits for this
                self._waiting.update(self._client.device.store.conversations())
        lasts = clock() - datetime.fromisoformat(since) >= (PATIENCE if health == "unreachable" else timedelta())
        if health == told or not lasts:
            return
        place = datetime.fromisoformat(since).astimezone(ZoneInfo(self.agent.zone))
        words = f"{say(*HEALTH[health])} ({place:%d/%m/%Y %H:%M}, {self.agent.zone})"
        await self._client.messages.send(await self.own_conversation(), Draft(words))
        self.agent.memory.learn("health", health)

    async def _listen(self) -> None:
        async for event in Watch(self._client, self.alone).events():
            if event.get("conversation"):
                self._waiting.add(from_text(event["conversation"]))
                self._woken.set()

    async def _rest(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(REST):
                await self._woken.wait()
        self._woken.clear()

    @property
    def _client(self) -> Client:
        return self.agent.client


def following_of(work: Work, table: Table, sources: Sequence[Source], config: Config) -> Following | None:
    """Give what follows the partners of an agenda; None for one that has none and gives no page."""
    practice = Practice(work.agent, table, work.own_conversation)
    links = links_of(practice, sources, config)
    return Following(work.agent, table, practice, sources, links) if sources or links else None


def _nobody() -> None:
    """Who waits for whom here are two tasks of this process: nothing to tell."""


def _welcome() -> str:
    return say(
        "Ici, l'automate de votre agenda vous donne vos horaires libres. Personne d'autre ne lit cet échange.",
        "Here the automate of your agenda tells you your free times. Nobody else reads this conversation.",
    )
